"""The ways to log in: each makes of a request's credentials who that is, or refuses them.

Whatever the way, an attempt is counted before its credentials are looked at. Passwords count for their account and
network. Codes and links count for the network alone, so that who guesses at a password closes neither to the owner: a
code bears five tries, and a recipient gets at most 60 codes a day, so there are at most 300 guesses at an account by
code in a day, of a million codes; the secret of a link is too long to be guessed. Then comes what all ways have in
common with an application's own login: `LoginAttempt.login`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..accounts.recipients import Recipient, parse_email, parse_phone, parse_recipient
from ..errors import CodeWrongError, ConfigError, InputError, UserGoneError
from ..services.passkeys import amr_of
from ..sessions.model import UNKNOWN_DEVICE, Device
from .user_loading import load_user

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..services.account_passwords import AccountPasswords
    from .account_services import AccountServices
    from .extension import Tessera
    from .token_pair import TokenPair

_LONGEST_ID: Final = 256
_NEEDS_USERS: Final = "this endpoint needs Tessera(users=…)"
AMR_OF_CODE: Final = {"phone": "sms", "email": "otp"}
"""How a code was received (RFC 8176)."""


class Proof(NamedTuple):
    """Who has logged in, and how (RFC 8176)."""

    user: Any
    amr: tuple[str, ...] = ("pwd",)


class Way(NamedTuple):
    """One way: the accounts that the attempt is about, and what checks it; CredentialsError says that it is wrong.

    `is_guessed` is False for credentials that have limits of their own.
    """

    accounts: tuple[str | int, ...]
    prove: Callable[[], Proof]
    is_guessed: bool = True


def log_in(
    tessera: Tessera[Any], way: Way, *, device: Device = UNKNOWN_DEVICE, trust_token: object = None
) -> TokenPair:
    """Begin a session for who these credentials belong to; wrong ones are counted.

    Args:
        tessera: of the realm.
        way: that the credentials take.
        device: on which.
        trust_token: the text of a trusted device, where one was sent; any object is safe.

    Raises:
        TesseraHTTPError: as `Tessera.login_attempt`, the way and `LoginAttempt.login` say.
    """
    counted = tessera.login_attempt(way.accounts, device_id=device.id)
    with counted if way.is_guessed else counted.without_account_limit() as attempt:
        proof = way.prove()
        return attempt.login(proof.user, device=device, amr=proof.amr, trust_token=trust_token)


def way_of(tessera: Tessera[Any], credentials: Mapping[str, Any]) -> Way | None:
    """The way that credentials take; None for the application's authenticator.

    Raises:
        InputError: they are malformed.
    """
    services = tessera.runtime.accounts
    if services.users is None:
        return None
    for member, way in _WAYS.items():
        if member in credentials:
            return way(tessera, credentials)
    return None if tessera.runtime.hooks.authenticator else by_password(tessera, credentials)


def by_password(tessera: Tessera[Any], credentials: Mapping[str, Any]) -> Way:
    """`{"phone"|"email", "password"}`."""
    named = [name for name in ("phone", "email") if credentials.get(name) not in (None, "")]
    password = credentials.get("password")
    if not named or not isinstance(password, str) or not password:
        raise InputError("phone or email, or the password, is missing", slug="credentials_missing")
    if len(named) > 1:
        raise InputError("phone and email are two accounts", member="email")
    text = credentials[named[0]]
    recipient = parse_phone(text) if named[0] == "phone" else parse_email(text)
    return password_way(tessera.runtime.accounts, recipient, password)


def password_way(services: AccountServices, recipient: Recipient, password: str) -> Way:
    """The way of a password for a recipient.

    Raises:
        ThrottledError: too many passwords are being checked at this moment.
    """
    passwords = passwords_of(services)
    passwords.refuse_if_full()
    return Way((recipient.address,), lambda: Proof(passwords.owner(recipient, password)))


def by_code(tessera: Tessera[Any], credentials: Mapping[str, Any]) -> Way:
    """`{"recipient", "code"}`."""
    services, recipient = tessera.runtime.accounts, parse_recipient(credentials.get("recipient"))

    def prove() -> Proof:
        services.codes.use("login", recipient, credentials["code"])
        user = users_of(services).by_recipient(recipient)
        if user is None:
            raise CodeWrongError("the code is right, and the user gone")
        return Proof(user, (AMR_OF_CODE[recipient.kind],))

    return Way((recipient.address,), prove, is_guessed=False)


def by_passkey(tessera: Tessera[Any], credentials: Mapping[str, Any]) -> Way:
    """`{"passkey"}`, the answer of a browser: one that has verified its user is two factors at once."""
    runtime, credential = tessera.runtime, credentials["passkey"]
    named = credential.get("id") if isinstance(credential, dict) else None
    if not isinstance(named, str) or not named:
        raise InputError("the passkey has no id", member="passkey")

    def prove() -> Proof:
        found = runtime.accounts.passkeys.verify_login(credential)
        try:
            user = load_user(runtime.hooks, runtime.hooks.user_id_of(found.user_id), found.user_stamp)
        except UserGoneError as error:
            raise CodeWrongError("its user is gone, or disabled") from error
        return Proof(user, amr_of(is_user_verified=found.is_user_verified))

    return Way((f"passkey {named[:_LONGEST_ID]}",), prove)


def users_of(services: AccountServices) -> Any:
    """The application's users.

    Raises:
        ConfigError: it has given none.
    """
    if services.users is None:
        raise ConfigError(_NEEDS_USERS)
    return services.users


def owns(tessera: Tessera[Any], user: Any, recipient: Recipient) -> bool:
    """Whether a user has this recipient."""
    owner = users_of(tessera.runtime.accounts).by_recipient(recipient)
    return owner is not None and tessera.id_of(owner) == tessera.id_of(user)


def passwords_of(services: AccountServices) -> AccountPasswords:
    """Their passwords; errors as of `users_of`."""
    if services.passwords is None:
        raise ConfigError(_NEEDS_USERS)
    return services.passwords


_WAYS: Final[Mapping[str, Callable[[Tessera[Any], Mapping[str, Any]], Way]]] = {"code": by_code, "passkey": by_passkey}
"""By the member of the credentials that tells which."""
