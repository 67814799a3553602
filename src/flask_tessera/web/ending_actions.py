"""What an application does to end sessions, and to see them: log out, revoke, suspend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

from ..errors import SessionEndedError
from ..services.keys import parse_sid
from ..tokens.claims import LAST_SECOND
from .action_base import ActionBase, User
from .cookie_session import forget_cookies
from .credential_reading import find_credential
from .current import current_request_object
from .factor_reset import reset_factors
from .http_errors import raises_http
from .request_auth import refuse_another_user

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..sessions.model import Session

FOR_EVER = LAST_SECOND
"""A suspension without an end: the last second of the year 9999."""


@dataclass(frozen=True, slots=True)
class RevokeResult:
    """What was revoked, and the Unix second by which every worker refuses the tokens of it."""

    sessions: tuple[Session, ...]
    effective_by: int


class EndingActions(ActionBase[User], Generic[User]):
    """The part of `Tessera` that ends sessions."""

    @raises_http
    def logout(self) -> RevokeResult:
        """End the session of the present request's token; of a token of the old application, the token itself.

        Raises:
            NotFoundError: the session is not known any more.
            TokenInvalidError: the request carries an API key, or a ticket, that belongs to no session.
            StorageUnavailableError: it may not have ended.
        """
        runtime, sid = self.runtime, self._current_sid()
        if not sid and runtime.legacy is not None:
            runtime.legacy.end(find_credential(runtime, current_request_object())[0], self.client_info())
            return self._result([])
        ended = runtime.sessions.end(sid, "logout", self.client_info())
        forget_cookies(runtime, {ended.sid})
        return self._result([ended])

    @raises_http
    def revoke_session(self, session_id: str) -> RevokeResult:
        """End one session from outside (踢人下线).

        Raises:
            NotFoundError: there is no such session.
            StorageUnavailableError: it may not have ended.
        """
        return self._result([self.runtime.sessions.end(parse_sid(session_id), "kick", self.client_info())])

    @raises_http
    def revoke_user(self, user: User | Any, reason: str = "kick") -> RevokeResult:
        """End all sessions of a user at once.

        Args:
            user: as for `login`.
            reason: what their holders are told, one of `SessionEndedError.REASONS`.

        Raises:
            ValueError: an unknown reason, or no usable user id.
            StorageUnavailableError: they may not have ended.
        """
        _refuse_unknown(reason)
        return self.revoke_user_id(self.id_of(user), reason)

    def revoke_user_id(self, user_id: str, reason: str) -> RevokeResult:
        """End all sessions of a user id in its text form; errors as of `revoke_user`, as the core's."""
        return self._result(self.runtime.sessions.end_user(user_id, reason, self.client_info()))

    @raises_http
    def reset_factors(self, user: User | Any) -> RevokeResult:
        """Take all second factors from a user who has lost them, passkeys too, and end all sessions.

        The next login needs the first factor alone, at every device: be sure who asks for it. Needs no request.

        Args:
            user: as for `login`.

        Raises:
            ValueError: no usable user id.
            StorageUnavailableError: try again; it may be half done.
        """
        return self._result(reset_factors(self.runtime, self.id_of(user), caller=self.client_info()))

    @raises_http
    def revoke_others(self, reason: str = "logout") -> RevokeResult:
        """End all sessions of the current user but the present one, in one step; for password changes too.

        Raises:
            ValueError: an unknown reason.
            TokenInvalidError: the request carries an API key, or a ticket, that belongs to no session.
            StorageUnavailableError: they may not have ended.
        """
        identity, sid = self._signed_in(), self._current_sid()
        _refuse_unknown(reason)
        refuse_another_user(self.runtime, identity.user_id, identity.user_stamp)
        user_id = str(identity.user_id)
        return self._result(self.runtime.sessions.end_user(user_id, reason, self.client_info(), except_sid=sid))

    @raises_http
    def sessions(self, user: User | Any) -> list[Session]:
        """The live sessions of a user, oldest first.

        Raises:
            ValueError: no usable user id.
            StorageUnavailableError: they cannot be read.
        """
        return self.runtime.sessions.list(self.id_of(user))

    @raises_http
    def suspend(self, user: User | Any, *, until: int = FOR_EVER) -> RevokeResult:
        """End all sessions of a user and let none begin before Unix second `until` (封禁).

        Raises:
            ValueError: no usable user id, or `until` is no Unix second up to the year 9999.
            StorageUnavailableError: nothing may have changed.
        """
        user_id = self.id_of(user)
        if type(until) is not int or not 0 < until <= FOR_EVER:
            raise ValueError(f"until must be a Unix second up to {FOR_EVER}, not {until!r}")
        ended = self.runtime.sessions.suspend(user_id, until=until, caller=self.client_info())
        self.runtime.record("user_suspended", user_id=user_id)
        return self._result(ended)

    @raises_http
    def unsuspend(self, user: User | Any) -> None:
        """Let a user log in again; what has ended stays ended.

        Raises:
            ValueError: no usable user id.
            StorageUnavailableError: nothing may have changed.
        """
        user_id = self.id_of(user)
        self.runtime.sessions.unsuspend(user_id)
        self.runtime.record("user_unsuspended", user_id=user_id)

    def _result(self, sessions: Sequence[Session]) -> RevokeResult:
        return RevokeResult(tuple(sessions), self.runtime.effective_by(sessions))


def _refuse_unknown(reason: str) -> None:
    if reason not in SessionEndedError.REASONS:
        raise ValueError(f"reason must be one of {', '.join(SessionEndedError.REASONS)}, not {reason!r}")
