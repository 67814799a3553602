"""X6: what can befall a Redis server, and an application's connections to it."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import redis

from tests.servers import NoAnswerError, wait_until

from .postgres_faults import killed, stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .places import Place
    from .proxy import Proxy

SCRIPTS = (b"EVALSHA", b"FCALL", b"EVAL")
FILLING = 10_000
LOADING_SLOWLY = {"key-load-delay": "200"}
"""Microseconds for each key."""


@contextlib.contextmanager
def configured(place: Place, name: str, value: str) -> Iterator[None]:
    """A setting of the running server has another value."""
    _, before = place.server.ask("CONFIG GET", name)
    place.server.ask("CONFIG SET", name, value)
    try:
        yield
    finally:
        place.server.ask("CONFIG SET", name, before)


def disconnect_all(place: Place) -> None:
    """End all connections of clients, from the server's side."""
    place.server.ask("CLIENT KILL", "TYPE", "normal")


@contextlib.contextmanager
def read_only(place: Place, _proxy: Proxy) -> Iterator[None]:
    """It has become the replica of a server that is not there."""
    place.server.ask("REPLICAOF", "127.0.0.1", "1")
    try:
        yield
    finally:
        place.server.ask("REPLICAOF", "NO", "ONE")


@contextlib.contextmanager
def out_of_memory(place: Place, _proxy: Proxy) -> Iterator[None]:
    """Its memory is used up, and nothing may be evicted."""
    with configured(place, "maxmemory", "1"):
        yield


@contextlib.contextmanager
def out_of_clients(place: Place, _proxy: Proxy) -> Iterator[None]:
    """It has shown everybody out but one, and lets nobody in."""
    with redis.Redis(port=place.server.port, single_connection_client=True) as guest:
        before = guest.config_get("maxclients")["maxclients"]
        guest.config_set("maxclients", 1)
        guest.execute_command("CLIENT KILL", "TYPE", "normal", "SKIPME", "yes")
        try:
            yield
        finally:
            guest.config_set("maxclients", before)


@contextlib.contextmanager
def disconnected(place: Place, _proxy: Proxy) -> Iterator[None]:
    """All connections end, and new ones are let in."""
    disconnect_all(place)
    yield


@contextlib.contextmanager
def without_scripts(place: Place, _proxy: Proxy) -> Iterator[None]:
    """It has forgotten the scripts that it was taught."""
    place.server.ask("SCRIPT FLUSH")
    yield


def fill(place: Place) -> None:
    """Write so much that loading it takes two seconds with `LOADING_SLOWLY`."""
    with redis.Redis(port=place.server.port) as client, client.pipeline(transaction=False) as pipeline:
        for number in range(FILLING):
            pipeline.set(f"filling-{number}", "1")
        pipeline.execute()


@contextlib.contextmanager
def loading(place: Place) -> Iterator[None]:
    """It is back after a crash, and still reads what it had written."""
    place.server.kill()
    starting = threading.Thread(target=place.server.restart)
    starting.start()
    try:
        wait_until(lambda: _is_loading(place), "it loads")
        yield
    finally:
        starting.join()


def _is_loading(place: Place) -> bool:
    try:
        return bool(place.server.tell("INFO")["loading"] == "1")
    except NoAnswerError:
        return False


def cut_replies(*, most: int) -> Callable[[Place, Proxy], Any]:
    """The reply to a script is lost, so many times: what it has written is unknown to whoever waited for it."""

    @contextlib.contextmanager
    def cut(_place: Place, proxy: Proxy) -> Iterator[None]:
        with proxy.fault("cut", *SCRIPTS, most=most) as fault:
            yield
        assert fault.struck, "no script was seen"

    return cut


FAULTS: dict[str, Callable[[Place, Proxy], contextlib.AbstractContextManager[Any]]] = {
    "stopped": stopped,
    "killed": killed,
    "disconnected": disconnected,
    "cut at one script": cut_replies(most=1),
    "cut at each script": cut_replies(most=1_000_000),
    "hung": lambda _, proxy: proxy.fault("hold"),
    "slow": lambda _, proxy: proxy.fault("delay", seconds=0.1),
    "refusing": lambda _, proxy: proxy.refusing(),
    "read-only": read_only,
    "out of memory": out_of_memory,
    "out of clients": out_of_clients,
    "without scripts": without_scripts,
}
