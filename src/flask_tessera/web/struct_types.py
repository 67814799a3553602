"""Struct types, made known to msgspec before requests are."""

from __future__ import annotations

import msgspec


def prepare(model: type) -> None:
    """Make a type known to msgspec, before requests do so in several threads.

    msgspec 0.22.0 may crash where threads are the first to look at a struct that inherits and nests others.
    """
    msgspec.json.Decoder(model)
