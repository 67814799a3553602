"""What a test may have left behind."""

from __future__ import annotations

import threading


def threads(but=frozenset()):
    """Those of the package, but for `but`: what tests before this one have left may end at any time."""
    return {each for each in threading.enumerate() if each.name.startswith("tessera-")} - but
