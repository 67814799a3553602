"""The revocation log in a SQL database: numbered entries, and one row for the head.

A number is taken from the head's row, which stays locked until the transaction is over: numbers are in the order of
commits, so whoever has read up to one has missed none before it. That would not hold for numbers of a sequence, which a
transaction may take early and commit late.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...errors import StorageUnavailableError
from ..contract import LogPage
from .rows import ENTRY_COLUMNS, entry_of, entry_row, places, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...sessions.revocations import Revocation
    from .dialect import Database, Dialect, Rows, Transaction

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


class Head(NamedTuple):
    """The row of `tessera_log`; `place` is where it was when it began."""

    log_id: str
    created_at: int | None
    place: str
    valid_from: int
    number: int

    def is_begun(self, identity: str) -> bool:
        """Whether somebody has read it, here: a copy that was put back has forgotten what came later."""
        return self.created_at is not None and self.place == identity

    def page(
        self, entries: tuple[Revocation, ...], cursor: int, identity: str, *, is_whole: bool = True, delay: int = 0
    ) -> LogPage:
        """Some of the log."""
        name = f"{self.log_id}.{identity}"
        return LogPage(entries, cursor, name, self.created_at or 0, self.valid_from, is_whole, self.number, delay)


class SQLLog:
    """`RevocationLog`, but for how workers learn that it has grown.

    Args:
        database: where it is.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def after(self, cursor: int, *, at: int) -> LogPage:
        head, rows, identity = self._read(cursor, _PAGE, at)
        if cursor > head.number:
            # A log that is shorter than what was read is another one: a copy was restored.
            cursor = 0
            head, rows, identity = self._read(cursor, _PAGE, at)
        entries = tuple(entry for row in rows if (entry := entry_of(row[2:])).forget_at > at)
        # Where a page is not full, all that follows was dropped.
        reached = rows[-1][0] if rows else 0
        is_whole = len(rows) < _PAGE
        delay = int(rows[0][1]) if rows and cursor else 0
        reached = max(reached, head.number) if is_whole else reached
        return head.page(entries, reached, identity, is_whole=is_whole, delay=delay)

    def head(self, *, at: int) -> LogPage:
        head, _, identity = self._read(0, 0, at)
        return head.page((), 0, identity)

    def append(self, entries: Sequence[Revocation], *, at: int) -> None:
        if entries:
            self._database.transact(lambda transaction: append(transaction, self._database.dialect, entries, at=at))
            self.announce()

    def restart(self, *, at: int, valid_from: int) -> None:
        def work(transaction: Transaction) -> None:
            values = (secrets.token_hex(8), at, transaction.identity, valid_from, valid_from)
            transaction.write(self._database.dialect.sql(_RESTART), [values])
            if notify := self._database.dialect.notify:
                transaction.write(notify, [()])

        self._database.transact(work)
        self.announce()

    def drop_expired(self, *, at: int, most: int, is_sure: bool) -> int:
        dialect = self._database.dialect
        statement = _EXPIRED if is_sure else _SURELY_EXPIRED.format(now=dialect.now)
        ((rows,), _) = self._database.read((dialect.sql(statement), (at, most)))
        return self._database.remove(dialect.sql(_DROP), [tuple(row) for row in rows]) if rows else 0

    def announce(self) -> None:
        """Tell those who would not notice by themselves that the log has grown; called after a commit."""

    def _read(self, cursor: int, most: int, at: int) -> tuple[Head, Rows, str]:
        """The head, and entries after `cursor`, of a log that has begun here, or does by this call."""
        dialect = self._database.dialect
        while True:
            (rows,), identity = self._database.read((dialect.sql(_PAGE_AFTER.format(now=dialect.now)), (cursor, most)))
            if not rows:
                # Whoever connects next writes one.
                self._database.close()
            head = head_of(rows)
            if head.is_begun(identity):
                return head, [row[_HEAD:] for row in rows if row[_HEAD] is not None], identity
            self._database.run((dialect.sql(_BEGIN), (at, identity, identity)))


def head_of(rows: Rows) -> Head:
    """The head in rows that begin with the columns of `LOG`.

    Raises:
        StorageUnavailableError: there is none.
    """
    if not rows:
        raise StorageUnavailableError("table tessera_log has no row; the next connection writes one")
    log_id, created_at, place, valid_from, number = rows[0][:_HEAD]
    return Head(text(log_id), created_at, text(place), valid_from, number)


def log_name(rows: Rows, identity: str) -> str:
    """The name of the log whose head is in the rows of `LOG`; errors of `head_of`."""
    return f"{head_of(rows).log_id}.{identity}"


def append(transaction: Transaction, dialect: Dialect, entries: Sequence[Revocation], *, at: int) -> None:
    """Number and write entries at Unix second `at`, as the last step of a transaction: others wait for the head."""
    rows: list[Any] = [(len(entries) - place, *entry_row(entry), at) for place, entry in enumerate(entries, 1)]
    transaction.write(dialect.sql(_NUMBER), [(len(entries),)])
    transaction.write(dialect.sql(_APPEND.format(places=places(ENTRY_COLUMNS.split()), now=dialect.now)), rows)
    if dialect.notify:
        transaction.write(dialect.notify, [()])
