"""One server: what is sent to it, and what is known of it."""

from __future__ import annotations

import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

import redis
from redis.exceptions import ReadOnlyError, ResponseError

from .connecting import ANSWER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .address import Place

    Command = tuple[bytes | int | str, ...]

_ROLE_BELIEVED: Final = 1.0
"""Seconds for which it is believed whether a server has replicas."""
_CLOCK_BELIEVED: Final = 60.0
"""Seconds after which the server's clock is compared with ours again."""
_LATEST: Final = 5
"""Seconds after which a write is not executed: a server that stood still goes on with what it finds in its sockets."""
WAIT: Final = ("WAIT", 1, 600)
"""Until one replica has what this connection has written, for 0.6 s at most: less than `ANSWER`."""
_LONG_AGO: Final = float("-inf")


class Server:
    """One server, with as many connections as there are threads that use it at a moment, up to a bound.

    Args:
        make: makes a client that waits for so many seconds for an answer.
        place: where it is; the name of the master, where sentinels know that.
        pool: connections at most.
    """

    def __init__(self, make: Callable[[float], redis.Redis], place: Place, pool: int) -> None:
        self.place = place
        self._make = make
        self._client = make(ANSWER)
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(pool):
            self._free.put(None)
        self._listener: tuple[float, redis.Redis] | None = None
        self._learned_at = _LONG_AGO
        self._clock_offset = 0.0
        self._has_replicas = False
        self.times_replaced = 0
        """Grows when connections are given up: who answers from then on may be another server."""

    def exchange(self, commands: Sequence[Command], *, give_up_at: float) -> list[Any]:
        """Send commands in one go on one connection, once; gives the replies, refusals among them.

        Args:
            commands: what to send.
            give_up_at: second of the monotonic clock after which nothing is sent any more.

        Raises:
            RedisError: there was no connection, or no answer in time.
            OSError: likewise.
        """
        remaining = give_up_at - time.monotonic()
        if remaining <= 0:
            raise redis.TimeoutError("the call took too long")
        try:
            self._free.get(timeout=remaining)
        except Empty:
            raise redis.TimeoutError("all connections are in use; see the option pool") from None
        try:
            return self._exchange(commands)
        finally:
            self._free.put(None)

    def listen(self, command: Command, *, seconds: float) -> Any:
        """Send a command that blocks for `seconds` at most, on a connection that is for this alone; gives the reply.

        Raises:
            RedisError: there was no connection, no answer in time, or a refusal.
            OSError: likewise.
        """
        if self._listener is None or self._listener[0] < seconds:
            self._listener = seconds, self._make(seconds + ANSWER)
        client, is_answered = self._listener[1], False
        try:
            (reply,) = _in_one_go(client, [command])
            is_answered = True
        finally:
            if not is_answered:
                # Others may lead to a server that stands still, while another one takes over.
                self.replace_connections()
        if isinstance(reply, ResponseError):
            self._listener = None
            raise reply
        return reply

    def last_second(self, *, give_up_at: float) -> int:
        """The Unix second of the server's own clock after which a write that is sent now may not happen.

        Raises:
            RedisError: the server does not say what time it is.
        """
        self._learn(_CLOCK_BELIEVED, give_up_at)
        return int(time.monotonic() + self._clock_offset) + _LATEST

    def has_replicas(self, *, give_up_at: float) -> bool:
        """Whether there is a replica to wait for; errors of `last_second`."""
        self._learn(_ROLE_BELIEVED, give_up_at)
        return self._has_replicas

    def doubt(self) -> None:
        """Ask again about clock and replicas."""
        self._learned_at = _LONG_AGO

    def look(self) -> None:
        """Ask the sentinels who is the master now, and use connections to no other.

        Raises:
            RedisError: none says so.
        """
        pool: Any = self._client.connection_pool
        if hasattr(pool, "get_master_address"):
            before = pool.master_address
            if before not in (None, pool.get_master_address()):
                self.replace_connections()

    def replace_connections(self) -> None:
        """Use none of the connections again; those in use are closed after use."""
        self._replace(self._client)
        self._listener = None

    def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        # Held until the end: a client that is let go of closes its connections.
        client, is_done = self._client, False
        try:
            replies = _in_one_go(client, commands)
            is_done = not any(map(is_demotion, replies))
        finally:
            if not is_done:
                # The others lead to the same server, and would be found out one by one.
                self._replace(client)
        return replies

    def _replace(self, client: redis.Redis) -> None:
        if self._client is client:
            self.times_replaced += 1
            self._client, self._learned_at = self._make(ANSWER), _LONG_AGO
        client.connection_pool.disconnect(inuse_connections=False)

    def _learn(self, believed: float, give_up_at: float) -> None:
        now = time.monotonic()
        if now - self._learned_at <= believed:
            return
        role, clock = self.exchange((("ROLE",), ("TIME",)), give_up_at=give_up_at)
        if isinstance(clock, ResponseError):
            raise clock
        # A user that may not ask ROLE is warned by `describe`.
        self._has_replicas = type(role) is list and role[0] == b"master" and bool(role[2])
        self._clock_offset = int(clock[0]) - now
        self._learned_at = now


def is_demotion(reply: object) -> bool:
    """Whether a server has refused a write since it is a replica; Redis 6.2 says so within the text only."""
    return isinstance(reply, ReadOnlyError) or (isinstance(reply, ResponseError) and "-READONLY" in str(reply))


def _in_one_go(client: redis.Redis, commands: Sequence[Command]) -> list[Any]:
    pipeline: Any = client.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)
    return list(pipeline.execute(raise_on_error=False))
