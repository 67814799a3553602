"""`SessionStore` in Redis: what was read is compared and written in one step, or read and decided again.

How this works. A record begins with eight random bytes, its version. A unit of work reads (one trip), lets the rule
decide in Python, and sends what was decided to `scripts/commit.lua` (one trip), which compares the versions of what was
read and writes only if none has changed; else all begins again, after a random pause. So nobody holds a lock, and no
rule stands in Lua.

Two units conflict if one writes what the other has compared. Beginning a session and ending all of a user's write the
principal, so that no two of them decide on the same state; a refresh compares the principal, and writes the session
alone, so that the sessions of a user do not wait for each other.

Where things lie. On one server a unit of work is one step, whatever it touches, entries of the log included. In a
cluster a step stays within one slot. A user's principal, indexes and sessions lie together; only sessions that release
0.1 began lie in the slot that their sid names. A refresh of such a one compares the session alone: the epoch of its
principal decides whenever it is read. Ending all of such a user writes the principal first, which ends them all, and
then the sessions one by one.

The log lies in a slot of its own. An ending appends what it is about to do first, as an *intent*; whoever reads that
asks whether it was done (log.py). After a crash in between nothing has ended, and some ask once too often.

A unit that ends something waits for a replica, where there is one: a fail-over must not bring a session back.
"""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ...errors import AlreadyExistsError
from ...sessions.ids import first_sid, tag_in, tag_of
from ...sessions.transitions import NOTHING, Changes, UserState
from ..model import Page, Wanted
from .client import Call
from .records import HEAD_LENGTH, is_over, unpack_principal, unpack_session, unpack_user
from .units import Plan, Reader, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ...sessions.model import Principal, Session, SessionWithPrincipal
    from ..contract import Result
    from .client import Client
    from .log import RedisLog
    from .records import Key, Keys
    from .units import Found

    OfUser = Callable[[UserState], tuple[Changes, Result]]
    OfSession = Callable[[bytes, SessionWithPrincipal | None], tuple[Changes, Result]]


class RedisSessions:
    """Each method is one step, of one or two round trips."""

    def __init__(self, client: Client, keys: Keys, log: RedisLog) -> None:
        self._client = client
        self._keys = keys
        self._log = log
        self._reader = Reader(client, keys, log)
        self._purging: Iterator[Sequence[Key]] | None = None

    def find(self, sid: bytes) -> SessionWithPrincipal | None:
        return self._reader.sessions([sid])[sid][0]

    def user(self, realm: str, user_id: str, *, sessions: bool) -> UserState:
        return self._reader.user(realm, user_id, Wanted(sessions=sessions))[0]

    def change_user(self, realm: str, user_id: str, decide: OfUser[Result], *, wanted: Wanted, at: int) -> Result:
        unit = Unit()
        while True:
            state, versions, gone = self._reader.user(realm, user_id, wanted)
            changes, result = decide(state)
            plan = Plan(self._keys, tag_of(realm, user_id), versions, changes, at)
            if changes.added:
                # So that it conflicts with all others that begin a session or end all.
                plan.put_principal(state.principal, changes.added.until)
            if not changes.is_nothing:
                plan.forget(realm, user_id, [*gone, *changes.removed])
            if not self._commit({b"": plan}, unit, at):
                return result
            unit.pause()

    def change_sessions(  # nothing is locked, whatever is expected
        self,
        sids: Sequence[bytes],
        decide: OfSession[Result],
        *,
        at: int,
        mostly_unchanged: bool = False,  # noqa: ARG002
        mostly_alone: bool = False,  # noqa: ARG002
    ) -> list[Result]:
        unit, waiting = Unit(), list(sids)
        results: dict[bytes, Result] = {}
        while waiting:
            plans = {}
            for sid, found in self._reader.sessions(waiting, give_up_at=unit.give_up_at).items():
                changes, results[sid] = decide(sid, found[0])
                if not changes.is_nothing or changes.repeated:
                    plans[sid] = self._session_plan(sid, found, changes, at, unit.give_up_at)
            waiting = self._commit(plans, unit, at)
            if waiting:
                unit.pause()
        return [results[sid] for sid in sids]

    def change_principals(
        self, owners: Sequence[tuple[str, str]], decide: Callable[[Principal], Changes], *, at: int
    ) -> None:
        for realm, user_id in owners:
            wanted = Wanted(sessions=False)
            self.change_user(realm, user_id, lambda state: (decide(state.principal), None), wanted=wanted, at=at)

    def newest(self, *, before: int) -> int:
        end, newest = first_sid(before), b""
        for page in self._pages():
            newest = max([newest, *(each.name for each in page if each.name < end)])
        found = self.find(newest) if newest else None
        return found.session.created_at if found else 0

    def purge(self, *, at: int, most: int) -> int:
        # Where this walk stopped the next call goes on, else the live ones in front would be looked at each time.
        pages, self._purging = self._purging or self._pages(), None
        removed = 0
        while removed < most and (page := next(pages, None)) is not None:
            over, rest = self._over(page, at, most - removed)
            removed += sum(self.change_sessions(over, partial(_remove, at=at), at=at))
            if rest:
                # There are more than wanted: the next call looks at these keys once more.
                pages = chain([rest], pages)
        # One that is over is kept where the caller will ask for more: there is none.
        self._purging = pages if removed == most else None
        return removed

    def read(self, cursor: str, *, most: int) -> Page:
        names, following = self._client.scan(self._keys.pattern(b"sp"), cursor, most)
        found = self._keys.split(names)
        raws = self._client.get(each.key for each in found)
        present = [(each, raw) for each, raw in zip(found, raws, strict=True) if raw is not None]
        principals = [unpack_principal(*unpack_user(each.name), raw) for each, raw in present if each.kind == b"p"]
        return Page(
            tuple(unpack_session(each.name, raw) for each, raw in present if each.kind == b"s"),
            tuple(each for each in principals if each.epoch or each.suspended_until),
            cursor=following,
        )

    def _pages(self) -> Iterator[Sequence[Key]]:
        return map(self._keys.split, self._client.scan_all(self._keys.pattern(b"s")))

    def _over(self, keys: Sequence[Key], at: int, most: int) -> tuple[list[bytes], Sequence[Key]]:
        """The sids of at most `most` sessions that may be removed, and the keys that were not looked at for it."""
        calls = [Call(each.key, ("GETRANGE", each.key, 0, HEAD_LENGTH - 1)) for each in keys]
        # What is no session, or cannot be read, keeps no other from being removed.
        heads = self._client.run(*calls, may_refuse=True)
        over = [place for place, head in enumerate(heads) if is_over(head, at)]
        rest = keys[over[most] :] if len(over) > most else []
        return [keys[place].name for place in over[:most]], rest

    def _session_plan(self, sid: bytes, found: Found, changes: Changes, at: int, give_up_at: float) -> Plan:
        known, versions = found
        plan = Plan(self._keys, tag_in(sid), versions, changes, at)
        for session in changes.repeated:
            # Whoever ended it may have been told that no replica has it.
            if self._client.servers.of(self._keys.session(sid)).has_replicas(give_up_at=give_up_at):
                plan.put(session)
        if known and changes.removed:
            plan.forget(known.session.realm, known.session.user_id, changes.removed)
        plan.first.checks |= versions
        return plan

    def _commit(self, plans: dict[bytes, Plan], unit: Unit, at: int) -> list[bytes]:
        """Write what was planned; gives the names of those plans of which something had changed since it was read."""
        plans = {name: plan for name, plan in plans.items() if plan.first.commands}
        if not plans:
            return []
        if self._keys.is_cluster:
            fresh = [entry for plan in plans.values() for entry in plan.entries if entry not in unit.logged]
            self._log.append([replace(entry, is_intent=True) for entry in fresh], at=at)
            unit.logged.update(fresh)
        else:
            for plan in plans.values():
                self._log.add_to(plan.first, plan.entries, at)
        calls = (plan.first.call(waits=plan.waits) for plan in plans.values())
        replies = dict(zip(plans, self._client.run(*calls, give_up_at=unit.give_up_at), strict=True))
        for name, place in replies.items():
            if not place:
                self._write_others(plans[name], at)
        return [name for name, place in replies.items() if place]

    def _write_others(self, plan: Plan, at: int) -> None:
        """In a cluster: what of a unit of work lies in other slots, after what was decided has been written."""
        if any(self._client.run(*(batch.call(waits=plan.waits) for batch in plan.others.values()))):
            # Nothing else is compared there but that a newcomer's sid is not in use.
            raise AlreadyExistsError("a session of this sid")
        self.change_sessions(list(plan.elsewhere), partial(_follow, plan.elsewhere), at=at)


def _remove(_: bytes, found: SessionWithPrincipal | None, *, at: int) -> tuple[Changes, int]:
    if found is None or found.session.idle_until > at:
        return NOTHING, 0
    return Changes(removed=(found.session.sid,)), 1


def _follow(decided: Mapping[bytes, Session], sid: bytes, found: SessionWithPrincipal | None) -> tuple[Changes, None]:
    """Bring what was decided about a session to it as it is by now."""
    if found is None or found.session.ended_at:
        return NOTHING, None
    wanted = decided[sid]
    return Changes(sessions=(wanted if wanted.ended_at else replace(found.session, epoch=wanted.epoch),)), None
