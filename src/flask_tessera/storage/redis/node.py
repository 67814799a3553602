"""One server: its connections, and what is sent over them."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol

import redis
from redis.backoff import NoBackoff
from redis.exceptions import ReadOnlyError, RedisError, ResponseError
from redis.retry import Retry

from ...errors import StorageUnavailableError
from ...fork import renew_in_children

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .address import Address, Place

    Command = tuple[bytes | int | str, ...]

ANSWER: Final = 1.5
"""Seconds to wait for an answer."""
_CONNECT: Final = 1.0
"""Seconds to wait for a connection."""
CONFIRMED: Final = 1000
"""Milliseconds to wait until a replica has what must last."""
_ROLE_BELIEVED: Final = 1.0
"""Seconds for which it is believed whether a server has replicas."""
_ROLE: Final = (b"ROLE",)
_WAIT: Final = (b"WAIT", 1, CONFIRMED)


class Connection(Protocol):
    """As much of redis-py's connections as is used, which have no types."""

    @property
    def socket_timeout(self) -> float | None:
        """Seconds to wait for an answer."""
        ...

    def connect(self) -> None:
        """Connect, and log in."""
        ...

    def disconnect(self) -> None:
        """Close the connection."""
        ...

    def can_read(self, timeout: float = 0) -> bool:
        """Whether there is something to read within so many seconds."""
        ...

    def pack_commands(self, commands: Sequence[Command]) -> list[bytes]:
        """The bytes to send for these commands."""
        ...

    def send_packed_command(self, command: list[bytes], check_health: bool) -> None:
        """Send such bytes."""
        ...

    def read_response(self) -> Any:
        """The next reply; one that is an error is raised."""
        ...


class UnreachableError(Exception):
    """No connection could be made: nothing was sent."""


class Node:
    """Connections to one server, one for each thread that uses it at a moment.

    Args:
        address: how to log in there.
        place: host and port.
        is_sentinel: whether it is one of the sentinels, which have a login of their own.
    """

    def __init__(self, address: Address, place: Place, *, is_sentinel: bool = False) -> None:
        self.place = place
        self._make: Callable[..., Connection] = redis.SSLConnection if address.is_encrypted else redis.Connection
        self._options: dict[str, Any] = {
            "host": place[0],
            "port": place[1],
            "db": 0 if is_sentinel else address.database,
            "username": (address.sentinel_username if is_sentinel else address.username) or None,
            "password": (address.sentinel_password if is_sentinel else address.password) or None,
            # Never more than once: a step may not be taken twice, and the caller cannot wait for long.
            "retry": Retry(NoBackoff(), 0),
            # Of RESP3 nothing is used, and no server pushes anything without it.
            "protocol": 2,
            **dict(address.tls_files),
        }
        # A replica would be read though it lags behind; in a cluster it says itself who takes its place.
        self._must_be_master = not is_sentinel and address.kind != "cluster"
        self.times_closed = 0
        """Grows when connections are given up: whoever answers from then on may be another server."""
        self._role = b""
        self._has_replicas = False
        self._role_known_at = float("-inf")
        renew_in_children(self)

    def renew_locks(self) -> None:
        """A parent's connections are not its child's, nor is one that a greenlet of the parent is using just now."""
        self.times_closed += 1
        self._idle: deque[Connection] = deque()
        self._listening: deque[Connection] = deque()

    def exchange(self, commands: Sequence[Command], *, answer: float = ANSWER, lasts: bool = False) -> list[Any]:
        """Send commands in one go; gives the replies, errors of the server among them.

        Args:
            commands: what to send.
            answer: seconds to wait for the first reply.
            lasts: whether a reply that is a list beginning with 1 speaks of something that must outlive a
                fail-over: then a replica must have it, where there is one.

        Raises:
            UnreachableError: there is no connection; nothing was sent.
            RedisError: the connection broke, or there was no answer in time.
            StorageUnavailableError: no replica has confirmed.
        """
        times_closed = self.times_closed
        connection = self._take(answer)
        is_done = False
        try:
            replies = _exchange(connection, commands, answer)
            if lasts and any(type(reply) is list and reply[:1] == [1] for reply in replies):
                self._wait_for_replica(connection)
            is_done = True
        finally:
            if not is_done:
                connection.disconnect()
                # The others lead to the same server, and would be found out one by one.
                self.close()
        if any(isinstance(reply, ReadOnlyError) for reply in replies):
            # It was made a replica.
            self.close()
        if times_closed == self.times_closed:
            self._put_back(connection)
        else:
            connection.disconnect()
        return replies

    def close(self) -> None:
        """Close idle connections; those in use are closed after use."""
        self.times_closed += 1
        for some in (self._idle, self._listening):
            while some:
                some.pop().disconnect()

    def _take(self, answer: float) -> Connection:
        # Where other threads are busy, each call that blocks waits for the interpreter: who listens for an ending
        # neither polls before reading, nor asks whether the connection is still good.
        some, is_good = (self._idle, _is_usable) if answer <= ANSWER else (self._listening, _waits(answer))
        while True:
            try:
                connection = some.pop()
            except IndexError:
                return self._connect(answer)
            if is_good(connection):
                return connection
            connection.disconnect()

    def _put_back(self, connection: Connection) -> None:
        if connection.socket_timeout == ANSWER:
            self._idle.append(connection)
        elif (connection.socket_timeout or 0) > ANSWER:
            self._listening.append(connection)
        else:
            # Made for a short wait, it keeps its short time-outs.
            connection.disconnect()

    def _connect(self, answer: float) -> Connection:
        connection = self._make(socket_timeout=answer, socket_connect_timeout=min(answer, _CONNECT), **self._options)
        try:
            connection.connect()
            if self._must_be_master:
                self._ask_role(connection)
        except (RedisError, OSError) as error:
            connection.disconnect()
            # A server that refuses the login may repeat the password in what it says.
            said = "" if isinstance(error, ResponseError) else f": {error}"
            raise UnreachableError(f"{type(error).__name__}{said}") from error
        if self._must_be_master and self._role == b"slave":
            connection.disconnect()
            raise UnreachableError(f"{self.place[0]}:{self.place[1]} is a replica")
        return connection

    def _ask_role(self, connection: Connection) -> None:
        (role,) = _exchange(connection, [_ROLE], ANSWER)
        # A user that may not ask is warned by `describe`.
        self._role, replicas = (role[0], role[2]) if type(role) is list else (b"", ())
        self._has_replicas = self._role == b"master" and bool(replicas)
        self._role_known_at = time.monotonic()

    def _wait_for_replica(self, connection: Connection) -> None:
        """Wait, on the connection that has written, until a replica has it too."""
        if time.monotonic() - self._role_known_at > _ROLE_BELIEVED:
            self._ask_role(connection)
        if not self._has_replicas:
            return
        (count,) = _exchange(connection, [_WAIT], ANSWER)
        if type(count) is not int or count < 1:
            self._role_known_at = float("-inf")
            raise StorageUnavailableError("Redis: no replica has confirmed an ending in time", writing=True)


def _exchange(connection: Connection, commands: Sequence[Command], answer: float) -> list[Any]:
    connection.send_packed_command(connection.pack_commands(commands), check_health=False)
    if answer != connection.socket_timeout and not connection.can_read(answer):
        raise redis.TimeoutError("no answer in time")
    return [_read(connection) for _ in commands]


def _read(connection: Connection) -> Any:
    try:
        return connection.read_response()
    except ResponseError as error:
        return error


def _waits(answer: float) -> Callable[[Connection], bool]:
    """Whether a connection's own time-out is so long."""
    return lambda connection: connection.socket_timeout == answer


def _is_usable(connection: Connection) -> bool:
    """Whether the server has neither closed it nor left anything to read."""
    try:
        return not connection.can_read()
    except (RedisError, OSError):
        return False
