"""The pages: sign in, and see and end one's own sessions. `Tessera.console()` makes them."""

from __future__ import annotations

from .blueprint import make_console

__all__ = ["make_console"]
