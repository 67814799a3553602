"""POST /login: credentials to a session."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from ...accounts.account_names import WELL_KNOWN_MEMBERS, AccountMissingError, accounts_in
from ...errors import ConfigError, CredentialsError, InputError, missing_extra
from ...sessions.record import Device
from .. import signals
from ..http_errors import answering
from .body import read_object

if TYPE_CHECKING:
    from flask import Blueprint

    from ..extension import Tessera
    from ..runtime import Runtime

_log = logging.getLogger("flask_tessera")


def add(blueprint: Blueprint, tessera: Tessera[Any]) -> None:
    """Add the route; the credentials are what the authenticator says they are."""

    @blueprint.post("/login", endpoint="login")
    def login() -> Any:
        runtime = tessera.runtime
        with answering(runtime.answers):
            credentials = read_object()
            device = take_device(credentials)
            since = tessera.position()
            user = authenticate(tessera, credentials)
        return tessera.login(user, device=device, since=since).to_response()


def authenticate(tessera: Tessera[Any], credentials: dict[str, Any]) -> Any:
    """The user of these credentials, throttled per account and per network.

    Raises:
        ThrottledError: too many wrong ones.
        CredentialsError: they are wrong.
        InputError: they are malformed.
        ConfigError: there is no authenticator, or no throttle.
    """
    runtime = tessera.runtime
    if runtime.logins is None:
        raise missing_extra("the endpoint login needs the module limits", "accounts")
    if runtime.authenticator is None:
        raise ConfigError("the endpoint login needs a function registered with @tessera.authenticator")
    caller = tessera.present_caller()
    accounts = _accounts_in(credentials, tessera.realm, runtime.account_members)
    with runtime.logins.attempt(tessera.realm, accounts, caller.ip):
        try:
            return _checked(runtime, credentials)
        except CredentialsError:
            signals.login_failed.send(runtime.app, account=accounts[0], caller=caller)
            raise


def _accounts_in(credentials: dict[str, Any], realm: str, declared: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return accounts_in(credentials, declared)
    except AccountMissingError:
        if not declared:
            tell_to_declare(realm)
        raise


@functools.cache
def tell_to_declare(realm: str) -> None:
    """Log, once a process, what the developer of a login without a well-known member has to do."""
    _log.warning(
        "a login of realm %r named no account and was refused: it has none of the members %s; "
        "if another one names the account, declare it: @tessera.authenticator(account='…')",
        realm,
        ", ".join(WELL_KNOWN_MEMBERS),
    )


def _checked(runtime: Runtime, credentials: dict[str, Any]) -> Any:
    authenticator: Any = runtime.authenticator
    user = runtime.app.ensure_sync(authenticator)(credentials)
    if user is None or user is False:
        raise CredentialsError(f"the authenticator gave {user}")
    return user


def take_device(credentials: dict[str, Any]) -> Device:
    """The device the client describes, taken out of its credentials.

    Raises:
        InputError: it is no object of texts.
    """
    try:
        return msgspec.convert(credentials.pop("device", {}), Device)
    except msgspec.ValidationError as error:
        raise InputError(f"device: {error}") from error
