"""All keys of a kind, server by server, a few at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ...errors import StorageUnavailableError
from ...sessions.ids import SID_LENGTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .client import Client
    from .records import Keys
    from .server import Server

_COUNT: Final = 500
"""Keys that a server looks at for one reply: it must not make others wait."""


class Key(NamedTuple):
    """A key under a tag: of a session (s), a principal (p), a value (k), and so on."""

    key: bytes
    tag: bytes
    kind: bytes
    name: bytes


class Scan:
    """Goes through all keys of some kinds; what comes or goes meanwhile may be passed over.

    Args:
        client: to the servers.
        keys: names of keys.
        kinds: letters.
    """

    def __init__(self, client: Client, keys: Keys, kinds: bytes) -> None:
        self._client = client
        self._keys = keys
        self._kinds = kinds
        self._servers = list(client.all())
        self._cursor = b"0"
        self._put_back: Sequence[Key] = ()

    @property
    def is_over(self) -> bool:
        """Whether nothing is left."""
        return not self._servers and not self._put_back

    def put_back(self, found: Sequence[Key]) -> None:
        """Give these keys once more, before all others."""
        self._put_back = found

    def next(self) -> list[Key]:
        """Some more keys, perhaps none.

        Raises:
            StorageUnavailableError: a server does not answer.
        """
        if self._put_back:
            found, self._put_back = list(self._put_back), ()
            return found
        self._cursor, found = _scan(self._client, self._keys, self._servers[0], self._cursor, _COUNT, self._kinds)
        if self._cursor == b"0":
            del self._servers[0]
        return found


def read_page(client: Client, keys: Keys, cursor: str, most: int, kinds: bytes) -> tuple[list[Key], str]:
    """About `most` keys after a cursor of the form "server|cursor of it", and the next cursor, empty at the end.

    Raises:
        StorageUnavailableError: a server does not answer, or the servers have changed.
    """
    servers = list(client.all())
    name, _, said = cursor.rpartition("|")
    place = _place_of(servers, name) if cursor else 0
    following, found = _scan(client, keys, servers[place], said.encode() or b"0", most, kinds)
    if following != b"0":
        return found, f"{_name(servers[place])}|{following.decode()}"
    return found, f"{_name(servers[place + 1])}|0" if place + 1 < len(servers) else ""


def _scan(
    client: Client, keys: Keys, server: Server, cursor: bytes, count: int, kinds: bytes
) -> tuple[bytes, list[Key]]:
    pattern = b"%b:{????}:[%b]:*" % (keys.prefix, kinds)
    ((following, names),) = client.ask(server, ("SCAN", cursor, "MATCH", pattern, "COUNT", count))
    begin = len(keys.prefix) + 2
    found = [_key(name, name[begin:]) for name in names]
    return following, [each for each in found if each.kind != b"s" or len(each.name) == SID_LENGTH]


def _key(name: bytes, rest: bytes) -> Key:
    # Such as "ab12}:s:name".
    return Key(name, bytes.fromhex(rest[:4].decode()), rest[6:7], rest[8:])


def _name(server: Server) -> str:
    return f"{server.place[0]}:{server.place[1]}"


def _place_of(servers: Sequence[Server], name: str) -> int:
    names = [_name(server) for server in servers]
    if name not in names:
        raise StorageUnavailableError("Redis: the servers have changed meanwhile; begin again")
    return names.index(name)
