"""POST /exchange: a token of the old application to a session, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...errors import NotFoundError, TesseraError, TokenInvalidError
from ...services.login_data import Login
from ..cookies import Delivery, checked
from ..credential_reading import find_credential, identify_request
from ..current import current_request_object
from ..own_claims import loaded_claims
from ..second_step import refuse_disabled, refuse_incomplete
from ..token_pair import PairResponse, TokenPair
from ..user_loading import load_user
from .row import Endpoint

if TYPE_CHECKING:
    from flask import Request

    from ...services.legacy import LegacyLogins
    from ..extension import Tessera


def exchange(tessera: Tessera[Any], wanted: Delivery) -> Any:
    """A pair of tokens for a token of the old application, once.

    Raises:
        NotFoundError: without the setting `LEGACY` there is nothing here.
        TokenInvalidError: a token of this application needs no exchange.
    """
    runtime = tessera.runtime
    legacy = runtime.legacy
    if legacy is None:
        raise NotFoundError("TESSERA_LEGACY is off for this realm")
    delivery = checked(runtime.cookies, wanted)
    request = current_request_object()
    text, _ = find_credential(runtime, request)
    try:
        return _exchanged(tessera, legacy, request, text).deliver(delivery)
    except TesseraError as error:
        runtime.record("exchange_failed", reason=error.row.slug)
        raise


def _exchanged(tessera: Tessera[Any], legacy: LegacyLogins, request: Request, text: str) -> TokenPair:
    runtime = tessera.runtime
    identity = identify_request(runtime, request)
    if identity.credential != "legacy":
        raise TokenInvalidError("a token of this application needs no exchange")
    user = load_user(runtime.hooks, identity.user_id)
    refuse_disabled(tessera, user)
    refuse_incomplete(tessera, user, amr=())
    login = Login(
        str(identity.user_id),
        caller=tessera.client_info(),
        amr="",
        user_stamp=runtime.hooks.stamp_of(user),
        loaded_claims=loaded_claims(runtime, user),
    )
    issued = legacy.exchange(text, login)
    return TokenPair(issued, runtime.responses, runtime.cookies, begun_in=runtime.sessions)


ROWS: Final = (
    Endpoint(
        "exchange",
        "POST",
        "/exchange",
        exchange,
        request=Delivery,
        response=PairResponse,
        errors=(
            *("token_missing", "token_ambiguous", "token_invalid", "token_expired", "not_found"),
            *("login_refused", "second_factor_required", "session_limit_reached", "csrf_failed"),
        ),
        may_be_empty=True,
    ),
)
