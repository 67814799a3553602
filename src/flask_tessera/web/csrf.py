"""Refuses requests that another site has made a browser send with our cookies (requirements B03, B04).

A request that changes something and is authenticated by a cookie passes two checks: a page of this origin has sent it
(`Sec-Fetch-Site`, `Origin`), and it carries the token of its session in the header `X-CSRF-Token`. The token is a MAC
of the session's id: a value that somebody has planted in a cookie is none. Nothing is kept of it.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ..errors import CsrfError
from ..setting_checks import origin_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Request

    from ..tokens.keys import Key, KeyRing

HEADER: Final = "X-CSRF-Token"
SAFE_METHODS: Final = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
"""They change nothing (RFC 9110 §9.2.1)."""
_CHARACTERS: Final = 32
_PORTS: Final = {"http": 80, "https": 443}
_OWN: Final = ("same-origin", "none")


class CsrfCheck:
    """The checks of one realm.

    Args:
        ring: makes the tokens.
        origins: other origins whose pages may send requests, as `https://app.example.com`.
    """

    def __init__(self, ring: KeyRing, origins: Iterable[str]) -> None:
        self._ring = ring
        self._origins = frozenset(map(origin_of, origins))

    def token_of(self, sid: bytes) -> str:
        """The token of a session, 32 characters."""
        return _token(self._ring.active, sid).decode()

    def refuse_forged(self, request: Request, sid: bytes, *, in_form: str | None = None) -> None:
        """Both checks.

        Args:
            request: the present one.
            sid: the session that its cookies carry.
            in_form: the token that a form carries, which cannot set a header; by default the header counts.

        Raises:
            CsrfError: one of them fails.
        """
        self.refuse_foreign_origin(request)
        sent = request.environ.get("HTTP_X_CSRF_TOKEN", "") if in_form is None else in_form
        # As bytes: the comparison takes no text beyond ASCII.
        presented = sent.encode("latin-1", "replace")
        for key in self._ring.keys:
            if compare_digest(_token(key, sid), presented):
                return
        raise CsrfError(f"the CSRF token ({HEADER}) is missing, or not that of this session")

    def refuse_foreign_origin(self, request: Request) -> None:
        """The first check alone, where there is no session yet.

        What is no browser sends neither header, and is let through: it sends no cookies unasked, either.

        Raises:
            CsrfError: a page of another origin has sent the request.
        """
        environ = request.environ
        origin, site = environ.get("HTTP_ORIGIN"), environ.get("HTTP_SEC_FETCH_SITE")
        if self._origins and origin is not None and origin.lower() in self._origins:
            return
        if site is not None and site not in _OWN:
            raise CsrfError(f"Sec-Fetch-Site is {site!r}")
        # As nearly every browser writes it; other spellings are taken apart.
        host = environ.get("HTTP_HOST")
        is_plain = origin is None or origin in (f"https://{host}", f"{environ['wsgi.url_scheme']}://{host}")
        if not is_plain and not _is_own(str(origin), request):
            raise CsrfError(f"Origin is {origin!r}")


def _is_own(origin: str, request: Request) -> bool:
    """Whether an origin is the one that the request was sent to (RFC 6454 §5).

    A proxy that ends TLS speaks http to us, so https is taken from it; http only where we are spoken to in http.
    """
    try:
        sent, own = urlsplit(origin), urlsplit(f"//{request.host}")
        port = sent.port or _PORTS.get(sent.scheme)
        own_port = own.port or (port if sent.scheme in _PORTS and port == _PORTS[sent.scheme] else None)
    except ValueError:
        return False
    if sent.scheme not in ("https", request.scheme) or sent.path or sent.query or sent.fragment or "@" in sent.netloc:
        return False
    return bool(sent.hostname) and sent.hostname == own.hostname and port == own_port


def _token(key: Key, sid: bytes) -> bytes:
    """192 bits of the MAC of a session's id."""
    return key.sign(sid)[:_CHARACTERS]
