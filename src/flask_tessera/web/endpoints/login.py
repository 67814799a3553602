"""POST /login: credentials to a session."""

from __future__ import annotations

import re
import unicodedata
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ...errors import ConfigError, CredentialsError, InputError
from ...sessions.record import Device
from .. import signals
from ..http_errors import answering
from .body import read_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Blueprint

    from ...services.login import LoginAttempts
    from ...services.ports import Caller
    from ..extension import Tessera
    from ..runtime import Runtime

_ACCOUNT_MEMBERS: Final = ("phone", "mobile", "username", "email", "account", "name")
_SECRET_MEMBER: Final = re.compile("pass|pwd|secret|code|token|otp")
_NO_MATTER: Final = re.compile(r"[\s()-]+")


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
        ConfigError: there is no authenticator, or no throttle.
    """
    runtime = tessera.runtime
    if runtime.logins is None or runtime.authenticator is None:
        raise ConfigError("the endpoint login needs @tessera.authenticator and pip install 'flask-tessera[accounts]'")
    caller = tessera.present_caller()
    accounts = accounts_of(credentials)
    with _attempts(runtime.logins, tessera.realm, accounts, caller):
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


@contextmanager
def _attempts(logins: LoginAttempts, realm: str, accounts: dict[str, str], caller: Caller) -> Iterator[None]:
    """One attempt on each account that the credentials name: which of them counts, only the authenticator knows.

    Where they name several, success forgives none: one's own account must not buy guesses at another.
    """
    with ExitStack() as stack:
        for member, account in accounts.items():
            stack.enter_context(
                logins.attempt(f"{realm}:{member}:{spelled_alike(account)}", caller.ip, forgives=len(accounts) == 1)
            )
        yield


def accounts_of(credentials: dict[str, Any]) -> dict[str, str]:
    """What names the account in these credentials: the well-known members, else all texts that are no secret as one."""
    texts = {member: value for member, value in credentials.items() if isinstance(value, str) and value}
    known: dict[str, str] = {member: texts[member] for member in _ACCOUNT_MEMBERS if member in texts}
    if known:
        return known
    return {
        "": "\0".join(value for member, value in sorted(texts.items()) if not _SECRET_MEMBER.search(member.lower()))
    }


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
