"""POST /login: credentials to a session."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ...accounts.account_names import SECRET_MEMBERS, WELL_KNOWN_MEMBERS, AccountMissingError, accounts_in
from ...errors import ConfigError, CredentialsError, InputError
from ...sessions.model import Device
from .. import logins
from ..challenge import ask_challenge
from ..cookies import take_delivery
from ..current import call_host
from ..malformed import malformed
from ..token_pair import PairResponse
from .row import Endpoint

if TYPE_CHECKING:
    from ..extension import Tessera
    from ..token_pair import TokenPair


_log = logging.getLogger("flask_tessera")


def login(tessera: Tessera[Any], credentials: dict[str, Any]) -> Any:
    """Log in: a pair of tokens for credentials.

    The credentials are what the authenticator says they are, without `device`, `transport`, `remember` and
    `trust_token`.
    """
    delivery = take_delivery(tessera.runtime.cookies, credentials)
    return log_in(tessera, credentials, take_device(credentials)).deliver(delivery)


def log_in(tessera: Tessera[Any], credentials: dict[str, Any], device: Device) -> TokenPair:
    """Begin a session for who these credentials belong to; a wrong password is counted.

    Raises:
        TesseraHTTPError: as `logins.log_in`, `accounts_of` and `authenticate` say.
    """
    ask_challenge(tessera, "login")
    cookies = tessera.runtime.cookies
    trusted = credentials.pop("trust_token", None) or (cookies and cookies.trusted_device())
    way = logins.way_of(tessera, credentials) or by_authenticator(tessera, credentials)
    return logins.log_in(tessera, way, device=device, trust_token=trusted)


def by_authenticator(tessera: Tessera[Any], credentials: dict[str, Any]) -> logins.Way:
    """The way of an application that checks credentials itself; errors as of `accounts_of`."""
    return logins.Way(accounts_of(tessera, credentials), lambda: logins.Proof(authenticate(tessera, credentials)))


def authenticate(tessera: Tessera[Any], credentials: dict[str, Any]) -> Any:
    """The user of these credentials, as the authenticator says.

    Raises:
        CredentialsError: they are wrong.
        InputError: the authenticator has refused them unchecked, mostly because there is no password.
        ConfigError: there is no authenticator.
    """
    authenticator = tessera.runtime.hooks.authenticator
    if authenticator is None:
        raise ConfigError("the endpoint login needs a function registered with @tessera.authenticator")
    try:
        user = call_host(authenticator, credentials)
    except InputError as error:
        if not error.member and error.slug == "input_malformed":
            error.member = next((each for each in credentials if each.casefold() in SECRET_MEMBERS), "password")
        raise
    if user is None or user is False:
        raise CredentialsError(f"the authenticator gave {user}")
    return user


def accounts_of(tessera: Tessera[Any], credentials: dict[str, Any]) -> tuple[str | int, ...]:
    """The accounts that these credentials may name, by which wrong passwords are counted.

    Raises:
        InputError: they name none, or one by something else than text or a whole number.
    """
    declared = tessera.runtime.hooks.account_members
    try:
        return accounts_in(credentials, declared)
    except AccountMissingError:
        if not declared:
            _tell_to_declare(tessera.realm)
        raise


@functools.cache
def _tell_to_declare(realm: str) -> None:
    """Log, once a process, what the developer of a login without a well-known member has to do."""
    _log.warning(
        "a login of realm %r named no account and was refused: it has none of the members %s; "
        "if another one names the account, declare it: @tessera.authenticator(account='…')",
        realm,
        ", ".join(WELL_KNOWN_MEMBERS),
    )


def take_device(credentials: dict[str, Any]) -> Device:
    """The device the client describes, taken out of its credentials.

    Raises:
        InputError: it is no object of texts.
    """
    try:
        return msgspec.convert(credentials.pop("device", {}), Device)
    except msgspec.ValidationError as error:
        raise malformed(error, "device") from error


ROWS: Final = (
    Endpoint(
        "login",
        "POST",
        "/login",
        login,
        request=dict,
        response=PairResponse,
        errors=(
            *("credentials_missing", "phone_malformed", "email_malformed", "credentials_wrong", "code_wrong"),
            *("login_refused", "second_factor_required", "challenge_failed"),
            *("session_limit_reached", "too_many_requests", "csrf_failed"),
        ),
    ),
)
