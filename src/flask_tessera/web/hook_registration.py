"""What an application registers on a Tessera by decorators: its functions, plain or `async`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from ..accounts.account_names import declared_members
from .current import refuse_async_without_support

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .hooks import Hooks

Function = TypeVar("Function", bound="Callable[..., Any]")


class HookRegistration:
    """The part of `Tessera` that takes functions of the application."""

    _hooks: Hooks

    def user_loader(self, function: Function) -> Function:
        """Register what gives the user of a user id, None for no such user; it may be `async`."""
        return self._register("user_loader", function, "the user loader")

    def claims_loader(self, function: Function) -> Function:
        """Register what gives further claims of a user's access tokens, at login and at each refresh.

        It is given a user object, gives a mapping, and may be `async`. Read the claims as `current_identity.claims`.
        """
        return self._register("claims_loader", function, "the claims loader")

    def scope_loader(self, function: Function) -> Function:
        """Register what gives the scope of a user's logins where `login(scope=…)` is not given, as by `/auth/login`.

        It is given a user object, gives words separated by spaces, and may be `async`. A session keeps its scope.
        """
        return self._register("scope_loader", function, "the scope loader")

    @overload
    def authenticator(self, function: Function, /) -> Function: ...

    @overload
    def authenticator(self, /, *, account: str | Iterable[str] = ...) -> Callable[[Function], Function]: ...

    def authenticator(self, function: Any = None, /, *, account: str | Iterable[str] = ()) -> Any:
        """Register what turns credentials (the JSON object sent to `/auth/login`) into a user, None if wrong.

        Args:
            function: it, when used bare; may be `async`. A `CredentialsError` says that the credentials are wrong, too;
                any other exception does not count as a wrong password.
            account: the members of the credentials that name the account, by which wrong passwords are counted. Those
                that are called phone, mobile, username, email, account or name need not be declared; credentials that
                have none of them are refused.

        Raises:
            ConfigError: what is declared cannot name an account.
        """
        members = declared_members(account)
        if function is None:
            return lambda decorated: self._set_authenticator(decorated, members)
        return self._set_authenticator(function, members)

    def _set_authenticator(self, function: Any, members: tuple[str, ...]) -> Any:
        self._hooks.register("account_members", members)
        return self._register("authenticator", function, "the authenticator")

    def challenge(self, function: Function) -> Function:
        """Register what decides from the present request whether something may be tried, such as by a captcha.

        It is given what: "code", "link", "register" or "login"; false is answered with `challenge_failed`. It may be
        `async`.
        """
        return self._register("challenge", function, "the challenge")

    def user_view(self, function: Function) -> Function:
        """Register what `/auth/me` shows of a user: something that the application's JSON can carry."""
        return self._register("user_view", function, "the user view")

    def password_check(self, function: Function) -> Function:
        """Register what says of a new password, as text, whether it is known from a breach; it may be `async`.

        It is asked once a password is long enough and no common one. Where it raises, that is logged, without the text
        of the error, and the password is let pass; an error of this package is raised as it is.
        """
        return self._register("password_check", function, "the password check")

    def _register(self, name: str, function: Function, what: str) -> Function:
        refuse_async_without_support(function, what)
        self._hooks.register(name, function)
        return function
