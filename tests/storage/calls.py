"""Each call of a storage once, for tests of what breaks."""

from __future__ import annotations

import contextlib
import time

import pytest

from flask_tessera.errors import StorageUnavailableError
from flask_tessera.storage.contract import Page, Worker
from flask_tessera.testing.contract.base import IDLE, NO_LIMITS, T0, new_session

LONGEST = 3.0
"""Seconds within which a broken storage must say so (DESIGN §1)."""
SID = b"\5" * 16
CALLS = {
    "add": lambda storage: storage.sessions.add(new_session(), limits=NO_LIMITS, at=T0),
    "find": lambda storage: storage.sessions.find(SID),
    "rotate": lambda storage: storage.sessions.rotate(SID, 0, at=T0, leeway=15, idle=IDLE),
    "mark": lambda storage: storage.sessions.mark([(SID, 0)], at=T0),
    "seen": lambda storage: storage.sessions.seen([(SID, T0)]),
    "end": lambda storage: storage.sessions.end(SID, "kick", at=T0),
    "end_user": lambda storage: storage.sessions.end_user("", "7", "kick", at=T0),
    "list": lambda storage: storage.sessions.list("", "7", at=T0),
    "newest": lambda storage: storage.sessions.newest(),
    "purge": lambda storage: storage.sessions.purge(at=T0, most=10),
    "principal": lambda storage: storage.principals.find("", "7"),
    "suspend": lambda storage: storage.principals.suspend("", "9", until=T0, at=T0),
    "unsuspend": lambda storage: storage.principals.unsuspend("", "7"),
    "stamp": lambda storage: storage.revocations.stamp(),
    "after": lambda storage: storage.revocations.after(0, at=T0),
    "log_end": lambda storage: storage.revocations.end(at=T0),
    "wait": lambda storage: storage.revocations.wait(0, longest=0.1),
    "restore": lambda storage: storage.revocations.restore(at=T0),
    "purge_log": lambda storage: storage.revocations.purge(at=T0),
    "beat": lambda storage: storage.workers.beat(Worker("host:1", T0, T0)),
    "workers": lambda storage: storage.workers.list(at=T0),
    "read": lambda storage: storage.records.read("", most=10),
    "write": lambda storage: storage.records.write(Page((new_session(),)), at=T0),
    "describe": lambda storage: storage.describe(),
    "check": lambda storage: storage.check(),
}
READS = {"find", "list", "newest", "principal", "stamp", "after", "log_end", "wait", "workers", "read", "describe"}


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
