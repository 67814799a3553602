"""All keys of some kinds, server by server, a few at a time; what comes or goes meanwhile may be passed over."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from ...errors import StorageUnavailableError
from ...sessions.ids import SID_LENGTH
from .client import Call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .client import Client
    from .records import Keys

_COUNT: Final = 500
"""Keys that a server looks at for one reply: it must not make others wait."""


class Key(NamedTuple):
    """A key under a tag: of a session (s), a principal (p), a value (k), and so on."""

    key: bytes
    tag: bytes
    kind: bytes
    name: bytes


def all_keys(client: Client, keys: Keys, kinds: bytes) -> Iterator[list[Key]]:
    """All keys of kinds given as letters; some at a time, perhaps none.

    Raises:
        StorageUnavailableError: a server does not answer, or the servers have changed meanwhile.
    """
    is_over, cursor = False, ""
    while not is_over:
        found, cursor = read_page(client, keys, cursor, _COUNT, kinds)
        yield found
        is_over = not cursor


def read_page(client: Client, keys: Keys, cursor: str, most: int, kinds: bytes) -> tuple[list[Key], str]:
    """About `most` keys after a cursor of the form "server|cursor of it", and the next cursor, empty at the end.

    Errors of `all_keys`.
    """
    servers = {f"{server.place[0]}:{server.place[1]}": server for server in client.servers.all()}
    names = list(servers)
    name, _, place = cursor.rpartition("|") if cursor else (names[0], "", "0")
    if name not in servers:
        raise StorageUnavailableError("Redis: the servers have changed meanwhile; begin again")
    pattern = b"%b:{????}:[%b]:*" % (keys.prefix, kinds)
    scan = Call(b"", ("SCAN", place, "MATCH", pattern, "COUNT", most), server=servers[name])
    ((following, found),) = client.run(scan)
    if following == b"0":
        # It is through; the next one begins.
        name = dict(pairwise(names)).get(name, "")
    # Such as "prefix:{ab12}:s:name".
    tag = len(keys.prefix) + 2
    split = (
        Key(key, bytes.fromhex(key[tag : tag + 4].decode()), key[tag + 6 : tag + 7], key[tag + 8 :]) for key in found
    )
    cursor = f"{name}|{following.decode()}" if name else ""
    return [each for each in split if each.kind != b"s" or len(each.name) == SID_LENGTH], cursor
