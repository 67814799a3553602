"""`RevocationLog` in Redis: a stream, which is the truth, read by those that it wakes."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from ...errors import StorageUnavailableError
from ..contract import Revocation, Revocations

if TYPE_CHECKING:
    from .homes import Homes
    from .link import Link

_NONCE_BITS: Final = 32
_NONCES: Final = (1 << _NONCE_BITS) - 1
_MOST: Final = 2000
"""Entries in one reply: it must not make others wait."""
_MOST_LOGS: Final = 3
"""Logs that may take each other's place while one call reads."""
_GRACE: Final = 2.0
"""Seconds by which an answer may be later than the server was asked to give it."""
_MOST_BEATS: Final = 64
_READ: Final = (b"meta", b"entries", b"era")
_RESTORED: Final = (*_READ, b"pulse")


class RedisRevocations:
    """A cursor is the number of an entry and its nonce: a fail-over may put another one in its place."""

    bound = 2

    def __init__(self, link: Link, homes: Homes) -> None:
        self._link = link
        self._homes = homes
        self._log_id = ""
        self._era = 0
        self._pulse = b""

    def stamp(self) -> object:
        return tuple(
            self._link.reading().command(
                self._link.log, b"HMGET", self._link.log + b"meta", b"log_id", b"n", b"nonce", b"era"
            )
        )

    def after(self, cursor: int, *, at: int) -> Revocations:
        for _ in range(_MOST_LOGS):
            page = self._read_all(cursor, at)
            if page is not None:
                self._know(page)
                return page
            cursor = 0
        raise StorageUnavailableError("Redis: the revocation log is lost again and again")

    def wait(self, cursor: int, *, longest: float) -> tuple[str, ...]:
        step, log = self._link.reading(), self._link.log
        self._pulse = self._pulse or self._last_pulse()
        streams = (log + b"entries", log + b"pulse", f"{cursor >> _NONCE_BITS}-0", self._pulse)
        command = (b"XREAD", b"COUNT", _MOST_BEATS, b"BLOCK", max(1, int(longest * 1000)), b"STREAMS", *streams)
        (found,) = step.ask(step.server(log), command, answer=longest + _GRACE)
        beats = [entries for name, entries in found or () if name == log + b"pulse"]
        if not beats:
            return ()
        self._pulse = beats[0][-1][0]
        return tuple(fields[1].decode() for _, fields in beats[0] if fields[1])

    def restore(self, *, at: int) -> int:
        _, era = self._link.writing().run(
            "restore", self._link.log_keys(*_RESTORED), secrets.token_hex(8), at, self._era
        )
        self._era = era
        return int(era)

    def purge(self, *, at: int) -> None:
        begin = 1
        while begin:
            _, begin = self._link.writing().run("forget", self._link.log_keys(b"entries"), at, begin, _MOST)

    def _last_pulse(self) -> bytes:
        pulse = self._link.log + b"pulse"
        last = self._link.reading().command(self._link.log, b"XREVRANGE", pulse, b"+", b"-", b"COUNT", 1)
        return last[0][0] if last else b"0-0"

    def _read_all(self, cursor: int, at: int) -> Revocations | None:
        """All entries after `cursor`; None if the log became another one meanwhile."""
        entries: dict[Revocation, None] = {}
        log_id = b""
        while True:
            number, nonce = cursor >> _NONCE_BITS, cursor & _NONCES
            found, born_at, last, last_nonce, era, rows = self._link.reading().run(
                "after", self._link.log_keys(*_READ), number, nonce, at, secrets.token_hex(8), self._era, _MOST
            )
            if log_id not in (b"", found):
                return None
            log_id = found
            # What was told twice counts once.
            entries |= dict.fromkeys(map(_entry, rows))
            if len(rows) < _MOST:
                end = last << _NONCE_BITS | int(last_nonce)
                return Revocations(tuple(entries), end, log_id.decode(), int(born_at), era)
            cursor = _cursor_of(rows[-1])

    def _know(self, page: Revocations) -> None:
        self._era = max(self._era, page.era)
        if page.log_id != self._log_id:
            self._log_id, self._pulse = page.log_id, b""
            self._homes.doubt()


def _fields(row: tuple[bytes, list[bytes]]) -> dict[bytes, bytes]:
    return dict(zip(row[1][::2], row[1][1::2], strict=True))


def _entry(row: tuple[bytes, list[bytes]]) -> Revocation:
    fields = _fields(row)
    try:
        return Revocation(
            int(fields[b"forget_at"]),
            fields[b"reason"].decode(),
            fields[b"sid"],
            fields[b"realm"].decode(),
            fields[b"user_id"].decode(),
            int(fields[b"epoch"]),
            fields[b"except_sid"],
        )
    except (KeyError, ValueError) as error:
        raise StorageUnavailableError("an entry of the revocation log cannot be read") from error


def _cursor_of(row: tuple[bytes, list[bytes]]) -> int:
    number, _, _ = row[0].partition(b"-")
    return int(number) << _NONCE_BITS | int(_fields(row)[b"nonce"])
