"""Which server keeps what: one for all, the master that sentinels name, or the nodes of a cluster."""

from __future__ import annotations

import secrets
import threading
import time
from binascii import crc_hqx
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

from redis.exceptions import RedisError

from ...fork import renew_in_children
from .node import Node, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .address import Address, Place

_SLOTS: Final = 16384
_dice: Final = secrets.SystemRandom()
_LOOK: Final = 0.5
"""Seconds to wait for one that is asked where the others are."""
_LONGEST_LOOK: Final = 1.1
"""Seconds after which no further one is asked."""


class Nodes(Protocol):
    """The servers behind one address."""

    @property
    def is_cluster(self) -> bool:
        """Whether records lie in slots of several servers."""
        ...

    def of(self, base: bytes) -> Node:
        """The server that keeps the keys beginning with `base`, whose slot is named in braces.

        Raises:
            UnreachableError: none is known.
        """
        ...

    def at(self, place: Place) -> Node:
        """The server at this place."""
        ...

    def moved(self, base: bytes, place: Place) -> Node:
        """The server at this place, which is said to keep the keys beginning with `base` from now on.

        Raises:
            UnreachableError: that cannot be, since this is no cluster.
        """
        ...

    def all(self) -> Sequence[Node]:
        """All that keep records; errors of `of`."""
        ...

    def suspect(self) -> None:
        """Look again, before the next step, who keeps what."""
        ...

    def look(self) -> None:
        """Ask who keeps what, where that may have changed unnoticed; who was known stays, where nobody answers."""
        ...

    def close(self) -> None:
        """Let go of all connections."""
        ...


class _NoCluster:
    """Servers of which one keeps all."""

    is_cluster = False

    def moved(self, base: bytes, place: Place) -> Node:  # noqa: ARG002 - nothing moves
        raise UnreachableError("the server is a node of a cluster: write redis+cluster:// in STORE_URL")


class OneServer(_NoCluster):
    """It keeps all."""

    def __init__(self, address: Address) -> None:
        self._node = Node(address, address.places[0])

    def of(self, base: bytes) -> Node:  # noqa: ARG002 - it keeps all
        return self._node

    def at(self, place: Place) -> Node:  # noqa: ARG002 - there is no other
        return self._node

    def all(self) -> Sequence[Node]:
        return (self._node,)

    def suspect(self) -> None:
        pass

    def look(self) -> None:
        pass

    def close(self) -> None:
        self._node.close()


class _Changing:
    """Servers that others name; one thread at a time asks."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._nodes: dict[Place, Node] = {}
        self._doubts = 1
        self._doubts_settled = 0
        renew_in_children(self)

    def renew_locks(self) -> None:
        """A thread of the parent may have been looking."""
        self._looking = threading.Lock()

    @property
    def _is_suspect(self) -> bool:
        return self._doubts != self._doubts_settled

    def suspect(self) -> None:
        self._doubts += 1

    def look(self) -> None:
        pass

    def at(self, place: Place) -> Node:
        # Two threads may both make one: the first stays.
        return self._nodes.get(place) or self._nodes.setdefault(place, Node(self._address, place))

    def close(self) -> None:
        for node in list(self._nodes.values()):
            node.close()

    def _look(self, *, can_wait: bool) -> None:
        """Ask, unless another thread is asking and what is known can be tried meanwhile."""
        if not self._looking.acquire(timeout=_LONGEST_LOOK if can_wait else 0):
            return
        try:
            if self._is_suspect:
                # A doubt that comes up meanwhile is not settled by this.
                doubts = self._doubts
                self._ask_all()
                self._doubts_settled = doubts
        finally:
            self._looking.release()

    def _ask_all(self) -> None:
        began, last = time.monotonic(), None
        for node in self._advisers():
            try:
                (reply,) = node.exchange([self._question()], answer=_LOOK)
                if not isinstance(reply, Exception) and self._take(node, reply):
                    return
            except (RedisError, OSError, UnreachableError) as error:
                last = error
            if time.monotonic() - began > _LONGEST_LOOK:
                break
        raise UnreachableError("no server says where the records of Redis are") from last

    def _advisers(self) -> Iterator[Node]:
        raise NotImplementedError

    def _question(self) -> tuple[bytes | str, ...]:
        raise NotImplementedError

    def _take(self, adviser: Node, reply: Any) -> bool:
        """Take over what was said; False if it says nothing."""
        raise NotImplementedError


class Sentinels(_NoCluster, _Changing):
    """The master that sentinels name."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._sentinels = [Node(address, place, is_sentinel=True) for place in address.places]
        self._master: Node | None = None

    def of(self, base: bytes) -> Node:  # noqa: ARG002 - it keeps all
        if self._is_suspect or self._master is None:
            self._look(can_wait=self._master is None)
        if self._master is None:
            raise UnreachableError("another thread has not found the master of Redis yet")
        return self._master

    def all(self) -> Sequence[Node]:
        return (self.of(b""),)

    def look(self) -> None:
        # A master that was replaced goes on as one until the sentinels tell it, ten seconds later.
        if self._looking.acquire(blocking=False):
            try:
                with suppress(UnreachableError):
                    self._ask_all()
            finally:
                self._looking.release()

    def close(self) -> None:
        super().close()
        for sentinel in self._sentinels:
            sentinel.close()

    def _advisers(self) -> Iterator[Node]:
        # One that has not answered is asked last the next time.
        for sentinel in list(self._sentinels):
            yield sentinel
            self._sentinels.append(self._sentinels.pop(0))

    def _question(self) -> tuple[bytes | str, ...]:
        return (b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", self._address.service)

    def _take(self, adviser: Node, reply: Any) -> bool:  # noqa: ARG002 - only a cluster's node says "here"
        if not reply:
            return False
        host, port = reply
        self._master = self.at((host.decode(), int(port)))
        return True


class Cluster(_Changing):
    """The masters of a cluster."""

    is_cluster = True

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._slots: list[Node | None] = [None] * _SLOTS

    def of(self, base: bytes) -> Node:
        slot = slot_of(base)
        if self._is_suspect:
            self._look(can_wait=self._slots[slot] is None)
        node = self._slots[slot]
        if node is None:
            self.suspect()
            raise UnreachableError("no node of the Redis Cluster keeps these records now")
        return node

    def all(self) -> Sequence[Node]:
        if self._is_suspect:
            self._look(can_wait=True)
        return sorted({node for node in self._slots if node is not None}, key=lambda node: node.place)

    def moved(self, base: bytes, place: Place) -> Node:
        node = self._slots[slot_of(base)] = self.at(place)
        self.suspect()
        return node

    def _advisers(self) -> Iterator[Node]:
        known = [*{node for node in self._slots if node is not None}]
        _dice.shuffle(known)
        yield from known
        for place in self._address.places:
            if self.at(place) not in known:
                yield self.at(place)

    def _question(self) -> tuple[bytes | str, ...]:
        return (b"CLUSTER", b"SLOTS")

    def _take(self, adviser: Node, reply: Any) -> bool:
        slots: list[Node | None] = [None] * _SLOTS
        for first, last, (host, port, *_), *_replicas in reply:
            # A node that does not know its own name is where it was asked.
            node = self.at((host.decode() if host and host != b"?" else adviser.place[0], port))
            slots[first : last + 1] = [node] * (last + 1 - first)
        self._slots = slots
        for place in self._nodes.keys() - {node.place for node in slots if node is not None}:
            self._nodes.pop(place).close()
        return bool(reply)


def slot_of(base: bytes) -> int:
    """The slot of all keys that begin with `base`: of what stands in braces (Redis Cluster specification)."""
    begin = base.index(b"{") + 1
    return crc_hqx(base[begin : base.index(b"}", begin)], 0) % _SLOTS


def open_nodes(address: Address) -> Nodes:
    """The servers behind `address`; none is asked yet."""
    match address.kind:
        case "cluster":
            return Cluster(address)
        case "sentinel":
            return Sentinels(address)
        case _:
            return OneServer(address)
