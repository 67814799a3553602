"""The headers of a request. Never its query string."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import TokenAmbiguousError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BEARER = "bearer"


class HeaderTransport:
    """Reads the headers that the settings name.

    `Authorization` carries the scheme `Bearer` in any case (RFC 9110 §11.1); other schemes belong to others.
    Any other header carries the bare token.
    """

    name = "header"

    def __init__(self, headers: Sequence[str]) -> None:
        keys = [(name.lower(), "HTTP_" + name.upper().replace("-", "_")) for name in headers]
        self._plain = tuple(key for name, key in keys if name != "authorization")
        self._reads_bearer = any(name == "authorization" for name, _ in keys)

    def find(self, environ: Mapping[str, str]) -> str | None:
        """The one credential of the headers; None where there is none.

        Raises:
            TokenAmbiguousError: there are two that differ (RFC 6750 §2).
        """
        found: str | None = None
        if self._reads_bearer and (header := environ.get("HTTP_AUTHORIZATION")) is not None:
            # What nearly every client writes; anything else is taken apart.
            found = header[7:] if header.startswith("Bearer ") and header.count(" ") == 1 else _bearer(header)
        for key in self._plain:
            token = environ.get(key)
            if token is not None:
                if found is not None and found != token:
                    raise TokenAmbiguousError("two headers carry two tokens")
                found = token
        return found


def _bearer(value: str) -> str | None:
    """The token of an `Authorization` header; None where it has another scheme, or none."""
    scheme, _, token = value.strip(" \t").partition(" ")
    return token.strip(" ") if scheme.lower() == _BEARER else None
