"""One server: the connections to it, what is sent on them, and what is known of it.

Connections are redis-py's; its clients and pools are not used. They close connections under other threads, and find
out one by one that all lead to a server that is gone.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

import redis
from redis.exceptions import AuthenticationError, ReadOnlyError, RedisError, ResponseError

from ...clocks import boot_clock
from ...errors import StorageUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.credentials import CredentialProvider

    from .address import Address, Place

    Word = bytes | int | str
    Command = tuple[Word, ...]

ANSWER: Final = 0.9
"""Seconds to wait for a connection, and again for each answer."""
_SENTINEL_ANSWER: Final = 0.3
"""Seconds to wait for a sentinel: each new connection asks them in turn."""
_LATE: Final = 0.3
"""Seconds by which the answer to a wait is late."""
_ROLE_BELIEVED: Final = 1.0
"""Seconds for which it is believed whether a server has replicas."""
_CLOCK_BELIEVED: Final = 60.0
"""Seconds after which the server's clock is compared with ours again."""
_LATEST: Final = 5
"""Seconds after which a write is not executed: a server that stood still goes on with what it finds in its sockets."""
WAIT: Final = ("WAIT", 1, 600)
"""Until one replica has what this connection has written, for 0.6 s at most: less than `ANSWER`."""
_LONG_AGO: Final = float("-inf")
_FAILURES: Final = (RedisError, OSError)
_driver: Final[Any] = redis
"""It is typed in part only."""


class Server:
    """One server, with as many connections as there are threads that use it at a moment, up to a bound.

    Its methods raise StorageUnavailableError: there was no connection, or no answer in time.

    Args:
        address: how to connect.
        place: where it is; where sentinels know that, any name.
        credentials: in place of the user name and the password in the address.
    """

    def __init__(self, address: Address, place: Place, credentials: CredentialProvider | None = None) -> None:
        self.place = place
        self._address = address
        self._options = address.bounds(ANSWER) | address.options
        if credentials:
            self._options |= {"username": None, "password": None, "credential_provider": credentials}
        if address.kind != "cluster":
            # A replica would be read though it lags behind; in a cluster it says itself who is the master.
            self._options["redis_connect_func"] = _refuse_replica
        own = {**address.bounds(_SENTINEL_ANSWER), "ssl": address.is_encrypted, **address.sentinel_options}
        self._sentinel = _driver.Sentinel(address.places, sentinel_kwargs=own) if address.kind == "sentinel" else None
        self._master: Place | None = None
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(address.pool):
            self._free.put(None)
        self.connections: deque[Any] = deque()
        """Those that nobody uses now. Another object stands here when all were given up."""
        self._listeners: list[Any] = []
        self._learned_at = _LONG_AGO
        self._clock_offset = 0.0
        self._has_replicas = False

    def exchange(self, commands: Sequence[Command], *, give_up_at: float) -> list[Any]:
        """Send commands in one go on one connection, once; gives the replies, refusals among them.

        After second `give_up_at` of the monotonic clock nothing is sent any more.
        """
        remaining = give_up_at - time.monotonic()
        if remaining <= 0:
            raise StorageUnavailableError("Redis: the call took too long")
        try:
            self._free.get(timeout=remaining)
        except Empty:
            raise StorageUnavailableError("Redis: all connections are in use; see the option pool") from None
        try:
            return self._exchange(self.connections, commands)
        finally:
            self._free.put(None)

    def listen(self, command: Command, *, seconds: float) -> Any:
        """Send a command that blocks for `seconds` at most, on a connection that is for this alone; gives the reply.

        Who is the master is asked before where sentinels know it: they tell one that was replaced late. Connections are
        given up if there is no answer, or one so late that the server may have been replaced while it stood still.
        """
        # Before connecting: a server that stands still may take this long, too.
        began, answer = boot_clock(), seconds + ANSWER
        try:
            self._find()
            known, patient = self.connections, [each for each in self._listeners if each.socket_timeout >= answer]
            listener = _fresh(patient) or self._connect(answer)
            (reply,) = _in_one_go(listener, [command])
            if isinstance(reply, ResponseError):
                raise reply
        except _FAILURES as error:
            # Others may lead to a server that stands still, while another one takes over.
            self.replace_connections()
            raise unavailable(error) from error
        if boot_clock() - began > seconds + _LATE:
            self.replace_connections()
        elif known is self.connections:
            self._listeners = [listener]
        return reply

    def last_second(self, *, give_up_at: float) -> int:
        """The Unix second of the server's own clock after which a write that is sent now may not happen."""
        self._learn(_CLOCK_BELIEVED, give_up_at)
        return int(time.monotonic() + self._clock_offset) + _LATEST

    def has_replicas(self, *, give_up_at: float) -> bool:
        """Whether there is a replica to wait for."""
        self._learn(_ROLE_BELIEVED, give_up_at)
        return self._has_replicas

    def doubt(self) -> None:
        """Ask again about clock and replicas."""
        self._learned_at = _LONG_AGO

    def replace_connections(self) -> None:
        """Use none of the connections again; those in use are closed after use."""
        idle, self.connections = self.connections, deque()
        self._listeners, self._learned_at = [], _LONG_AGO
        with suppress(IndexError):
            while True:
                idle.pop().disconnect()

    def _exchange(self, idle: deque[Any], commands: Sequence[Command]) -> list[Any]:
        try:
            connection = _fresh(idle) or self._connect(ANSWER)
            replies = _in_one_go(connection, commands)
        except _FAILURES as error:
            # The others lead to the same server, and would be found out one by one.
            if idle is self.connections:
                self.replace_connections()
            raise unavailable(error) from error
        if idle is self.connections:
            idle.append(connection)
        else:
            connection.disconnect()
        return replies

    def _connect(self, answer: float) -> Any:
        host, port = self._find()
        options = {**self._options, "socket_timeout": answer}
        if self._address.kind == "unix":
            connection = _driver.UnixDomainSocketConnection(path=host, **options)
        else:
            make = _driver.SSLConnection if self._address.is_encrypted else _driver.Connection
            connection = make(host=host, port=port, **options)
        connection.connect()
        return connection

    def _find(self) -> Place:
        """Where it is now; connections to where it was are not used again."""
        if self._sentinel is None:
            return self.place
        master: Place = self._sentinel.discover_master(self._address.service)
        if self._master not in (None, master):
            self.replace_connections()
        self._master = master
        return master

    def _learn(self, believed: float, give_up_at: float) -> None:
        now = time.monotonic()
        if now - self._learned_at <= believed:
            return
        role, clock = self.exchange((("ROLE",), ("TIME",)), give_up_at=give_up_at)
        if isinstance(clock, ResponseError):
            raise unavailable(clock) from clock
        # A user that may not ask ROLE is warned by `describe`.
        self._has_replicas = type(role) is list and role[0] == b"master" and bool(role[2])
        self._clock_offset = int(clock[0]) - now
        self._learned_at = now


def unavailable(error: Exception) -> StorageUnavailableError:
    """What an error of the driver is to the caller."""
    said = f": {error}"
    if isinstance(error, ResponseError | AuthenticationError):
        # A server's text may hold what it was sent, a password even: only its first word, a code, is repeated.
        code = str(error).partition(" ")[0]
        said = f" {code}" if code.isupper() else ""
    return StorageUnavailableError(f"Redis: {type(error).__name__}{said}")


def _refuse_replica(connection: Any) -> None:
    connection.on_connect()
    connection.send_command("ROLE")
    try:
        role = connection.read_response()
    except ResponseError:
        # A user that may not ask.
        return
    if role[0] == b"slave":
        raise redis.ConnectionError("the server is a replica")


def _fresh(idle: deque[Any] | list[Any]) -> Any:
    """One of these connections on which nothing has come since, neither a reply of before nor its end; else None."""
    with suppress(IndexError):
        while True:
            connection = idle.pop()
            with suppress(*_FAILURES):
                if not connection.can_read():
                    return connection
            connection.disconnect()


def _in_one_go(connection: Any, commands: Sequence[Command]) -> list[Any]:
    """The replies; a connection that fails is closed by redis-py, and one to what has become a replica here."""
    connection.send_packed_command(connection.pack_commands(commands))
    replies = [_reply_on(connection) for _ in commands]
    for reply in replies:
        # Redis 6.2 says so within the text only.
        if isinstance(reply, ReadOnlyError) or (isinstance(reply, ResponseError) and "-READONLY" in str(reply)):
            connection.disconnect()
            raise reply
    return replies


def _reply_on(connection: Any) -> Any:
    try:
        return connection.read_response()
    except ResponseError as refusal:
        return refusal
