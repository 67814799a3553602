"""Settings: every TESSERA_* key, its default, unit and check."""

from __future__ import annotations

import datetime as dt
import difflib
import logging
import os
import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from .errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "TESSERA_"
_log = logging.getLogger("flask_tessera")
MARK_DELAY: Final = 5
"""Seconds within which a used generation is written."""
_YEAR: Final = 31_536_000


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
        for check in _CHECKS:
            check(self)

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


def _check_types(settings: Settings) -> None:
    for each in fields(Settings):
        kind, value = _KINDS[each.name], getattr(settings, each.name)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            shown = type(value).__name__ if each.name in _PRIVATE else repr(value)
            raise ConfigError(f"{PREFIX}{each.name} must be {_KIND_WORDS[kind]}, not {shown}")


def _check_ranges(settings: Settings) -> None:
    for name, (least, most) in _RANGES.items():
        value = getattr(settings, name)
        if not least <= value <= most:
            raise ConfigError(f"{PREFIX}{name} must be between {least} and {most}, not {value}")


def _check_choices(settings: Settings) -> None:
    for name, choices in _CHOICES.items():
        if getattr(settings, name) not in choices:
            raise ConfigError(f"{PREFIX}{name} must be one of {', '.join(choices)}, not {getattr(settings, name)!r}")


def _check_lifetimes(settings: Settings) -> None:
    if settings.jitter >= settings.ACCESS_LIFETIME:
        raise ConfigError(
            f"{PREFIX}ACCESS_LIFETIME of {settings.ACCESS_LIFETIME} s is too short: it is shortened by a random span"
            f" of up to {settings.jitter} s, which grows with {PREFIX}REFRESH_LEEWAY"
        )
    for shorter, longer in _LIFETIME_ORDER:
        if getattr(settings, shorter) > getattr(settings, longer):
            raise ConfigError(f"{PREFIX}{shorter} must not be longer than {PREFIX}{longer}")


def _check_status(settings: Settings) -> None:
    if settings.HTTP_STATUS == "always_200" and settings.RESPONSE_FORMAT == "plain":
        raise ConfigError(
            f"{PREFIX}HTTP_STATUS always_200 needs {PREFIX}RESPONSE_FORMAT envelope: no other has a code to look at"
        )


def _check_headers(settings: Settings) -> None:
    names: tuple[Any, ...] = settings.HEADERS
    if not names or not all(isinstance(name, str) and _HEADER_NAME.fullmatch(name) for name in names):
        raise ConfigError(
            f"{PREFIX}HEADERS must be one or more header names of letters, digits and hyphens, not {names!r}"
        )
    folded = [name.lower() for name in names]
    for name in folded:
        if name in _OTHER_HEADERS:
            raise ConfigError(f"{PREFIX}HEADERS must not name {name}: it means something else")
        if folded.count(name) > 1:
            raise ConfigError(f"{PREFIX}HEADERS names {name} twice")


def _check_origins(settings: Settings) -> None:
    origins: tuple[Any, ...] = settings.CSRF_ORIGINS
    for origin in origins:
        if not isinstance(origin, str) or not _ORIGIN.fullmatch(origin):
            raise ConfigError(
                f"{PREFIX}CSRF_ORIGINS must hold origins such as 'https://app.example.com', not {origin!r}"
            )


def _check_public_url(settings: Settings) -> None:
    if settings.PUBLIC_URL and not _ORIGIN.fullmatch(settings.PUBLIC_URL):
        raise ConfigError(
            f"{PREFIX}PUBLIC_URL must be an origin such as 'https://app.example.com', not {settings.PUBLIC_URL!r}"
        )


def _check_rp_id(settings: Settings) -> None:
    domain, host = settings.PASSKEY_RP_ID, urlsplit(settings.PUBLIC_URL).hostname
    if domain and not _DOMAIN.fullmatch(domain):
        raise ConfigError(f"{PREFIX}PASSKEY_RP_ID must be a domain such as 'example.com', not {domain!r}")
    if domain and host and not is_within(host, domain):
        raise ConfigError(
            f"{PREFIX}PASSKEY_RP_ID must be the host of {PREFIX}PUBLIC_URL or a domain above it, not {domain!r}"
        )


def is_within(host: str, domain: str) -> bool:
    """Whether browsers let pages of a host use passkeys of a domain; an address is no domain (WebAuthn §5.1.3)."""
    is_address = ":" in domain or domain.replace(".", "").isdigit()
    return not is_address and (host == domain or host.endswith(f".{domain}"))


def _check_prefix(settings: Settings) -> None:
    prefix = settings.URL_PREFIX
    if not prefix.startswith("/") or prefix.endswith("/") or "//" in prefix or not prefix.isprintable():
        raise ConfigError(f"{PREFIX}URL_PREFIX must begin with a slash and not end with one, not {prefix!r}")


def _check_texts(settings: Settings) -> None:
    for name in ("ISSUER", "AUDIENCE"):
        value = getattr(settings, name)
        if not value.isprintable() or value != value.strip() or len(value) > _LONGEST_TEXT:
            raise ConfigError(
                f"{PREFIX}{name} must be printable, without blanks around it and of at most {_LONGEST_TEXT} characters"
                f", not {value!r}"
            )


def _check_legacy(settings: Settings) -> None:
    legacy = settings.LEGACY
    if not legacy:
        return
    for key in legacy.keys() - _LEGACY_MEMBERS.keys():
        raise ConfigError(f"{PREFIX}LEGACY has no member {key!r}; its members are {', '.join(_LEGACY_MEMBERS)}")
    for key, what in _LEGACY_NEEDS.items():
        if key not in legacy:
            raise ConfigError(f"{PREFIX}LEGACY needs {key!r}: {what}")
    for key, value in legacy.items():
        _check_legacy_member(key, value)
    if legacy.get("algorithm", "HS512") not in ("HS256", "HS384", "HS512"):
        raise ConfigError(f"{PREFIX}LEGACY['algorithm'] must be HS256, HS384 or HS512, not {legacy['algorithm']!r}")


def _check_legacy_member(key: str, value: Any) -> None:
    kinds = _LEGACY_MEMBERS[key]
    # A realm may be the unnamed one, and a bool is an int to isinstance.
    is_of_kind = type(value) in kinds if bool in kinds else isinstance(value, kinds) and not isinstance(value, bool)
    if not is_of_kind or (not value and key not in ("realm", "accept_weak_secret")):
        raise ConfigError(f"{PREFIX}LEGACY[{key!r}] must be a non-empty {kinds[0].__name__}")


_LIFETIME_ORDER: Final = (
    ("ACCESS_LIFETIME", "SESSION_IDLE"),
    ("SESSION_IDLE", "SESSION_LIFETIME"),
    ("TOKEN_LIFETIME", "SESSION_LIFETIME"),
)
_HEADER_NAME: Final = re.compile("[A-Za-z0-9-]{1,64}")
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_DOMAIN: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_BOOLEANS: Final = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
_OTHER_HEADERS: Final = (
    "accept",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "forwarded",
    "host",
    "origin",
    "proxy-authorization",
    "referer",
    "transfer-encoding",
    "user-agent",
    "x-forwarded-for",
)
_LONGEST_TEXT: Final = 255
"""Characters of an issuer or audience, which every token carries."""
_LEGACY_MEMBERS: Final[Mapping[str, tuple[type, ...]]] = {
    "secret": (str, bytes),
    "until": (int,),
    "user_key": (str,),
    "algorithm": (str,),
    "salt": (str, bytes),
    "realm": (str,),
    "since": (int,),
    "accept_weak_secret": (bool,),
}
_LEGACY_NEEDS: Final = {
    "secret": "the SECRET_KEY that signed the old tokens",
    "until": "the Unix second after which no old token is accepted",
}
_CHECKS: Final = (
    _check_types,
    _check_ranges,
    _check_choices,
    _check_lifetimes,
    _check_status,
    _check_headers,
    _check_origins,
    _check_public_url,
    _check_rp_id,
    _check_prefix,
    _check_texts,
    _check_legacy,
)
_OF_KUBERNETES: Final = re.compile(r"SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?")
"""What Kubernetes puts into the environment of every container for a Service called `tessera`."""
_SPANS: Final = (
    *("ACCESS_LIFETIME", "TOKEN_LIFETIME", "SESSION_IDLE", "SESSION_LIFETIME"),
    *("REFRESH_LEEWAY", "REVOCATION_BOUND", "DEVICES_FRESH"),
)
"""Settings in seconds, which may be a `timedelta`."""
_RANGES: Final = {
    "ACCESS_LIFETIME": (1, 86_400),
    "TOKEN_LIFETIME": (1, _YEAR),
    "SESSION_IDLE": (1, 10 * _YEAR),
    "SESSION_LIFETIME": (1, 10 * _YEAR),
    # FAPI 2.0 and Cognito allow up to a minute.
    "REFRESH_LEEWAY": (0, 60),
    "REVOCATION_BOUND": (1, 60),
    "MAX_SESSIONS": (0, 100_000),
    "SESSIONS_PER_DEVICE_TYPE": (0, 100_000),
    "TRUSTED_PROXIES": (0, 16),
    "DEVICES_FRESH": (0, _YEAR),
    "PASSWORD_MIN_LENGTH": (8, 128),
    "HASH_SLOTS": (1, 1024),
}
_CHOICES: Final = {
    "ALGORITHM": ("HS256",),
    "TOKEN_FORMAT": ("signed", "sealed"),
    "RESPONSE_FORMAT": ("envelope", "plain"),
    "HTTP_STATUS": ("semantic", "always_200"),
    "LOCALE": ("zh", "en", "auto"),
    "REVOCATION": ("strict", "bounded", "stateless"),
    "SESSION_OVERFLOW": ("evict", "refuse"),
}
SETTING_NAMES: Final = frozenset(each.name for each in fields(Settings))
_KIND_OF_TYPE: Final[dict[str, Any]] = {"str": str, "int": int, "bool": bool, "str | bytes": (str, bytes)}
_KINDS: Final[dict[str, Any]] = {
    each.name: tuple if str(each.type).startswith("tuple") else _KIND_OF_TYPE.get(str(each.type), dict)
    for each in fields(Settings)
}
_FROM_TEXT: Final = {name: kind for name, kind in _KINDS.items() if kind is not dict}
_PRIVATE: Final = ("STORE_URL", "SENDER", "LEGACY", "SECRET_KEY", "SECRET_KEY_FALLBACKS")
"""Settings that may hold a password or a secret: their values are not repeated."""
_KIND_WORDS: Final[dict[Any, str]] = {
    str: "a text",
    int: "a whole number",
    bool: "True or False",
    tuple: "a tuple of texts",
    dict: "a mapping",
    (str, bytes): "text or bytes",
}
