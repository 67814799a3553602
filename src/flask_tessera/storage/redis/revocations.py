"""`RevocationLog` in Redis: a stream, which is the truth, read by those that it wakes."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ...clocks import boot_clock
from ...errors import StorageUnavailableError
from ..contract import Revocation, Revocations, Wakeup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .homes import Homes
    from .link import Link
    from .node import Node

_NONCE_BITS: Final = 32
_NONCES: Final = (1 << _NONCE_BITS) - 1
_MOST: Final = 2000
"""Entries in one reply: it must not make others wait."""
_GRACE: Final = 2.0
"""Seconds by which an answer may be later than the server was asked to give it."""
_LATE: Final = 0.3
"""Seconds by which the answer to a wait is so late that the server may have been replaced while it stood still."""
_MOST_HEARD: Final = 64
_FIRST: Final = b"0-0"
"""Before all entries of a stream."""


class _Entry(msgspec.Struct, array_like=True, gc=False):
    """As `scripts/log.lua` writes it; a later release may add fields behind these."""

    nonce: int
    at: int
    noted: int
    forget_at: int
    reason: str
    sid: bytes
    realm: str
    user_id: str
    epoch: int
    except_sid: bytes


_decode: Final = msgspec.msgpack.Decoder(list[_Entry]).decode


class RedisRevocations:
    """A cursor is the number of an entry and its nonce: a fail-over may put another one in its place."""

    bound = 2

    def __init__(self, link: Link, homes: Homes) -> None:
        self._link = link
        self._homes = homes
        self._log_id = b""
        self._era = 0
        self._pulse = _FIRST
        self._read_from: tuple[Node, int] | None = None

    def stamp(self) -> object:
        return tuple(
            self._link.reading().command(
                self._link.log, b"HMGET", self._link.log + b"meta", b"log_id", b"n", b"nonce", b"era"
            )
        )

    def exists(self) -> bool:
        """Whether the log has begun; it begins when it is first read.

        Raises:
            StorageUnavailableError: Redis does not answer.
        """
        return bool(self._link.reading().command(self._link.log, b"EXISTS", self._link.log + b"meta"))

    def after(self, cursor: int, *, at: int) -> Revocations:
        # Taken before: after a fail-over the answer may be of another server than the next one.
        node = self._link.reading().server(self._link.log)
        read_from = node, node.times_closed
        position = cursor >> _NONCE_BITS, cursor & _NONCES
        *said, is_whole, rows = self._ask("after", at, *position, _MOST)
        page = self._revocations(said, _entries(rows), is_whole=bool(is_whole))
        self._read_from = read_from
        return page

    def tail(self, *, at: int) -> Revocations:
        page = self._revocations(self._ask("log_end", at), (), is_whole=True)
        return msgspec.structs.replace(page, cursor=0, last=page.cursor >> _NONCE_BITS)

    def ended_all(self, realm: str, user_id: str, *, after: int) -> bool:
        entries, count = self._link.log + b"entries", _MOST
        step = self._link.reading()
        while count == _MOST:
            some = step.command(self._link.log, b"XRANGE", entries, f"{after + 1}-0", b"+", b"COUNT", _MOST)
            found = _decoded(_joined([fields[1] for _, fields in some]))
            # Also by what a cluster notes before it ends them.
            if any((each.realm, each.user_id) == (realm, user_id) for each in found):
                return True
            count, after = len(some), int(some[-1][0].partition(b"-")[0]) if some else after
        return False

    def wait(self, cursor: int, *, longest: float) -> Wakeup:
        # Sentinels put a replica in the place of a master, and tell that master some ten seconds later.
        self._link.nodes.look()
        step, log = self._link.reading(), self._link.log
        node = step.server(log)
        streams = (log + b"entries", log + b"pulse", f"{cursor >> _NONCE_BITS}-0", self._pulse)
        command = (b"XREAD", b"COUNT", _MOST_HEARD, b"BLOCK", max(1, int(longest * 1000)), b"STREAMS", *streams)
        sent = boot_clock()
        (found,) = step.ask(node, command, answer=longest + _GRACE)
        is_late = boot_clock() - sent > longest + _LATE
        if is_late:
            self._link.nodes.suspect()
        if not found:
            return Wakeup(is_unchanged=not is_late and self._read_from == (node, node.times_closed))
        read = dict(found)
        if pulse := read.get(log + b"pulse"):
            self._pulse = pulse[-1][0]
        return Wakeup(_entries(_joined([fields[1] for _, fields in read.get(log + b"entries", ())])))

    def interrupt(self) -> None:
        """Nothing: a wait is short, and its connection may not be closed by another thread."""

    def restore(self, *, at: int) -> int:
        keys = self._link.log_keys(b"meta", b"entries", b"era", b"pulse")
        _, era = self._link.writing().run("restore", keys, secrets.token_hex(8), at, self._era)
        self._era = era
        return int(era)

    def purge(self, *, at: int) -> None:
        begin = 1
        while begin:
            _, begin = self._link.writing().run("forget", self._link.log_keys(b"entries"), at, begin, _MOST)

    def _ask(self, name: str, at: int, *arguments: int) -> Sequence[Any]:
        keys = self._link.log_keys(b"meta", b"entries", b"era")
        reply: Sequence[Any] = self._link.reading().run(name, keys, at, secrets.token_hex(8), self._era, *arguments)
        return reply

    def _revocations(self, said: Sequence[Any], entries: tuple[Revocation, ...], *, is_whole: bool) -> Revocations:
        log_id, born_at, number, nonce, era = said
        self._era = max(self._era, era)
        if log_id != self._log_id:
            self._log_id, self._pulse = log_id, _FIRST
            self._homes.doubt()
        cursor = number << _NONCE_BITS | int(nonce)
        return Revocations(entries, cursor, log_id.decode(), int(born_at), era, is_whole)


def _joined(entries: Sequence[bytes]) -> bytes:
    """An array of these: msgpack array 32."""
    return b"\xdd" + len(entries).to_bytes(4, "big") + b"".join(entries)


def _decoded(raw: bytes) -> list[_Entry]:
    try:
        return _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StorageUnavailableError("an entry of the revocation log cannot be read") from error


def _entries(raw: bytes) -> tuple[Revocation, ...]:
    found = [
        Revocation(e.forget_at, e.reason, e.sid, e.realm, e.user_id, e.epoch, e.except_sid)
        for e in _decoded(raw)
        if e.sid or e.epoch
    ]
    # What was told twice counts once.
    return tuple(dict.fromkeys(found))
