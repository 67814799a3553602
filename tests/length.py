"""Which cases of a test are run always, and which only where all tests are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable


def shortly(values: Iterable[Any], always: int = 1) -> list[Any]:
    """The same cases; all but the first `always` ones are marked as long."""
    cases = list(values)
    return [*cases[:always], *(pytest.param(case, marks=pytest.mark.long) for case in cases[always:])]
