"""Steps: scripts sent to where the records lie, errors translated."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import (
    AskError,
    MovedError,
    NoScriptError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from ...errors import StorageUnavailableError
from .node import ANSWER, Node, UnreachableError
from .nodes import open_nodes
from .scripts import script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .address import Address
    from .node import Command
    from .scripts import Script

_LONGEST: Final = 2.7
"""Seconds that one step may take, all its round trips together."""
_TIME_TO_LOOK: Final = 2.2
"""Seconds that must be left to look for another server in the same step."""
_MOST_ATTEMPTS: Final = 6
_PAUSE: Final = 0.05
"""Seconds between attempts while a slot moves."""
_ASKING: Final = (b"ASKING",)
_MOST_AT_ONCE: Final = 200
_PREFIX: Final = "Redis: "
_FAILURES: Final = (RedisError, OSError, UnreachableError)
_PASSING: Final = (NoScriptError, AskError, TryAgainError)
"""Refusals of a step that another server, or the same one a moment later, may take."""


class Link:
    """The servers of one address, and the names of keys there.

    Args:
        address: where they are.
    """

    def __init__(self, address: Address) -> None:
        self.nodes = open_nodes(address)
        self.prefix = address.prefix.encode()
        self.log = self.prefix + b":{log}:"
        """Begins the keys of the revocation log and of all else that is not a user's."""
        self.log_in_step = b"" if self.nodes.is_cluster else self.log
        """The log as scripts on a user's records reach it; empty where it lies elsewhere."""

    def base(self, tag: bytes) -> bytes:
        """Begins the keys of all users of this tag of two bytes."""
        return b"%b:{%b}:" % (self.prefix, tag.hex().encode())

    def session_key(self, tag: bytes, sid: bytes) -> bytes:
        """Of a session that lies under this tag."""
        return b"%b:{%b}:s:%b" % (self.prefix, tag.hex().encode(), sid)

    def leading_key(self, tag: bytes, sid: bytes) -> bytes:
        """Of what leads to a session that lies under another tag than this one, which its sid names."""
        return b"%b:{%b}:o:%b" % (self.prefix, tag.hex().encode(), sid)

    def user_keys(self, tag: bytes, realm: str, user_id: str) -> tuple[bytes, bytes]:
        """Of a user's index, and of the principal."""
        # The length keeps users apart whose texts hold any character, and only together read the same.
        base, raw = self.base(tag), realm.encode()
        user = b"%d:%b%b" % (len(raw), raw, user_id.encode())
        return base + b"u:" + user, base + b"p:" + user

    def log_keys(self, *names: bytes) -> tuple[bytes, ...]:
        """Of the log and its neighbours."""
        return tuple(self.log + name for name in names)

    def reading(self) -> Step:
        """A step that changes nothing."""
        return Step(self, writes=False)

    def writing(self) -> Step:
        """A step that writes."""
        return Step(self, writes=True)


class Step:
    """One call of a port: a few round trips within a time."""

    __slots__ = ("_give_up_at", "_link", "_writes")

    def __init__(self, link: Link, *, writes: bool) -> None:
        self._link = link
        self._writes = writes
        self._give_up_at = time.monotonic() + _LONGEST

    def run(self, name: str, keys: Sequence[bytes], *arguments: bytes | int | str) -> Any:
        """Run a script on records of one slot.

        Args:
            name: of the script.
            keys: what it is about, all that are known: a server refuses it while it has only some.
            *arguments: for the script.

        Raises:
            StorageUnavailableError: it did not run, or nobody knows.
        """
        wanted = script(name)
        return self._send((b"EVALSHA", wanted.sha, len(keys), *keys, *arguments), keys[0], wanted)

    def command(self, base: bytes, *command: bytes | int | str) -> Any:
        """Send a plain command for keys that begin with `base`; errors of `run`."""
        return self._send(command, base, None)

    def run_all(self, name: str, calls: Sequence[tuple[Sequence[bytes], Command]]) -> list[Any]:
        """Run a script for each of the keys and arguments, in one go for each server; errors of `run`."""
        wanted = script(name)
        commands = [(b"EVALSHA", wanted.sha, len(keys), *keys, *own) for keys, own in calls]
        return self._send_all(commands, [keys[0] for keys, _ in calls], wanted)

    def servers(self) -> list[Node]:
        """All servers that keep records.

        Raises:
            StorageUnavailableError: they cannot be found.
        """
        try:
            return list(self._link.nodes.all())
        except _FAILURES as error:
            raise self._failure(error) from error

    def server(self, base: bytes) -> Node:
        """The server that keeps the keys beginning with `base`.

        Raises:
            StorageUnavailableError: it cannot be found.
        """
        try:
            return self._link.nodes.of(base)
        except _FAILURES as error:
            raise self._failure(error) from error

    def ask(self, node: Node, *commands: Command, answer: float = 0, may_refuse: bool = False) -> list[Any]:
        """Send plain commands to one server.

        Args:
            node: that server.
            *commands: what to send.
            answer: seconds to wait, if not as long as usual.
            may_refuse: whether a refusal is a reply like others.

        Raises:
            StorageUnavailableError: as of `run`.
        """
        try:
            replies = node.exchange(commands, answer=answer or self._remaining())
        except _FAILURES as error:
            raise self._failure(error) from error
        for reply in replies:
            if isinstance(reply, ResponseError) and not may_refuse:
                raise self._failure(reply) from reply
        return replies

    def run_at(self, node: Node, name: str, *arguments: bytes | int) -> Any:
        """Run a script on whatever one server keeps.

        Raises:
            StorageUnavailableError: the server does not answer, or refuses.
        """
        wanted = script(name)
        command = (b"EVALSHA", wanted.sha, 0, *arguments)
        reply = self.ask(node, command, may_refuse=True)[-1]
        if isinstance(reply, NoScriptError):
            reply = self.ask(node, (b"SCRIPT", b"LOAD", wanted.text), command, may_refuse=True)[-1]
        if isinstance(reply, ResponseError):
            raise self._failure(reply) from reply
        return reply

    def _send(self, command: Command, base: bytes, wanted: Script | None) -> Any:
        """Send one command, to wherever the servers say; what they refuse so was not executed."""
        nodes = self._link.nodes
        before: tuple[Command, ...] = ()
        reply: Any = TryAgainError()
        try:
            node = nodes.of(base)
            for _ in range(_MOST_ATTEMPTS):
                try:
                    reply = node.exchange((*before, command), answer=self._remaining(), lasts=self._writes)[-1]
                except UnreachableError as error:
                    node = self._other_node(node, base, error)
                    continue
                if not isinstance(reply, ResponseError):
                    return reply
                node, before = self._elsewhere(reply, node, base, wanted, before)
        except _FAILURES as error:
            raise self._failure(error) from error
        raise self._failure(reply)

    def _send_all(self, commands: Sequence[Command], bases: Sequence[bytes], wanted: Script) -> list[Any]:
        replies: list[Any] = [None] * len(commands)
        failures = []
        for node, places in self._places_by_node(bases).items():
            for begin in range(0, len(places), _MOST_AT_ONCE):
                try:
                    self._send_some(node, places[begin : begin + _MOST_AT_ONCE], commands, replies)
                except (*_FAILURES, StorageUnavailableError) as error:
                    # The others are no worse off for it.
                    failures.append(error)
                    break
        for place, reply in enumerate(replies):
            if isinstance(reply, _PASSING):
                replies[place] = self._send(commands[place], bases[place], wanted)
            elif isinstance(reply, ResponseError):
                failures.append(reply)
        if failures:
            raise self._failure(failures[0]) from failures[0]
        return replies

    def _places_by_node(self, bases: Sequence[bytes]) -> dict[Node, list[int]]:
        by_node: dict[Node, list[int]] = {}
        for place, base in enumerate(bases):
            by_node.setdefault(self.server(base), []).append(place)
        return by_node

    def _send_some(self, node: Node, places: list[int], commands: Sequence[Command], replies: list[Any]) -> None:
        some = node.exchange([commands[place] for place in places], answer=self._remaining(), lasts=self._writes)
        for place, reply in zip(places, some, strict=True):
            replies[place] = reply

    def _elsewhere(
        self, reply: ResponseError, node: Node, base: bytes, wanted: Script | None, before: tuple[Command, ...]
    ) -> tuple[Node, tuple[Command, ...]]:
        """Where to send a command that was refused so, and what before it.

        Raises:
            ResponseError: it was refused for good.
        """
        if wanted is not None and isinstance(reply, NoScriptError):
            return node, ((b"SCRIPT", b"LOAD", wanted.text), *before)
        if isinstance(reply, AskError):
            host, port = reply.node_addr
            # MOVED is a kind of ASK that holds from now on.
            if isinstance(reply, MovedError):
                return self._link.nodes.moved(base, (host or node.place[0], int(port))), ()
            return self._link.nodes.at((host or node.place[0], int(port))), (_ASKING,)
        if isinstance(reply, TryAgainError):
            time.sleep(_PAUSE)
            return node, before
        raise reply

    def _other_node(self, node: Node, base: bytes, error: UnreachableError) -> Node:
        """Who keeps the records now that `node` is gone.

        Raises:
            UnreachableError: still that one, for all that is known.
        """
        self._link.nodes.suspect()
        if self._give_up_at - time.monotonic() < _TIME_TO_LOOK:
            raise error
        other = self._link.nodes.of(base)
        if other is node:
            raise error
        return other

    def _remaining(self) -> float:
        remaining = self._give_up_at - time.monotonic()
        if remaining <= 0:
            raise UnreachableError("a step took too long")
        return min(ANSWER, remaining)

    def _failure(self, error: Exception) -> StorageUnavailableError:
        """What a driver's error is to the caller; the servers may have changed."""
        self._link.nodes.suspect()
        return StorageUnavailableError(_PREFIX + _say(error), writing=self._writes)


def _say(error: Exception) -> str:
    if isinstance(error, UnreachableError | StorageUnavailableError):
        return str(error).removeprefix(_PREFIX)
    if not isinstance(error, ResponseError):
        return f"{type(error).__name__}: {error}"
    # A server's text may hold what it was sent: only its first word, a code, is repeated.
    code = str(error).partition(" ")[0]
    return f"{type(error).__name__} {code}" if code.isupper() else type(error).__name__
