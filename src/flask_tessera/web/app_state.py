"""What runs in one process of one application: built at first use, and built anew in a forked child.

`app.extensions["tessera"]` is a `States`. It knows which realms `init_app` has registered, and builds from that

* one `AppState`: storage, follower, activity writer, counters, shared by all realms, and
* one `Runtime` for each realm: its keys, services and credential readers.

Both are frozen. A child process has none of its parent's threads, and must not use its connections: there, both are put
aside, unused and never closed, and made again when they are first asked for.
"""

from __future__ import annotations

import json
import secrets
import threading
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..clocks import system_clock
from ..config import Settings, read_settings
from ..errors import ConfigError
from ..fork import renew_in_children
from ..services.access import AccessPolicy, AccessTokens
from ..services.activity import ActivityWriter
from ..services.follower import RevocationFollower
from ..services.keys import Keys
from ..services.revocation import RevocationView
from ..services.sessions import SessionPolicy, SessionService
from ..sessions.limits import Limits
from .current import current_app_object
from .legacy_choice import legacy_logins, refuse_weak_legacy
from .outages import OutageLog
from .readers.access_token import AccessTokenReader
from .readers.legacy_token import LegacyTokenReader
from .responses import CachePolicy, Responses
from .signal_sending import send_event
from .signing_secrets import signing_secrets
from .storage_choice import check_choice, open_choice
from .transports import TRANSPORTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Flask

    from ..accounts.passwords import Passwords
    from ..services.legacy import LegacyLogins
    from ..services.login import LoginAttempts
    from ..services.ports import Clock
    from ..sessions.record import Session
    from ..storage.contract import Storage
    from .hooks import Hooks
    from .readers import CredentialReader
    from .transports import Transport


@dataclass(frozen=True, slots=True)
class AppState:
    """What all realms of one application share in one process."""

    app: Flask = field(repr=False)
    settings: Settings = field(repr=False)
    clock: Clock = field(repr=False)
    storage: Storage = field(repr=False)
    view: RevocationView = field(repr=False)
    follower: RevocationFollower = field(repr=False)
    activity: ActivityWriter = field(repr=False)
    attempts: LoginAttempts | None = field(repr=False)
    responses: Responses = field(repr=False)
    outages: OutageLog = field(repr=False)
    cache_policy: CachePolicy = field(repr=False)
    transports: tuple[Transport, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Runtime:
    """What requests of one realm use."""

    shared: AppState
    realm: str
    hooks: Hooks = field(repr=False)
    sessions: SessionService = field(repr=False)
    legacy: LegacyLogins | None = field(repr=False)
    access_reader: AccessTokenReader = field(repr=False)
    readers: tuple[CredentialReader, ...] = field(repr=False)
    responses: Responses = field(repr=False)
    settings: Settings = field(repr=False)
    clock: Clock = field(repr=False)
    storage: Storage = field(repr=False)
    transports: tuple[Transport, ...] = field(repr=False)
    cache_policy: CachePolicy = field(repr=False)

    def effective_by(self, ended: Iterable[Session] = ()) -> int:
        """Unix second from which every worker refuses what has just been ended.

        Args:
            ended: the sessions; where nothing asks the storage, their tokens live on until they expire.
        """
        at = self.clock()
        if self.settings.REVOCATION == "stateless":
            longest = max(self.settings.ACCESS_LIFETIME, self.settings.TOKEN_LIFETIME)
            return max((min(each.until, at + each.access_lifetime) for each in ended), default=at + longest)
        if self.settings.REVOCATION == "strict" or not self.storage.revocations.bound:
            return at
        return at + self.settings.REVOCATION_BOUND


class States:
    """The Tesseras of one application, by realm.

    Args:
        app: the application.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._storage: Any = None
        self._clock: Clock | None = None
        self.hooks: dict[str, Hooks] = {}
        """What was registered, by realm."""
        self.running: dict[str, Runtime] = {}
        """What was built in this process, by realm."""
        self.responses = Responses()
        """Writes errors; in the application's form once its settings are read."""
        self.settings = Settings()
        """As they were read last."""
        self.passwords: Passwords | None = None
        """Hashes passwords, once somebody has asked for it."""
        self.outages = OutageLog("")
        """Logs failures of the storage."""
        self._shared: AppState | None = None
        self._of_parents: list[Any] = []
        renew_in_children(self)

    def renew_locks(self) -> None:
        """A child builds its own; its parent may have been building, and its connections are not for the child."""
        self._lock = threading.RLock()
        if self._shared is not None or self.running:
            self._of_parents.append((self._shared, self.running))
        self._shared, self.running = None, {}

    def add(self, realm: str, hooks: Hooks, *, storage: Any, clock: Clock | None) -> None:
        """Register a realm.

        Raises:
            ConfigError: the application has it already, or it was given another storage or clock than the others.
        """
        if realm in self.hooks:
            raise ConfigError(f"this application has a Tessera of realm {realm!r} already")
        self._storage = _agree("storage", self._storage, storage)
        self._clock = _agree("clock", self._clock, clock)
        self._read_settings()
        self.hooks[realm] = hooks

    def _read_settings(self, *, quiet: bool = False) -> Settings:
        """The settings, checked; what connects to nothing is built to see whether it can be."""
        settings = self.settings = read_settings(self._app.config)
        signing_secrets(self._app, settings, quiet=quiet)
        refuse_weak_legacy(self._app, settings.LEGACY, clock=self._clock or system_clock, quiet=quiet)
        self.outages = OutageLog(check_choice(self._app, settings, self._storage))
        _attempts(settings)
        self.responses = _responses_of(settings)
        return settings

    def runtime(self, realm: str) -> Runtime:
        """What runs for a realm; built at first use.

        Raises:
            ConfigError: there is no such realm, or a setting is wrong.
        """
        if realm not in self.hooks:
            known = f"; it has those of {', '.join(map(repr, self.hooks))}"
            raise ConfigError(f"this application has no Tessera of realm {realm!r}{known}")
        with self._lock:
            runtime = self.running.get(realm)
            if runtime is None:
                shared = self._shared = self._shared or self._build()
                runtime = self.running[realm] = _build_realm(shared, realm, self.hooks[realm].for_application())
            return runtime

    def _build(self) -> AppState:
        # Once more: what was set after `init_app` counts until the first use.
        settings = self._read_settings(quiet=True)
        storage = open_choice(self._app, settings, self._storage)
        return _build_shared(self._app, settings, storage, self._clock or system_clock, self.responses, self.outages)

    def close(self) -> None:
        """Write what waits, end the threads and let go of the connections; the next use builds all of it anew."""
        with self._lock:
            shared, self._shared, self.running = self._shared, None, {}
        if shared is not None:
            shared.follower.stop()
            shared.activity.stop()
            shared.storage.close()


def states_of(app: Flask) -> States:
    """The Tesseras of an application.

    Raises:
        ConfigError: it has none.
    """
    states: States | None = app.extensions.get("tessera")
    if states is None:
        raise ConfigError("this application has no Tessera: call tessera.init_app(app)")
    return states


def runtime_of(realm: str) -> Runtime:
    """What runs for a realm of the current application.

    Raises:
        ConfigError: there is none, or a setting is wrong.
    """
    return states_of(current_app_object()).runtime(realm)


def _agree(name: str, before: Any, given: Any) -> Any:
    if before is not None and given is not None and before is not given and before != given:
        raise ConfigError(f"the Tesseras of one application share one {name}: give Tessera({name}=…) to one of them")
    return given if before is None else before


def _responses_of(settings: Settings) -> Responses:
    return Responses(settings.RESPONSE_FORMAT == "plain", settings.HTTP_STATUS == "always_200", settings.LOCALE)


def _build_shared(
    app: Flask, settings: Settings, storage: Storage, clock: Clock, responses: Responses, outages: OutageLog
) -> AppState:
    view = RevocationView(storage.revocations)
    return AppState(
        app=app,
        settings=settings,
        clock=clock,
        storage=storage,
        view=view,
        # Clocks are compared in whole seconds: truncation can hide up to one second of the bound.
        follower=RevocationFollower(storage, view, clock, patience=settings.REVOCATION_BOUND - 1),
        activity=ActivityWriter(storage.sessions, clock, partial(send_event, app)),
        attempts=_attempts(settings),
        responses=responses,
        outages=outages,
        cache_policy=CachePolicy(settings.HEADERS),
        transports=tuple(make(settings) for make in TRANSPORTS.values()),
    )


def _build_realm(shared: AppState, realm: str, hooks: Hooks) -> Runtime:
    settings, clock, storage = shared.settings, shared.clock, shared.storage
    secret, fallbacks = signing_secrets(shared.app, settings, quiet=True)
    keys = Keys.from_secret(secret, fallbacks=fallbacks, realm=realm)
    access = AccessTokens(keys, _access_policy(settings), secrets.token_bytes)
    sessions = SessionService(
        storage,
        keys,
        access,
        _session_policy(settings),
        view=shared.view,
        realm=realm,
        clock=clock,
        dice=secrets.token_bytes,
        listener=partial(send_event, shared.app),
    )
    reader = AccessTokenReader(
        access,
        realm,
        settings.REVOCATION,
        view=shared.view,
        follower=shared.follower,
        sessions=sessions,
        activity=shared.activity,
        user_id_of=str if hooks.user_id_type is str else hooks.user_id_of,
    )
    legacy = legacy_logins(settings.LEGACY, storage, sessions, keys, realm=realm, clock=clock)
    more = (LegacyTokenReader(legacy, realm, user_id_of=hooks.user_id_of),) if legacy else ()
    return Runtime(
        shared=shared,
        realm=realm,
        hooks=hooks,
        sessions=sessions,
        legacy=legacy,
        access_reader=reader,
        readers=(reader, *more),
        responses=replace(shared.responses, hook=hooks.answer),
        settings=settings,
        clock=clock,
        storage=storage,
        transports=shared.transports,
        cache_policy=shared.cache_policy,
    )


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
        issued_for=json.dumps([settings.ISSUER, settings.AUDIENCE]),
    )


def _attempts(settings: Settings) -> LoginAttempts | None:
    """The throttle, where the extra that brings it is installed; whoever needs it asks for it."""
    try:
        from ..accounts.throttle import LoginThrottle
    except ModuleNotFoundError:
        return None
    from ..services.login import LoginAttempts

    return LoginAttempts(LoginThrottle(settings.LOGIN_LIMIT_ACCOUNT, settings.LOGIN_LIMIT_ADDRESS))
