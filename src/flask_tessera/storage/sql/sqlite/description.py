"""What a SQLite file promises with its present settings."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

from ...contract import Description

if TYPE_CHECKING:
    from .database import SQLiteDatabase

_OFF, _NORMAL = 0, 1
_OUTLIVES: Final = {
    _OFF: "a commit outlives its process, but a power cut may destroy the file (synchronous=OFF)",
    _NORMAL: "a commit outlives its process; a power cut may take the last ones (synchronous=NORMAL)",
}
_DURABLE: Final = "a commit outlives its process and a power cut"


def describe(database: SQLiteDatabase) -> Description:
    """By the journal and the synchronous setting of a connection of ours; errors of the database."""
    ((((journal,),), ((synchronous,),)), _) = database.read(("PRAGMA journal_mode", ()), ("PRAGMA synchronous", ()))
    # Without a WAL, NORMAL syncs too; only an ill-timed power cut on old file systems could destroy the file.
    weak = _OUTLIVES.get(synchronous, "") if journal == "wal" or synchronous == _OFF else ""
    warnings = [weak] if weak else []
    if journal in {"memory", "off"}:
        warnings.append(f"journal_mode={journal}: a process that dies in a commit destroys the file")
    return Description(
        f"SQLite {sqlite3.sqlite_version}", f"one machine; journal {journal}; {weak or _DURABLE}", tuple(warnings)
    )
