"""All keys of a kind, server by server, a few at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .homes import SID_LENGTH

if TYPE_CHECKING:
    from .link import Link, Step
    from .node import Node

_STRETCH: Final = 500
"""Keys that a server looks at for one reply: it must not make others wait."""


class Key(NamedTuple):
    """Of a session ("s") or a principal ("p")."""

    tag: bytes
    kind: bytes
    name: bytes


class Walk:
    """Looks at the keys of all sessions where they lie; what comes or goes meanwhile may be passed over.

    Args:
        link: to the servers.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._servers = link.reading().servers()
        self._cursor = b"0"
        self._pattern = b"%b:{????}:s:%b" % (link.prefix, b"?" * SID_LENGTH)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to look at."""
        return not self._servers

    def run(self, step: Step, name: str, *arguments: int | bytes) -> list[Any]:
        """Run a script on the next keys; gives what it says beside where to go on.

        Args:
            step: that this belongs to.
            name: of the script.
            *arguments: for it, after where to go on, the pattern of the keys, and how many to look at.

        Raises:
            StorageUnavailableError: the server does not answer.
        """
        following, *said = step.run_at(self._servers[0], name, self._cursor, self._pattern, _STRETCH, *arguments)
        self._cursor = following or b"0"
        if following is None:
            del self._servers[0]
        return list(said)


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
