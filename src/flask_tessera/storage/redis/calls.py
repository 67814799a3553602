"""What is sent to Redis: a script or a command for records of one slot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .scripts import script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .scripts import Script
    from .server import Command, Server


@dataclass(slots=True)
class Call:
    """A script or a command for records of one slot.

    Attributes:
        key: one of that slot.
        command: what is sent; of a script its keys and arguments.
        script: the script, if it is one.
        keys: how many there are in `command`.
        writes: whether it changes anything; a script is then given the last second for it.
        waits: whether a replica must have what it writes, where there is one.
        reply: what came back.
        server: the one to send it to, where another has named that.
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
        """What is sent; a script that writes is given the last second for that before its own arguments."""
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
