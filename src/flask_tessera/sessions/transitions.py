"""What becomes of sessions and principals: every rule, once, as functions from what was read to what is written.

A storage reads a `UserState`, or sessions with their principals, lets one of these functions decide, and commits the
`Changes` in one step, so that nobody sees half of them. It knows no rule itself: whatever it is, the same is decided.
Functions return the changes and what the caller is told. Times are Unix seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec
from msgspec.structs import replace

from ..errors import AlreadyExistsError, CredentialsError, LoginRefusedError
from . import rotation
from .limits import overflowing
from .model import Principal, Session, SessionWithPrincipal
from .revocations import Revocation, forget_at, kept_until

if TYPE_CHECKING:
    from .limits import Limits

Outcome = Literal["rotated", "same", "replaced", "adopted", "reuse", "refused"]
OTHER_ISSUER: Final = "other_issuer"
"""The reason of a refused refresh whose session was begun for another issuer or audience."""
LONGEST_SCOPE: Final = 2048
"""Bytes of a session's scope and `amr` together: a token holds them."""


class UserState(msgspec.Struct, frozen=True):
    """What was read of a user.

    Attributes:
        principal: as it is kept.
        sessions: those that have not ended, where they were asked for.
        surplus: sids of ended sessions beyond the newest `ENDED_KEPT`.
        is_taken: whether the sid of the newcomer is in use.
        was_revoked: whether all of the user's sessions were ended after the checkpoint of the login.
    """

    principal: Principal
    sessions: tuple[Session, ...] = ()
    surplus: tuple[bytes, ...] = ()
    is_taken: bool = False
    was_revoked: bool = False


class Changes(msgspec.Struct, frozen=True):
    """What is to be written, all of it or nothing.

    Attributes:
        added: a session whose sid must not be in use.
        sessions: known ones, as they are now.
        principals: as they are now.
        removed: sids of sessions to be forgotten.
        entries: for the revocation log.
        repeated: sessions that had ended before. Whoever ended them may have been told that no replica has it: a
            storage with replicas writes them once more and waits for one; any other does nothing.
    """

    added: Session | None = None
    sessions: tuple[Session, ...] = ()
    principals: tuple[Principal, ...] = ()
    removed: tuple[bytes, ...] = ()
    entries: tuple[Revocation, ...] = ()
    repeated: tuple[Session, ...] = ()

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing to write, `repeated` aside."""
        return not (self.added or self.sessions or self.principals or self.removed or self.entries)


NOTHING: Final = Changes()


class Added(msgspec.Struct, frozen=True):
    """A session as it was written, and those that ended to make room for it."""

    session: Session
    ended: tuple[Session, ...] = ()


class Rotation(msgspec.Struct, frozen=True):
    """What became of a presented refresh token.

    `session` is as it is stored now; `reason` is set when the outcome is "refused" or "reuse". `last_at` is the Unix
    second of the refresh before this one, 0 if there was none.
    """

    outcome: Outcome
    session: Session
    reason: str = ""
    last_at: int = 0


class Ended(msgspec.Struct, frozen=True):
    """A session that is over; `by_this_call` tells whether it was live before."""

    session: Session
    by_this_call: bool


def add(state: UserState, session: Session, *, limits: Limits, at: int, valid_from: int) -> tuple[Changes, Added]:
    """Begin a session under the principal's present epoch; others make room as `limits` says.

    Raises:
        CredentialsError: all of the user's sessions were ended while the credentials were checked.
        LoginRefusedError: the principal is suspended.
        SessionLimitError: there are as many as allowed and the newcomer is to be refused.
        AlreadyExistsError: there is a session of this sid.
    """
    principal = state.principal
    if state.was_revoked:
        raise CredentialsError("all sessions were ended while the credentials were checked")
    if principal.suspended_until > at:
        raise LoginRefusedError("the user is suspended")
    if state.is_taken:
        raise AlreadyExistsError("a session of this sid")
    live = {each.sid: each for each in live_sessions(state, at=at, valid_from=valid_from)}
    leaving = overflowing(live.values(), session.device_type, limits)
    ended = tuple(_ended(live[sid], reason, at) for sid, reason in leaving)
    added = replace(session, epoch=principal.epoch)
    entries = tuple(_entry(live[each.sid], each.end_reason, at) for each in ended)
    return Changes(added=added, sessions=ended, removed=state.surplus, entries=entries), Added(added, ended)


def live_sessions(state: UserState, *, at: int, valid_from: int) -> list[Session]:
    """The sessions to which something is granted, oldest first."""
    standing = (SessionWithPrincipal(session, state.principal) for session in state.sessions)
    live = [each.session for each in standing if not each.rejection_reason(at, valid_from=valid_from)]
    return sorted(live, key=lambda session: session.sid)


def rotate(
    found: SessionWithPrincipal, presented: int, *, at: int, leeway: int, idle: int, valid_from: int, issued_for: str
) -> tuple[Changes, Rotation]:
    """Decide a refresh by the table of `rotation`.

    Args:
        found: the session of the token.
        presented: the token's generation.
        at: now.
        leeway: seconds in which a predecessor is answered like its successor.
        idle: seconds by which the idle limit is moved.
        valid_from: sessions that began before it are over.
        issued_for: what the session must have been begun for; empty asks nothing.
    """
    session = found.session
    if reason := found.rejection_reason(at, valid_from=valid_from):
        return _again(session), Rotation("refused", session, reason)
    decision = rotation.decide(session.rotation, presented, at=at, leeway=leeway)
    if refused := _refused(session, decision, at, issued_for):
        return refused
    last_at = session.rotated_at if session.gen else 0
    if decision.outcome == "same":
        return NOTHING, Rotation("same", session, last_at=last_at)
    rotated = session.with_rotation(decision.state, at=at, idle=idle)
    return Changes(sessions=(rotated,)), Rotation(decision.outcome, rotated, last_at=last_at)


def authenticate_again(
    found: SessionWithPrincipal,
    used: int,
    amr: tuple[str, ...],
    *,
    at: int,
    leeway: int,
    idle: int,
    valid_from: int,
    issued_for: str,
) -> tuple[Changes, Rotation]:
    """Note that a session's user has proved again who he is, and go on to a new generation (`rotation.decide_again`).

    A session that is over stays over, whatever was proved. Arguments beside these are those of `rotate`.

    Args:
        found: the session.
        used: the generation of the access token that came with the proof.
        amr: how he has proved it, words of RFC 8176.
        at: now, when he last logged in from then on.
        leeway: as of `rotate`.
        idle: as of `rotate`.
        valid_from: as of `rotate`.
        issued_for: as of `rotate`.
    """
    session = found.session
    if reason := found.rejection_reason(at, valid_from=valid_from):
        return _again(session), Rotation("refused", session, reason)
    decision = rotation.decide_again(session.rotation, used, at=at, leeway=leeway)
    if refused := _refused(session, decision, at, issued_for):
        return refused
    changed = replace(session.with_rotation(decision.state, at=at, idle=idle), auth_at=at, amr=_merged(session, amr))
    return Changes(sessions=(changed,)), Rotation(decision.outcome, changed)


def _refused(
    session: Session, decision: rotation.Decision, at: int, issued_for: str
) -> tuple[Changes, Rotation] | None:
    """What becomes of a session of which no pair is given; None where one is."""
    if decision.outcome == "reuse":
        changes, ended = end(session, "reuse", at=at)
        return changes, Rotation("reuse", ended.session, "reuse")
    if issued_for and session.issued_for not in ("", issued_for):
        return NOTHING, Rotation("refused", session, OTHER_ISSUER)
    return None


def _merged(session: Session, amr: tuple[str, ...]) -> str:
    """The words by which the user has logged in, and those by which he has proved it again, each once.

    Where there is no room for all of them beside the scope, the oldest go.
    """
    words = list(dict.fromkeys((*session.amr.split(), *amr)))
    while len((session.scope + " ".join(words)).encode()) > LONGEST_SCOPE and len(words) > 1:
        del words[0]
    return " ".join(words)


def confirm(session: Session, used: int, *, at: int) -> tuple[Changes, Session | None]:
    """Note that generation `used` was used; gives the session if that has ended it.

    The use of a superseded generation is a reuse. An ended session stays as it is.
    """
    state = rotation.mark(session.rotation, used)
    if session.ended_at:
        return (NOTHING if state else _again(session)), None
    if state is None:
        changes, ended = end(session, "reuse", at=at)
        return changes, ended.session
    if state.confirmed == session.confirmed:
        return NOTHING, None
    return Changes(sessions=(replace(session, confirmed=state.confirmed),)), None


def touch(session: Session, seen_at: int) -> Changes:
    """Move the last-seen time forward; never back."""
    if session.last_seen_at >= seen_at:
        return NOTHING
    return Changes(sessions=(replace(session, last_seen_at=seen_at),))


def end(session: Session, reason: str, *, at: int) -> tuple[Changes, Ended]:
    """End a session; one that is over already keeps its reason."""
    if session.ended_at:
        return _again(session), Ended(session, by_this_call=False)
    ended = _ended(session, reason, at)
    changes = Changes(sessions=(ended,), entries=(_entry(session, reason, at),))
    return changes, Ended(ended, by_this_call=True)


def end_user(
    state: UserState, reason: str, *, at: int, except_sid: bytes, suspended_until: int, keep_until: int
) -> tuple[Changes, list[Session]]:
    """Raise the user's epoch and end all sessions but `except_sid`, which is carried over to the new epoch.

    Args:
        state: of the user, with the sessions.
        reason: why.
        at: now.
        except_sid: a session that lives on, if it is live and the user's; empty for none.
        suspended_until: second until which no session may begin; of two suspensions the longer holds.
        keep_until: second before which the entry may not be forgotten: there may be live tokens of sessions that the
            storage does not know.
    """
    live = live_sessions(state, at=at, valid_from=0)
    principal = replace(
        state.principal,
        epoch=state.principal.epoch + 1,
        suspended_until=max(suspended_until, state.principal.suspended_until),
    )
    kept = [replace(each, epoch=principal.epoch) for each in live if each.sid == except_sid]
    ended = [_ended(each, reason, at) for each in live if each.sid != except_sid]
    forget = max((forget_at(each, at) for each in live), default=at)
    # Named only if it lives: else its tokens would be spared by this entry, though an older one refuses them.
    spared = except_sid if kept else b""
    entry = Revocation(
        max(forget, keep_until), reason, b"", principal.realm, principal.user_id, principal.epoch, spared
    )
    return Changes(sessions=(*ended, *kept), principals=(principal,), entries=(entry,)), ended


def unsuspend(principal: Principal) -> Changes:
    """Let the user log in again; ended sessions stay ended."""
    if not principal.suspended_until:
        return NOTHING
    return Changes(principals=(replace(principal, suspended_until=0),))


def merge_session(present: Session | None, moved: Session, *, valid_from: int) -> Changes:
    """Put a session as it was in another storage; what is here already is never turned back.

    Of two an ended one stays, else the higher generation, of one generation the higher epoch. It was live where it came
    from, so it counts as begun no earlier than `valid_from`.
    """
    moved = replace(moved, created_at=max(moved.created_at, valid_from))
    if present is None:
        return Changes(added=moved)
    is_further = (moved.gen, moved.epoch) > (present.gen, present.epoch)
    if present.ended_at or not (moved.ended_at or is_further):
        return NOTHING
    return Changes(sessions=(moved,))


def merge_principal(present: Principal, moved: Principal) -> Changes:
    """Put a principal as it was in another storage; the higher epoch and the longer suspension stay."""
    merged = replace(
        present,
        epoch=max(present.epoch, moved.epoch),
        suspended_until=max(present.suspended_until, moved.suspended_until),
    )
    return NOTHING if merged == present else Changes(principals=(merged,))


def _ended(session: Session, reason: str, at: int) -> Session:
    return replace(session, ended_at=at, end_reason=reason, idle_until=kept_until(session, at))


def _entry(session: Session, reason: str, at: int) -> Revocation:
    return Revocation(forget_at(session, at), reason, session.sid)


def _again(session: Session) -> Changes:
    return Changes(repeated=(session,)) if session.ended_at else NOTHING
