"""Which server keeps what: one for all, or the nodes of a cluster by their slots.

redis-py's `RedisCluster` is not used: while a slot moves to a node that it does not know yet, it gives callers each
other's replies; it repeats writes in pipelines; and it asks nodes that hang in the caller's time.
"""

from __future__ import annotations

import random
import threading
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

from redis.crc import key_slot
from redis.exceptions import MovedError

from ...errors import StorageUnavailableError
from ...fork import renew_in_children
from .server import ANSWER, Server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.credentials import CredentialProvider
    from redis.exceptions import AskError

    from .address import Address, Place

_SLOTS: Final = 16384
_FIRST_LOOK: Final = 1.0
"""Seconds for which a caller waits until it is known for the first time who keeps what."""


class Servers:
    """The servers behind an address; none is asked yet. What is no cluster has one slot.

    Args:
        address: where they are; of a cluster some nodes to begin with.
        credentials: in place of the user name and the password in it.
    """

    def __init__(self, address: Address, credentials: CredentialProvider | None = None) -> None:
        self._address = address
        self._make = partial(Server, address, credentials=credentials)
        self._is_cluster = address.kind == "cluster"
        renew_in_children(self)

    def reset_after_fork(self) -> None:
        """A child takes no connection and no lock of its parent."""
        self._known: dict[Place, Server] = {}
        self._looking = threading.Lock()
        self._slots: list[Server | None] = [None] * _SLOTS if self._is_cluster else [self._at(self._address.places[0])]

    def of(self, key: bytes) -> Server:
        """The server that keeps this key.

        Raises:
            StorageUnavailableError: none is known.
        """
        slots = self._known_slots()
        server = slots[key_slot(key, len(slots))]
        if server is None:
            self.suspect()
            raise StorageUnavailableError("Redis: no node of the cluster keeps these records now")
        return server

    def all(self) -> Sequence[Server]:
        """All that keep records; errors of `of`."""
        return sorted({server for server in self._known_slots() if server}, key=lambda server: server.place)

    def redirected(self, error: AskError, asked: Server) -> Server:
        """The server that this refusal names; it is believed from now on if it says MOVED.

        Raises:
            StorageUnavailableError: a node of a cluster was named as if it were all.
        """
        if not self._is_cluster:
            raise StorageUnavailableError("Redis: this is a node of a cluster; write redis+cluster:// in STORE_URL")
        server = self._at((error.host or asked.place[0], error.port))
        # MOVED is a kind of ASK that holds from now on.
        if isinstance(error, MovedError):
            self._slots[error.slot_id] = server
            self.suspect()
        return server

    def suspect(self) -> None:
        """Find out again who keeps what, in the background: never in the caller's time, since nodes may hang."""
        if self._is_cluster and self._looking.acquire(blocking=False):
            try:
                threading.Thread(target=self._look, name="tessera-slots", daemon=True).start()
            except RuntimeError:
                # None can be started, at the end of the process or at its limits: the next call tries again.
                self._looking.release()

    def close(self) -> None:
        """Let go of all connections; those in use are closed after use."""
        for server in list(self._known.values()):
            server.replace_connections()

    def _at(self, place: Place) -> Server:
        """The server of this name, which may be reached at another place."""
        place = self._address.remap.get(place, place)
        # Two threads may both make one: the first stays.
        return self._known.get(place) or self._known.setdefault(place, self._make(place))

    def _known_slots(self) -> list[Server | None]:
        if not any(self._slots):
            self.suspect()
            # Held by whoever looks.
            if self._looking.acquire(timeout=_FIRST_LOOK):
                self._looking.release()
            if not any(self._slots):
                raise StorageUnavailableError("Redis: no node says where the records of the cluster are")
        return self._slots

    def _look(self) -> None:
        try:
            known = [server for server in set(self._slots) if server]
            random.shuffle(known)
            for server in dict.fromkeys([*known, *map(self._at, self._address.places)]):
                slots = self._slots_by(server)
                if any(slots):
                    self._slots = slots
                    for place in self._known.keys() - {each.place for each in slots if each}:
                        self._known.pop(place).replace_connections()
                    return
        finally:
            self._looking.release()

    def _slots_by(self, server: Server) -> list[Server | None]:
        """Who keeps each slot by the word of this server; nobody, where it says nothing."""
        slots: list[Server | None] = [None] * _SLOTS
        try:
            (reply,) = server.exchange([("CLUSTER", "SLOTS")], give_up_at=monotonic() + ANSWER)
        except StorageUnavailableError:
            return slots
        for first, last, (host, port, *_), *_replicas in reply if type(reply) is list else ():
            # A node that does not know its own name is where it was asked.
            name = (host or b"").decode().strip("?")
            slots[first : last + 1] = [self._at((name, port)) if name else server] * (last + 1 - first)
        return slots
