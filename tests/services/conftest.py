"""A whole session service over memory, with a clock that stands."""

from __future__ import annotations

import pytest

from tests.services.bench import Bench


@pytest.fixture
def bench():
    """The service and all that it was given."""
    return Bench()
