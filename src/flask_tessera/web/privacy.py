"""What a token has opened is not for caches."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask import Response


class Privacy:
    """Marks the answers of guarded views, unless the view has its own say (RFC 9111 §3.5, RFC 6749 §5.1).

    Args:
        headers: those that may carry a token; an answer varies by them.
    """

    def __init__(self, headers: Sequence[str]) -> None:
        self._headers = tuple(headers)

    def mark(self, response: Response) -> Response:
        """Forbid to store `response`, or where the view lets it be stored, to serve it to somebody else."""
        headers = response.headers
        # Cheaper than asking for it: an absent header costs an exception.
        for name, _ in headers:
            if name.lower() == "cache-control":
                response.vary.update(self._headers)
                return response
        headers.add("Cache-Control", "no-store")
        return response
