"""The floors of P7: the same steps by a bare driver on one connection, without a pool, records or translated errors."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from . import orm
from .stores import MARIADB, POSTGRES, REDIS, SQLITE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .stores import Store

    Step = Callable[[Any], object]

NAMES = [column.name for column in orm.SessionRow.__table__.columns]
_FIND = f"""
SELECT {", ".join(f"s.{name}" for name in NAMES)}, p.epoch, p.suspended_until FROM peer_sessions AS s
  LEFT JOIN peer_principals AS p ON p.user_id = s.user_id AND p.realm = s.realm WHERE s.sid = ?"""
_UPDATE = """
UPDATE peer_sessions
   SET predecessor = gen, gen = gen + 1, rotated_at = ?, confirmed = false, last_seen_at = ?,
       idle_until = CASE WHEN until < ? THEN until ELSE ? END
 WHERE sid = ? AND gen = ? AND ended_at = 0 AND idle_until > ? AND until > ?
   AND NOT EXISTS (SELECT 1 FROM peer_principals AS p
                    WHERE p.user_id = peer_sessions.user_id AND p.realm = peer_sessions.realm
                      AND (p.epoch > peer_sessions.epoch OR p.suspended_until > ?))"""
_ROTATE = f"{_UPDATE} RETURNING {', '.join(NAMES)}"
_VALUE_BYTES = 400
"""About what a session takes."""
_SCRIPT = "return redis.call('GET', KEYS[1])"


def steps(store: Store, url: str, sids: Sequence[bytes], *, at: int, idle: int) -> dict[str, Step]:
    """What there is to call for each step, on an item of `storing.Item`."""
    return {SQLITE: _sqlite, POSTGRES: _postgres, MARIADB: _mariadb, REDIS: _redis}[store.kind](url, sids, at, idle)


def _values(item: Any, at: int, idle: int) -> tuple[Any, ...]:
    return (at, at, at + idle, at + idle, item.sid, item.gen, at, at, at)


def _sqlite(url: str, _sids: Sequence[bytes], at: int, idle: int) -> dict[str, Step]:
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")
    execute = connection.execute

    def find(item: Any) -> object:
        return execute(_FIND, (item.sid,)).fetchone()

    def rotate(item: Any) -> object:
        execute("BEGIN IMMEDIATE")
        row = execute(_ROTATE, _values(item, at, idle)).fetchone()
        execute("COMMIT")
        return row

    return {"find": find, "rotate": rotate}


def _postgres(url: str, _sids: Sequence[bytes], at: int, idle: int) -> dict[str, Step]:
    import psycopg

    connection = psycopg.connect(url, autocommit=True)
    find_text, rotate_text = (text.replace("?", "%s") for text in (_FIND, _ROTATE))
    cursor = connection.cursor(binary=True)

    def find(item: Any) -> object:
        return cursor.execute(find_text, (item.sid,), prepare=True).fetchone()

    def rotate(item: Any) -> object:
        return cursor.execute(rotate_text, _values(item, at, idle), prepare=True).fetchone()

    return {"find": find, "rotate": rotate}


def _mariadb(url: str, _sids: Sequence[bytes], at: int, idle: int) -> dict[str, Step]:
    import pymysql

    place = urlsplit(url)
    connection = pymysql.connect(
        host=place.hostname, port=place.port, user=place.username, database=place.path[1:], autocommit=True
    )
    find_text, rotate_text = (text.replace("?", "%s") for text in (_FIND, _UPDATE))
    cursor = connection.cursor()

    def find(item: Any) -> object:
        cursor.execute(find_text, (item.sid,))
        return cursor.fetchone()

    def rotate(item: Any) -> object:
        return cursor.execute(rotate_text, _values(item, at, idle))

    return {"find": find, "rotate": rotate}


def _redis(url: str, sids: Sequence[bytes], _at: int, _idle: int) -> dict[str, Step]:
    import redis

    client = redis.Redis.from_url(url)
    with client.pipeline(transaction=False) as pipeline:
        for sid in sids:
            pipeline.set(b"peer:" + sid, bytes(_VALUE_BYTES))
        pipeline.execute()
    digest = client.script_load(_SCRIPT)

    def find(item: Any) -> object:
        return client.get(b"peer:" + item.sid)

    def rotate(item: Any) -> object:
        return client.evalsha(digest, 1, b"peer:" + item.sid)

    return {"find": find, "rotate": rotate}
