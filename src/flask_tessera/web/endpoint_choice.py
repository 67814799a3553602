"""Which endpoints a blueprint may have, and has by default: by what the application has registered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import ConfigError
from .endpoints import rows_of

if TYPE_CHECKING:
    from .hooks import Hooks

_OF_ACCOUNTS: Final = ("codes", "register", "password", "links", "totp", "trusted-devices", "passkeys", "step-up")


def logs_in(hooks: Hooks) -> bool:
    """Whether something checks credentials."""
    return bool(hooks.authenticator or hooks.users)


def default_endpoints(hooks: Hooks) -> tuple[str, ...]:
    """Those that `Tessera.blueprint` has where none is named."""
    login = ("login", "second-factor") if logs_in(hooks) else ()
    me = ("me",) if hooks.user_view else ()
    of_users = (*_OF_ACCOUNTS, *(("bind",) if me else ())) if hooks.users else ()
    accounts = tuple(each for each in of_users if rows_of(each, hooks.users))
    tickets = ("tickets",) if hooks.ticket_purposes else ()
    history = ("history",) if hooks.keeps_history else ()
    more = ("refresh", "logout", "exchange", "csrf", *me, "sessions", "script")
    return (*login, *accounts, *more, *tickets, *history)


def refuse_lacking(hooks: Hooks, chosen: tuple[str, ...]) -> None:
    """Refuse endpoints that need something that is not registered.

    Raises:
        ConfigError: so it is.
    """
    needs = (
        (("login",), logs_in(hooks), "@tessera.authenticator, registered before blueprint(), or Tessera(users=…)"),
        (("history",), hooks.keeps_history, "Tessera(audit=True)"),
        (("me", "bind"), hooks.user_view, "@tessera.user_view, registered before blueprint()"),
    )
    for endpoints, has, what in needs:
        for lacking in chosen if not has else ():
            if lacking in endpoints:
                raise ConfigError(f"the endpoint {lacking} needs {what}")
