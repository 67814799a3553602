"""`WaitingLog` in Redis: a stream, which is the truth, read by those that it wakes."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import astuple, fields, replace

from ...errors import StorageUnavailableError
from ...sessions.revocations import Revocation
from ..model import Checkpoint, LogPage, Wakeup
from .client import Call, scripted
from .records import unpack_principal, unpack_session
from .units import Batch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .client import Client
    from .records import Keys

_NONCES: Final = 1 << 32
_MOST: Final = 2000
"""Entries in one reply: it must not make others wait."""
_MOST_SINCE: Final = 500
"""Entries in one reply about what has happened during a login."""
_MOST_HEARD: Final = 64
_FIRST: Final = b"0-0"
"""Before all entries of a stream."""
_Entry: Final = msgspec.defstruct("_Entry", [(each.name, each.type) for each in fields(Revocation)], array_like=True)
"""What is kept of a `Revocation` are its fields in their order; a later release may add some behind these."""
_decode: Final = msgspec.msgpack.Decoder(_Entry).decode
_encode: Final = msgspec.msgpack.Encoder().encode


class RedisLog:
    """A cursor is the number of an entry and its nonce: a fail-over may put another one in its place."""

    bound = 2

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self.keys: Final = keys.log_keys(b"meta", b"entries", b"forget", b"pulse")
        self._reading: Final = keys.log_keys(b"meta", b"entries", b"valid")
        self._log_id = b""
        self._valid_from = 0
        self._pulse = _FIRST
        self._read_from: object = None

    def after(self, cursor: int, *, at: int) -> LogPage:
        # Taken before: after a fail-over the answer may be of another server than the next one.
        read_from = self._client.servers.of(self.keys[0]).connections
        page = self._read(cursor, _MOST, at)
        self._read_from = read_from
        return replace(page, entries=self._resolved(page.entries), number=0)

    def head(self, *, at: int) -> LogPage:
        return replace(self._read(0, 0, at), cursor=0)

    def append(self, entries: Sequence[Revocation], *, at: int) -> None:
        batch = Batch()
        self.add_to(batch, entries, at)
        if entries:
            self._client.run(batch.call(waits=True))

    def add_to(self, batch: Batch, entries: Sequence[Revocation], at: int) -> None:
        """Let a step append entries: bytes, a nonce, when each may be forgotten, and in how many seconds."""
        if entries:
            batch.others = self.keys
        for entry in entries:
            nonce, seconds = secrets.randbelow(_NONCES), max(entry.forget_at - at, 0)
            batch.commands.append((b"LOG", self.keys[0], _encode(astuple(entry)), nonce, entry.forget_at, seconds))

    def restart(self, *, at: int, valid_from: int) -> None:
        keys = self._keys.log_keys(b"meta", b"entries", b"valid", b"pulse")
        known = max(valid_from, self._valid_from)
        self._client.run(scripted("restart", keys, secrets.token_hex(8), at, known, writes=True, waits=True))

    def drop_expired(self, *, at: int, most: int, is_sure: bool) -> int:
        meta, entries, forget, _ = self.keys
        found, (now, _) = self._client.run(
            Call(meta, ("ZRANGEBYSCORE", forget, "-inf", at, "LIMIT", 0, most)), Call(meta, ("TIME",))
        )
        # By the server's own clock as well as by the caller's: one alone may have jumped.
        dropped = [name for name in found if is_sure or int(name.partition(b":")[2]) <= int(now)]
        if dropped:
            batch = Batch()
            numbers = [name.partition(b":")[0] + b"-0" for name in dropped]
            batch.commands += [(b"XDEL", entries, *numbers), (b"ZREM", forget, *dropped)]
            self._client.run(batch.call())
        return len(dropped)

    def wait(self, cursor: int, *, longest: float) -> Wakeup:
        _, entries, _, pulse = self.keys
        bounds = ("COUNT", _MOST_HEARD, "BLOCK", max(1, int(longest * 1000)))
        places = (entries, pulse, f"{cursor // _NONCES}-0", self._pulse)
        found = self._client.listen(entries, "XREAD", *bounds, "STREAMS", *places, seconds=longest)
        if not found:
            return Wakeup(is_unchanged=self._read_from is self._client.servers.of(entries).connections)
        read = dict(found)
        if pulses := read.get(pulse):
            self._pulse = pulses[-1][0]
        return Wakeup(_entries(read.get(entries, ())))

    def interrupt(self) -> None:
        """Nothing: a wait is short, and its connection may not be closed by another thread."""

    def since(self, number: int) -> list[Call]:
        """Asks for the name of the log and its first entries after this number."""
        meta, entries, *_ = self.keys
        found = ("XRANGE", entries, number + 1, "+", "COUNT", _MOST_SINCE)
        return [Call(meta, ("HGET", meta, "log_id")), Call(meta, found)]

    def was_revoked(self, checkpoint: Checkpoint, realm: str, user_id: str, said: Sequence[Any]) -> bool:
        """Whether all of a user's sessions were ended, or are about to be, or the log is another one than it was.

        That is since the checkpoint; `since` has given what was `said` first.
        """
        while True:
            name, rows = said
            ended = ((each.realm, each.user_id) for each in _entries(rows) if each.epoch)
            if (name or b"").decode() != checkpoint.log_id or (realm, user_id) in ended:
                return True
            if len(rows) < _MOST_SINCE:
                return False
            said = self._client.run(*self.since(int(rows[-1][0].partition(b"-")[0])))

    def _read(self, cursor: int, most: int, at: int) -> LogPage:
        arguments = (at, secrets.token_hex(8), self._valid_from, *divmod(cursor, _NONCES), most)
        reply = self._client.run(scripted("after", self._reading, *arguments))[0]
        log_id, created_at, number, nonce, valid_from, is_whole, rows, delay = reply
        self._valid_from = max(self._valid_from, valid_from)
        if log_id != self._log_id:
            self._log_id, self._pulse = log_id, _FIRST
        cursor, name = number * _NONCES + int(nonce), log_id.decode()
        return LogPage(_entries(rows), cursor, name, int(created_at), valid_from, bool(is_whole), number, delay)

    def _resolved(self, entries: tuple[Revocation, ...]) -> tuple[Revocation, ...]:
        """The entries, of which those are no intents any more that were carried out."""
        intents = [entry for entry in entries if entry.is_intent]
        if not intents:
            return entries
        of_user, of_session = self._keys.user, self._keys.session
        keys = [of_session(each.sid) if each.sid else of_user(each.realm, each.user_id).principal for each in intents]
        found = self._client.get(keys)
        done = {entry for entry, raw in zip(intents, found, strict=True) if _was_done(entry, raw)}
        return tuple(dict.fromkeys(replace(entry, is_intent=False) if entry in done else entry for entry in entries))


def _was_done(entry: Revocation, raw: bytes | None) -> bool:
    if entry.sid:
        # One that is not known is refused as well.
        return raw is None or bool(unpack_session(entry.sid, raw).ended_at)
    return unpack_principal(entry.realm, entry.user_id, raw).epoch >= entry.epoch


def _entries(rows: Sequence[Any]) -> tuple[Revocation, ...]:
    try:
        found = [_decode(fields[1]) for _, fields in rows]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StorageUnavailableError("an entry of the revocation log cannot be read") from error
    return tuple(Revocation(*astuple(entry)) for entry in found)
