"""Of a docstring, what is told to users of the API."""

from __future__ import annotations

import inspect
import re
from typing import Any, Final

_FOR_DEVELOPERS: Final = re.compile(
    r"^(Args|Arguments|Returns|Raises|Yields|Examples?|Notes?):\s*$|^-{3,}\s*$", re.MULTILINE
)
"""Sections of a docstring that speak of Python, and what other tools keep there."""


def texts_of(function: Any) -> dict[str, str]:
    """Summary and description: the first paragraph of the docstring, and the others but for those on Python."""
    docstring = getattr(function, "__doc__", None)
    # A lone surrogate, which no JSON holds, is told as a question mark.
    told = inspect.cleandoc(docstring if isinstance(docstring, str) else "").encode(errors="replace").decode()
    summary, _, description = _FOR_DEVELOPERS.split(told, maxsplit=1)[0].strip().partition("\n\n")
    found = {"summary": " ".join(summary.split()), "description": description.strip()}
    return {name: text for name, text in found.items() if text}
