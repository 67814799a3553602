"""Browser mode: the pair of a session in cookies that scripts cannot read (the setting `COOKIES`).

Three cookies carry a session: the access token (sent everywhere), the refresh token (sent below the URL prefix only),
and the CSRF token, which scripts read and send back in a header (`csrf.py`). All of them live as long as the session
may be refreshed, or with `remember=False` as long as the browser. They are cleared only where the session is known to
be over: at logout, and when a refresh is told so.
"""

from __future__ import annotations

import functools
import logging
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
from flask import after_this_request

from ..errors import ClaimsInvalidError, InputError
from ..services.keys import sid_text
from .current import current_app_object, current_request_object
from .endpoint_places import prefixes_of
from .malformed import malformed
from .transports.cookie import cookie_of

if TYPE_CHECKING:
    from flask import Response

    from ..config import Settings
    from ..services.login_data import Issued
    from .csrf import CsrfCheck

LARGEST: Final = 4096
"""Bytes of a cookie's name and value together that browsers keep (RFC 6265bis §5.6)."""
_UNTIL_CLOSED: Final = ".session"
"""Ends the refresh cookie of a session that is not to outlive the browser, so that a refresh keeps it so."""
_NAMEABLE: Final = re.compile(r"[A-Za-z0-9_]{1,64}")
_LOCAL: Final = re.compile(r"(localhost|[a-z0-9.-]+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?")
_log = logging.getLogger("flask_tessera")


class CookiePairResponse(msgspec.Struct, frozen=True):
    """What a browser is sent of a pair: its tokens are in cookies. Lives in seconds."""

    expires_in: int
    refresh_expires_in: int
    session_id: str
    csrf_token: str


class SessionCookies:
    """The cookies of one realm.

    Args:
        realm: whose sessions they carry.
        settings: of the application.
        csrf: makes CSRF tokens.
    """

    def __init__(self, realm: str, settings: Settings, csrf: CsrfCheck) -> None:
        self.access, self.refresh, self.csrf = cookie_names(realm, is_secure=settings.COOKIE_SECURE)
        self.trusted = self.csrf.replace("csrf", "trusted", 1)
        """Of the text that a trusted device presents at a login."""
        self._is_secure = settings.COOKIE_SECURE
        self._prefix = settings.URL_PREFIX
        self._realm = realm
        self._csrf = csrf

    def refuse_unsafe_place(self) -> None:
        """Set cookies for pages of this origin only, and those without Secure for development only.

        Raises:
            InputError: `COOKIE_SECURE` is off, and the request is for another host than this machine.
            CsrfError: a page of another origin has sent the request.
        """
        request, app = current_request_object(), current_app_object()
        self._csrf.refuse_foreign_origin(request)
        # A page says over what it was opened, whatever a proxy between speaks to us.
        if (
            self._is_secure
            and request.environ.get("HTTP_ORIGIN", "").startswith("http:")
            and not is_local(request.host)
        ):
            _tell_of_plain_http()
        if self._is_secure or app.debug or app.testing:
            return
        host = request.host
        if not is_local(host):
            _tell_to_secure()
            raise InputError(f"TESSERA_COOKIE_SECURE is off, which is for http://localhost only, but this is {host!r}")

    def hand_out(self, issued: Issued, *, remember: bool) -> CookiePairResponse:
        """Set the cookies with the answer to the present request; gives its body.

        Raises:
            ClaimsInvalidError: the access token does not fit a cookie.
            TesseraError: as of `refuse_unsafe_place`.
        """
        self.refuse_unsafe_place()
        if (size := len(self.access) + len(issued.access_token)) > LARGEST:
            raise ClaimsInvalidError(
                f"the access token does not fit a cookie: with its name it has {size} bytes of at most {LARGEST};"
                " give the session fewer claims, or a shorter scope"
            )
        csrf_token = self._csrf.token_of(issued.session.sid)
        values = {
            self.access: issued.access_token,
            self.refresh: issued.refresh_token + ("" if remember else _UNTIL_CLOSED),
            self.csrf: csrf_token,
        }
        max_age = issued.refresh_expires_in if remember else None

        @after_this_request
        def put(response: Response) -> Response:
            for name, value in values.items():
                response.set_cookie(name, value, max_age=max_age, **self._attributes(name))
            return response

        sid = sid_text(issued.session.sid)
        return CookiePairResponse(issued.access_expires_in, issued.refresh_expires_in, sid, csrf_token)

    def clear(self) -> None:
        """Remove the cookies with the answer to the present request: their session is over (requirement B11)."""

        @after_this_request
        def remove(response: Response) -> Response:
            for name in (self.access, self.refresh, self.csrf):
                response.delete_cookie(name, **self._attributes(name))
            return response

    def keep_trusted(self, text: str, seconds: int) -> None:
        """Set the cookie of a trusted device with the answer to the present request."""

        @after_this_request
        def put(response: Response) -> Response:
            response.set_cookie(self.trusted, text, max_age=seconds, **self._attributes(self.trusted))
            return response

    def trusted_device(self) -> str | None:
        """The text of a trusted device that the present request carries; None where there is none.

        Raises:
            TokenAmbiguousError: there are two that differ.
        """
        return cookie_of(current_request_object().environ, self.trusted)

    @property
    def refresh_path(self) -> str:
        """Below which the refresh cookie is sent: where this realm's endpoints are, as the browser sees it."""
        prefix = next(iter(prefixes_of(current_app_object(), self._realm, "refresh")), self._prefix)
        # An empty one would be the folder of whatever page was asked for (RFC 6265 §5.1.4).
        return current_request_object().script_root + prefix or "/"

    def csrf_token_of(self, sid: bytes) -> str:
        """What pages send back in the header `X-CSRF-Token`."""
        return self._csrf.token_of(sid)

    def access_token(self) -> str | None:
        """The access token of the present request's cookie; None where there is none.

        Raises:
            TokenAmbiguousError: there are two that differ.
        """
        return cookie_of(current_request_object().environ, self.access)

    def refresh_token(self) -> tuple[str, bool] | None:
        """The refresh token of the present request, and whether it outlives the browser; None where there is none.

        Raises:
            TokenAmbiguousError: there are two that differ.
        """
        value = cookie_of(current_request_object().environ, self.refresh)
        if value is None:
            return None
        return value.removesuffix(_UNTIL_CLOSED), not value.endswith(_UNTIL_CLOSED)

    def refuse_forged(self, sid: bytes, *, in_form: str | None = None) -> None:
        """Refuse what another site has made a browser send for this session; all as of `CsrfCheck`."""
        self._csrf.refuse_forged(current_request_object(), sid, in_form=in_form)

    def refuse_foreign_origin(self) -> None:
        """Refuse what a page of another origin has made a browser send; errors as of `CsrfCheck`."""
        self._csrf.refuse_foreign_origin(current_request_object())

    def _attributes(self, name: str) -> dict[str, Any]:
        path = "/"
        if name == self.refresh:
            path = self.refresh_path
        return {
            "path": path,
            "secure": self._is_secure,
            "httponly": name != self.csrf,
            "samesite": "Lax",
        }


class Delivery(msgspec.Struct, frozen=True):
    """How a client wants its pair: in the body, or in cookies that outlive the browser or not."""

    transport: Literal["header", "cookie"] = "header"
    remember: bool = True


def take_delivery(cookies: SessionCookies | None, members: dict[str, Any]) -> Delivery:
    """What `transport` and `remember` of a body say; errors as of `checked`.

    Where cookies are on they are taken out of the body, of which the rest belongs to the application.

    Raises:
        InputError: they are of another type.
    """
    if cookies is None and members.get("transport") != "cookie":
        return Delivery()
    given = {name: members.pop(name) for name in ("transport", "remember") if name in members}
    try:
        return checked(cookies, msgspec.convert(given, Delivery))
    except msgspec.ValidationError as error:
        raise malformed(error) from error


def checked(cookies: SessionCookies | None, wanted: Delivery) -> Delivery:
    """What a client wants, if it can have it.

    Raises:
        InputError: cookies, and the setting `COOKIES` is off; or cookies without Secure for another host than this
            machine.
        CsrfError: cookies, and a page of another origin asks for them.
    """
    if wanted.transport == "cookie":
        if cookies is None:
            _tell_to_switch_on()
            raise InputError("a pair in cookies was asked for, and TESSERA_COOKIES is off", member="transport")
        cookies.refuse_unsafe_place()
    return wanted


@functools.cache
def _tell_to_switch_on() -> None:
    """Log, once a process, what the developer of a page that gets a 400 has to do."""
    _log.warning("a client asked for its tokens in cookies and was refused: TESSERA_COOKIES is off")


@functools.cache
def _tell_of_plain_http() -> None:
    """Log, once a process, why a login that is answered with success leads nowhere."""
    _log.warning(
        "a page that was opened over plain HTTP asked for its tokens in cookies: browsers drop cookies with Secure"
        " there; serve the application over HTTPS, or open it as http://localhost"
    )


@functools.cache
def _tell_to_secure() -> None:
    _log.warning(
        "a client asked for its tokens in cookies and was refused: TESSERA_COOKIE_SECURE is off, which is for"
        " http://localhost only; turn it on, and serve the application over HTTPS"
    )


def is_local(host: str) -> bool:
    """Whether a host, with or without a port, is this machine to every browser, so that plain HTTP is no risk."""
    return _LOCAL.fullmatch(host.lower()) is not None


def warn_of_insecure_cookies(settings: Settings) -> None:
    """Say what it means that `COOKIE_SECURE` is off (requirement B01)."""
    if settings.COOKIES and not settings.COOKIE_SECURE:
        _log.warning(
            "TESSERA_COOKIE_SECURE is off: cookies with tokens travel over plain HTTP, where anybody on the way can"
            " read them; this is for development on localhost"
        )


def cookie_names(realm: str, *, is_secure: bool) -> tuple[str, str, str]:
    """Of a realm: those of the access token, of the refresh token and of the CSRF token."""
    # No hyphen: a realm may be called "csrf".
    suffix = f".{_cookie_word(realm)}" if realm else ""
    host, secure = ("__Host-", "__Secure-") if is_secure else ("", "")
    return f"{host}tessera{suffix}", f"{secure}tessera-refresh{suffix}", f"{host}tessera-csrf{suffix}"


def _cookie_word(realm: str) -> str:
    """A realm as part of a cookie's name, which holds few characters (RFC 6265 §4.1.1)."""
    return realm if _NAMEABLE.fullmatch(realm) else sha256(realm.encode()).hexdigest()[:16]
