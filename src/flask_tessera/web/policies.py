"""What the settings say, in the terms of those who go by it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from ..services.access import AccessPolicy
from ..services.login_data import SessionPolicy
from ..services.throttle import ThrottleLimits
from ..sessions.limits import Limits
from .responses import Responses
from .transports.cookie import CookieTransport
from .transports.header import HeaderTransport

if TYPE_CHECKING:
    from ..config import Settings
    from .cookies import SessionCookies
    from .transports import Transport

_UNKNOWN_KEYS: Final = (100, 300)
"""API keys that do not exist, from one network, in so many seconds: where nothing reads `LOGIN_LIMIT_ADDRESS`."""


def responses_of(settings: Settings) -> Responses:
    """Writes answers as the settings say."""
    return Responses(settings.RESPONSE_FORMAT == "plain", settings.HTTP_STATUS == "always_200", settings.LOCALE)


def transports_of(settings: Settings, cookies: SessionCookies | None) -> tuple[Transport, ...]:
    """In the order in which they are asked: a token in two places counts as that of the first."""
    header = HeaderTransport(settings.HEADERS)
    return (header,) if cookies is None else (header, CookieTransport(cookies.access))


def access_policy(settings: Settings) -> AccessPolicy:
    """How access tokens are made."""
    return AccessPolicy(
        lifetime=settings.ACCESS_LIFETIME,
        jitter=settings.jitter,
        longest=max(settings.ACCESS_LIFETIME, settings.SESSION_LIFETIME),
        issuer=settings.ISSUER,
        audience=settings.AUDIENCE,
        is_sealed=settings.TOKEN_FORMAT == "sealed",
    )


def session_policy(settings: Settings) -> SessionPolicy:
    """How long sessions live, and how many a user may have."""
    overflow: Any = settings.SESSION_OVERFLOW
    return SessionPolicy(
        idle=settings.SESSION_IDLE,
        lifetime=settings.SESSION_LIFETIME,
        access_lifetime=settings.ACCESS_LIFETIME,
        leeway=settings.REFRESH_LEEWAY,
        longest_access=max(settings.ACCESS_LIFETIME, settings.TOKEN_LIFETIME),
        limits=Limits(settings.MAX_SESSIONS, settings.SESSIONS_PER_DEVICE_TYPE, overflow),
        issued_for=issued_for(settings),
    )


def issued_for(settings: Settings) -> str:
    """What tells apart applications of one secret and storage: kept with sessions, API keys and tickets."""
    return json.dumps([settings.ISSUER, settings.AUDIENCE])


def throttle_limits(settings: Settings) -> ThrottleLimits | None:
    """The limits of the throttle; None where the extra is not installed that reads them.

    Raises:
        ConfigError: one cannot be read, or allows nothing.
    """
    try:
        from ..accounts.rates import rates_of
    except ModuleNotFoundError:
        return None
    names = ("LOGIN_LIMIT_ACCOUNT", "LOGIN_LIMIT_ADDRESS", "LOGIN_LIMIT_SUCCESS")
    return ThrottleLimits(*(rates_of(name, getattr(settings, name)) for name in names))


def unknown_key_rates(settings: Settings) -> list[tuple[int, int]]:
    """How many API keys that do not exist may come from one network, and in how many seconds."""
    limits = throttle_limits(settings)
    return [(each.amount, each.seconds) for each in limits.address] if limits else [_UNKNOWN_KEYS]
