"""X5: what can befall a MySQL or MariaDB server, and an application's connections to it."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pymysql

from .postgres_faults import UNTIL_THEY_WAIT, killed, stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .places import Place
    from .proxy import Proxy


def admin(place: Place) -> Any:
    """A connection of the administrator, past the proxy."""
    url = urlsplit(place.url)
    return pymysql.connect(
        host=url.hostname, port=url.port or 0, user="root", database=url.path[1:], autocommit=True, ssl_disabled=True
    )


def execute(place: Place, *statements: str) -> list[Any]:
    """Execute statements; gives the rows of the last."""
    with contextlib.closing(admin(place)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall())


def disconnect_all(place: Place) -> None:
    """End all other connections, from the server's side."""
    for (number,) in execute(place, "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID()"):
        with contextlib.suppress(pymysql.err.OperationalError):  # it has ended by itself
            execute(place, f"KILL {number}")


@contextlib.contextmanager
def disconnected(place: Place, _proxy: Proxy) -> Iterator[None]:
    """All connections end, and new ones are let in."""
    disconnect_all(place)
    yield


def cut_at_write(*, most: int) -> Callable[[Place, Proxy], Any]:
    """The reply to a write that is committed by itself is lost, so many times: nobody knows its outcome."""

    @contextlib.contextmanager
    def cut(_place: Place, proxy: Proxy) -> Iterator[None]:
        with proxy.fault("cut", b"UPDATE tessera_sessions", most=most) as fault:
            yield
        assert fault.struck, "no write was seen"

    return cut


@contextlib.contextmanager
def altered(place: Place, change: str, undo: str) -> Iterator[None]:
    """A global setting is another one, also for those who were connected."""
    execute(place, change)
    disconnect_all(place)
    try:
        yield
    finally:
        execute(place, undo)
        disconnect_all(place)


@contextlib.contextmanager
def out_of_connections(place: Place, _proxy: Proxy) -> Iterator[None]:
    """Others have taken them all, the administrator's own too."""
    disconnect_all(place)
    with contextlib.ExitStack() as taken:
        with contextlib.suppress(pymysql.err.OperationalError):
            while True:
                taken.enter_context(contextlib.closing(admin(place)))
        yield


@contextlib.contextmanager
def locked(place: Place, _proxy: Proxy) -> Iterator[None]:
    """Somebody holds all our tables."""
    tables = ", ".join(f"{name} WRITE" for (name,) in execute(place, "SHOW TABLES LIKE 'tessera%'"))
    with contextlib.closing(admin(place)) as connection, connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLES {tables}")
        yield


@contextlib.contextmanager
def deadlocked(place: Place, _proxy: Proxy) -> Iterator[None]:
    """Somebody locks sessions and then principals, which an ending of all of a user's sessions does the other way."""
    with contextlib.closing(admin(place)) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT sid FROM tessera_sessions FOR UPDATE")
        closing = threading.Timer(UNTIL_THEY_WAIT, _lock_principals, (connection,))
        closing.start()
        try:
            yield
        finally:
            closing.join()


def _lock_principals(connection: Any) -> None:
    with contextlib.suppress(pymysql.err.OperationalError), connection.cursor() as cursor:
        cursor.execute("SELECT epoch FROM tessera_principals FOR UPDATE")
    connection.rollback()


FAULTS: dict[str, Callable[[Place, Proxy], contextlib.AbstractContextManager[Any]]] = {
    "stopped": stopped,
    "killed": killed,
    "disconnected": disconnected,
    "cut at one write": cut_at_write(most=1),
    "cut at each write": cut_at_write(most=1_000_000),
    "hung": lambda _, proxy: proxy.fault("hold"),
    "slow": lambda _, proxy: proxy.fault("delay", seconds=0.1),
    "refusing": lambda _, proxy: proxy.refusing(),
    "read-only": lambda place, _: altered(place, "SET GLOBAL tx_read_only = 1", "SET GLOBAL tx_read_only = 0"),
    "out of connections": out_of_connections,
    "locked": locked,
    "serializable": lambda place, _: altered(
        place, "SET GLOBAL tx_isolation = 'SERIALIZABLE'", "SET GLOBAL tx_isolation = 'REPEATABLE-READ'"
    ),
    "deadlocked": deadlocked,
}
