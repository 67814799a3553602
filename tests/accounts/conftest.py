"""What hashes, in earnest and counted."""

from __future__ import annotations

import pytest

from flask_tessera.accounts.hash_slots import HashSlots
from flask_tessera.accounts.passwords import Passwords

from .work import Work


@pytest.fixture
def work():
    return Work()


@pytest.fixture
def counted(work):
    return Passwords(HashSlots(2), derive=work)


@pytest.fixture(scope="module")
def passwords():
    return Passwords(HashSlots(2))
