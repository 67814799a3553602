"""Where a request may carry its credential: one file for each place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


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
