"""Which server keeps what: one for all, or the nodes of a cluster by their slots.

redis-py's `RedisCluster` is not used: while a slot moves to a node that it does not know yet, it gives callers each
other's replies; it repeats writes in pipelines; and it asks nodes that hang in the caller's time.
"""

from __future__ import annotations

import random
import threading
from time import monotonic
from typing import TYPE_CHECKING, Final

import redis
from redis.crc import key_slot
from redis.exceptions import MovedError, RedisError

from .connecting import ANSWER, maker_of_clients, maker_of_master_clients
from .server import Server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.credentials import CredentialProvider
    from redis.exceptions import AskError

    from .address import Address, Place

_SLOTS: Final = 16384
_FIRST_LOOK: Final = 1.0
"""Seconds for which a caller waits until it is known for the first time who keeps what."""


class Servers:
    """Of which one keeps all; of a cluster there is a `SlotMap`.

    Args:
        server: the one.
    """

    def __init__(self, server: Server) -> None:
        self._server = server

    def of(self, key: bytes) -> Server:  # noqa: ARG002 - it keeps all
        """The server that keeps this key.

        Raises:
            RedisError: none is known.
        """
        return self._server

    def all(self) -> Sequence[Server]:
        """All that keep records; errors of `of`."""
        return (self._server,)

    def redirected(self, error: AskError, asked: Server) -> Server:  # noqa: ARG002 - nothing moves
        """The server that this refusal names; it is believed from now on if it says MOVED.

        Raises:
            RedisError: that cannot be, since this is no cluster.
        """
        raise redis.ConnectionError("the server is a node of a cluster: write redis+cluster:// in STORE_URL")

    def suspect(self) -> None:
        """Find out again who keeps what, in the background."""

    def close(self) -> None:
        """Let go of all connections; those in use are closed after use."""
        self._server.replace_connections()


class SlotMap(Servers):
    """The masters of a cluster.

    Args:
        address: some nodes to begin with, and how to log in.
        credentials: in place of a user name and a password.
    """

    def __init__(self, address: Address, credentials: CredentialProvider | None = None) -> None:
        self._address = address
        self._credentials = credentials
        self._remapped = dict(address.remap)
        self._servers: dict[Place, Server] = {}
        self._slots: list[Server | None] = [None] * _SLOTS
        self._looking = threading.Lock()

    def of(self, key: bytes) -> Server:
        self._wait_for_first_look()
        server = self._slots[key_slot(key)]
        if server is None:
            self.suspect()
            raise redis.ConnectionError("no node of the Redis Cluster keeps these records now")
        return server

    def all(self) -> Sequence[Server]:
        self._wait_for_first_look()
        servers = {server for server in self._slots if server}
        if not servers:
            raise redis.ConnectionError("no node says where the records of the Redis Cluster are")
        return sorted(servers, key=lambda server: server.place)

    def redirected(self, error: AskError, asked: Server) -> Server:
        server = self._at((error.host or asked.place[0], error.port))
        # MOVED is a kind of ASK that holds from now on.
        if isinstance(error, MovedError):
            self._slots[error.slot_id] = server
            self.suspect()
        return server

    def suspect(self) -> None:
        # Never in the caller's time: nodes may hang.
        if self._looking.acquire(blocking=False):
            try:
                threading.Thread(target=self._look, name="tessera-slots", daemon=True).start()
            except RuntimeError:
                # None can be started, at the end of the process or at its limits: the next call tries again.
                self._looking.release()

    def close(self) -> None:
        for server in list(self._servers.values()):
            server.replace_connections()

    def _at(self, place: Place) -> Server:
        """The server of this name, which may be reached at another place."""
        place = self._remapped.get(place, place)
        known = self._servers.get(place)
        if known:
            return known
        made = Server(maker_of_clients(self._address, place, self._credentials), place, self._address.pool)
        # Two threads may both make one: the first stays.
        return self._servers.setdefault(place, made)

    def _wait_for_first_look(self) -> None:
        if not any(self._slots):
            self.suspect()
            # Held by whoever looks.
            if self._looking.acquire(timeout=_FIRST_LOOK):
                self._looking.release()

    def _look(self) -> None:
        try:
            known = [server for server in set(self._slots) if server]
            random.shuffle(known)
            for server in dict.fromkeys([*known, *map(self._at, self._address.places)]):
                slots = self._slots_by(server)
                if any(slots):
                    self._slots = slots
                    self._forget_others()
                    return
        finally:
            self._looking.release()

    def _slots_by(self, server: Server) -> list[Server | None]:
        """Who keeps each slot by the word of this server; nobody, where it says nothing."""
        slots: list[Server | None] = [None] * _SLOTS
        try:
            (reply,) = server.exchange([("CLUSTER", "SLOTS")], give_up_at=monotonic() + ANSWER)
        except (RedisError, OSError):
            return slots
        for first, last, (host, port, *_), *_replicas in reply if type(reply) is list else ():
            # A node that does not know its own name is where it was asked.
            name = (host or b"").decode().strip("?")
            slots[first : last + 1] = [self._at((name, port)) if name else server] * (last + 1 - first)
        return slots

    def _forget_others(self) -> None:
        known = {server.place for server in self._slots if server}
        for place in self._servers.keys() - known:
            self._servers.pop(place).replace_connections()


def open_servers(address: Address, credentials: CredentialProvider | None = None) -> Servers:
    """The servers behind `address`; none is asked yet."""
    if address.kind == "cluster":
        return SlotMap(address, credentials)
    if address.kind == "sentinel":
        make, place = maker_of_master_clients(address, credentials), (address.service, 0)
    else:
        place = address.places[0]
        make = maker_of_clients(address, place, credentials)
    return Servers(Server(make, place, address.pool))
