"""The cookie that carries an access token, where the setting `COOKIES` is on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...errors import TokenAmbiguousError

if TYPE_CHECKING:
    from collections.abc import Mapping

_BLANKS: Final = " \t"


class CookieTransport:
    """Reads one cookie out of the header `Cookie` (RFC 6265 §5.4).

    Browsers send it with every request to this host, whoever has caused it: `csrf.py` refuses what others have caused.
    """

    name = "cookie"

    def __init__(self, cookie: str) -> None:
        self._cookie = cookie

    def find(self, environ: Mapping[str, str]) -> str | None:
        """The cookie's value; None where there is none.

        Raises:
            TokenAmbiguousError: it comes twice, with values that differ.
        """
        return cookie_of(environ, self._cookie)


def cookie_of(environ: Mapping[str, str], name: str) -> str | None:
    """The value of a cookie as it was sent; None where there is none.

    Raises:
        TokenAmbiguousError: it comes twice, with values that differ.
    """
    header = environ.get("HTTP_COOKIE")
    # Most requests of other clients carry none of ours, and are not taken apart.
    if header is None or name not in header:
        return None
    found: str | None = None
    for pair in header.split(";"):
        key, equals, value = pair.partition("=")
        # One without a sign has a value and no name (RFC 6265bis §5.6). Only blanks and tabs surround a name: to a
        # browser a no-break space is part of it, so that any host of the domain could set a cookie of that name.
        if equals and key.strip(_BLANKS) == name:
            value = value.strip(_BLANKS)
            if found is not None and found != value:
                raise TokenAmbiguousError("a cookie comes twice")
            found = value
    return found
