"""A transaction that holds SQLite's write lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from sqlalchemy.pool import PoolProxiedConnection

LONGEST_WAIT: Final = 2
"""Seconds to wait for a lock or a free connection before the storage counts as unavailable."""


def begin(connection: PoolProxiedConnection | sqlite3.Connection, wait: float) -> None:
    """Begin with the write lock held, after at most `wait` seconds."""
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {max(0, int(wait * 1000))}")
    try:
        cursor.execute("BEGIN IMMEDIATE")
    finally:
        cursor.execute(f"PRAGMA busy_timeout = {LONGEST_WAIT * 1000}")


def transaction(connection: PoolProxiedConnection) -> Iterator[PoolProxiedConnection]:
    """Give the connection; commit once it was used, roll back where an error comes out."""
    cursor = connection.cursor()
    try:
        yield connection
        cursor.execute("COMMIT")
    except BaseException:
        driver: Any = connection.driver_connection
        # SQLite has rolled back by itself after some errors.
        if driver.in_transaction:
            cursor.execute("ROLLBACK")
        raise
