"""X5: what can befall a PostgreSQL server, and an application's connections to it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .places import Place
    from .proxy import Proxy

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


def cut_at_commit(*, most: int) -> Callable[[Place, Proxy], Any]:
    """The reply to a COMMIT is lost, so many times: the outcome is unknown to whoever waited for it."""

    @contextlib.contextmanager
    def cut(_place: Place, proxy: Proxy) -> Iterator[None]:
        with proxy.fault("cut", b"COMMIT", most=most) as fault:
            yield
        assert fault.struck, "no COMMIT was seen"

    return cut


@contextlib.contextmanager
def read_only(place: Place, _proxy: Proxy) -> Iterator[None]:
    """It takes no writes, as a standby does."""
    with _altered(place, "SET default_transaction_read_only = on", "RESET default_transaction_read_only"):
        yield


@contextlib.contextmanager
def _altered(place: Place, change: str, undo: str) -> Iterator[None]:
    # A session of its own, which the change does not bind.
    with psycopg.connect(place.url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE postgres {change}")
        disconnect_all_but(connection)
        try:
            yield
        finally:
            connection.execute(f"ALTER DATABASE postgres {undo}")
            disconnect_all_but(connection)


def disconnect_all_but(connection: psycopg.Connection[Any]) -> None:
    """End all connections but this one."""
    connection.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {OURS}")


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
def _by_proxy(fault: Any) -> Iterator[None]:
    with fault:
        yield


FAULTS: dict[str, Callable[[Place, Proxy], contextlib.AbstractContextManager[Any]]] = {
    "stopped": stopped,
    "killed": killed,
    "disconnected": disconnected,
    "cut at one COMMIT": cut_at_commit(most=1),
    "cut at each COMMIT": cut_at_commit(most=1_000_000),
    "hung": lambda _, proxy: proxy.fault("hold"),
    "slow": lambda _, proxy: proxy.fault("delay", seconds=0.1),
    "refusing": lambda _, proxy: proxy.refusing(),
    "read-only": read_only,
    "out of connections": out_of_connections,
    "locked": locked,
    "serializable": serializable,
}
