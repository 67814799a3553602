"""`WorkerRegistry` in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ...contract import WORKER_SILENCE, Worker

if TYPE_CHECKING:
    from .bell import Bell
    from .connection import Connection
    from .database import Database

_BEAT: Final = """
WITH forgotten AS (DELETE FROM tessera_workers WHERE beat_at <= %(beat_at)s - 3600 AND name <> %(name)s)
INSERT INTO tessera_workers (name, started_at, beat_at, lag_ms)
VALUES (%(name)s, %(started_at)s, %(beat_at)s, %(lag_ms)s)
ON CONFLICT (name) DO UPDATE
   SET started_at = excluded.started_at, beat_at = excluded.beat_at, lag_ms = excluded.lag_ms"""
_LIST: Final = "SELECT name, started_at, beat_at, lag_ms FROM tessera_workers WHERE beat_at > %s"


class PostgresWorkers:
    """A row for each worker, kept for an hour after its last beat: every process has a name of its own."""

    def __init__(self, database: Database, bell: Bell) -> None:
        self._database = database
        self._bell = bell

    def beat(self, worker: Worker) -> None:
        values = msgspec.structs.asdict(worker)

        def keep(connection: Connection) -> Any:
            return connection.run(_BEAT, values)

        self._database.write(keep, again=True)
        self._bell.ring(worker.name)

    def list(self, *, at: int) -> list[Worker]:
        rows = self._database.read(lambda connection: connection.all(_LIST, (at - WORKER_SILENCE,)))
        # Sorted here: the database's collation may be of any language.
        return [Worker(*row) for row in sorted(rows)]
