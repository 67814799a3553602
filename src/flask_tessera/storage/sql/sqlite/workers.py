"""`WorkerRegistry` in SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...contract import WORKER_FORGOTTEN, Worker

if TYPE_CHECKING:
    from .database import Database

# The column lag_ms is kept for processes of an older release, to which -1 says that it is not known.
_BEAT: Final = """
INSERT INTO tessera_workers (name, started_at, beat_at, lag_ms) VALUES (?, ?, ?, -1)
ON CONFLICT (name) DO UPDATE SET started_at = excluded.started_at, beat_at = excluded.beat_at, lag_ms = -1"""
_REMOVE: Final = "DELETE FROM tessera_workers WHERE name = ?"
_FORGET: Final = "DELETE FROM tessera_workers WHERE beat_at <= ?"
_LIST: Final = "SELECT name, started_at, beat_at FROM tessera_workers WHERE beat_at > ? ORDER BY name"


class SQLiteWorkers:
    """A row for each worker."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def beat(self, worker: Worker) -> None:
        with self._database.writing() as connection:
            cursor = connection.cursor()
            cursor.execute(_FORGET, (worker.beat_at - WORKER_FORGOTTEN,))
            cursor.execute(_BEAT, (worker.name, worker.started_at, worker.beat_at))

    def remove(self, name: str) -> None:
        with self._database.writing() as connection:
            connection.cursor().execute(_REMOVE, (name,))

    def list(self, *, at: int) -> list[Worker]:
        with self._database.reading() as connection:
            rows = connection.cursor().execute(_LIST, (at - WORKER_FORGOTTEN,)).fetchall()
        return [Worker(*row) for row in rows]
