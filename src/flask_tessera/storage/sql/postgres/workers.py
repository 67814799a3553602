"""`WorkerRegistry` in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from ....sessions.record import RETENTION_MARGIN
from ...contract import WORKER_FORGOTTEN, Worker

if TYPE_CHECKING:
    from .database import Database

_SWEEPING: Final = 0x7E55E3A
"""The second key of the advisory lock; the first is the table."""
_SWEPT: Final = 10_000
"""Entries that one beat removes at most: some 100 ms, in which nobody else waits."""
# Not synced to the disk: of a crash nobody remembers who was alive. The column lag_ms is kept for processes of an older
# release, to which -1 says that it is not known.
_BEAT: Final = """
WITH settings AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
     forgotten AS (DELETE FROM tessera_workers WHERE beat_at <= %(beat_at)s - %(kept)s AND name <> %(name)s)
INSERT INTO tessera_workers (name, started_at, beat_at, lag_ms)
SELECT %(name)s, %(started_at)s, %(beat_at)s, -1 FROM settings
ON CONFLICT (name) DO UPDATE SET started_at = excluded.started_at, beat_at = excluded.beat_at, lag_ms = -1"""
_REMOVE: Final = "DELETE FROM tessera_workers WHERE name = %s"
# What nobody need refuse any more: dead by the clock of who beats, and kept as long as need be by the server's own.
# At a thousand endings a second the log would be a hundred million entries by the next purge. One worker at a time:
# whoever finds the lock taken does nothing. The lock is of this schema, and ends with the statement.
_SWEEP: Final = f"""
WITH turn AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock('tessera_revocations'::regclass::integer, {_SWEEPING}) AS is_ours)
DELETE FROM tessera_revocations
 WHERE number IN (SELECT number FROM tessera_revocations
                   WHERE (SELECT is_ours FROM turn) AND forget_at <= %s AND noted_at > 0
                     AND now() >= noted + make_interval(secs => greatest(forget_at - noted_at, {RETENTION_MARGIN}))
                   ORDER BY forget_at LIMIT {_SWEPT} FOR UPDATE SKIP LOCKED)"""  # noqa: S608 - constants
_LIST: Final = "SELECT name, started_at, beat_at FROM tessera_workers WHERE beat_at > %s"


class PostgresWorkers:
    """A row for each worker: every process has a name of its own.

    With its beat a worker also sweeps the log, so that it holds little more than what is open.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def beat(self, worker: Worker) -> None:
        values = {**msgspec.structs.asdict(worker), "kept": WORKER_FORGOTTEN}
        self._database.write(lambda connection: connection.run(_BEAT, values), again=True)
        self._database.write(lambda connection: connection.run(_SWEEP, (worker.beat_at,)), again=True)

    def remove(self, name: str) -> None:
        self._database.write(lambda connection: connection.run(_REMOVE, (name,)), again=True)

    def list(self, *, at: int) -> list[Worker]:
        rows = self._database.read(lambda connection: connection.all(_LIST, (at - WORKER_FORGOTTEN,)))
        # Sorted here: the database's collation may be of any language.
        return [Worker(*row) for row in sorted(rows)]
