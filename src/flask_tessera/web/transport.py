"""Finds the token in a request's headers. Never in the query string."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import TokenAmbiguousError, TokenMissingError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BEARER = "bearer"


class HeaderTransport:
    """Reads the headers that the settings name.

    `Authorization` carries the scheme `Bearer` in any case (RFC 9110 §11.1); other schemes belong to others.
    Any other header carries the bare token.
    """

    def __init__(self, headers: Sequence[str]) -> None:
        keys = [(name.lower(), "HTTP_" + name.upper().replace("-", "_")) for name in headers]
        self._plain = tuple(key for name, key in keys if name != "authorization")
        self._reads_bearer = any(name == "authorization" for name, _ in keys)

    def find(self, environ: Mapping[str, str]) -> str:
        """The one token of a request; an empty header is a token, if a bad one.

        Raises:
            TokenMissingError: there is none.
            TokenAmbiguousError: there are two that differ (RFC 6750 §2).
        """
        found = _bearer(environ.get("HTTP_AUTHORIZATION", "")) if self._reads_bearer else None
        for key in self._plain:
            token = environ.get(key)
            if token is not None:
                if found is not None and found != token:
                    raise TokenAmbiguousError("two headers carry two tokens")
                found = token
        if found is None:
            raise TokenMissingError("no header carries a token")
        return found


def _bearer(value: str) -> str | None:
    """The token of an `Authorization` header; None where it has another scheme, or none."""
    scheme, _, token = value.strip(" \t").partition(" ")
    return token.strip(" ") if scheme.lower() == _BEARER else None
