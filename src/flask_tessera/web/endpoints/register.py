"""POST /register: a code that was received, and maybe a password, to an account and its first session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...accounts.recipients import Recipient, parse_recipient
from ...accounts.user_store import NewUser
from ...errors import ThrottledError
from ...sessions.model import UNKNOWN_DEVICE, Device
from ..challenge import ask_challenge
from ..client import clean
from ..cookies import Delivery, checked
from ..logins import AMR_OF_CODE, passwords_of, users_of
from ..password_policy import password_policy
from ..token_pair import PairResponse
from .me import LONGEST_NAME
from .row import Endpoint

if TYPE_CHECKING:
    from ..extension import Tessera


class RegisterRequest(Delivery, frozen=True, kw_only=True):
    """Body of the request; without a password the account has none, and logs in by code."""

    recipient: str
    code: str
    password: str | None = None
    name: str = ""
    device: Device = UNKNOWN_DEVICE


def register(tessera: Tessera[Any], body: RegisterRequest) -> Any:
    """Make an account for a recipient who has proven by a code to be its owner, and begin a session."""
    services, delivery = tessera.runtime.accounts, checked(tessera.runtime.cookies, body)
    users, recipient = users_of(services), parse_recipient(body.recipient)
    name = clean(body.name, LONGEST_NAME)
    if body.password is not None:
        password_policy(tessera.runtime).check(body.password, (recipient.local, name))
    ask_challenge(tessera, "register")
    counted = tessera.login_attempt(recipient.address, device_id=body.device.id).without_account_limit()
    with counted.record_as("registration_failed") as attempt:
        services.codes.use("register", recipient, body.code)
        password_hash = None if body.password is None else _hash(tessera, recipient, body.code, body.password)
        user = users.create(NewUser(recipient, password_hash, name))
        tessera.runtime.record("user_registered", user_id=tessera.id_of(user), account=recipient.address)
        ways = (AMR_OF_CODE[recipient.kind],)
        return attempt.login(user, device=body.device, amr=ways).deliver(delivery)


def _hash(tessera: Tessera[Any], recipient: Recipient, code: str, password: str) -> str:
    services = tessera.runtime.accounts
    try:
        return passwords_of(services).hash(password)
    except ThrottledError:
        # The code is good still: whoever is told to try again shall not need another one.
        services.codes.keep("register", recipient, code)
        raise


ROWS: Final = (
    Endpoint(
        "register",
        "POST",
        "/register",
        register,
        request=RegisterRequest,
        response=PairResponse,
        errors=(
            *("phone_malformed", "email_malformed", "password_too_short", "password_common", "password_breached"),
            *("challenge_failed", "code_wrong", "already_exists", "too_many_requests", "csrf_failed", "login_refused"),
            "session_limit_reached",
        ),
        needs="create",
    ),
)
