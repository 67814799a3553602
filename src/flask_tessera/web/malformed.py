"""Malformed input, by the member of the body that is wrong."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ..errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MISSING: Final = re.compile(r"Object missing required field `(\w+)`")
_PLACE: Final = re.compile(r" - at `\$\.?([\w.\[\]]*)`$")
"""How msgspec ends: what stands before may quote what was sent."""


def malformed(error: Exception, within: str = "") -> InputError:
    """The error for what msgspec has refused; of its text, the client is told names of members of ours alone.

    Args:
        error: msgspec's, or another one that says nothing of a member.
        within: the member that was looked at.
    """
    text = str(error)
    place, missing = _PLACE.search(text), _MISSING.match(text)
    parts = (within, place and place[1], missing and missing[1])
    return InputError(text, member=".".join(part for part in parts if part))


@contextmanager
def naming(member: str) -> Iterator[None]:
    """Make input that is wrong of a ValueError: this member's.

    Raises:
        InputError: so it is.
    """
    try:
        yield
    except ValueError as error:
        raise InputError(str(error), member=member) from error
