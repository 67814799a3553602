"""POST /step-up: the user of a session proves again who he is, and goes on with a fresh login (RFC 9470)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...accounts.recipients import parse_recipient
from ...errors import CodeWrongError, CredentialsError, InputError, ThrottledError, TokenInvalidError
from ...services.second_factors import PASSKEY, TOTP
from ..cookies import Delivery, checked
from ..credential_reading import find_credential
from ..current import current_request_object
from ..logins import AMR_OF_CODE, owns, passwords_of
from ..own_claims import loaded_claims
from ..request_auth import auth_of
from ..session_owner import owner_of_request
from ..token_pair import PairResponse, TokenPair
from ..user_loading import load_user
from .row import SESSION_ENDED, Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..app_state import Runtime
    from ..extension import Tessera
    from ..identity import Identity

_NO_FACTORS: Final = frozenset(("mfa", "user"))
"""Words of `amr` that name no way to prove who one is."""
_OF_FACTORS: Final = frozenset((TOTP, PASSKEY))
"""Proofs that are checked without the application's users."""


class StepUpRequest(Delivery, frozen=True):
    """Body of the request: one proof, and how the pair is to be sent; a pair in cookies stays there.

    A code is one to log in, which was sent to `recipient`, the user's own.
    """

    password: str | None = None
    totp: str | None = None
    passkey: dict[str, Any] | None = None
    code: str | None = None
    recipient: str | None = None


def step_up(tessera: Tessera[Any], body: StepUpRequest) -> Any:
    """A pair of the present session, whose login is fresh from now on.

    Raises:
        InputError: there is not exactly one proof, or one that only `Tessera(users=)` can check.
        TokenInvalidError: what the request carries belongs to no session.
    """
    runtime, identity = tessera.runtime, owner_of_request(tessera)
    if not identity.session_id:
        raise TokenInvalidError("a token of the old application belongs to no session that could go on")
    text, transport = find_credential(runtime, current_request_object())
    delivery = _delivery_of(runtime, body, transport)
    user = load_user(runtime.hooks, identity.user_id, identity.user_stamp)
    amr = _proved(tessera, identity, body)
    claims = runtime.access_reader.claims_of(text, at=runtime.clock())
    session = runtime.sessions.authenticate_again(claims, amr, tessera.client_info())
    issued = runtime.sessions.issue(session, loaded_claims(runtime, user))
    return TokenPair(issued, runtime.responses, runtime.cookies).deliver(delivery)


def _delivery_of(runtime: Runtime, body: StepUpRequest, transport: str) -> Delivery:
    """Where scripts could not read the pair that there was, they cannot read this one."""
    cookies = runtime.cookies
    if cookies is None or transport != "cookie":
        return checked(cookies, body)
    sent = cookies.refresh_token()
    return Delivery("cookie", remember=sent is None or sent[1])


def _proved(tessera: Tessera[Any], identity: Identity[Any], body: StepUpRequest) -> tuple[str, ...]:
    """How the user has proved it (RFC 8176); "mfa" in addition where he had logged in by something else."""
    given = [name for name in PROOFS if getattr(body, name) is not None]
    has_users = tessera.runtime.accounts.users is not None
    accepted = [name for name in PROOFS if has_users or name in _OF_FACTORS]
    if len(given) != 1 or given[0] not in accepted:
        member = given[0] if given else accepted[0]
        raise InputError(f"exactly one of these proves who you are: {', '.join(accepted)}", member=member)
    user_id = str(identity.user_id)
    try:
        proved = PROOFS[given[0]](tessera, user_id, body)
    except (CredentialsError, CodeWrongError, ThrottledError) as error:
        tessera.runtime.record(
            "step_up_failed",
            user_id=user_id,
            session_id=identity.session_id,
            reason=error.row.slug,
            subject=given[0],
        )
        raise
    # A generator is never the first factor, though a code by mail has the same word.
    is_another = given[0] == TOTP or bool(set(identity.amr) - _NO_FACTORS - set(proved))
    return (*proved, "mfa") if is_another else proved


def _by_totp(tessera: Tessera[Any], user_id: str, body: StepUpRequest) -> tuple[str, ...]:
    factors = tessera.runtime.accounts.second_factors
    return factors.check(user_id, TOTP, body.totp, address=tessera.client_info().ip)


def _by_passkey(tessera: Tessera[Any], user_id: str, body: StepUpRequest) -> tuple[str, ...]:
    factors = tessera.runtime.accounts.second_factors
    return factors.check(user_id, PASSKEY, body.passkey, address=tessera.client_info().ip)


def _by_password(tessera: Tessera[Any], user_id: str, body: StepUpRequest) -> tuple[str, ...]:
    services, user = tessera.runtime.accounts, auth_of(tessera.realm).load_user()
    with services.factor_limit.attempt(user_id, address=tessera.client_info().ip):
        if not passwords_of(services).verify(user, str(body.password)):
            raise CredentialsError("another password")
    return ("pwd",)


def _by_code(tessera: Tessera[Any], user_id: str, body: StepUpRequest) -> tuple[str, ...]:
    services, user = tessera.runtime.accounts, auth_of(tessera.realm).load_user()
    recipient = parse_recipient(body.recipient)
    with services.factor_limit.attempt(user_id, address=tessera.client_info().ip):
        if not owns(tessera, user, recipient):
            raise CodeWrongError("a recipient of somebody else")
        services.codes.use("login", recipient, body.code)
    return (AMR_OF_CODE[recipient.kind],)


PROOFS: Final[Mapping[str, Callable[[Tessera[Any], str, StepUpRequest], tuple[str, ...]]]] = {
    "password": _by_password,
    TOTP: _by_totp,
    PASSKEY: _by_passkey,
    "code": _by_code,
}
"""By the member of the body that holds it: what checks a proof for a user id; gives words of `amr`."""
ROWS: Final = (
    Endpoint(
        "step_up",
        "POST",
        "/step-up",
        step_up,
        request=StepUpRequest,
        response=PairResponse,
        errors=(
            *(
                "code_wrong",
                "credentials_wrong",
                "phone_malformed",
                "email_malformed",
                "too_many_requests",
                "user_gone",
            ),
            *SESSION_ENDED,
        ),
        is_guarded=True,
    ),
)
