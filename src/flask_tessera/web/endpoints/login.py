"""POST /login: credentials to a session."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ...errors import ConfigError, CredentialsError, InputError
from ...sessions.record import Device
from .. import signals
from ..http_errors import answering
from .body import read_object

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from flask import Blueprint

    from ...services.login import LoginAttempts
    from ..extension import Tessera
    from ..runtime import Runtime

_ACCOUNT_MEMBERS: Final = ("phone", "mobile", "username", "email", "account", "name")
_SECRET_MEMBER: Final = re.compile("pass|pwd|^pw$|secret|code|token|otp")
_NO_MATTER: Final = re.compile(r"[\s()-]+")


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
    if runtime.logins is None or runtime.authenticator is None:
        raise ConfigError("the endpoint login needs @tessera.authenticator and pip install 'flask-tessera[accounts]'")
    caller = tessera.present_caller()
    accounts = accounts_of(credentials, runtime.account_members)
    with _attempt(runtime.logins, tessera.realm, accounts, caller.ip):
        try:
            return _checked(runtime, credentials)
        except CredentialsError:
            signals.login_failed.send(runtime.app, account=next(iter(accounts.values())), caller=caller)
            raise


def _checked(runtime: Runtime, credentials: dict[str, Any]) -> Any:
    authenticator: Any = runtime.authenticator
    user = runtime.app.ensure_sync(authenticator)(credentials)
    if user is None or user is False:
        raise CredentialsError(f"the authenticator gave {user}")
    return user


def _attempt(logins: LoginAttempts, realm: str, accounts: dict[str, str], address: str) -> AbstractContextManager[None]:
    """One attempt on each account that the credentials may name: which of them counts, only the authenticator knows.

    Success forgives earlier failures only where one number is named: two names that are spelled alike here may be two
    accounts to the application, and one's own account must not buy guesses at another.
    """
    first, *more = [f"{realm}:{member}:{account}" for member, account in accounts.items()]
    forgives = len(accounts) == 1 and all(account.isdecimal() for account in accounts.values())
    return logins.attempt(first, address, *more, forgives=forgives)


def accounts_of(credentials: dict[str, Any], members: Iterable[str] = ()) -> dict[str, str]:
    """What names the account in these credentials, by member.

    That is each of `members`, which the application has declared, or each well-known member. Where there is none of
    them, it is all that is no secret, taken as one: a client who adds something to that gets a counter of its own.
    """
    named = {
        member: spelled_alike(str(value))
        for member, value in credentials.items()
        if type(value) in (str, int) and value != "" and not _SECRET_MEMBER.search(member.lower())
    }
    known = {member: named[member] for member in members or _ACCOUNT_MEMBERS if member in named}
    return known or {"": "\0".join(value for _, value in sorted(named.items()))}


def spelled_alike(account: str) -> str:
    """One spelling of those that an application may take for the same account: each would be another guess."""
    return _NO_MATTER.sub("", unicodedata.normalize("NFKC", account).casefold())


def take_device(credentials: dict[str, Any]) -> Device:
    """The device the client describes, taken out of its credentials.

    Raises:
        InputError: it is no object of texts.
    """
    try:
        return msgspec.convert(credentials.pop("device", {}), Device)
    except msgspec.ValidationError as error:
        raise InputError(f"device: {error}") from error
