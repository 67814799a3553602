"""What each setting may be."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from .errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import Field

    from .config import Settings

PREFIX: Final = "TESSERA_"
_YEAR: Final = 31_536_000


def check_settings(settings: Settings) -> None:
    """Check them as a whole.

    Raises:
        ConfigError: a value has another type, is out of range or contradicts another one.
    """
    for check in _CHECKS:
        check(settings)


def kind_of(field: Field[Any]) -> Any:
    """The type, or types, that the value of a setting has."""
    name = str(field.type)
    return tuple if name.startswith("tuple") else _KIND_OF_TYPE.get(name, dict)


def _check_types(settings: Settings) -> None:
    for each in fields(settings):
        kind, value = kind_of(each), getattr(settings, each.name)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            shown = type(value).__name__ if each.name in _PRIVATE else repr(value)
            raise ConfigError(f"{PREFIX}{each.name} must be {_wanted(each.name, kind)}, not {shown}")


def _wanted(name: str, kind: Any) -> str:
    if name.startswith("LOGIN_LIMIT_"):
        return "a text such as '10 per 5 minutes'"
    return _KIND_WORDS[kind]


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
        if not isinstance(origin, str) or not _is_origin(origin):
            raise ConfigError(
                f"{PREFIX}CSRF_ORIGINS must hold origins such as 'https://app.example.com', not {origin!r}"
            )


def _check_public_url(settings: Settings) -> None:
    if settings.PUBLIC_URL and not _is_origin(settings.PUBLIC_URL):
        raise ConfigError(
            f"{PREFIX}PUBLIC_URL must be an origin such as 'https://app.example.com', not {settings.PUBLIC_URL!r}"
        )


def _is_origin(text: str) -> bool:
    try:
        return _ORIGIN.fullmatch(text) is not None and bool(origin_of(text))
    except ValueError:
        # A port beyond 65535, or no address between the brackets.
        return False


def origin_of(url: str) -> str:
    """As browsers write it: in small letters, without the usual port and what comes after it (RFC 6454 §6.2).

    Raises:
        ValueError: its port is none, or its address.
    """
    parts = urlsplit(url.lower())
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in (None, _PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


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


_KIND_OF_TYPE: Final[dict[str, Any]] = {"str": str, "int": int, "bool": bool, "str | bytes": (str, bytes)}
_LIFETIME_ORDER: Final = (
    ("ACCESS_LIFETIME", "SESSION_IDLE"),
    ("SESSION_IDLE", "SESSION_LIFETIME"),
    ("TOKEN_LIFETIME", "SESSION_LIFETIME"),
)
_HEADER_NAME: Final = re.compile("[A-Za-z0-9-]{1,64}")
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_PORTS: Final = {"http": 80, "https": 443}
_DOMAIN: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
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
_PRIVATE: Final = ("STORE_URL", "SENDER", "LEGACY", "SECRET_KEY", "SECRET_KEY_FALLBACKS")
"""Settings that may hold a password or a secret: their values are not repeated."""
_KIND_WORDS: Final[dict[Any, str]] = {
    str: "a text",
    int: "a whole number",
    bool: "True or False",
    tuple: "a tuple or list of texts (in the environment a JSON list for Flask's from_prefixed_env, separated by commas"
    " for the ready service)",
    dict: "a mapping",
    (str, bytes): "text or bytes",
}
