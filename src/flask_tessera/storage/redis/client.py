"""Scripts and commands sent to where the records lie, within a time."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import AskError, MovedError, NoScriptError, ResponseError, TryAgainError

from ...errors import StorageUnavailableError
from ..pace import refuse_if_given_up
from .server import WAIT, unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from .server import Command, Server, Word
    from .servers import Servers

_LATEST_SENDING: Final = 1.1
"""Seconds after which a call sends nothing more: connecting and the answer may take 0.9 s each, 2.9 s in all."""
_PAUSE: Final = 0.05
"""Seconds between attempts while a slot moves."""
_MOST_ATTEMPTS: Final = 10
"""How often a call is sent that was refused so far."""
_MOST_AT_ONCE: Final = 200
_COUNT: Final = 500
"""Keys that a server looks at for one reply: it must not make others wait."""
_LATE: Final = "LATE"
_NEEDS_LOG: Final = "-- needs: log\n"
"""Begins a script that stands on the functions of `log.lua`."""


@cache
def script(name: str) -> tuple[bytes, bytes]:
    """The text of the script of that name, read once, and what the server calls it."""
    text = _read(name)
    whole = (_read("log") + text if text.startswith(_NEEDS_LOG) else text).encode()
    return whole, hashlib.sha1(whole, usedforsecurity=False).hexdigest().encode()


def _read(name: str) -> str:
    return (files(__package__) / "scripts" / f"{name}.lua").read_text("utf-8")


@dataclass(slots=True)
class Call:
    """A script or a command for records of one slot.

    Attributes:
        key: one of that slot.
        command: what is sent.
        writes: whether it changes anything.
        waits: whether a replica must have what it writes, where there is one.
        script: the text of the script, if it is one.
        limit_at: where in the command the last second for a script that writes is put in; 0 for others.
        reply: what came back.
        server: the one to send it to, whatever the key says; another one may have named it.
        is_asking: whether that one is to be told that it has been named.
        needs_script: whether it has said that it does not know the script.
    """

    key: bytes
    command: Command
    writes: bool = False
    waits: bool = False
    script: bytes = b""
    limit_at: int = 0
    reply: Any = None
    server: Server | None = None
    is_asking: bool = False
    needs_script: bool = False


def scripted(name: str, keys: Sequence[bytes], *arguments: Word, writes: bool = False, waits: bool = False) -> Call:
    """A script; one that writes is given, before its arguments, the server's second after which it may not."""
    text, sha = script(name)
    command = ("EVALSHA", sha, len(keys), *keys, *arguments)
    return Call(keys[0], command, writes, waits, text, 3 + len(keys) if writes else 0)


class Client:
    """Sends calls to servers. What is refused in a way that says so was not executed, and is sent once more.

    `first` is called before anything else is asked, until it has raised nothing.
    """

    def __init__(self, servers: Servers, *, first: Callable[[], object] | None = None) -> None:
        self.servers = servers
        self._first = first

    def run(self, *calls: Call, give_up_at: float | None = None, may_refuse: bool = False) -> list[Any]:
        """Send calls, in one go for each server; gives their replies.

        Args:
            *calls: what to send, wherever the servers say.
            give_up_at: second of the monotonic clock after which nothing more is sent; soon by default.
            may_refuse: whether a refusal is a reply like others.

        Raises:
            StorageUnavailableError: some were not executed, or nobody knows, or no replica has confirmed it.
        """
        refuse_if_given_up()
        if self._first is not None:
            self._first()
            self._first = None
        give_up_at = time.monotonic() + _LATEST_SENDING if give_up_at is None else give_up_at
        failures: list[StorageUnavailableError] = []
        waiting: Sequence[Call] = calls
        for _ in range(_MOST_ATTEMPTS):
            waiting = self._send(waiting, failures, give_up_at)
            if not waiting:
                break
            if any(isinstance(call.reply, TryAgainError) for call in waiting):
                time.sleep(_PAUSE)
        if not may_refuse:
            failures += [unavailable(call.reply) for call in calls if isinstance(call.reply, ResponseError)]
        if failures:
            self.servers.suspect()
            raise StorageUnavailableError(str(failures[0]), writing=any(call.writes for call in calls)) from failures[0]
        return [call.reply for call in calls]

    def get(self, keys: Iterable[bytes]) -> list[bytes | None]:
        """What stands under these keys. Errors of `run`."""
        return self.run(*(Call(key, ("GET", key)) for key in keys))

    def command(self, key: bytes, *command: Word, writes: bool = False) -> Any:
        """Send a plain command on a key; gives its reply. Errors of `run`."""
        return self.run(Call(key, command, writes=writes))[0]

    def scan(self, pattern: bytes, cursor: str, most: int) -> tuple[list[bytes], str]:
        """About `most` keys after a cursor of the form "server|cursor of it", and the next cursor, empty at the end.

        Errors of `run`; also if the servers have changed meanwhile.
        """
        servers = {f"{server.place[0]}:{server.place[1]}": server for server in self.servers.all()}
        name, _, place = cursor.rpartition("|") if cursor else (next(iter(servers)), "", "0")
        if name not in servers:
            raise StorageUnavailableError("Redis: the servers have changed meanwhile; begin again")
        call = Call(b"", ("SCAN", place, "MATCH", pattern, "COUNT", most), server=servers[name])
        ((following, found),) = self.run(call)
        if following == b"0":
            # It is through; the next one begins.
            name = dict(pairwise(servers)).get(name, "")
        return found, f"{name}|{following.decode()}" if name else ""

    def scan_all(self, pattern: bytes) -> Iterator[list[bytes]]:
        """All keys, some at a time; what comes or goes meanwhile may be passed over. Errors of `scan`."""
        is_over, cursor = False, ""
        while not is_over:
            found, cursor = self.scan(pattern, cursor, _COUNT)
            yield found
            is_over = not cursor

    def listen(self, key: bytes, *command: Word, seconds: float) -> Any:
        """Send a command that waits on a key for `seconds` at most, on a connection of its own; gives its reply.

        Errors of `run`.
        """
        server = self.servers.of(key)
        known = server.connections
        try:
            return server.listen(command, seconds=seconds)
        finally:
            if server.connections is not known:
                self.servers.suspect()

    def _send(self, calls: Sequence[Call], failures: list[StorageUnavailableError], give_up_at: float) -> list[Call]:
        """Send calls, each where it belongs; gives those that are to be sent again."""
        again: list[Call] = []
        groups: dict[Server, list[Call]] = {}
        for call in calls:
            try:
                groups.setdefault(call.server or self.servers.of(call.key), []).append(call)
            except StorageUnavailableError as error:
                failures.append(error)
        for server, group in groups.items():
            for begin in range(0, len(group), _MOST_AT_ONCE):
                try:
                    again += self._exchange(server, group[begin : begin + _MOST_AT_ONCE], give_up_at)
                except StorageUnavailableError as error:
                    # The others are no worse off for it.
                    failures.append(error)
        return again

    def _exchange(self, server: Server, calls: Sequence[Call], give_up_at: float) -> list[Call]:
        """Send calls to one server in one go; gives those that are to be sent again."""
        waits = any(call.waits for call in calls) and server.has_replicas(give_up_at=give_up_at)
        last = server.last_second(give_up_at=give_up_at) if any(call.limit_at for call in calls) else 0
        needed = dict.fromkeys(call.script for call in calls if call.needs_script)
        commands: list[Command] = [("SCRIPT", "LOAD", text) for text in needed]
        places = []
        for call in calls:
            commands += [("ASKING",)] if call.is_asking else []
            places.append(len(commands))
            at = call.limit_at
            commands.append((*call.command[:at], last, *call.command[at:]) if at else call.command)
        replies = server.exchange([*commands, WAIT] if waits else commands, give_up_at=give_up_at)
        for call, place in zip(calls, places, strict=True):
            call.reply = replies[place]
        again = [call for call in calls if self._is_to_be_repeated(call, server)]
        if waits and not (type(replies[-1]) is int and replies[-1] > 0):
            server.doubt()
            raise StorageUnavailableError("Redis: no replica has confirmed it in time")
        return again

    def _is_to_be_repeated(self, call: Call, server: Server) -> bool:
        """Whether it was not executed but may be now, perhaps by another server."""
        reply = call.reply
        if not isinstance(reply, ResponseError):
            return False
        call.server = server
        if isinstance(reply, AskError):
            call.server = self.servers.redirected(reply, server)
            call.is_asking = not isinstance(reply, MovedError)
        elif isinstance(reply, NoScriptError):
            call.needs_script = True
        elif str(reply).startswith(_LATE):
            # Its clock is another one than was thought.
            server.doubt()
        elif not isinstance(reply, TryAgainError):
            return False
        return True
