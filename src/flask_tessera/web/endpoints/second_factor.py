"""POST /second-factor: the ticket of a first step and a second factor, to a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ...services.trusted_devices import TRUSTED_FOR
from ..cookies import Delivery, checked
from ..second_step import take_second_step
from ..token_pair import PairResponse
from .row import Endpoint

if TYPE_CHECKING:
    from ..extension import Tessera


class SecondFactorRequest(Delivery, frozen=True, kw_only=True):
    """Body of the request: the ticket, and one of the factors that came with it.

    With `trust`, none is asked for at this device for 30 days.
    """

    ticket: str
    totp: str | None = None
    recovery: str | None = None
    passkey: dict[str, Any] | None = None
    trust: bool = False


class TrustingPairResponse(PairResponse, frozen=True):
    """A pair, and where that was asked for, what this device presents at its next logins as `trust_token`."""

    trust_token: str | None = None


def second_factor(tessera: Tessera[Any], body: SecondFactorRequest) -> Any:
    """Log in: the second step, by whichever factor the client has chosen."""
    cookies = tessera.runtime.cookies
    delivery = checked(cookies, body)
    sent = {"totp": body.totp, "recovery": body.recovery, "passkey": body.passkey}
    shown = {name: proof for name, proof in sent.items() if proof is not None}
    pair, trusted = take_second_step(tessera, body.ticket, shown, trust=body.trust)
    answer = pair.deliver(delivery)
    if not trusted:
        return answer
    if cookies is not None and delivery.transport == "cookie":
        cookies.keep_trusted(trusted, TRUSTED_FOR)
        return answer
    return {**msgspec.to_builtins(answer), "trust_token": trusted}


ROWS: Final = (
    Endpoint(
        "second_factor",
        "POST",
        "/second-factor",
        second_factor,
        request=SecondFactorRequest,
        response=TrustingPairResponse,
        errors=(
            *("ticket_invalid", "code_wrong", "login_refused", "user_gone", "session_limit_reached"),
            *("too_many_requests", "csrf_failed", "credentials_wrong"),
        ),
    ),
)
