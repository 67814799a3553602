"""What a login and a refresh give to a client."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec

from ..config import whole_seconds
from ..errors import ConfigError, TesseraError
from ..services.keys import sid_text
from .cookies import Delivery
from .http_errors import raises_http

if TYPE_CHECKING:
    import datetime as dt

    from flask import Response

    from ..config import Settings
    from ..services.login_data import Issued
    from ..services.sessions import SessionService
    from .cookies import CookiePairResponse, SessionCookies
    from .responses import Responses


class PairResponse(msgspec.Struct, frozen=True):
    """What a client is sent of a pair (RFC 6749 §5.1). Lives in seconds."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str
    refresh_expires_in: int
    session_id: str


@dataclass(frozen=True, slots=True)
class TokenPair:
    """An access token and the refresh token that buys the next pair."""

    issued: Issued = field(repr=False)
    responses: Responses = field(repr=False)
    cookies: SessionCookies | None = field(repr=False, default=None)
    begun_in: SessionService | None = field(repr=False, default=None)
    """Where its session was begun for it; None where it was refreshed."""

    @property
    def access_token(self) -> str:
        """To be sent with each request."""
        return self.issued.access_token

    @property
    def refresh_token(self) -> str:
        """To be saved before the access token is used, and presented once."""
        return self.issued.refresh_token

    @property
    def access_expires_in(self) -> int:
        """Seconds the access token lives."""
        return self.issued.access_expires_in

    @property
    def refresh_expires_in(self) -> int:
        """Seconds after which the session is over unless it is refreshed."""
        return self.issued.refresh_expires_in

    @property
    def session_id(self) -> str:
        """The session's name, 22 characters."""
        return sid_text(self.issued.session.sid)

    def to_dict(self) -> dict[str, Any]:
        """The members that a client is sent (RFC 6749 §5.1)."""
        return {
            "access_token": self.access_token,
            "token_type": "Bearer",
            "expires_in": self.access_expires_in,
            "refresh_token": self.refresh_token,
            "refresh_expires_in": self.refresh_expires_in,
            "session_id": self.session_id,
        }

    def deliver(self, how: Delivery) -> dict[str, Any] | CookiePairResponse:
        """What the body of the answer holds; its cookies are set with the answer to the present request."""
        if how.transport != "cookie":
            return self.to_dict()
        try:
            if self.cookies is None:
                raise ConfigError("a pair goes into cookies only with the setting TESSERA_COOKIES")
            return self.cookies.hand_out(self.issued, remember=how.remember)
        except TesseraError:
            self._take_back()
            raise

    def _take_back(self) -> None:
        """End a session that was begun for this pair: nobody has its tokens."""
        if self.begun_in is not None:
            with suppress(TesseraError):
                self.begun_in.end(self.issued.session.sid, "logout")

    @raises_http
    def to_response(self, *, transport: Literal["header", "cookie"] = "header", remember: bool = True) -> Response:
        """The answer in the application's format.

        Args:
            transport: "header" for a body that holds the tokens, "cookie" for cookies that scripts cannot read.
            remember: whether the cookies outlive the browser.

        Raises:
            ConfigError: cookies are asked for, and the setting `COOKIES` is off.
            ClaimsInvalidError: cookies are asked for, and the access token does not fit one.
            CsrfError: cookies are asked for, and a page of another origin has sent the request.
            ValueError: another transport.

        Where a pair is kept out of cookies, a session that was begun for it is ended again.
        """
        if transport not in ("header", "cookie"):
            raise ValueError(f'transport must be "header" or "cookie", not {transport!r}')
        return cast("Response", self.responses.success(self.deliver(Delivery(transport, remember))))


def token_lifetime(settings: Settings, expires_in: int | dt.timedelta | None) -> int:
    """Seconds that a single token lives, by default `TOKEN_LIFETIME`.

    Raises:
        ValueError: `expires_in`, in seconds, is out of range.
    """
    lifetime = settings.TOKEN_LIFETIME if expires_in is None else whole_seconds(expires_in)
    if lifetime is None or not 1 <= lifetime <= settings.SESSION_LIFETIME:
        raise ValueError(f"expires_in must be 1 to TESSERA_SESSION_LIFETIME whole seconds, not {expires_in!r}")
    return lifetime
