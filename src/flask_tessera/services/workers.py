"""Which processes follow the revocation log, and when each was last seen to have read it.

Each writes a small value every few seconds (a beat), which expires by itself: nobody is woken by it, and a worker that
was killed is listed as overdue until its value has expired. Now and then a worker also tidies up: the value "turn" lets
one of them at a time drop entries of the log and values that have expired.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final

import msgspec

from ..storage.key_value import hashed_key, owned_key
from .stored_values import reader_of

if TYPE_CHECKING:
    from ..storage.engine import Storage

BEAT_EVERY: Final = 6
"""Seconds between two beats of a worker."""
WORKER_OVERDUE: Final = 20
"""Seconds after its last beat from which a worker counts as stuck: it has missed three."""
WORKER_FORGOTTEN: Final = 900
"""Seconds after its last beat for which a worker is listed. One that ends in good order removes itself at once."""
TIDY_EVERY: Final = 60
"""Seconds between two tries of a worker to tidy up."""
_KIND: Final = "worker"
_OWNER: Final = ("", "workers of the application")
_TURN: Final = ("turn", hashed_key("maintenance"))
_DROPPED: Final = 10_000
"""Entries, or values, that are removed at once at most: some 100 ms, in which nobody else waits."""


class Worker(msgspec.Struct, frozen=True):
    """What a process that follows the revocation log says of itself. Times are Unix seconds of its own clock.

    It beats only after it has read the log to its end: at `beat_at` it knew of all that had been revoked. `delay` is
    the longest time in milliseconds, of the last `WORKER_FORGOTTEN` seconds, between a revocation and when this worker
    had read of it, by the clock of the storage; 0 if there was none.
    """

    name: str
    started_at: int
    beat_at: int
    delay: int = 0


_read: Final = reader_of(Worker, "an entry of the worker registry")


class WorkerRegistry:
    """The workers of one storage. Every method may raise StorageUnavailableError."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._values = storage.values

    def beat(self, worker: Worker) -> None:
        """Keep what a worker says of itself."""
        at = worker.beat_at
        self._values.put(
            _KIND,
            _key_of(worker.name),
            msgspec.json.encode(worker),
            owner=_OWNER,
            expires_at=at + WORKER_FORGOTTEN,
            at=at,
        )

    def tidy(self, *, at: int) -> None:
        """Drop what has expired at Unix second `at`, if nobody else has just done so."""
        if self._values.put(*_TURN, b"", expires_at=at + TIDY_EVERY, at=at, expected_version=0):
            self._storage.revocations.drop_expired(at=at, most=_DROPPED, is_sure=False)
            self._values.purge(at=at - WORKER_FORGOTTEN, most=_DROPPED)

    def remove(self, name: str) -> None:
        """Forget a worker that ends."""
        self._values.delete(_KIND, _key_of(name))

    def list(self, *, at: int) -> list[Worker]:
        """The workers whose last beat is less than `WORKER_FORGOTTEN` seconds before `at`, by name."""
        workers = [_read(each) for each in self._values.list(_KIND, _OWNER, at=at)]
        return sorted(workers, key=attrgetter("name"))


def _key_of(name: str) -> bytes:
    return owned_key(*_OWNER, hashed_key(name))
