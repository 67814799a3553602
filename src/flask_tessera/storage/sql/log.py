"""The revocation log in a SQL database: numbered entries, and one row for the head.

A number is taken from the head's row, which stays locked until the transaction is over: numbers are in the order of
commits, so whoever has read up to one has missed none before it. That would not hold for numbers of a sequence, which a
transaction may take early and commit late.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from ...errors import StorageUnavailableError
from ..model import LogPage
from .rows import ENTRY_COLUMNS, entry_of, entry_row, places, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...sessions.revocations import Revocation
    from .database import Database
    from .dialect import Dialect
    from .transaction import Rows, Transaction

LOG: Final = "SELECT log_id, created_at, place, valid_from, head FROM tessera_log WHERE id = 1"
# One statement, since idle workers ask it all the time. The entries by nothing but the number, and so few that
# PostgreSQL takes the key before any ANALYZE, too.
_PAGE_AFTER: Final = f"""
SELECT log_id, created_at, place, valid_from, head, number, {{now}} - noted, {ENTRY_COLUMNS}
  FROM tessera_log LEFT JOIN
       (SELECT * FROM tessera_entries WHERE number > ? ORDER BY number LIMIT ?) entries ON 1 = 1
 WHERE id = 1 ORDER BY number"""  # noqa: S608 - constants
_HEAD: Final = 5
"""Columns of the head; those of an entry follow."""
_PAGE: Final = 500
"""Entries that are read at once: some 2 ms."""
_BEGIN: Final = "UPDATE tessera_log SET created_at = ?, place = ? WHERE created_at IS NULL OR place <> ?"
_RESTART: Final = """
UPDATE tessera_log SET log_id = ?, created_at = ?, place = ?,
       valid_from = CASE WHEN valid_from > ? THEN valid_from ELSE ? END"""
_NUMBER: Final = "UPDATE tessera_log SET head = head + ? WHERE id = 1"
_APPEND: Final = f"""
INSERT INTO tessera_entries (number, {ENTRY_COLUMNS}, noted_at, noted)
VALUES ((SELECT head FROM tessera_log WHERE id = 1) - ?, {{places}}, ?, {{now}})"""  # noqa: S608
_EXPIRED: Final = "SELECT number FROM tessera_entries WHERE forget_at <= ? ORDER BY forget_at LIMIT ?"
# By the server's own clock as well as by the caller's: one alone may have jumped.
_SURELY_EXPIRED: Final = """
SELECT number FROM tessera_entries
 WHERE forget_at <= ? AND noted <= {now} - 1000 * (forget_at - noted_at) ORDER BY forget_at LIMIT ?"""
_DROP: Final = "DELETE FROM tessera_entries WHERE number = ?"


class SQLLog:
    """`RevocationLog`, but for how workers learn that it has grown.

    Args:
        database: where it is.
    """

    bound: int
    """As of `RevocationLog`."""

    def __init__(self, database: Database[Any]) -> None:
        self._database = database

    def after(self, cursor: int, *, at: int) -> LogPage:
        head, rows = self._read(cursor, _PAGE, at)
        if cursor > head.number:
            # A log that is shorter than what was read is another one: a copy was restored.
            cursor = 0
            head, rows = self._read(cursor, _PAGE, at)
        reached = rows[-1][0] if rows else 0
        is_whole = len(rows) < _PAGE
        return replace(
            head,
            entries=tuple(entry for row in rows if (entry := entry_of(row[2:])).forget_at > at),
            # Where a page is not full, all that follows was dropped.
            cursor=max(reached, head.number) if is_whole else reached,
            is_whole=is_whole,
            delay=int(rows[0][1]) if rows and cursor else 0,
        )

    def head(self, *, at: int) -> LogPage:
        return self._read(0, 0, at)[0]

    def append(self, entries: Sequence[Revocation], *, at: int) -> None:
        if entries:
            self._database.transact(lambda transaction: append(transaction, self._database.dialect, entries, at=at))
            self.announce()

    def restart(self, *, at: int, valid_from: int) -> None:
        def work(transaction: Transaction) -> None:
            values = (secrets.token_hex(8), at, transaction.identity, valid_from, valid_from)
            transaction.write(_RESTART, [values])
            if notify := self._database.dialect.notify:
                transaction.write(notify, [()])

        self._database.transact(work)
        self.announce()

    def drop_expired(self, *, at: int, most: int, is_sure: bool) -> int:
        dialect = self._database.dialect
        statement = _EXPIRED if is_sure else _SURELY_EXPIRED.format(now=dialect.now)
        (rows,) = self._database.read((statement, (at, most)))
        return self._database.remove(_DROP, [tuple(row) for row in rows]) if rows else 0

    def announce(self) -> None:
        """Tell those who would not notice by themselves that the log has grown; called after a commit."""

    def close(self) -> None:
        """Let go of what it learns of changes by; it is opened again when it is needed."""

    def _read(self, cursor: int, most: int, at: int) -> tuple[LogPage, Rows]:
        """The head, and entries after `cursor`, of a log that has begun here, or does by this call."""
        statement = _PAGE_AFTER.format(now=self._database.dialect.now), (cursor, most)
        is_sure = False
        while True:
            (rows,), identity = self._database.read_at(statement)
            if not rows:
                # Whoever connects next writes one.
                self._database.close()
            name = log_name(rows, identity)
            _, created_at, place, valid_from, number = rows[0][:_HEAD]
            # A copy that was put back elsewhere has forgotten what came later.
            if created_at is not None and text(place) == identity:
                entries = [row[_HEAD:] for row in rows if row[_HEAD] is not None]
                return LogPage((), 0, name, created_at, valid_from, number=number), entries
            if created_at is None or is_sure:
                self._database.run((_BEGIN, (at, identity, identity)))
            else:
                # Who connected before the tables were made anew knows the old ones: two such would begin it by turns.
                self._database.close()
                is_sure = True


def log_name(rows: Rows, identity: str) -> str:
    """The name of a log, by rows that begin with its name and the identity of where they were read.

    Raises:
        StorageUnavailableError: there is no row.
    """
    if not rows:
        raise StorageUnavailableError("table tessera_log has no row; the next connection writes one")
    return f"{text(rows[0][0])}.{identity}"


def append(transaction: Transaction, dialect: Dialect, entries: Sequence[Revocation], *, at: int) -> None:
    """Number and write entries at Unix second `at`, as the last step of a transaction: others wait for the head."""
    rows: list[Any] = [(len(entries) - place, *entry_row(entry), at) for place, entry in enumerate(entries, 1)]
    transaction.write(_NUMBER, [(len(entries),)])
    transaction.write(_APPEND.format(places=places(ENTRY_COLUMNS.split()), now=dialect.now), rows)
    if dialect.notify:
        transaction.write(dialect.notify, [()])
