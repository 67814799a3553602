"""Settings, storage and services wired into what runs."""

from __future__ import annotations

import secrets
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ..services.access import AccessTokens
from ..services.activity import ActivityWriter
from ..services.api_keys import ApiKeys
from ..services.follower import RevocationFollower
from ..services.healing import write_again
from ..services.keys import Keys
from ..services.open_connections import OpenConnections
from ..services.revocation import RevocationView
from ..services.sessions import SessionService
from ..services.throttle import LoginThrottle
from ..services.tickets import Tickets
from ..services.unknown_keys import UnknownKeyLimit
from .account_services import build_accounts
from .audit import Audit
from .cookies import SessionCookies
from .csrf import CsrfCheck
from .legacy_choice import legacy_logins
from .policies import access_policy, issued_for, session_policy, throttle_limits, transports_of, unknown_key_rates
from .readers.access_token import AccessTokenReader
from .readers.api_key import ApiKeyReader
from .readers.legacy_token import LegacyTokenReader
from .responses import CachePolicy, Responses
from .revocation_signal import RevocationSignal
from .runtime import AppState, Runtime
from .signing_secrets import signing_secrets
from .user_loading import load_user

if TYPE_CHECKING:
    from flask import Flask

    from ..config import Settings
    from ..services.login import LoginAttempts
    from ..services.ports import Clock
    from ..storage.engine import Storage
    from .account_services import AccountServices
    from .hooks import Hooks
    from .outages import OutageLog


def build_shared(
    app: Flask, settings: Settings, storage: Storage, clock: Clock, responses: Responses, outages: OutageLog
) -> AppState:
    """Wire what all realms share, over an opened storage."""
    view = RevocationView(storage.revocations, lambda lost, at: write_again(storage, lost, at=at))
    # Clocks are compared in whole seconds: truncation can hide up to one second of the bound.
    follower = RevocationFollower(storage, view, clock, patience=settings.REVOCATION_BOUND - 1)
    signal = RevocationSignal(app, storage.sessions)
    view.listen(signal.hear)
    audit = Audit(app, storage.values, clock, trusted_proxies=settings.TRUSTED_PROXIES)
    return AppState(
        app=app,
        settings=settings,
        clock=clock,
        storage=storage,
        view=view,
        follower=follower,
        connections=OpenConnections(view, follower, clock),
        activity=ActivityWriter(storage.sessions, clock, audit.report, at_once=app.testing),
        audit=audit,
        attempts=_login_attempts(settings, storage, clock),
        responses=responses,
        outages=outages,
        revocation_signal=signal,
        cache_policy=CachePolicy((*settings.HEADERS, "Cookie") if settings.COOKIES else settings.HEADERS),
    )


def build_realm(shared: AppState, realm: str, hooks: Hooks) -> Runtime:
    """Wire what requests of one realm use.

    Raises:
        ConfigError: the secret is missing or weak.
    """
    settings, clock, storage = shared.settings, shared.clock, shared.storage
    if hooks.keeps_history:
        shared.audit.keep(realm, hooks)
    secret, fallbacks = signing_secrets(shared.app, settings, quiet=True)
    keys = Keys.from_secret(secret, fallbacks=fallbacks, realm=realm)
    access = AccessTokens(keys, access_policy(settings), secrets.token_bytes)
    api_keys = _api_keys_of(shared, realm)
    accounts = build_accounts(shared, realm, keys, hooks)
    sessions = _sessions_of(shared, realm, keys, access, api_keys, accounts)
    reader = _reader_of(shared, realm, hooks, access, sessions)
    legacy = legacy_logins(settings.LEGACY, storage, sessions, realm=realm, clock=clock)
    cookies = SessionCookies(realm, settings, CsrfCheck(keys.csrf, settings.CSRF_ORIGINS)) if settings.COOKIES else None
    more = (LegacyTokenReader(legacy, realm, user_id_of=hooks.user_id_of),) if legacy else ()
    return Runtime(
        shared=shared,
        realm=realm,
        hooks=hooks,
        sessions=sessions,
        legacy=legacy,
        api_keys=api_keys,
        tickets=_tickets_of(shared, realm, keys, sessions),
        accounts=accounts,
        access_reader=reader,
        readers=(reader, _api_key_reader_of(shared, hooks, api_keys), *more),
        responses=replace(shared.responses, hook=hooks.answer),
        settings=settings,
        clock=clock,
        storage=storage,
        transports=transports_of(settings, cookies),
        cache_policy=shared.cache_policy,
        cookies=cookies,
    )


def _api_keys_of(shared: AppState, realm: str) -> ApiKeys:
    return ApiKeys(
        shared.storage,
        realm,
        valid_from=lambda at: shared.view.valid_from(at=at),
        clock=shared.clock,
        random_bytes=secrets.token_bytes,
        issued_for=issued_for(shared.settings),
        listener=partial(shared.audit.report_key, realm),
    )


def _api_key_reader_of(shared: AppState, hooks: Hooks, api_keys: ApiKeys) -> ApiKeyReader:
    settings = shared.settings
    return ApiKeyReader(
        api_keys,
        settings.REVOCATION,
        view=shared.view,
        follower=shared.follower,
        limit=UnknownKeyLimit(shared.storage.values, unknown_key_rates(settings)),
        trusted_proxies=settings.TRUSTED_PROXIES,
        user_id_of=hooks.user_id_of,
        load_owner=partial(load_user, hooks),
    )


def _sessions_of(
    shared: AppState, realm: str, keys: Keys, access: AccessTokens, api_keys: ApiKeys, accounts: AccountServices
) -> SessionService:
    return SessionService(
        shared.storage,
        keys,
        access,
        session_policy(shared.settings),
        view=shared.view,
        realm=realm,
        clock=shared.clock,
        random_bytes=secrets.token_bytes,
        listener=shared.audit.report,
        on_owner_ended=(
            *(api_keys.owner_ended, accounts.second_factors.owner_ended, accounts.passkeys.owner_ended),
            accounts.known_devices.owner_ended,
        ),
    )


def _tickets_of(shared: AppState, realm: str, keys: Keys, sessions: SessionService) -> Tickets:
    return Tickets(
        shared.storage,
        keys.ticket,
        realm=realm,
        clock=shared.clock,
        random_bytes=secrets.token_bytes,
        valid_from=sessions.valid_from,
        issued_for=issued_for(shared.settings),
    )


def _reader_of(
    shared: AppState, realm: str, hooks: Hooks, access: AccessTokens, sessions: SessionService
) -> AccessTokenReader:
    return AccessTokenReader(
        access,
        realm,
        shared.settings.REVOCATION,
        view=shared.view,
        follower=shared.follower,
        sessions=sessions,
        activity=shared.activity,
        user_id_of=str if hooks.user_id_type is str else hooks.user_id_of,
    )


def _login_attempts(settings: Settings, storage: Storage, clock: Clock) -> LoginAttempts | None:
    """The throttle, where the extra that brings it is installed; whoever needs it asks for it."""
    limits = throttle_limits(settings)
    if limits is None:
        return None
    from ..services.login import LoginAttempts

    return LoginAttempts(LoginThrottle(storage.values, limits, clock))
