"""An attempt to log in by a view of the application's own: throttled, and not overtaken by a password change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, TypeVar

from msgspec import UNSET, UnsetType

from .. import signals
from ..accounts.account_names import spelled_alike
from ..errors import (
    ClaimsInvalidError,
    ConfigError,
    CredentialsError,
    InputError,
    SecondFactorRequiredError,
    TesseraError,
    missing_extra,
)
from ..sessions.model import UNKNOWN_DEVICE, Device
from .client import client_info
from .http_errors import raise_as_http
from .second_step import refuse_disabled, refuse_incomplete
from .signal_sending import send
from .token_pair import token_lifetime

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Self

    from ..services.login import LoginAttempt as Counted
    from ..storage.model import Checkpoint
    from .actions import Actions
    from .audit import Details
    from .token_pair import TokenPair

User = TypeVar("User")


class LoginAttempt(Generic[User]):
    """One attempt, as a context manager: `with tessera.login_attempt(account=phone) as attempt: …`.

    Leave it by `fail()`, or by any `CredentialsError`, and the attempt counts as a wrong password of this account and
    of the client's network. Any other error does not count.

    Raises:
        InputError: on entering, if an account is neither text nor a whole number.
        ThrottledError: on entering, if there were too many wrong passwords; nothing was checked.
        ConfigError: on entering, if the extra `accounts` is not installed.
        StorageUnavailableError: on entering, if the revocation log cannot be read.
    """

    def __init__(self, actions: Actions[User], accounts: tuple[str | int, ...], device_id: str = "") -> None:
        self._actions = actions
        self._accounts = accounts
        self._device_id = device_id
        self._is_guessed = True
        self._checkpoint: Checkpoint | None = None
        self._counted: AbstractContextManager[Any] | None = None
        self._attempt: Counted | None = None
        self._user_id = ""
        self.record_as("login_failed")

    def record_as(self, event: Literal["login_failed", "password_reset_failed", "registration_failed"]) -> Self:
        """Have a refusal recorded in the audit trail as what it is, up to the moment when `login` is called."""
        self._event = event
        return self

    def without_account_limit(self) -> Self:
        """Count wrong credentials for the client's network alone: they are a code or a link, with limits of their own.

        So whoever guesses at the password of an account does not keep its owner from using them. Called before the
        attempt is entered.
        """
        self._is_guessed = False
        return self

    def __enter__(self) -> Self:
        try:
            self._enter()
        except TesseraError as error:
            self._record(error)
            raise_as_http(error)
        return self

    def _enter(self) -> None:
        runtime = self._actions.runtime
        if runtime.shared.attempts is None:
            raise missing_extra("counting wrong passwords needs the module limits", "accounts")
        if not self._accounts:
            raise InputError("the request names no account")
        self._caller = client_info(runtime.settings.TRUSTED_PROXIES)
        counted = runtime.shared.attempts.attempt(
            runtime.realm, self._accounts, self._caller.ip, self._device_id, is_guessed=self._is_guessed
        )
        # Before the credentials are read: all sessions that end from now on, end this login too.
        self._checkpoint = runtime.shared.view.checkpoint(at=runtime.clock())
        self._attempt = counted.__enter__()
        self._counted = counted

    def fail(self) -> NoReturn:
        """Say that the credentials are wrong: no such account, or another password.

        Raises:
            CredentialsError: always; it answers the request.
        """
        if self._attempt is None:
            raise CredentialsError("the credentials are wrong")
        self._attempt.fail()

    def login(
        self,
        user: User | Any,
        *,
        device: Device = UNKNOWN_DEVICE,
        scope: str | UnsetType = UNSET,
        amr: Iterable[str] = ("pwd",),
        claims: Mapping[str, Any] | None = None,
        trust_token: object = None,
    ) -> TokenPair:
        """As `Tessera.login`, for the user whose credentials were checked in this attempt.

        Who has a second factor is asked for it, unless `amr` says that two were shown ("mfa", or "user": a passkey that
        has verified its user). Whom `Tessera(users=…)` calls disabled is refused.

        Args:
            user: as of `Tessera.login`.
            device: as there.
            scope: as there.
            amr: how the user has logged in (RFC 8176).
            claims: as of `Tessera.login`.
            trust_token: the text of a trusted device, where the client sent one; any object is safe.

        Raises:
            CredentialsError: all sessions of the user were ended while the credentials were checked.
            SecondFactorRequiredError: a second factor is needed; the answer holds the ticket for that step.
            LoginRefusedError: the user is disabled or suspended.
        """
        user, ways = self._proved(user), (amr,) if isinstance(amr, str) else tuple(amr)
        refuse_incomplete(
            self._actions, user, amr=ways, device=device, scope=scope, claims=claims, trust_token=trust_token
        )
        pair = self._actions.start_session(
            user, device=device, scope=scope, amr=ways, claims=claims, checkpoint=self._checkpoint
        )
        self._note_login()
        return pair

    def create_token(self, user: User | Any, expires_in: Any = None) -> str:
        """As `Tessera.create_token`, and as `login` with a password; errors as of `login`.

        Who has a second factor gets a pair for it, of a session that is over when the token would have been.
        """
        user, lifetime = self._proved(user), token_lifetime(self._actions.runtime.settings, expires_in)
        refuse_incomplete(self._actions, user, scope="", lifetime=lifetime)
        token = self._actions.start_token(user, lifetime, checkpoint=self._checkpoint)
        self._note_login()
        return token

    def _proved(self, user: User | Any) -> Any:
        """The user, as the loader gives one who is named by a text; from here on it is known who that is.

        Raises:
            LoginRefusedError: the user is disabled.
            UserGoneError: there is no such user.
        """
        self._user_id = self._actions.id_of(user)
        self.record_as("login_failed")
        refuse_disabled(self._actions, user)
        return self._actions.as_loaded(user)

    def _note_login(self) -> None:
        if self._attempt is not None:
            self._attempt.has_logged_in = True

    def _record(self, error: TesseraError) -> None:
        """Record that the attempt was refused, unless it named nobody."""
        if not self._accounts:
            return
        details: Details = {"account": self._accounts[0], "user_id": self._user_id}
        if isinstance(error, SecondFactorRequiredError):
            self._actions.runtime.record("second_factor_required", **details)
        elif not isinstance(error, InputError | ConfigError | ClaimsInvalidError):
            details["reason"] = error.row.slug
            self._actions.runtime.record(self._event, **details)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, CredentialsError):
            account = spelled_alike(self._accounts[0])
            app = self._actions.runtime.shared.app
            send(app, signals.login_failed, account=account, caller=self._caller)
        if isinstance(error, TesseraError):
            self._record(error)
        if self._counted is not None:
            self._counted.__exit__(kind, error, traceback)
        if isinstance(error, TesseraError):
            raise_as_http(error)
