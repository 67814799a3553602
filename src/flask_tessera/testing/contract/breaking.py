"""The contract of a storage that cannot work: what every call says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...errors import StorageUnavailableError
from ...storage.contract import Page, Worker
from .base import IDLE, NO_LIMITS, T0, new_session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...storage.contract import Storage

SID: Final = b"\5" * 16
"""Of no session that there is."""
CALLS: Final[Mapping[str, Callable[[Storage], Any]]] = {
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
    "tail": lambda storage: storage.revocations.tail(at=T0),
    "ended_all": lambda storage: storage.revocations.ended_all("", "7", after=0),
    "wait": lambda storage: storage.revocations.wait(0, longest=0.1),
    "restore": lambda storage: storage.revocations.restore(at=T0),
    "purge_log": lambda storage: storage.revocations.purge(at=T0),
    "beat": lambda storage: storage.workers.beat(Worker("host:1", T0, T0)),
    "remove": lambda storage: storage.workers.remove("host:1"),
    "workers": lambda storage: storage.workers.list(at=T0),
    "read": lambda storage: storage.records.read("", most=10),
    "write": lambda storage: storage.records.write(Page((new_session(),)), at=T0),
    "describe": lambda storage: storage.describe(),
    "check": lambda storage: storage.check(),
}
"""Each call of a storage once, by a name of its own."""
READS: Final = frozenset(
    (
        "find",
        "list",
        "newest",
        "principal",
        "stamp",
        "after",
        "tail",
        "ended_all",
        "wait",
        "workers",
        "read",
        "describe",
    )
)
"""Those that write nothing."""


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
