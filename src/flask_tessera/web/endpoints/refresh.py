"""POST /refresh: a refresh token, in the body or in its cookie, to the next pair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...errors import InputError, SessionEndedError, TokenAmbiguousError, TokenMissingError, UserGoneError
from ..cookies import Delivery, SessionCookies, checked
from ..token_pair import PairResponse
from .row import SESSION_ENDED, Endpoint

if TYPE_CHECKING:
    from ..extension import Tessera


class RefreshRequest(Delivery, frozen=True):
    """Body of the request; without `refresh_token` the cookie counts."""

    refresh_token: str | None = None


def refresh(tessera: Tessera[Any], body: RefreshRequest) -> Any:
    """The next pair of tokens, in the body or in cookies as the last one was."""
    cookies = tessera.runtime.cookies
    sent = None if cookies is None else cookies.refresh_token()
    if cookies is not None and sent is not None and body.refresh_token is None:
        return _refresh_cookie(tessera, cookies, *sent)
    if sent is not None and sent[0] != body.refresh_token:
        raise TokenAmbiguousError("the body and a cookie carry two refresh tokens")
    if body.refresh_token is None:
        missing = InputError("the body has no refresh_token", member="refresh_token")
        raise missing if cookies is None else TokenMissingError
    delivery = checked(cookies, body)
    return tessera.refresh(body.refresh_token).deliver(delivery)


def _refresh_cookie(tessera: Tessera[Any], cookies: SessionCookies, text: str, remember: bool) -> Any:
    cookies.refuse_forged(tessera.runtime.sessions.sid_of(text))
    try:
        pair = tessera.refresh(text)
    except (SessionEndedError, UserGoneError):
        cookies.clear()
        raise
    return pair.deliver(Delivery("cookie", remember))


ROWS: Final = (
    Endpoint(
        "refresh",
        "POST",
        "/refresh",
        refresh,
        request=RefreshRequest,
        response=PairResponse,
        errors=("token_missing", "token_ambiguous", "token_invalid", "user_gone", "csrf_failed", *SESSION_ENDED),
        transports=frozenset(("cookie",)),
    ),
)
