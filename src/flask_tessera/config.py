"""Settings: every TESSERA_* key, its default and unit."""

from __future__ import annotations

import datetime as dt
import difflib
import logging
import os
import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from .errors import ConfigError
from .setting_checks import PREFIX, check_settings, kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger("flask_tessera")
MARK_DELAY: Final = 5
"""Seconds within which a used generation is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an application has set, checked as a whole. Spans are whole seconds.

    Raises:
        ConfigError: a value has another type, is out of range or contradicts another one.
    """

    SECRET_KEY: str | bytes = field(default="", repr=False)
    SECRET_KEY_FALLBACKS: tuple[str | bytes, ...] = field(default=(), repr=False)
    STORE_URL: str = field(default="", repr=False)
    ACCESS_LIFETIME: int = 900
    TOKEN_LIFETIME: int = 3600
    SESSION_IDLE: int = 30 * 86_400
    SESSION_LIFETIME: int = 90 * 86_400
    REFRESH_LEEWAY: int = 15
    ALGORITHM: str = "HS256"
    TOKEN_FORMAT: str = "signed"
    ISSUER: str = ""
    AUDIENCE: str = ""
    HEADERS: tuple[str, ...] = ("Authorization", "z-token")
    COOKIES: bool = False
    COOKIE_SECURE: bool = True
    CSRF_ORIGINS: tuple[str, ...] = ()
    RESPONSE_FORMAT: str = "envelope"
    HTTP_STATUS: str = "semantic"
    LOCALE: str = "auto"
    URL_PREFIX: str = "/auth"
    REVOCATION: str = "bounded"
    REVOCATION_BOUND: int = 2
    MAX_SESSIONS: int = 10
    SESSIONS_PER_DEVICE_TYPE: int = 0
    SESSION_OVERFLOW: str = "evict"
    LEGACY: Mapping[str, Any] = field(default_factory=dict, repr=False)
    TRUSTED_PROXIES: int = 0
    DEVICES_FRESH: int = 0
    LOGIN_LIMIT_ACCOUNT: str = "10 per 5 minutes"
    LOGIN_LIMIT_ADDRESS: str = "100 per 5 minutes"
    LOGIN_LIMIT_SUCCESS: str = "3000 per hour"
    PASSWORD_MIN_LENGTH: int = 8
    SENDER: str = field(default="", repr=False)
    PUBLIC_URL: str = ""
    NOTICES: bool = True
    PASSKEY_RP_ID: str = ""
    HASH_SLOTS: int = field(default_factory=lambda: os.cpu_count() or 1)

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def jitter(self) -> int:
        """Seconds by which an access token's life is shortened at most: a thief must not keep the victim's pace."""
        return jitter_of(self.ACCESS_LIFETIME, self.REFRESH_LEEWAY)


def jitter_of(lifetime: int, leeway: int) -> int:
    """The span of random shortening for access tokens of `lifetime` seconds."""
    return max(lifetime // 10, 3 * max(leeway, MARK_DELAY))


def read_settings(config: Mapping[str, Any]) -> Settings:
    """Read `TESSERA_*` from a Flask configuration.

    Raises:
        ConfigError: an unknown key, with the near name; or a value that a check refuses.
    """
    given = {key.removeprefix(PREFIX): value for key, value in config.items() if key.startswith(PREFIX)}
    for key in sorted(given.keys() - SETTING_NAMES):
        if not _OF_KUBERNETES.fullmatch(key):
            raise ConfigError(f"{PREFIX}{key} is not a setting{did_you_mean(key)}")
        _log.warning("%s%s is ignored: Kubernetes makes such names for a Service called tessera", PREFIX, key)
    return Settings(**{key: _plain(key, value) for key, value in given.items() if key in SETTING_NAMES})


def whole_seconds(span: Any) -> int | None:
    """The seconds of a whole number or a `timedelta`; None where it is neither, or no whole seconds."""
    if isinstance(span, dt.timedelta):
        return None if span.microseconds else span.days * 86_400 + span.seconds
    return span if type(span) is int else None


def _plain(key: str, value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    if key not in _SPANS or not isinstance(value, dt.timedelta):
        return value
    seconds = whole_seconds(value)
    if seconds is None:
        raise ConfigError(f"{PREFIX}{key} must be whole seconds, not {value!r}")
    return seconds


def did_you_mean(key: str) -> str:
    """The known setting that `key` comes near to, as the end of a sentence."""
    if key == "AUDIT":
        return "; the audit trail is turned on by Tessera(audit=True)"
    near = difflib.get_close_matches(key, SETTING_NAMES, n=1, cutoff=0.6)
    return f"; did you mean {PREFIX}{near[0]}?" if near else f"; the settings are {', '.join(sorted(SETTING_NAMES))}"


def read_environment(environment: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Settings named in environment variables, and the `TESSERA_*` names among them that are unknown.

    Orchestrators inject names of that form, so the unknown ones are to be warned about, not refused.

    Raises:
        ConfigError: a value that is not of the setting's type.
    """
    named = {key: value for key, value in environment.items() if key.startswith(PREFIX)}
    known = {key: value for key, value in named.items() if key.removeprefix(PREFIX) in _FROM_TEXT}
    return {key: _parse(key, value) for key, value in known.items()}, sorted(named.keys() - known.keys())


def _parse(key: str, text: str) -> Any:
    kind = _FROM_TEXT[key.removeprefix(PREFIX)]
    if kind is bool:
        if text.lower() not in _BOOLEANS:
            raise ConfigError(f"{key} must be true or false, not {text!r}")
        return _BOOLEANS[text.lower()]
    if kind is not int:
        return tuple(part.strip() for part in text.split(",")) if kind is tuple else text
    if not (text.isascii() and text.isdecimal()):
        raise ConfigError(f"{key} must be a whole number, not {text!r}")
    return int(text)


_BOOLEANS: Final = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
_OF_KUBERNETES: Final = re.compile(r"SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?")
"""What Kubernetes puts into the environment of every container for a Service called `tessera`."""
_SPANS: Final = (
    *("ACCESS_LIFETIME", "TOKEN_LIFETIME", "SESSION_IDLE", "SESSION_LIFETIME"),
    *("REFRESH_LEEWAY", "REVOCATION_BOUND", "DEVICES_FRESH"),
)
"""Settings in seconds, which may be a `timedelta`."""
SETTING_NAMES: Final = frozenset(each.name for each in fields(Settings))
_FROM_TEXT: Final = {each.name: kind_of(each) for each in fields(Settings) if kind_of(each) is not dict}
