"""Endings that live tokens could still contradict, as a worker holds them in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .keys import sid_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..storage.contract import Revocation

    Ending = tuple[str, int]
    Owner = tuple[str, str]

_MINUTE: Final = 60


class OpenEndings:
    """By session and by user, each with its reason and the Unix second from which it may be forgotten.

    One thread at a time writes; others read meanwhile, without a lock. An entry of a session takes some 150 bytes: its
    sid as tokens write it, a place in a dictionary, and a place in the list of what falls due in its minute.
    """

    def __init__(self) -> None:
        self.sessions: dict[str, Ending] = {}
        self.users: dict[Owner, tuple[Revocation, ...]] = {}
        self._due: dict[int, list[str | Owner]] = {}
        self._shared: dict[Ending, Ending] = {}

    def take(self, entries: Iterable[Revocation], *, at: int) -> None:
        """Add entries, but for those that may be forgotten at Unix second `at`; a known one changes nothing."""
        for entry in entries:
            if entry.forget_at <= at:
                continue
            if entry.sid:
                self._take_session(entry)
            else:
                self._take_user(entry)

    def prune(self, at: int) -> None:
        """Drop what may be forgotten at Unix second `at`, a minute's worth at a time."""
        # Those of one second are most often of one reason, and then share what is kept of them.
        self._shared = {}
        for minute in [minute for minute in self._due if (minute + 1) * _MINUTE <= at]:
            for name in self._due.pop(minute):
                if isinstance(name, str):
                    self._drop_session(name, at)
                else:
                    self._drop_user(name, at)

    def _take_session(self, entry: Revocation) -> None:
        sid, ending = sid_text(entry.sid), (entry.reason, entry.forget_at)
        if self.sessions.get(sid) != ending:
            self.sessions[sid] = self._shared.setdefault(ending, ending)
            self._note(entry.forget_at, sid)

    def _take_user(self, entry: Revocation) -> None:
        owner = (entry.realm, entry.user_id)
        known = self.users.get(owner, ())
        if entry not in known:
            self.users[owner] = (*known, entry)
            self._note(entry.forget_at, owner)

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
