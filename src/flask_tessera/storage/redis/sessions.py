"""`SessionStorage` in Redis: each step is one script on the records of one user, which lie together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ...errors import AlreadyExistsError, LoginRefusedError, SessionLimitError
from ...sessions.record import RETENTION_MARGIN, Principal, Standing, first_sid
from ..contract import LAST_SECOND, Added, Ended, Rotation
from .bulk import by_sid, for_each
from .endings import dice, end_all, tell
from .homes import SID_LENGTH, tag_in
from .record import pack, unpack, unpack_pairs
from .walk import Walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ...sessions.limits import Limits
    from ...sessions.record import Session
    from .homes import Homes
    from .link import Link, Step


class RedisSessions:
    """Each method is one step, most often of one round trip."""

    def __init__(self, link: Link, homes: Homes) -> None:
        self._link = link
        self._homes = homes
        self._walk: Walk | None = None

    def tag(self, realm: str, user_id: str, *, seed: bytes) -> bytes:
        return self._homes.tag(realm, user_id, seed=seed)

    def add(self, session: Session, *, limits: Limits, at: int) -> Added:
        home = self._homes.tag(session.realm, session.user_id)
        step = self._link.writing()
        keys = self._link.session_key(home, session.sid), *self._link.user_keys(home, session.realm, session.user_id)
        is_led_to = home != tag_in(session.sid) and lead(self._link, step, session, home, at)
        bounds = (limits.most, limits.per_device_type, int(limits.overflow == "refuse"))
        reply = step.run("add", keys, self._link.log_in_step, at, dice(), pack(session), *bounds)
        if type(reply) is bytes:
            if is_led_to and reply != b"known":
                _forget_lead(self._link, step, session.sid)
            raise _refusal(reply)
        _, epoch, ended, untold = reply
        tell(self._link, step, home, untold, at=at)
        return Added(replace(session, epoch=epoch), tuple(unpack_pairs(ended)))

    def find(self, sid: bytes) -> Standing | None:
        # A read vouches for nothing: an ending that it shows may yet be lost in a fail-over. Who has ended it is told
        # so by an error, and all steps that end, also a second time, wait for a replica.
        tag, reply = self._run(self._link.reading(), "find", sid)
        if reply is None:
            return None
        raw, epoch, suspended_until = reply
        session = self._known(tag, sid, raw)
        if session is None:
            return None
        return Standing(session, Principal(session.realm, session.user_id, epoch, suspended_until))

    def rotate(self, sid: bytes, presented: int, *, at: int, leeway: int, idle: int) -> Rotation | None:
        step = self._link.writing()
        given = (self._link.log_in_step, at, dice(), presented, leeway, idle)
        tag, reply = self._run(step, "rotate", sid, *given)
        if reply is None:
            return None
        _, outcome, reason, raw, untold = reply
        tell(self._link, step, tag, untold, at=at)
        session = self._known(tag, sid, raw)
        return None if session is None else Rotation(outcome.decode(), session, reason.decode())

    def mark(self, marks: Sequence[tuple[bytes, int]], *, at: int) -> list[Session]:
        step = self._link.writing()
        before = (self._link.log_in_step, at, dice())
        ended = []
        for items, (_, _, pairs, untold) in for_each(self._link, step, "mark", by_sid(marks), before=before):
            tell(self._link, step, items[0].tag, untold, at=at)
            ended += unpack_pairs(pairs)
        return ended

    def seen(self, times: Iterable[tuple[bytes, int]]) -> None:
        for_each(self._link, self._link.writing(), "seen", by_sid(times))

    def end(self, sid: bytes, reason: str, *, at: int) -> Ended | None:
        step = self._link.writing()
        tag, reply = self._run(step, "end", sid, self._link.log_in_step, at, dice(), reason)
        if reply is None:
            return None
        _, was_live, raw, untold = reply
        tell(self._link, step, tag, untold, at=at)
        session = self._known(tag, sid, raw)
        return None if session is None else Ended(session, by_this_call=bool(was_live))

    def end_user(
        self, realm: str, user_id: str, reason: str, *, at: int, except_sid: bytes = b"", keep_until: int = 0
    ) -> list[Session]:
        return end_all(
            self._link, self._homes, realm, user_id, reason, at=at, except_sid=except_sid, keep_until=keep_until
        )

    def list(self, realm: str, user_id: str, *, at: int) -> list[Session]:
        tag = self._homes.find(realm, user_id)
        if not tag:
            return []
        keys = self._link.user_keys(tag, realm, user_id)
        pairs = self._link.reading().run("list", keys, self._link.log_in_step, at, 0, realm, user_id)
        return sorted(unpack_pairs(pairs), key=lambda session: session.sid)

    def newest(self, *, before: int = LAST_SECOND) -> int:
        # Sids begin with the time of birth.
        walk, newest = Walk(self._link), b""
        while not walk.is_over:
            newest = max(newest, *walk.run(self._link.reading(), "newest", first_sid(before)))
        standing = self.find(newest)
        return 0 if standing is None else standing.session.created_at

    def purge(self, *, at: int, most: int) -> int:
        # Where this walk stopped the next call goes on, else the live ones in front would be looked at each time.
        walk, self._walk = self._walk or Walk(self._link), None
        removed = 0
        while removed < most and not walk.is_over:
            step = self._link.writing()
            count, led_to = walk.run(step, "sweep", at, most - removed)
            removed += count
            for sid in led_to:
                _forget_lead(self._link, step, sid)
        # One that is over is kept where the caller will ask for more: there is none.
        self._walk = walk if removed == most else None
        return removed

    def _run(self, step: Step, name: str, sid: bytes, *arguments: bytes | int | str) -> tuple[bytes, Any]:
        """Run a script on one session; gives the tag under which it lies and the reply, None if it is not known."""
        tag, reply = tag_in(sid), None
        if len(sid) == SID_LENGTH:
            key = self._link.session_key(tag, sid)
            reply = step.run(name, [key], *arguments)
            if reply is None and self._link.nodes.is_cluster:
                # What leads to it may be on the other side of a move: a server that has not both keys says so.
                reply = step.run(name, [key, self._link.leading_key(tag, sid)], *arguments)
        if type(reply) is bytes:
            # It lies under another tag than its sid says.
            tag, reply = reply, step.run(name, [self._link.session_key(reply, sid)], *arguments)
        return tag, reply if type(reply) is list else None

    def _known(self, tag: bytes, sid: bytes, raw: bytes) -> Session | None:
        """The session in a record found under `tag`; None if none of its user's should lie there.

        One from before the key of the tags was lost is such: what has ended its user since knows nothing of it.
        """
        session = unpack(sid, raw)
        return session if self._homes.find(session.realm, session.user_id) == tag else None


def lead(link: Link, step: Step, session: Session, home: bytes, at: int) -> bool:
    """Lead from the place that a sid names to `home`, where the session will lie, at Unix second `at`.

    Gives whether nothing led there before.

    Raises:
        AlreadyExistsError: there is a session of this sid.
        StorageUnavailableError: nobody knows whether this was done.
    """
    seconds = max(session.until - at, 0) + RETENTION_MARGIN
    tag, sid = tag_in(session.sid), session.sid
    said = step.run("lead", (link.session_key(tag, sid), link.leading_key(tag, sid)), home, seconds)
    if said == b"known":
        raise _refusal(said)
    return bool(said == b"new")


def _refusal(said: bytes) -> Exception:
    if said == b"suspended":
        return LoginRefusedError("the user is suspended")
    if said == b"full":
        return SessionLimitError("this user has as many sessions as TESSERA_SESSION_OVERFLOW = 'refuse' admits")
    return AlreadyExistsError("a session of this sid")


def _forget_lead(link: Link, step: Step, sid: bytes) -> None:
    key = link.leading_key(tag_in(sid), sid)
    step.command(key, b"DEL", key)
