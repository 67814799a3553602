"""X5: what can befall a PostgreSQL server, and an application's connections to it."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import psycopg

from tests.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .places import Place
    from .proxy import Proxy

UNTIL_THEY_WAIT = 0.5
"""Seconds in which a log-out has come to wait for a session that somebody has locked."""
OURS = "backend_type = 'client backend' AND pid <> pg_backend_pid()"


def admin(place: Place) -> psycopg.Connection[Any]:
    """A connection of the superuser, past the proxy."""
    return psycopg.connect(place.url, autocommit=True)


def disconnect_all(place: Place) -> None:
    """End all other connections, from the server's side."""
    with admin(place) as connection:
        connection.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {OURS}")


@contextlib.contextmanager
def stopped(place: Place, _proxy: Proxy) -> Iterator[None]:
    """It holds its connections, and answers nothing."""
    place.server.stop()
    try:
        yield
    finally:
        place.server.cont()


@contextlib.contextmanager
def killed(place: Place, _proxy: Proxy) -> Iterator[None]:
    """It is gone without a word, and comes back with what it had committed."""
    place.server.kill()
    try:
        yield
    finally:
        place.server.restart()


@contextlib.contextmanager
def disconnected(place: Place, _proxy: Proxy) -> Iterator[None]:
    """All connections end, and new ones are let in."""
    disconnect_all(place)
    yield


def cut_at_write(*, most: int) -> Callable[[Place, Proxy], Any]:
    """The reply to a write that is committed by itself is lost, so many times: nobody knows its outcome."""

    @contextlib.contextmanager
    def cut(place: Place, proxy: Proxy) -> Iterator[None]:
        # A statement is spelt out once on each connection; after that it has a name.
        disconnect_all(place)
        with proxy.fault("cut", b"UPDATE tessera_sessions", most=most) as fault:
            yield
        assert fault.struck, "no write was seen"

    return cut


@contextlib.contextmanager
def read_only(place: Place, _proxy: Proxy) -> Iterator[None]:
    """It takes no writes, as a standby does."""
    with _altered(place, "SET default_transaction_read_only = on", "RESET default_transaction_read_only"):
        yield


@contextlib.contextmanager
def _altered(place: Place, change: str, undo: str) -> Iterator[None]:
    _alter(place, change)
    try:
        yield
    finally:
        _alter(place, undo)


def _alter(place: Place, change: str) -> None:
    # What the database prescribes can be left off by each session, and binds new ones only.
    with psycopg.connect(place.url, autocommit=True, options="-c default_transaction_read_only=off") as connection:
        connection.execute(f"ALTER DATABASE postgres {change}")
    disconnect_all(place)


@contextlib.contextmanager
def out_of_connections(place: Place, _proxy: Proxy) -> Iterator[None]:
    """Others have taken them all."""
    disconnect_all(place)
    with contextlib.ExitStack() as taken:
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                taken.enter_context(psycopg.connect(place.url, autocommit=True))
        yield


@contextlib.contextmanager
def locked(place: Place, _proxy: Proxy) -> Iterator[None]:
    """Somebody holds all our tables."""
    with psycopg.connect(place.url) as connection:
        connection.execute("SET lock_timeout = '2s'")
        for (table,) in connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE tablename LIKE 'tessera%'"
            " OR schemaname = 'tessera' ORDER BY 1"
        ).fetchall():
            connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


@contextlib.contextmanager
def serializable(place: Place, _proxy: Proxy) -> Iterator[None]:
    """Where the host's database asks for it, parallel transactions fail and must be tried again."""
    with _altered(place, "SET default_transaction_isolation = 'serializable'", "RESET default_transaction_isolation"):
        yield


@contextlib.contextmanager
def deadlocked(place: Place, _proxy: Proxy) -> Iterator[None]:
    """Somebody locks sessions and then principals, which an ending of all of a user's sessions does the other way."""
    with psycopg.connect(place.url) as connection, admin(place) as observer:
        before = _deadlocks(observer)
        connection.execute("SELECT sid FROM tessera.tessera_sessions FOR UPDATE")
        closing = threading.Timer(UNTIL_THEY_WAIT, _lock_principals, (connection,))
        closing.start()
        try:
            yield
        finally:
            closing.join()
        wait_until(lambda: _deadlocks(observer) > before, "a deadlock was seen")


def _lock_principals(connection: psycopg.Connection[Any]) -> None:
    with contextlib.suppress(psycopg.errors.DeadlockDetected):
        connection.execute("LOCK TABLE tessera.tessera_principals IN EXCLUSIVE MODE")
    connection.rollback()


def _deadlocks(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'").fetchone()
    return int(row[0]) if row else 0


FAULTS: dict[str, Callable[[Place, Proxy], contextlib.AbstractContextManager[Any]]] = {
    "stopped": stopped,
    "killed": killed,
    "disconnected": disconnected,
    "cut at one write": cut_at_write(most=1),
    "cut at each write": cut_at_write(most=1_000_000),
    "hung": lambda _, proxy: proxy.fault("hold"),
    "slow": lambda _, proxy: proxy.fault("delay", seconds=0.1),
    "refusing": lambda _, proxy: proxy.refusing(),
    "read-only": read_only,
    "out of connections": out_of_connections,
    "locked": locked,
    "serializable": serializable,
    "deadlocked": deadlocked,
}
