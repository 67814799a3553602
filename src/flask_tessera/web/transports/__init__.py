"""Where a request may carry its credential: one file for each place, and the table of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from .header import HeaderTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...config import Settings


class Transport(Protocol):
    """One place of a request where a credential may stand."""

    name: str
    """As `transports=` names it."""

    def find(self, environ: Mapping[str, str]) -> str | None:
        """The credential; None where there is none. An empty one is one, if a bad one.

        Raises:
            TokenAmbiguousError: there are two that differ (RFC 6750 §2).
        """
        ...


TRANSPORTS: Final[dict[str, Callable[[Settings], Transport]]] = {
    "header": lambda settings: HeaderTransport(settings.HEADERS),
}
"""What makes each transport of the settings, by name."""
