"""`ValueStore` in a SQL database: one table for all kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..key_value import tag_of_owner
from ..model import ANY_VERSION, Counter, Page
from .rows import VALUE_COLUMNS, value_of, value_row

if TYPE_CHECKING:
    import builtins
    from collections.abc import Sequence

    from ..model import Increment, Value
    from .database import Database
    from .transaction import Statement, Transaction

_GET: Final = f"SELECT {VALUE_COLUMNS} FROM tessera_values WHERE kind = ? AND name = ? AND expires_at > ?"  # noqa: S608 - constants, as below
_VERSION: Final = "SELECT version, expires_at FROM tessera_values WHERE kind = ? AND name = ?"
_REPLACE: Final = """
UPDATE tessera_values SET value = ?, version = ?, expires_at = ?, owner = ?
 WHERE kind = ? AND name = ? AND version = ? AND expires_at > ?"""
_ADD: Final = "UPDATE tessera_values SET version = version + ? WHERE kind = ? AND name = ? AND expires_at = ?"
_DELETE: Final = "DELETE FROM tessera_values WHERE kind = ? AND name = ?"
_DELETE_OWNER: Final = "DELETE FROM tessera_values WHERE owner = ?"
_LIST: Final = f"""
SELECT {VALUE_COLUMNS} FROM tessera_values
 WHERE owner = ? AND kind = ? AND name >= ? AND name < ? AND expires_at > ? ORDER BY name"""  # noqa: S608
_NEWEST: Final = f"""
SELECT {VALUE_COLUMNS} FROM tessera_values
 WHERE owner = ? AND kind = ? AND name >= ? AND name < ? AND expires_at > ? ORDER BY name DESC LIMIT ?"""  # noqa: S608
_SURPLUS: Final = """
SELECT kind, name FROM tessera_values
 WHERE owner = ? AND kind = ? AND name >= ? AND name < ? ORDER BY name DESC LIMIT ? OFFSET ?"""
_TRIMMED_AT_ONCE: Final = 500
_LONGEST_NAME: Final = 253
"""Bytes of a key behind its tag."""
_EXPIRED: Final = "SELECT kind, name, expires_at FROM tessera_values WHERE expires_at <= ? ORDER BY expires_at LIMIT ?"
_PURGE: Final = "DELETE FROM tessera_values WHERE kind = ? AND name = ? AND expires_at = ?"
_READ: Final = f"""
SELECT {VALUE_COLUMNS} FROM tessera_values
 WHERE kind >= ? AND (kind > ? OR name > ?) ORDER BY kind, name LIMIT ?"""  # noqa: S608


class SQLValues:
    """A row for each value.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database[Any]) -> None:
        self._database = database

    def get(self, names: Sequence[tuple[str, bytes]], *, at: int) -> list[Value | None]:
        results = self._database.read(*((_GET, (kind, key, at)) for kind, key in names))
        return [value_of(rows[0]) if rows else None for rows in results]

    def put(self, value: Value, *, expected: int, at: int) -> bool:
        if expected <= 0:
            writing = self._database.dialect.put_value, (*value_row(value), expected, expected, at)
        else:
            _, _, *changed = value_row(value)
            writing = _REPLACE, (*changed, value.kind, value.key, expected, at)
        if expected == ANY_VERSION:
            self._database.run(writing)
            return True
        # The version tells: how many rows an upsert has changed depends on how a driver counts.
        rows = self._database.run(writing, (_VERSION, (value.kind, value.key)))[-1]
        return bool(rows) and rows[0][0] == value.version

    def take(self, kind: str, key: bytes, *, at: int) -> Value | None:
        def work(transaction: Transaction) -> Value | None:
            (rows,) = transaction.read((_GET + self._database.dialect.lock, (kind, key, at)))
            if not rows:
                return None
            transaction.write(_DELETE, [(kind, key)])
            return value_of(rows[0])

        return self._database.transact(work)

    def increment(self, steps: Sequence[Increment], *, at: int) -> list[Counter]:
        # In one order, so that no two calls wait for each other.
        ordered = sorted(steps, key=lambda step: (step.kind, step.key))
        statements: list[Statement] = []
        for step in ordered:
            statements += [self._step(step, at), (_VERSION, (step.kind, step.key))]
        results = self._database.run(*statements, again=False)
        counted = {id(step): _counter(step, results[2 * place + 1]) for place, step in enumerate(ordered)}
        return [counted[id(step)] for step in steps]

    def list(self, kind: str, owner: bytes, *, at: int) -> list[Value]:
        (rows,) = self._database.read((_LIST, (owner, kind, *_range_of(owner), at)))
        return [value_of(row) for row in rows]

    def newest(self, kind: str, owner: bytes, *, before: bytes, most: int, at: int) -> builtins.list[Value]:
        first, last = _range_of(owner)
        (rows,) = self._database.read((_NEWEST, (owner, kind, first, before or last, at, most)))
        return [value_of(row) for row in rows]

    def put_many(self, values: Sequence[Value], *, at: int) -> None:
        # In one order, so that no two calls wait for each other.
        ordered = sorted(values, key=lambda value: (value.kind, value.key))
        rows = [(*value_row(value), ANY_VERSION, ANY_VERSION, at) for value in ordered]
        put = self._database.dialect.put_value
        self._database.transact(lambda transaction: transaction.write(put, rows), again=True)

    def trim(self, kind: str, owner: bytes, *, keep: int) -> int:
        (rows,) = self._database.read((_SURPLUS, (owner, kind, *_range_of(owner), _TRIMMED_AT_ONCE, keep)))
        return self._database.remove(_DELETE, [tuple(row) for row in rows]) if rows else 0

    def delete(self, kind: str, key: bytes) -> None:
        self._database.run((_DELETE, (kind, key)))

    def delete_owner(self, owner: bytes) -> None:
        self._database.run((_DELETE_OWNER, (owner,)))

    def purge(self, *, at: int, most: int) -> int:
        (rows,) = self._database.read((_EXPIRED, (at, most)))
        return self._database.remove(_PURGE, [tuple(row) for row in rows]) if rows else 0

    def read(self, cursor: str, *, most: int) -> Page:
        kind, _, key = cursor.partition(":")
        (rows,) = self._database.read((_READ, (kind, kind, bytes.fromhex(key), most)))
        values = tuple(map(value_of, rows))
        return Page(values=values, cursor=f"{values[-1].kind}:{values[-1].key.hex()}" if len(values) == most else "")

    def _step(self, step: Increment, at: int) -> Statement:
        if step.only_running:
            return _ADD, (step.amount, step.kind, step.key, step.ends_at)
        row = (step.kind, step.key, b"", step.amount, step.ends_at, b"")
        return self._database.dialect.increment, (*row, at, at)


def _range_of(owner: bytes) -> tuple[bytes, bytes]:
    """Between which keys all of an owner lie.

    So that a database that would rather read the keys in their order, which it then need not sort, reads those of few
    owners: there are 65,536 tags.
    """
    tag = tag_of_owner(owner)
    return tag, tag + b"\xff" * _LONGEST_NAME


def _counter(step: Increment, rows: Sequence[Sequence[int]]) -> Counter:
    """What a counter is after a step, by the row that was read then."""
    if not rows or (step.only_running and rows[0][1] != step.ends_at):
        return Counter(0, 0)
    return Counter(*rows[0])
