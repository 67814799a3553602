"""Settings, storage and services wired into the running Tessera of one application."""

from __future__ import annotations

import logging
import secrets
from functools import partial
from typing import TYPE_CHECKING, Any

from ..config import PREFIX, read_settings
from ..errors import ConfigError
from ..services.access import AccessPolicy, AccessTokens
from ..services.activity import ActivityWriter
from ..services.follower import RevocationFollower
from ..services.keys import Keys
from ..services.legacy import LegacyLogins, legacy_warnings, refuse_far_window
from ..services.login import LoginAttempts
from ..services.revocation import RevocationView
from ..services.sessions import SessionPolicy, SessionService
from ..sessions.limits import Limits
from ..storage.from_url import open_engine, open_storage
from ..tokens.keys import RECOMMENDED_BYTES, KeyRing, weakness
from ..tokens.legacy import LegacyTokens
from . import signals
from .answers import Answers
from .privacy import Privacy
from .runtime import Runtime
from .transport import HeaderTransport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask

    from ..config import Settings
    from ..services.ports import Clock, Listener
    from ..storage.contract import Storage

_log = logging.getLogger("flask_tessera")
_GENERATE = "python -c 'import secrets; print(secrets.token_hex())'"


def assemble(app: Flask, *, storage: Any, realm: str, clock: Clock, answer: Any, **hooks: Any) -> Runtime:
    """Read the settings, once, and wire all that requests use.

    Args:
        app: whose settings these are.
        storage: what `Tessera(storage=…)` was given.
        realm: the population of users.
        clock: gives now in Unix seconds.
        answer: the host's own form for successes, or None.
        **hooks: loader, authenticator, user view and type of user ids, as they are.

    Raises:
        ConfigError: a setting is unknown, weak or contradictory, or there is no storage.
    """
    settings = read_settings(app.config)
    keys = _keys_of(app, realm)
    store = _storage_of(app, settings, storage)
    listener = partial(signals.send, app)
    services = _services_of(app, settings, store, keys, realm=realm, clock=clock, listener=listener)
    web = _web_of(settings, answer)
    return Runtime(app=app, settings=settings, realm=realm, clock=clock, storage=store, **services, **web, **hooks)


def _services_of(
    app: Flask, settings: Settings, store: Storage, keys: Keys, *, realm: str, clock: Clock, listener: Listener
) -> dict[str, Any]:
    dice = secrets.token_bytes
    access = AccessTokens(keys, _access_policy(settings), dice)
    policy = _session_policy(settings)
    view = RevocationView(store.revocations)
    sessions = SessionService(
        store, keys, access, policy, view=view, realm=realm, clock=clock, dice=dice, listener=listener
    )
    # Clocks are compared in whole seconds: a second of the bound goes to what is cut off.
    patience = settings.REVOCATION_BOUND - 1
    return {
        "access": access,
        "sessions": sessions,
        "view": view,
        "follower": RevocationFollower(store, view, clock, patience=patience),
        "recorder": ActivityWriter(store.sessions, clock, listener),
        "logins": _login_attempts(settings),
        "legacy": _legacy_of(app, settings.LEGACY, store, sessions, keys, realm, clock),
    }


def _web_of(settings: Settings, answer: Any) -> dict[str, Any]:
    is_plain, always_200 = settings.RESPONSE_FORMAT == "plain", settings.HTTP_STATUS == "always_200"
    return {
        "answers": Answers(is_plain, always_200, settings.LOCALE, answer),
        "transport": HeaderTransport(settings.HEADERS),
        "privacy": Privacy(settings.HEADERS),
    }


def _keys_of(app: Flask, realm: str) -> Keys:
    secret = app.config.get("SECRET_KEY")
    if not secret:
        raise ConfigError(f"SECRET_KEY is not set: every token is signed under it; make one with {_GENERATE}")
    if not isinstance(secret, str | bytes):
        raise ConfigError(f"SECRET_KEY must be text or bytes, not {type(secret).__name__}")
    fallbacks = app.config.get("SECRET_KEY_FALLBACKS") or ()
    if not isinstance(fallbacks, list | tuple) or not all(isinstance(each, str | bytes) and each for each in fallbacks):
        raise ConfigError("SECRET_KEY_FALLBACKS must be a list of texts or bytes, none of them empty")
    for name, each in (("SECRET_KEY", secret), *(("SECRET_KEY_FALLBACKS", each) for each in fallbacks)):
        _refuse_weak(app, name, each)
    return Keys.from_secret(secret, fallbacks=fallbacks, realm=realm)


def _refuse_weak(app: Flask, name: str, secret: str | bytes) -> None:
    """In debug and testing a weak secret is only warned about, like a short one everywhere."""
    fault = weakness(secret)
    if fault and not (app.debug or app.testing):
        raise ConfigError(f"{name} {fault}; make a better one with {_GENERATE}")
    size = len(secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else secret)
    if not fault and size < RECOMMENDED_BYTES:
        fault = f"has {size} bytes, {RECOMMENDED_BYTES} are recommended"
    if fault:
        _log.warning("%s %s; make a better one with %s", name, fault, _GENERATE)


def _storage_of(app: Flask, settings: Settings, given: Any) -> Storage:
    if given is not None and settings.STORE_URL:
        raise ConfigError(f"{PREFIX}STORE_URL and Tessera(storage=…) are both given: keep one")
    storage = _opened(app, settings, given)
    if storage.revocations.bound > settings.REVOCATION_BOUND:
        bound = storage.revocations.bound
        raise ConfigError(f"{PREFIX}REVOCATION_BOUND must be at least {bound}: this storage is no faster")
    return storage


def _opened(app: Flask, settings: Settings, given: Any) -> Storage:
    if given is not None and not isinstance(given, str):
        # A storage of this package or of a kind the host wrote; else an engine or something that has one.
        storage: Storage = given if hasattr(given, "revocations") else open_engine(given)
        return storage
    url = given or settings.STORE_URL or ("memory:" if app.testing else "")
    if not url:
        raise ConfigError(
            "no storage: set TESSERA_STORE_URL = 'sqlite:///tessera.db' in the configuration, "
            "or write Tessera(app, storage='sqlite:///tessera.db')"
        )
    return open_storage(url, folder=app.instance_path, make_folder=True)


def _access_policy(settings: Settings) -> AccessPolicy:
    return AccessPolicy(
        lifetime=settings.ACCESS_LIFETIME,
        jitter=settings.jitter,
        longest=max(settings.ACCESS_LIFETIME, settings.SESSION_LIFETIME),
        issuer=settings.ISSUER,
        audience=settings.AUDIENCE,
        is_sealed=settings.TOKEN_FORMAT == "sealed",
    )


def _session_policy(settings: Settings) -> SessionPolicy:
    overflow: Any = settings.SESSION_OVERFLOW
    return SessionPolicy(
        idle=settings.SESSION_IDLE,
        lifetime=settings.SESSION_LIFETIME,
        access_lifetime=settings.ACCESS_LIFETIME,
        leeway=settings.REFRESH_LEEWAY,
        longest_access=max(settings.ACCESS_LIFETIME, settings.TOKEN_LIFETIME),
        limits=Limits(settings.MAX_SESSIONS, settings.SESSIONS_PER_DEVICE_TYPE, overflow),
    )


def _legacy_of(
    app: Flask,
    legacy: Mapping[str, Any],
    storage: Storage,
    sessions: SessionService,
    keys: Keys,
    realm: str,
    clock: Clock,
) -> LegacyLogins | None:
    """What reads old tokens, in the one realm whose users they name."""
    if not legacy or legacy.get("realm", "") != realm:
        return None
    refuse_far_window(legacy["until"], at=clock())
    _refuse_weak_legacy(app, legacy)
    members = ("secret", "until", "user_key", "algorithm", "salt")
    tokens = LegacyTokens(**{name: legacy[name] for name in members if name in legacy})
    name_key = KeyRing.from_secret(legacy["secret"], purpose="legacy", realm=realm).active
    since = legacy.get("since")
    return LegacyLogins(tokens, storage, sessions, keys, name_key=name_key, realm=realm, clock=clock, since=since)


def _refuse_weak_legacy(app: Flask, legacy: Mapping[str, Any]) -> None:
    """It cannot be replaced as `SECRET_KEY` can, so it may be accepted by name, and is warned about at each start."""
    for warning in legacy_warnings(legacy):
        if not legacy.get("accept_weak_secret") and not (app.debug or app.testing):
            raise ConfigError(f"{warning}; if the old tokens are worth it, add 'accept_weak_secret': True")
        _log.warning(warning)


def _login_attempts(settings: Settings) -> LoginAttempts | None:
    """The throttle, where the extra that brings it is installed; `blueprint()` asks for it."""
    try:
        from ..accounts.throttle import LoginThrottle
    except ModuleNotFoundError:
        return None
    return LoginAttempts(LoginThrottle(settings.LOGIN_LIMIT_ACCOUNT, settings.LOGIN_LIMIT_ADDRESS))
