"""`WorkerRegistry` in SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...contract import WORKER_SILENCE, Worker

if TYPE_CHECKING:
    from .database import Database

_BEAT: Final = """
INSERT INTO tessera_workers (name, started_at, beat_at, lag_ms) VALUES (?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE
   SET started_at = excluded.started_at, beat_at = excluded.beat_at, lag_ms = excluded.lag_ms"""
_FORGET: Final = "DELETE FROM tessera_workers WHERE beat_at <= ?"
_LIST: Final = "SELECT name, started_at, beat_at, lag_ms FROM tessera_workers WHERE beat_at > ? ORDER BY name"
_BEATS: Final = "SELECT name, beat_at FROM tessera_workers"
_KEPT: Final = 3600
"""Seconds for which a worker that is gone is kept at most: every process has a name of its own."""


class SQLiteWorkers:
    """A row for each worker."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._heard: dict[str, int] | None = None

    def beat(self, worker: Worker) -> None:
        with self._database.writing() as connection:
            cursor = connection.cursor()
            cursor.execute(_FORGET, (worker.beat_at - _KEPT,))
            cursor.execute(_BEAT, (worker.name, worker.started_at, worker.beat_at, worker.lag_ms))

    def list(self, *, at: int) -> list[Worker]:
        with self._database.reading() as connection:
            rows = connection.cursor().execute(_LIST, (at - WORKER_SILENCE,)).fetchall()
        return [Worker(*row) for row in rows]

    def heard(self) -> tuple[str, ...]:
        """Whose row has changed since the last call; nobody's at the first."""
        with self._database.reading() as connection:
            beats = dict(connection.cursor().execute(_BEATS).fetchall())
        before, self._heard = self._heard, beats
        return () if before is None else tuple(name for name, at in beats.items() if before.get(name) != at)
