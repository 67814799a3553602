"""Endings that live tokens could still contradict, as a worker holds them in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from ..sessions.revocations import Revocation
from .keys import parse_sid, sid_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Ending = tuple[str, int]
    Owner = tuple[str, str]

_MINUTE: Final = 60


class OpenEndings:
    """By session and by user, each with its reason and the Unix second from which it may be forgotten.

    Intents are endings that were about to be written: the storage must be asked about their sessions and users until
    the log says what became of them.

    One thread at a time writes; others read meanwhile, without a lock. An entry of a session takes some 150 bytes: its
    sid as tokens write it, a place in a dictionary, and a place in the list of what falls due in its minute.
    """

    def __init__(self) -> None:
        self.sessions: dict[str, Ending] = {}
        self.users: dict[Owner, tuple[Revocation, ...]] = {}
        self.intents: dict[str | Owner, dict[int, Revocation]] = {}
        self._due: dict[int, list[str | Owner]] = {}
        self._shared: dict[Ending, Ending] = {}

    def take(self, entries: Iterable[Revocation], *, at: int) -> None:
        """Add entries, but for those that may be forgotten at Unix second `at`; a known one changes nothing."""
        for entry in entries:
            if entry.is_intent or self.intents:
                self._take_intent(entry, at)
            if entry.forget_at <= at or entry.is_intent:
                continue
            if entry.sid:
                self._take_session(entry)
            else:
                self._take_user(entry)

    def is_undecided(self, sid: str, owner: Owner) -> bool:
        """Whether an ending of this session, or of all of this user, may have been written."""
        return sid in self.intents or owner in self.intents

    def missing_in(self, other: OpenEndings, *, at: int) -> Iterator[Revocation]:
        """What is open here at Unix second `at` and not known there."""
        for sid, (reason, forget_at) in list(self.sessions.items()):
            if forget_at > at and sid not in other.sessions:
                yield Revocation(forget_at, reason, parse_sid(sid))
        for owner, entries in list(self.users.items()):
            known = max((entry.epoch for entry in other.users.get(owner, ())), default=0)
            yield from (entry for entry in entries if entry.forget_at > at and entry.epoch > known)
        for name, waiting in list(self.intents.items()):
            known_there = other.intents.get(name, {})
            yield from (each for each in waiting.values() if each.forget_at > at and each.epoch not in known_there)

    def prune(self, at: int) -> None:
        """Drop what may be forgotten at Unix second `at`, a minute's worth at a time."""
        # Those of one second are most often of one reason, and then share what is kept of them.
        self._shared = {}
        for name, waiting in list(self.intents.items()):
            if all(each.forget_at <= at for each in waiting.values()):
                self.intents.pop(name, None)
        for minute in [minute for minute in self._due if (minute + 1) * _MINUTE <= at]:
            for name in self._due.pop(minute):
                if isinstance(name, str):
                    self._drop_session(name, at)
                else:
                    self._drop_user(name, at)

    def _take_intent(self, entry: Revocation, at: int) -> None:
        """Note an intent, by the epoch that it leads to; one that was carried out or has lapsed is none any more."""
        name = sid_text(entry.sid) if entry.sid else (entry.realm, entry.user_id)
        waiting = dict(self.intents.get(name, ()))
        if entry.is_intent and entry.forget_at > at:
            waiting[entry.epoch] = entry
        else:
            waiting.pop(entry.epoch, None)
        if waiting:
            self.intents[name] = waiting
        else:
            self.intents.pop(name, None)

    def _take_session(self, entry: Revocation) -> None:
        sid, ending = sid_text(entry.sid), (entry.reason, entry.forget_at)
        if self.sessions.get(sid) != ending:
            self.sessions[sid] = self._shared.setdefault(ending, ending)
            self._note(entry.forget_at, sid)

    def _take_user(self, entry: Revocation) -> None:
        owner = (entry.realm, entry.user_id)
        known = self.users.get(owner, ())
        if entry in known:
            return
        # A later entry refuses all that an earlier one does. One of each reason stays, so that it can be told.
        alike = [each for each in known if each.reason == entry.reason]
        newest = max([*alike, entry], key=lambda each: each.epoch)
        newest = replace(newest, forget_at=max(each.forget_at for each in [*alike, entry]))
        others = [each for each in known if each.reason != entry.reason]
        self.users[owner] = tuple(sorted([*others, newest], key=lambda each: each.epoch))
        self._note(newest.forget_at, owner)

    def _note(self, forget_at: int, name: str | Owner) -> None:
        self._due.setdefault(forget_at // _MINUTE, []).append(name)

    def _drop_session(self, sid: str, at: int) -> None:
        ending = self.sessions.get(sid)
        if ending is not None and ending[1] <= at:
            del self.sessions[sid]

    def _drop_user(self, owner: Owner, at: int) -> None:
        left = tuple(entry for entry in self.users.get(owner, ()) if entry.forget_at > at)
        if left:
            self.users[owner] = left
        else:
            self.users.pop(owner, None)
