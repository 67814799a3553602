"""How long a call to a storage takes that breaks."""

from __future__ import annotations

import contextlib
import time

import pytest

from flask_tessera.errors import StorageUnavailableError


def seconds_until_unavailable(call, storage):
    """How long it took to say so; it must."""
    began = time.monotonic()
    with pytest.raises(StorageUnavailableError):
        call(storage)
    return time.monotonic() - began


def seconds_of(call, storage):
    """How long it took, whatever came of it but another error."""
    began = time.monotonic()
    with contextlib.suppress(StorageUnavailableError):
        call(storage)
    return time.monotonic() - began
