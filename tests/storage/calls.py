"""Calls to a storage that is broken: each must come to an end by itself, while the storage still is.

By when is not judged here, since the load of the machine decides it; `python -m tests.faults` measures it. A call that
never ends is ended by the time limit of the tests (pyproject.toml).
"""

from __future__ import annotations

import contextlib

import pytest

from flask_tessera.errors import StorageUnavailableError


def assert_unavailable(call, storage):
    """It says so, and nothing else."""
    with pytest.raises(StorageUnavailableError):
        call(storage)


def is_available(call):
    """Whether it works now."""
    try:
        call()
    except StorageUnavailableError:
        return False
    return True


def give_up_or_do(call, storage):
    """It may work or say that it cannot; no other error leaves it."""
    with contextlib.suppress(StorageUnavailableError):
        call(storage)
