"""Looks at a running configuration for weak spots."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from .errors import ConfigError, TesseraError
from .services import ownership
from .services.legacy import legacy_warnings
from .services.senders.url_parts import is_loopback
from .services.senders.weak_spots import weak_spots
from .setting_checks import PREFIX
from .tokens.keys import RECOMMENDED_BYTES, weakness
from .web.app_state import states_of
from .web.outages import url_without_login
from .web.signing_secrets import signing_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask

    from .config import Settings
    from .web.app_state import Runtime


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report.

    `SET` is a setting, `OK` a check that passed, `HINT` what to know about a setting, `WARN` and `FAIL` weak spots.
    """

    level: Literal["SET", "OK", "HINT", "WARN", "FAIL"]
    text: str


def examine(app: Flask, runtime: Runtime) -> list[Finding]:
    """Settings without secrets, then what could be better."""
    settings = runtime.settings
    return [
        *_settings(settings),
        *_secret(app, settings),
        *_storage(runtime),
        *_owner(app, runtime),
        *_users(app, runtime),
        *_messages(app, runtime),
        *_bound(runtime),
        *_modes(app, settings),
        *_hints(settings),
        *_legacy(runtime),
    ]


def _settings(settings: Settings) -> Iterator[Finding]:
    for each in fields(settings):
        value: Any = getattr(settings, each.name)
        if each.name == "STORE_URL":
            value = url_without_login(value)
        elif each.name == "SENDER" and value:
            # It may hold a password or a secret in any part.
            value = value.partition(":")[0] + ":…"
        elif each.name in ("LEGACY", "SECRET_KEY", "SECRET_KEY_FALLBACKS"):
            value = "on" if value else "off"
            if value == "off" and each.name != "LEGACY":
                value = "that of Flask"
        yield Finding("SET", f"{PREFIX}{each.name} = {value!r}")


def _secret(app: Flask, settings: Settings) -> Iterator[Finding]:
    for name, secret in _signing(app, settings):
        size = len(_bytes_of(secret))
        if fault := weakness(secret):
            yield Finding("FAIL", f"{name} {fault}")
        elif size < RECOMMENDED_BYTES:
            yield Finding("WARN", f"{name} has {size} bytes, {RECOMMENDED_BYTES} are recommended")
        else:
            yield Finding("OK", f"{name} has {size} bytes")


def _bytes_of(secret: str | bytes) -> bytes:
    return secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else secret


def _signing(app: Flask, settings: Settings) -> Iterator[tuple[str, str | bytes]]:
    prefix = PREFIX if settings.SECRET_KEY else ""
    secret, fallbacks = signing_secrets(app, settings, quiet=True)
    yield f"{prefix}SECRET_KEY", secret
    for number, fallback in enumerate(fallbacks):
        yield f"{prefix}SECRET_KEY_FALLBACKS[{number}]", fallback


def _storage(runtime: Runtime) -> Iterator[Finding]:
    try:
        runtime.storage.check()
        description = runtime.storage.describe()
    except TesseraError as error:
        yield Finding("FAIL", f"the storage does not work: {error}")
        return
    yield Finding("OK", "the storage can be read and written")
    yield Finding("OK", f"{description.engine}: {description.durability}")
    for warning in description.warnings:
        yield Finding("WARN", f"{description.engine}: {warning}")


def _owner(app: Flask, runtime: Runtime) -> Iterator[Finding]:
    try:
        ring, at = states_of(app).storage_ring(), runtime.clock()
        # Looking makes nobody its owner.
        ownership.refuse_foreign(runtime.storage, ring, at=at, claims=False)
    except ConfigError as error:
        yield Finding("FAIL", str(error))
    except TesseraError:
        # That the storage does not work was told before.
        return


def _users(app: Flask, runtime: Runtime) -> Iterator[Finding]:
    """Those of the ready service."""
    service = app.extensions.get("tessera_service")
    if service is None:
        return
    try:
        service.users.by_phone("")
    except TesseraError as error:
        yield Finding("FAIL", f"the users cannot be read: {error}")
        return
    yield Finding("OK", f"the users can be read, from {service.users_place}")
    if service.users_place.startswith("sqlite:") and runtime.storage.revocations.bound:
        yield Finding("WARN", "they are in a file of this machine: on several machines set TESSERA_USERS_URL")


def _messages(app: Flask, runtime: Runtime) -> Iterator[Finding]:
    """What delivers codes and links, and where links lead."""
    settings, accounts = runtime.settings, runtime.accounts
    if runtime.hooks.sender is None and not (app.debug or app.testing):
        for text in weak_spots(settings.SENDER):
            yield Finding("WARN", f"{PREFIX}SENDER {text}")
    sending = [name for name in app.view_functions if name.rpartition(".")[2] in ("codes", "links")]
    if accounts.users is not None and accounts.sending is None and sending:
        yield Finding("HINT", f"{', '.join(sending)} can send nothing: set {PREFIX}SENDER, or give Tessera(sender=…)")
    site = urlsplit(settings.PUBLIC_URL)
    if site.scheme == "http" and not is_loopback(site.hostname or ""):
        yield Finding("WARN", f"{PREFIX}PUBLIC_URL is http:// on another host than localhost: links are not protected")


def _bound(runtime: Runtime) -> Iterator[Finding]:
    """How long an ending takes to be known everywhere; the other modes are among `_modes`."""
    settings = runtime.settings
    if settings.REVOCATION != "bounded":
        return
    if runtime.storage.revocations.bound:
        yield Finding("OK", f"an ending is known to every worker within {settings.REVOCATION_BOUND} s")
    else:
        yield Finding("OK", "an ending is known to every worker with its next request")


def _modes(app: Flask, settings: Settings) -> Iterator[Finding]:
    if app.debug:
        yield Finding("WARN", "debug mode is on: weak keys are only warned about")
    if settings.REVOCATION == "stateless":
        yield Finding("WARN", f"{PREFIX}REVOCATION stateless: a logout takes effect only when the access token expires")
    if settings.HTTP_STATUS == "always_200":
        yield Finding("WARN", f"{PREFIX}HTTP_STATUS always_200: proxies and monitors take every error for a success")
    if settings.MAX_SESSIONS == 0:
        yield Finding("WARN", f"{PREFIX}MAX_SESSIONS 0: a user may have any number of sessions")
    if settings.TRUSTED_PROXIES:
        yield Finding("OK", f"{settings.TRUSTED_PROXIES} proxies are believed about client addresses")


def _hints(settings: Settings) -> Iterator[Finding]:
    """What no look at the configuration can judge: whether there is a proxy, or another application."""
    if not settings.TRUSTED_PROXIES:
        yield Finding(
            "HINT",
            f"{PREFIX}TRUSTED_PROXIES 0: X-Forwarded-For is not believed; behind a proxy all clients would have its"
            " address and share one login limit, so set the number of proxies there",
        )
    if settings.REVOCATION != "strict" and not (settings.ISSUER or settings.AUDIENCE):
        yield Finding(
            "HINT",
            f"{PREFIX}ISSUER and {PREFIX}AUDIENCE are not set: another application with the same SECRET_KEY, also with"
            " another storage, accepts these access tokens until they expire",
        )


def _legacy(runtime: Runtime) -> Iterator[Finding]:
    legacy = runtime.settings.LEGACY
    if not legacy:
        return
    left = int(legacy["until"]) - runtime.clock()
    if left <= 0:
        yield Finding("WARN", f"{PREFIX}LEGACY: its window has closed; remove the setting")
    else:
        yield Finding("OK", f"{PREFIX}LEGACY: old tokens are accepted for {left // 86_400} more days")
    (name, secret), *_ = _signing(runtime.shared.app, runtime.settings)
    if _bytes_of(legacy["secret"]) == _bytes_of(secret):
        yield Finding("WARN", f"{PREFIX}LEGACY: the old secret is still {name}; give the application a new one")
    try:
        log = runtime.storage.revocations.head(at=runtime.clock())
    except TesseraError:
        # That the storage does not work was told before.
        log = None
    for warning in legacy_warnings(legacy, log):
        yield Finding("WARN", warning)
