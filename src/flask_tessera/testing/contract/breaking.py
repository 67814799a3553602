"""The contract of a storage that cannot work: what every call says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...errors import StorageUnavailableError
from ...sessions.revocations import Revocation
from ...storage.contract import ChangingLog, WaitingLog
from ...storage.model import Page
from .base import IDLE, NO_LIMITS, T0, new_session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...storage.engine import Storage

SID: Final = b"\5" * 16
"""Of no session that there is."""
KEY: Final = b"\6" * 16
"""Of no value that there is."""
CALLS: Final[Mapping[str, Callable[[Storage], Any]]] = {
    "add": lambda storage: storage.sessions.add(new_session(), limits=NO_LIMITS, at=T0),
    "find": lambda storage: storage.sessions.find(SID),
    "rotate": lambda storage: storage.sessions.rotate(SID, 0, at=T0, leeway=15, idle=IDLE),
    "authenticate_again": lambda storage: storage.sessions.authenticate_again(
        SID, 0, ("otp",), at=T0, leeway=15, idle=IDLE
    ),
    "confirm": lambda storage: storage.sessions.confirm([(SID, 0)], at=T0),
    "touch": lambda storage: storage.sessions.touch([(SID, T0)], at=T0),
    "end": lambda storage: storage.sessions.end(SID, "kick", at=T0),
    "end_user": lambda storage: storage.sessions.end_user("", "7", "kick", at=T0),
    "list": lambda storage: storage.sessions.list("", "7", at=T0),
    "newest": lambda storage: storage.sessions.newest(),
    "purge": lambda storage: storage.sessions.purge(at=T0, most=10),
    "principal": lambda storage: storage.sessions.principal("", "7"),
    "suspend": lambda storage: storage.sessions.suspend("", "9", until=T0, at=T0),
    "unsuspend": lambda storage: storage.sessions.unsuspend("", "7", at=T0),
    "after": lambda storage: storage.revocations.after(0, at=T0),
    "head": lambda storage: storage.revocations.head(at=T0),
    "learn": lambda storage: _learn(storage),  # noqa: PLW0108 - defined below
    "append": lambda storage: storage.revocations.append([Revocation(T0, "kick", SID)], at=T0),
    "restart": lambda storage: storage.revocations.restart(at=T0, valid_from=0),
    "drop_expired": lambda storage: storage.revocations.drop_expired(at=T0, most=10, is_sure=True),
    "get": lambda storage: storage.values.get("code", KEY, at=T0),
    "put": lambda storage: storage.values.put("code", KEY, b"", expires_at=T0 + 9, at=T0),
    "take": lambda storage: storage.values.take("code", KEY, at=T0),
    "increment": lambda storage: storage.values.increment("counter", KEY, window=9, at=T0),
    "list_values": lambda storage: storage.values.list("code", ("", "7"), at=T0),
    "delete": lambda storage: storage.values.delete("code", KEY),
    "delete_owner": lambda storage: storage.values.delete_owner(("", "7")),
    "purge_values": lambda storage: storage.values.purge(at=T0, most=10),
    "read_values": lambda storage: storage.values.read("", most=10),
    "read": lambda storage: storage.records.read("", most=10),
    "write": lambda storage: storage.records.write(Page((new_session(),)), at=T0),
    "describe": lambda storage: storage.describe(),
    "check": lambda storage: storage.check(),
}
"""Each call of a storage once, by a name of its own."""
READS: Final = frozenset(
    (
        *("find", "list", "newest", "principal", "after", "head", "learn", "get", "list_values", "read"),
        *("read_values", "describe"),
    )
)
"""Those that write nothing."""


def _learn(storage: Storage) -> object:
    """As a worker does, of endings."""
    log = storage.revocations
    if isinstance(log, WaitingLog):
        return log.wait(0, longest=0.1)
    assert isinstance(log, ChangingLog)
    return log.stamp()


class BrokenStorageContract:
    """What a storage does whose server or file is gone, as pytest cases.

    A subclass named `Test…` has a fixture `broken_storage` that gives a storage which has worked, and cannot now.
    """

    def test_F02_every_call_says_that_the_storage_is_unavailable(self, broken_storage: Storage) -> None:
        """And nothing else: no error of a driver, no answer that looks like one.

        How soon is not judged, since the load of the machine decides it: a case that hangs has failed.
        """
        said = {name: _outcome(call, broken_storage) for name, call in CALLS.items()}
        assert said == dict.fromkeys(CALLS, "unavailable")

    def test_F02_it_can_be_closed_and_asked_again(self, broken_storage: Storage) -> None:
        """Closing lets go of what there is; the next call tries anew."""
        broken_storage.close()
        assert _outcome(CALLS["find"], broken_storage) == "unavailable"
        broken_storage.close()


def _outcome(call: Callable[[Storage], Any], storage: Storage) -> str:
    try:
        given = call(storage)
    except StorageUnavailableError:
        return "unavailable"
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not leave a storage
        return f"raised {type(error).__name__}"
    return f"gave {given!r}"
