"""Whether a browser would keep the cookies of a session that begins on a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import InputError
from ..web.cookies import is_local
from ..web.current import current_app_object, current_request_object

if TYPE_CHECKING:
    from .console import Console

INSECURE: Final = InputError("the browser would not keep the cookies of this sign-in")


def would_lose_cookies(console: Console) -> bool:
    """Whether the browser speaks plain HTTP to another host than its own machine, and so keeps no Secure cookies.

    A proxy that ends TLS speaks plain HTTP to us as well; but browsers send `Sec-Fetch-Site` over HTTPS only (Fetch
    Metadata §3), and their `Origin` with the form tells.
    """
    request = current_request_object()
    if request.is_secure or is_local(request.host):
        return False
    if console.tessera.runtime.settings.COOKIE_SECURE:
        origin = request.environ.get("HTTP_ORIGIN", "")
        return origin.startswith("http:") or "HTTP_SEC_FETCH_SITE" not in request.environ
    app = current_app_object()
    return not (app.debug or app.testing)
