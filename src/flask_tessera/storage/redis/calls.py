"""What is sent to Redis: a command for records of one slot, or a script of those in `scripts/`, each an atomic step."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .server import Command, Server

_NEEDS: Final = "-- needs: log\n"
"""Begins a script that stands on the functions of `log.lua`."""


class Script(NamedTuple):
    """A text of Lua by its name, and what the server calls it."""

    name: str
    text: bytes
    sha: bytes


@cache
def script(name: str) -> Script:
    """The script of that name, read once."""
    text = _read(name)
    whole = (_read("log") + text if text.startswith(_NEEDS) else text).encode()
    return Script(name, whole, hashlib.sha1(whole, usedforsecurity=False).hexdigest().encode())


def _read(name: str) -> str:
    return (files(__package__) / "scripts" / f"{name}.lua").read_text("utf-8")


@dataclass(slots=True)
class Call:
    """A script or a command for records of one slot.

    Attributes:
        key: one of that slot.
        command: what is sent; of a script its keys and arguments.
        script: the script, if it is one.
        keys: how many there are in `command`.
        writes: whether it changes anything; a script is then given the last second for it, before its arguments.
        waits: whether a replica must have what it writes, where there is one.
        reply: what came back.
        server: the one to send it to, where another has named that; the slot of the key does not count then.
        is_asking: whether that one is to be told that it has been named.
        needs_script: whether it has said that it does not know the script.
    """

    key: bytes
    command: Command
    script: Script | None = None
    keys: int = 0
    writes: bool = False
    waits: bool = False
    reply: Any = None
    server: Server | None = None
    is_asking: bool = False
    needs_script: bool = False

    def as_sent(self, last_second: int) -> Command:
        """What is sent by the time that the server's clock must not have passed."""
        if self.script is None:
            return self.command
        keys, arguments = self.command[: self.keys], self.command[self.keys :]
        limit = (last_second,) if self.writes else ()
        return ("EVALSHA", self.script.sha, self.keys, *keys, *limit, *arguments)


def reading(name: str, keys: Sequence[bytes], *arguments: bytes | int | str) -> Call:
    """A script that changes nothing, with its keys and arguments."""
    return Call(keys[0], (*keys, *arguments), script(name), len(keys))


def writing(name: str, keys: Sequence[bytes], *arguments: bytes | int | str, waits: bool = False) -> Call:
    """A script that writes; before its arguments it is given the server's second after which it may not."""
    return Call(keys[0], (*keys, *arguments), script(name), len(keys), writes=True, waits=waits)
