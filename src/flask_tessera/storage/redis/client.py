"""Scripts and commands sent to where the records lie, within a time; errors translated."""

from __future__ import annotations

import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import (
    AskError,
    AuthenticationError,
    MovedError,
    NoScriptError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from ...errors import StorageUnavailableError
from ...fork import renew_in_children
from .calls import Call
from .server import WAIT
from .slots import open_servers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from redis.credentials import CredentialProvider

    from .address import Address
    from .server import Command, Server
    from .slots import Servers

_LATEST_SENDING: Final = 1.1
"""Seconds after which a call sends nothing more: connecting and the answer may take 0.9 s each, 2.9 s in all."""
_PAUSE: Final = 0.05
"""Seconds between attempts while a slot moves."""
_MOST_ATTEMPTS: Final = 10
"""How often a call is sent that was refused so far."""
_MOST_AT_ONCE: Final = 200
_LATE: Final = "LATE"
_FAILURES: Final = (RedisError, OSError)


def deadline() -> float:
    """The second of the monotonic clock after which a call that begins now sends nothing more."""
    return time.monotonic() + _LATEST_SENDING


class Client:
    """The servers of one address.

    Args:
        address: where they are.
        credentials: in place of the user name and the password in it.
        first: is called before anything else is asked, until it has raised nothing.
    """

    def __init__(
        self,
        address: Address,
        credentials: CredentialProvider | None = None,
        *,
        first: Callable[[], object] | None = None,
    ) -> None:
        self._first = first
        self._open = partial(open_servers, address, credentials)
        self._of_parents: list[Servers] = []
        self.servers: Servers
        renew_in_children(self)

    def renew_locks(self) -> None:
        """A child takes no connection and no lock of its parent, and closes none."""
        if hasattr(self, "servers"):
            self._of_parents.append(self.servers)
        self.servers = self._open()

    def run(self, *calls: Call, give_up_at: float | None = None, may_refuse: bool = False) -> list[Any]:
        """Send calls, in one go for each server; gives their replies.

        Args:
            *calls: what to send, wherever the servers say. What is refused so was not executed.
            give_up_at: second of the monotonic clock after which nothing more is sent; soon by default.
            may_refuse: whether a refusal is a reply like others.

        Raises:
            StorageUnavailableError: some were not executed, or nobody knows, or no replica has confirmed it.
        """
        if not calls:
            return []
        self._begin()
        give_up_at = deadline() if give_up_at is None else give_up_at
        failures: list[Exception] = []
        waiting: Sequence[Call] = calls
        for _ in range(_MOST_ATTEMPTS):
            waiting = self._send(waiting, failures, give_up_at)
            if not waiting:
                break
            if any(isinstance(call.reply, TryAgainError) for call in waiting):
                time.sleep(_PAUSE)
        failures += [call.reply for call in calls if isinstance(call.reply, ResponseError) and not may_refuse]
        if failures:
            raise self._failure(failures[0], writes=any(call.writes for call in calls)) from failures[0]
        return [call.reply for call in calls]

    def command(self, key: bytes, *command: bytes | int | str, writes: bool = False) -> Any:
        """Send a plain command on a key; gives its reply. Errors of `run`."""
        return self.run(Call(key, command, writes=writes))[0]

    def all(self) -> Sequence[Server]:
        """All servers that keep records; errors of `run`."""
        self._begin()
        with self._translated():
            return self.servers.all()

    def ask(self, server: Server, *commands: Command, may_refuse: bool = False) -> list[Any]:
        """Send plain commands to one server of `all`; gives the replies, with refusals if it `may_refuse`.

        Errors of `run`.
        """
        with self._translated():
            replies = server.exchange(commands, give_up_at=deadline())
        for reply in replies:
            if isinstance(reply, ResponseError) and not may_refuse:
                raise self._failure(reply) from reply
        return replies

    def listen(self, key: bytes, *command: bytes | int | str, seconds: float) -> Any:
        """Send a command that waits on a key for `seconds` at most, on a connection of its own; gives its reply.

        Who is the master is asked before where sentinels know it: they tell one that was replaced late.
        Errors of `run`.
        """
        with self._translated():
            server = self.servers.of(key)
            server.look()
            return server.listen(command, seconds=seconds)

    def server_of(self, key: bytes) -> Server:
        """Who keeps this key; errors of `run`."""
        with self._translated():
            return self.servers.of(key)

    def has_replicas(self, key: bytes) -> bool:
        """Whether the server that keeps this key has a replica to wait for; errors of `run`."""
        with self._translated():
            return self.servers.of(key).has_replicas(give_up_at=deadline())

    def connections_of(self, key: bytes) -> object:
        """Differs from an earlier value if another server may answer for this key now; errors of `run`."""
        server = self.server_of(key)
        return server, server.times_replaced

    def doubt(self, key: bytes) -> None:
        """Use no connection again that leads to who keeps this key now: it may have been replaced; errors of `run`."""
        self.server_of(key).replace_connections()
        self.servers.suspect()

    def close(self) -> None:
        """Let go of all connections; those in use are closed after use."""
        self.servers.close()

    def _begin(self) -> None:
        if self._first is not None:
            self._first()
            self._first = None

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Errors of the driver leave as ours."""
        try:
            yield
        except _FAILURES as error:
            raise self._failure(error) from error

    def _send(self, calls: Sequence[Call], failures: list[Exception], give_up_at: float) -> list[Call]:
        """Send calls, each where it belongs; gives those that are to be sent again."""
        again: list[Call] = []
        for server, some in self._by_server(calls, failures):
            try:
                again += self._exchange(server, some, give_up_at)
            except _FAILURES as error:
                # The others are no worse off for it.
                failures.append(error)
        return again

    def _by_server(self, calls: Sequence[Call], failures: list[Exception]) -> Iterator[tuple[Server, Sequence[Call]]]:
        groups: dict[Server, list[Call]] = {}
        for call in calls:
            try:
                groups.setdefault(call.server or self.servers.of(call.key), []).append(call)
            except _FAILURES as error:
                failures.append(error)
        for server, group in groups.items():
            for begin in range(0, len(group), _MOST_AT_ONCE):
                yield server, group[begin : begin + _MOST_AT_ONCE]

    def _exchange(self, server: Server, calls: Sequence[Call], give_up_at: float) -> list[Call]:
        """Send calls to one server in one go; gives those that are to be sent again."""
        waits = any(call.waits for call in calls) and server.has_replicas(give_up_at=give_up_at)
        last = server.last_second(give_up_at=give_up_at) if any(call.writes and call.script for call in calls) else 0
        needed = dict.fromkeys(call.script for call in calls if call.script and call.needs_script)
        commands: list[Command] = [("SCRIPT", "LOAD", each.text) for each in needed]
        places = []
        for call in calls:
            commands += [("ASKING",)] if call.is_asking else []
            places.append(len(commands))
            commands.append(call.as_sent(last))
        replies = server.exchange([*commands, WAIT] if waits else commands, give_up_at=give_up_at)
        for call, place in zip(calls, places, strict=True):
            call.reply = replies[place]
        again = [call for call in calls if self._is_to_be_repeated(call, server)]
        if waits and not (type(replies[-1]) is int and replies[-1] > 0):
            server.doubt()
            raise ConnectionError("no replica has confirmed it in time")
        return again

    def _is_to_be_repeated(self, call: Call, server: Server) -> bool:
        """Whether it was not executed but may be now, perhaps by another server."""
        reply = call.reply
        if isinstance(reply, AskError):
            call.server = self.servers.redirected(reply, server)
            call.is_asking = not isinstance(reply, MovedError)
        elif isinstance(reply, NoScriptError):
            call.server, call.needs_script = server, True
        elif isinstance(reply, TryAgainError):
            call.server = server
        elif isinstance(reply, ResponseError) and str(reply).startswith(_LATE):
            # Its clock is another one than was thought.
            server.doubt()
        else:
            return False
        return True

    def _failure(self, error: Exception, *, writes: bool = False) -> StorageUnavailableError:
        """What a driver's error is to the caller; the servers may have changed."""
        self.servers.suspect()
        return StorageUnavailableError(f"Redis: {_say(error)}", writing=writes)


def _say(error: Exception) -> str:
    # A server's text may hold what it was sent, a password even: only its first word, a code, is repeated.
    if not isinstance(error, ResponseError | AuthenticationError):
        return f"{type(error).__name__}: {error}"
    code = str(error).partition(" ")[0]
    return f"{type(error).__name__} {code}" if code.isupper() else type(error).__name__
