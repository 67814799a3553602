"""All keys of a kind, server by server, a few at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from .homes import SID_LENGTH

if TYPE_CHECKING:
    from .link import Link
    from .node import Node

_STRETCH: Final = 1000
"""Keys that a server looks at for one reply: it must not make others wait."""


class Key(NamedTuple):
    """Of a session ("s") or a principal ("p")."""

    tag: bytes
    kind: bytes
    name: bytes


class Walk:
    """All keys of sessions, or of other `kinds`; what comes or goes meanwhile may be passed over.

    Args:
        link: to the servers.
        kinds: letters of the kinds wanted.
    """

    def __init__(self, link: Link, kinds: bytes = b"s") -> None:
        self._link = link
        self._kinds = kinds
        self._servers = link.reading().servers()
        self._cursor = b"0"
        self._waiting: list[Key] = []

    def take(self, most: int) -> list[Key]:
        """The next keys, at most so many; none at the end.

        Raises:
            StorageUnavailableError: a server does not answer.
        """
        while not self._waiting and self._servers:
            self._scan()
        taken, self._waiting = self._waiting[:most], self._waiting[most:]
        return taken

    def _scan(self) -> None:
        self._cursor, self._waiting = scan(self._link, self._servers[0], self._cursor, _STRETCH, self._kinds)
        if self._cursor == b"0":
            del self._servers[0]


def scan(link: Link, server: Node, cursor: bytes, count: int, kinds: bytes) -> tuple[bytes, list[Key]]:
    """Some keys of one server, of about `count` that it looks at; gives the cursor to go on with, "0" at the end.

    Raises:
        StorageUnavailableError: it does not answer.
    """
    pattern = b"%b:{????}:[%b]:*" % (link.prefix, kinds)
    ((following, names),) = link.reading().ask(server, (b"SCAN", cursor, b"MATCH", pattern, b"COUNT", count))
    begin = len(link.prefix) + 2
    keys = [_key(name[begin:]) for name in names]
    return following, [key for key in keys if key.kind != b"s" or len(key.name) == SID_LENGTH]


def _key(name: bytes) -> Key:
    # Such as "ab12}:s:name".
    return Key(bytes.fromhex(name[:4].decode()), name[6:7], name[8:])
