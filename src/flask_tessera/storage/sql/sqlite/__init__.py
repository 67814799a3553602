"""Records in a SQLite file, our own or a host's."""

from .storage import SQLiteStorage

__all__ = ["SQLiteStorage"]
