"""`ChangingLog` in SQLite: the table is the truth, a side file tells that it may have grown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..log import SQLLog
from .change_detector import ChangeDetector

if TYPE_CHECKING:
    from collections.abc import Callable

    from .database import SQLiteDatabase


class SQLiteLog(SQLLog):
    """The log, and this process's detector of changes.

    Args:
        database: where it is.
        steady: gives seconds that only grow, for the interval between two looks at the file; for tests.
    """

    bound = 0

    def __init__(self, database: SQLiteDatabase, steady: Callable[[], float]) -> None:
        super().__init__(database)
        self._detector = ChangeDetector(database, steady)
        self.stamp = self._detector.stamp

    def announce(self) -> None:
        self._detector.announce()

    def close(self) -> None:
        """Let go of the detector's connection; the next stamp opens it again."""
        self._detector.close()
