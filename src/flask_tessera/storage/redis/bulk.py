"""Scripts that take many sessions at once: grouped by where they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .homes import SID_LENGTH, tag_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .link import Link, Step
    from .node import Command

_MOST: Final = 100
"""Sessions in one script: it must not make others wait."""


class Item(NamedTuple):
    """A session, and what a script is given with it."""

    tag: bytes
    sid: bytes
    arguments: Command = ()


class Done(NamedTuple):
    """What a script gave for some sessions."""

    items: Sequence[Item]
    reply: Any


def for_each(link: Link, step: Step, name: str, items: Iterable[Item], *, before: Command = ()) -> list[Done]:
    """Run a script for many sessions; those that lie under another tag than was thought are followed there.

    Args:
        link: to the servers.
        step: that this belongs to.
        name: of the script. Its reply has in second place the places of those that lie elsewhere, and where.
        items: the sessions.
        before: its first arguments, the same for all.

    Raises:
        StorageUnavailableError: some may have been done.
    """
    done: list[Done] = []
    waiting = list(items)
    for _ in range(2):
        groups = [*_groups(link, waiting)]
        waiting = []
        replies = step.run_all(name, [_call(link, group, before) for group in groups])
        for group, reply in zip(groups, replies, strict=True):
            done.append(Done(group, reply))
            moved = reply[1]
            waiting += [group[place]._replace(tag=tag) for place, tag in zip(moved[::2], moved[1::2], strict=True)]
        if not waiting:
            break
    return done


def by_sid(sessions: Iterable[tuple[bytes, int]]) -> list[Item]:
    """Sessions with a number each, where their sids say that they lie."""
    return [Item(tag_in(sid), sid, (number,)) for sid, number in sessions if len(sid) == SID_LENGTH]


def _groups(link: Link, items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    by_tag: dict[bytes, list[Item]] = {}
    for item in items:
        # One server takes all together; in a cluster a script stays within a slot.
        by_tag.setdefault(item.tag if link.nodes.is_cluster else b"", []).append(item)
    for group in by_tag.values():
        for begin in range(0, len(group), _MOST):
            yield group[begin : begin + _MOST]


def _call(link: Link, group: Sequence[Item], before: Command) -> tuple[Sequence[bytes], Command]:
    arguments = [argument for item in group for argument in item.arguments]
    return [link.session_key(item.tag, item.sid) for item in group], (*before, *arguments)
