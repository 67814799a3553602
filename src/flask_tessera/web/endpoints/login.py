"""POST /login: credentials to a session."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ...errors import ConfigError, CredentialsError, InputError
from ...sessions.record import Device
from .. import signals
from ..http_errors import answering
from .body import read_object

if TYPE_CHECKING:
    from flask import Blueprint

    from ..extension import Tessera

_ACCOUNT_MEMBERS: Final = ("phone", "mobile", "username", "email", "account", "name")
_SECRET_MEMBER: Final = re.compile("pass|pwd|secret|code|token|otp")


def add(blueprint: Blueprint, tessera: Tessera[Any]) -> None:
    """Add the route; the credentials are what the authenticator says they are."""

    @blueprint.post("/login", endpoint="login")
    def login() -> Any:
        runtime = tessera.runtime
        with answering(runtime.answers):
            credentials = read_object()
            device = take_device(credentials)
            user = authenticate(tessera, credentials)
        return tessera.login(user, device=device).to_response()


def authenticate(tessera: Tessera[Any], credentials: dict[str, Any]) -> Any:
    """The user of these credentials, throttled per account and per network.

    Raises:
        ThrottledError: too many wrong ones.
        CredentialsError: they are wrong.
        InputError: they are malformed.
    """
    runtime = tessera.runtime
    if runtime.logins is None or runtime.authenticator is None:
        raise ConfigError("the endpoint login needs @tessera.authenticator and pip install 'flask-tessera[accounts]'")
    caller = tessera.present_caller()
    account = account_of(credentials)
    with runtime.logins.attempt(f"{tessera.realm}:{account}", caller.ip):
        user = runtime.app.ensure_sync(runtime.authenticator)(credentials)
        if user is None:
            signals.login_failed.send(runtime.app, account=account, caller=caller)
            raise CredentialsError("the authenticator gave None")
    return user


def account_of(credentials: dict[str, Any]) -> str:
    """What names the account in these credentials: a well-known member, else all texts that are no secret."""
    texts = {member: value for member, value in credentials.items() if isinstance(value, str) and value}
    known = [texts[member] for member in _ACCOUNT_MEMBERS if member in texts]
    others = [value for member, value in sorted(texts.items()) if not _SECRET_MEMBER.search(member.lower())]
    return known[0] if known else "\0".join(others)


def take_device(credentials: dict[str, Any]) -> Device:
    """The device the client describes, taken out of its credentials.

    Raises:
        InputError: it is no object of texts.
    """
    try:
        return msgspec.convert(credentials.pop("device", {}), Device)
    except msgspec.ValidationError as error:
        raise InputError(f"device: {error}") from error
