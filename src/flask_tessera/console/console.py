"""What the pages of one Tessera know, and who looks at them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flask import url_for

from ..errors import ConfigError
from ..web.current import current_request_object
from ..web.endpoints.body import read_form
from ..web.request_auth import look
from ..web.requirements import Requirements
from .own_paths import with_query

if TYPE_CHECKING:
    from ..web.cookies import SessionCookies
    from ..web.extension import Tessera
    from ..web.request_auth import RequestAuth

CSRF_FIELD: Final = "csrf_token"
"""The hidden field of forms that are sent under a session."""
_RECIPIENTS: Final = ("phone", "email")
_BY_COOKIE: Final = Requirements(transports=frozenset({"cookie"}))


@dataclass(frozen=True, slots=True)
class Console:
    """The pages of one Tessera.

    `account` are the members of the credentials that name the account; `sign_in_path` is the application's own sign-in
    page, empty where it has none.
    """

    tessera: Tessera[Any]
    account: tuple[str, ...]
    sign_in_path: str = ""

    @property
    def cookies(self) -> SessionCookies:
        """The cookies of this realm.

        Raises:
            ConfigError: the setting `COOKIES` is off.
        """
        cookies = self.tessera.runtime.cookies
        if cookies is None:
            raise ConfigError("the pages of console() need TESSERA_COOKIES = True")
        return cookies

    @property
    def members(self) -> tuple[str, ...]:
        """`account`; where the package itself looks for users, what they are found by."""
        hooks = self.tessera.runtime.hooks
        return _RECIPIENTS if hooks.users is not None and hooks.authenticator is None else self.account

    @property
    def script_url(self) -> str:
        """Of `tessera.js`, as the browser sees it."""
        return f"{self.cookies.refresh_path}/tessera.js"

    def look(self) -> RequestAuth:
        """Who looks at a page, or sends its form; the user is loaded.

        Raises:
            TesseraError: nobody does, or it cannot be told.
        """
        request = current_request_object()
        token = read_form().get(CSRF_FIELD, "") if request.method == "POST" else None
        auth = look(self.tessera.runtime, request, _BY_COOKIE, csrf_token=token)
        auth.load_user()
        return auth

    def sign_in_url(self, *, reason: str = "", back_to: str = "") -> str:
        """Where to sign in.

        Args:
            reason: slug of the error because of which that is asked for.
            back_to: the path to go to afterwards; by default the devices page.
        """
        own = self.sign_in_path
        place = current_request_object().script_root + own if own else url_for(".sign_in")
        return with_query(place, next=back_to, reason=reason)
