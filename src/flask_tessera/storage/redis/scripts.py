"""The scripts in `scripts/`: each is one atomic step on the server."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

_NEEDS: Final = "-- needs:"
"""Begins the first line of a script that stands on others; it names them."""


class Script:
    """A text of Lua and the name that the server gives it.

    Args:
        name: of the file, without its ending.
    """

    __slots__ = ("name", "sha", "text")

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = _text_of(name)
        self.sha = hashlib.sha1(self.text, usedforsecurity=False).hexdigest().encode()


@cache
def script(name: str) -> Script:
    """The script of that name, read once."""
    return Script(name)


def _text_of(name: str) -> bytes:
    own = _read(name)
    first, _, _ = own.partition("\n")
    needed = first.removeprefix(_NEEDS).split() if first.startswith(_NEEDS) else []
    return "\n".join([*map(_read, needed), own]).encode()


def _read(name: str) -> str:
    return (files(__package__) / "scripts" / f"{name}.lua").read_text("utf-8")
