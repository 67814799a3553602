"""Log in, refresh, end, list."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NoReturn

from msgspec.structs import replace as _replace

from ..errors import AlreadyExistsError, NotFoundError, SessionEndedError, StorageUnavailableError, TokenInvalidError
from ..sessions import rotation
from ..sessions.model import Session, SessionWithPrincipal
from ..sessions.revocations import RETENTION_MARGIN
from ..sessions.transitions import OTHER_ISSUER
from ..tokens import refresh
from .keys import parse_sid
from .login_data import Issued, Login, SessionPolicy, refuse_unusable, session_of
from .new_ids import NewIds
from .ports import UNKNOWN_CLIENT, ClientInfo, Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ..sessions.transitions import Rotation
    from ..storage.engine import Storage
    from ..storage.model import Checkpoint
    from ..tokens.claims import Claims
    from .access import AccessTokens
    from .keys import Keys
    from .ports import Clock, Listener, RandomBytes
    from .revocation import RevocationView

_NO_CLAIMS: Final[Mapping[str, Any]] = MappingProxyType({})
_ENDS_OWNER: Final = frozenset(("suspension", "user_gone", "password_change"))
_SPENT: Final = "spent"
"""The kind of values that say that something was used."""


class SessionService:
    """The life of sessions in one realm.

    Each of `on_owner_ended` ends something else that a user (user id) has, when the user is suspended or gone, or has a
    new password, which the end reason tells.
    """

    def __init__(
        self,
        storage: Storage,
        keys: Keys,
        access: AccessTokens,
        policy: SessionPolicy,
        *,
        view: RevocationView,
        realm: str,
        clock: Clock,
        random_bytes: RandomBytes,
        listener: Listener,
        on_owner_ended: Sequence[Callable[[str, str], None]] = (),
    ) -> None:
        self._storage = storage
        self._keys = keys
        self._access = access
        self._policy = policy
        self._view = view
        self._realm = realm
        self._clock = clock
        self._ids = NewIds(realm, random_bytes)
        self._listener = listener
        self._on_owner_ended = on_owner_ended

    def log_in(self, login: Login, *, auth_at: int | None = None) -> Issued:
        """Begin a session and issue its first pair.

        Args:
            login: who logs in.
            auth_at: Unix second in which the credentials were checked, if that was not now.

        Raises:
            CredentialsError: all of the user's sessions were ended after `login.checkpoint`.
            LoginRefusedError: the user is suspended.
            SessionLimitError: the user has as many sessions as allowed.
            StorageUnavailableError: nothing was begun, or nobody will hear of it.
        """
        session = self._new_session(login) if auth_at is None else self._new_session(login, auth_at=auth_at)
        return self.issue(self._begin(session, checkpoint=login.checkpoint), login.loaded_claims)

    def log_in_for(self, login: Login, *, lifetime: int) -> Issued:
        """Begin a session of `lifetime` seconds, whose first access token lives as long; errors as of `log_in`."""
        at = self._clock()
        until = at + lifetime
        session = self._new_session(login, idle_until=until, until=until, access_lifetime=lifetime)
        session = self._begin(session, checkpoint=login.checkpoint)
        access_token, _ = self._access.mint_until(session, login.loaded_claims, at=at, exp=until)
        return Issued(session, access_token, lifetime, self._refresh_token_of(session), lifetime)

    def spend(self, login: Login, *, sid: bytes, keep_until: int, is_logout: bool = False) -> None:
        """Keep that something can be used but once.

        Args:
            login: for whom.
            sid: the name that only this one thing has, in the form of a session's.
            keep_until: Unix second before which that must not be forgotten.
            is_logout: whether it ends something, of which an event is to tell.

        Raises:
            AlreadyExistsError: it was used before.
            StorageUnavailableError: the outcome may be unknown.
        """
        session = self._new_session(login, sid=sid, idle_until=keep_until, until=keep_until)
        with _failing_as(writing=False):
            values, at = self._storage.values, session.created_at
            if not values.put(_SPENT, sid, b"", expires_at=keep_until, at=at, expected_version=0):
                raise AlreadyExistsError("it was used before")
        if is_logout:
            self._listener(Event("session_ended", session, "logout", login.caller))

    def is_spent(self, sid: bytes, *, at: int) -> bool:
        """Whether something of this name was used, by Unix second `at`; errors of the storage."""
        # Release 0.1 kept that as a session that had ended at once.
        return bool(self._storage.values.get(_SPENT, sid, at=at) or self._storage.sessions.find(sid))

    def rotate(self, text: str, caller: ClientInfo) -> Session:
        """Exchange a refresh token for the next generation of its session (RFC 6749 §6, RFC 9700 §4.14.2).

        `issue` makes the pair of it.

        Raises:
            TokenInvalidError: not a refresh token of ours, or its session was begun for another issuer or audience.
            SessionEndedError: its session is over, or has just ended because the token was spent before.
            StorageUnavailableError: the outcome may be unknown; the same token may be presented again.
        """
        sid, presented = refresh.parse(text, self._keys.refresh)
        result = self._renew(partial(self._storage.sessions.rotate, sid, presented))
        return self._renewed(result, caller, "session_refreshed")

    def authenticate_again(self, claims: Claims, amr: tuple[str, ...], caller: ClientInfo) -> Session:
        """Note that the user of an access token has proved again who he is; his session goes on to a new generation.

        `issue` makes the pair of it, which the client saves in place of the one that it has.

        Args:
            claims: of the access token that came with the proof.
            amr: how he has proved it, words of RFC 8176.
            caller: who sent the request.

        Raises:
            TokenInvalidError: the session was begun for another issuer or audience.
            SessionEndedError: it is over.
            StorageUnavailableError: the outcome may be unknown; refresh tokens that were good are so still.
        """
        result = self._renew(partial(self._storage.sessions.authenticate_again, parse_sid(claims.sid), claims.gen, amr))
        return self._renewed(result, caller, "session_stepped_up", " ".join(amr))

    def _renew(self, renew: Callable[..., Rotation | None]) -> Rotation | None:
        """Have the storage go on to a new generation, by the policy of this realm."""
        at, policy = self._clock(), self._policy
        with _failing_as(writing=True):
            return renew(
                at=at,
                leeway=policy.leeway,
                idle=policy.idle,
                valid_from=self.valid_from(at=at),
                issued_for=policy.issued_for,
            )

    def _renewed(self, result: Rotation | None, caller: ClientInfo, event: str, amr: str = "") -> Session:
        """The session of which a pair may be issued; what has happened is told in any case."""
        if result is None or result.session.realm != self._realm:
            raise SessionEndedError("expiry")
        session = result.session
        if result.outcome == "reuse":
            self._listener(Event("token_reused", session, "reuse", caller))
            self._listener(Event("session_ended", session, "reuse", caller))
        # After the events: what has ended the session is told, whoever was asked.
        if result.reason == OTHER_ISSUER or session.issued_for not in ("", self._policy.issued_for):
            raise TokenInvalidError
        if result.reason:
            raise SessionEndedError(result.reason)
        if result.outcome == "adopted":
            self._listener(Event("store_behind", session, caller=caller))
        self._listener(Event(event, session, caller=caller, last_at=result.last_at, amr=amr))
        return session

    def refresh(self, text: str, caller: ClientInfo) -> Issued:
        """Exchange a refresh token for the next pair; errors as of `rotate`."""
        return self.issue(self.rotate(text, caller))

    def check_live(self, claims: Claims, *, at: int) -> None:
        """Ask the storage whether the session of an access token is live at Unix second `at`; unknown means refused.

        Raises:
            SessionEndedError: it is not, or the token's generation was superseded, which ends it.
            StorageUnavailableError: that cannot be told.
        """
        sid = parse_sid(claims.sid)
        if rotation.mark(self._find_live(sid, claims.sub, at).rotation, claims.gen) is None:
            for session in self._storage.sessions.confirm([(sid, claims.gen)], at=at):
                self._listener(Event("token_reused", session, "reuse"))
                self._tell_ended([session], "reuse", UNKNOWN_CLIENT)
            raise SessionEndedError("reuse")

    def live_until(self, sid: bytes, user_id: str) -> int:
        """The Unix second in which a live session is over, unless it is refreshed; errors as of `check_live`."""
        session = self._find_live(sid, user_id, self._clock())
        return min(session.idle_until, session.until)

    def _find_live(self, sid: bytes, user_id: str, at: int) -> Session:
        found = self._storage.sessions.find(sid)
        if found is None or (found.session.realm, found.session.user_id) != (self._realm, user_id):
            raise SessionEndedError("expiry")
        if reason := found.rejection_reason(at, valid_from=self.valid_from(at=at)):
            raise SessionEndedError(reason)
        return found.session

    def sid_of(self, text: str) -> bytes:
        """The session that a refresh token is of, known or not.

        Raises:
            TokenInvalidError: not a refresh token of ours.
        """
        return refresh.parse(text, self._keys.refresh)[0]

    def owner_of(self, text: str, caller: ClientInfo, *, current: bool) -> Session:
        """The session of a refresh token, live or not.

        Args:
            text: the refresh token.
            caller: who presents it.
            current: whether it must be the session's newest one, as for ending others: a spent one is a reuse.

        Raises:
            TokenInvalidError: not a refresh token of ours, not the newest one, or its session is not known any more.
            SessionEndedError: the token was spent before, which has just ended its session.
        """
        sid, presented = refresh.parse(text, self._keys.refresh)
        found = self._storage.sessions.find(sid)
        if found is None or found.session.realm != self._realm:
            raise TokenInvalidError
        session = found.session
        if session.issued_for not in ("", self._policy.issued_for):
            raise TokenInvalidError
        if current and not session.ended_at and presented != session.gen:
            self._refuse_spent(session, presented, caller)
        return session

    def _refuse_spent(self, session: Session, presented: int, caller: ClientInfo) -> NoReturn:
        """A token that `rotate` would take for a reuse is one here too; any other must be refreshed first."""
        decision = rotation.decide(session.rotation, presented, at=self._clock(), leeway=self._policy.leeway)
        if decision.outcome == "reuse":
            self._listener(Event("token_reused", session, "reuse", caller))
            self.end(session.sid, "reuse", caller)
            raise SessionEndedError("reuse")
        raise TokenInvalidError

    def refuse_ended(self, session: Session) -> None:
        """Raise if nothing is granted to this session any more.

        Raises:
            SessionEndedError: so it is.
            StorageUnavailableError: that cannot be told.
        """
        at = self._clock()
        principal = self._storage.sessions.principal(session.realm, session.user_id)
        found = SessionWithPrincipal(session, principal)
        if reason := found.rejection_reason(at, valid_from=self.valid_from(at=at)):
            raise SessionEndedError(reason)

    def end(self, sid: bytes, reason: str, caller: ClientInfo = UNKNOWN_CLIENT, *, owner: str | None = None) -> Session:
        """End a session; one that is over already keeps its reason.

        Raises:
            NotFoundError: it is not known, or belongs to somebody else than `owner`.
        """
        found = self._storage.sessions.find(sid)
        if found is None or found.session.realm != self._realm or owner not in (None, found.session.user_id):
            raise NotFoundError("no such session")
        ended = self._storage.sessions.end(sid, reason, at=self._clock())
        if ended is None:
            raise NotFoundError("no such session")
        if ended.by_this_call:
            self._listener(Event("session_ended", ended.session, reason, caller))
        return ended.session

    def end_user(
        self, user_id: str, reason: str, caller: ClientInfo = UNKNOWN_CLIENT, *, except_sid: bytes = b""
    ) -> Sequence[Session]:
        """End all sessions of a user but `except_sid`, and every token that was issued for them.

        Raises:
            ValueError: no session can be of such a user.
        """
        refuse_unusable(user_id)
        at = self._clock()
        ended = self._storage.sessions.end_user(
            self._realm, user_id, reason, at=at, except_sid=except_sid, keep_until=self._last_token(at)
        )
        return self._with_owner(user_id, self._tell_ended(ended, reason, caller), reason)

    def suspend(self, user_id: str, *, until: int, caller: ClientInfo = UNKNOWN_CLIENT) -> Sequence[Session]:
        """End all sessions of a user and let none begin before Unix second `until`; errors as of `end_user`."""
        refuse_unusable(user_id)
        at = self._clock()
        ended = self._storage.sessions.suspend(
            self._realm, user_id, until=until, at=at, keep_until=self._last_token(at)
        )
        return self._with_owner(user_id, self._tell_ended(ended, "suspension", caller), "suspension")

    def _with_owner(self, user_id: str, ended: Sequence[Session], reason: str) -> Sequence[Session]:
        """The sessions that have ended, once all else has that ends with them; a logout ends nothing else."""
        if reason in _ENDS_OWNER:
            for end_more in self._on_owner_ended:
                end_more(user_id, reason)
        return ended

    def _last_token(self, at: int) -> int:
        """Until when tokens of sessions may live that the storage has lost, with a margin."""
        return at + self._policy.longest_access + RETENTION_MARGIN

    def unsuspend(self, user_id: str) -> None:
        """Let a user log in again; what has ended stays ended."""
        self._storage.sessions.unsuspend(self._realm, user_id, at=self._clock())

    def list(self, user_id: str) -> list[Session]:
        """The user's live sessions, oldest first."""
        at = self._clock()
        return self._storage.sessions.list(self._realm, user_id, at=at, valid_from=self.valid_from(at=at))

    def valid_from(self, *, at: int) -> int:
        """The Unix second before which sessions must not have begun, as far as is known at `at`: 0, or a restore.

        Raises:
            StorageUnavailableError: that cannot be told.
        """
        return self._view.valid_from(at=at)

    def _begin(self, session: Session, *, checkpoint: Checkpoint | None = None) -> Session:
        at = session.created_at
        with _failing_as(writing=False):
            added = self._storage.sessions.add(
                session,
                limits=self._policy.limits,
                at=at,
                valid_from=self.valid_from(at=at),
                checkpoint=checkpoint,
            )
        for ended in added.ended:
            self._listener(Event("session_ended", ended, ended.end_reason, _client_of(session)))
        self._listener(Event("session_started", added.session, caller=_client_of(session), amr=session.amr))
        return added.session

    def issue(self, session: Session, loaded_claims: Mapping[str, Any] = _NO_CLAIMS) -> Issued:
        """The pair of a session's present generation; its access token carries `loaded_claims` too."""
        # After the write, from the time it was given: a crash in between is a lost reply, and heals.
        at = self._clock()
        access_token, expires_in = self._access.mint_for(session, loaded_claims, at=min(at, session.until - 1))
        # The full idle time, even if this is a repeated answer: what is left of it would tell a thief when his victim
        # renewed.
        refresh_expires_in = max(1, min(self._policy.idle, session.until - at))
        return Issued(session, access_token, expires_in, self._refresh_token_of(session), refresh_expires_in)

    def _refresh_token_of(self, session: Session) -> str:
        return refresh.render(session.sid, session.gen, self._keys.refresh.active)

    def _new_session(self, login: Login, *, sid: bytes = b"", **changes: int) -> Session:
        refuse_unusable(login.user_id)
        at = self._clock()
        sid = sid or self._ids.make(login.user_id, at)
        return _replace(session_of(login, self._policy, sid=sid, realm=self._realm, at=at), **changes)

    def _tell_ended(self, ended: Iterable[Session], reason: str, caller: ClientInfo) -> Sequence[Session]:
        sessions = tuple(ended)
        for session in sessions:
            self._listener(Event("session_ended", session, reason, caller))
        return sessions


@contextmanager
def _failing_as(*, writing: bool) -> Iterator[None]:
    """The RET table has one code for whatever fails at login, as if read, and one for a refresh, as if written."""
    try:
        yield
    except StorageUnavailableError as error:
        raise StorageUnavailableError(str(error), writing=writing) from error


def _client_of(session: Session) -> ClientInfo:
    return ClientInfo(session.ip, session.user_agent)
