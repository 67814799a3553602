"""`WorkerRegistry` in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ....sessions.record import RETENTION_MARGIN
from ...contract import WORKER_SILENCE, Worker

if TYPE_CHECKING:
    from .connection import Connection
    from .database import Database
    from .notifier import Notifier

_SWEPT: Final = 20_000
"""Entries that one beat sweeps at most: some 100 ms, in which nobody else waits."""
_BEAT: Final = """
WITH forgotten AS (DELETE FROM tessera_workers WHERE beat_at <= %(beat_at)s - 3600 AND name <> %(name)s)
INSERT INTO tessera_workers (name, started_at, beat_at, lag_ms)
VALUES (%(name)s, %(started_at)s, %(beat_at)s, %(lag_ms)s)
ON CONFLICT (name) DO UPDATE
   SET started_at = excluded.started_at, beat_at = excluded.beat_at, lag_ms = excluded.lag_ms"""
# What nobody need refuse any more: dead by the clock of who beats, and kept as long as need be by the server's own.
# At a thousand endings a second the log would be a hundred million entries by the next purge.
_SWEEP: Final = f"""
DELETE FROM tessera_revocations
 WHERE number IN (SELECT number FROM tessera_revocations
                   WHERE forget_at <= %s AND noted_at > 0
                     AND now() >= noted + make_interval(secs => greatest(forget_at - noted_at, {RETENTION_MARGIN}))
                   ORDER BY number LIMIT {_SWEPT} FOR UPDATE SKIP LOCKED)"""  # noqa: S608 - constants
_LIST: Final = "SELECT name, started_at, beat_at, lag_ms FROM tessera_workers WHERE beat_at > %s"


class PostgresWorkers:
    """A row for each worker, kept for an hour after its last beat: every process has a name of its own.

    With its beat a worker also sweeps the log, so that it holds little more than what is open.
    """

    def __init__(self, database: Database, notifier: Notifier) -> None:
        self._database = database
        self._notifier = notifier

    def beat(self, worker: Worker) -> None:
        values = msgspec.structs.asdict(worker)

        def keep(connection: Connection) -> Any:
            return connection.run(_BEAT, values)

        self._database.write(keep, again=True)
        self._database.write(lambda connection: connection.run(_SWEEP, (worker.beat_at,)), again=True)
        self._notifier.notify(worker.name)

    def list(self, *, at: int) -> list[Worker]:
        rows = self._database.read(lambda connection: connection.all(_LIST, (at - WORKER_SILENCE,)))
        # Sorted here: the database's collation may be of any language.
        return [Worker(*row) for row in sorted(rows)]
