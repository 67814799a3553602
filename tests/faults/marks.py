"""Which storages a test of the short form runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .places import why_not

if TYPE_CHECKING:
    from .tally import Tally


def on(*names: str, long: tuple[str, ...] = ()) -> pytest.MarkDecorator:
    """Run a test once for each of these storages, as its argument `name`; those that cannot be had are skipped.

    Args:
        *names: always.
        long: only where all tests are run.
    """
    cases = [pytest.param(name, marks=_skip_without(name)) for name in names]
    cases += [pytest.param(name, marks=[_skip_without(name), pytest.mark.long]) for name in long]
    return pytest.mark.parametrize("name", cases)


def _skip_without(name: str) -> pytest.MarkDecorator:
    reason = why_not(name)
    return pytest.mark.skipif(reason is not None, reason=reason or "")


def assert_clean(tally: Tally, *, faults: int) -> None:
    """Every invariant held, and so many faults were injected."""
    assert tally.notes == []
    assert tally.is_clean, tally
    assert tally.faults_injected == faults
