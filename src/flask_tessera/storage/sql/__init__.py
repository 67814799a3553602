"""Records in a SQL database, SQLite at present."""

from .storage import SQLStorage

__all__ = ["SQLStorage"]
