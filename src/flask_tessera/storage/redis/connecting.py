"""Clients of redis-py, so that no call takes long or is made twice."""

from __future__ import annotations

from functools import partial
from inspect import signature
from typing import TYPE_CHECKING, Any, Final

import redis
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError
from redis.retry import Retry
from redis.sentinel import Sentinel

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.credentials import CredentialProvider

    from .address import Address, Place

ANSWER: Final = 0.9
"""Seconds to wait for a connection, and again for each answer."""
_SENTINEL_ANSWER: Final = 0.3
"""Seconds to wait for a sentinel: each new connection asks them in turn."""
_untyped_sentinel: Final[Any] = Sentinel


def maker_of_clients(
    address: Address, place: Place, credentials: CredentialProvider | None = None
) -> Callable[[float], redis.Redis]:
    """Makes clients of the server at a place; each is given the seconds to wait for an answer."""
    options = {**_options(address, credentials), "db": address.database}
    if address.kind != "cluster":
        # A replica would be read though it lags behind; in a cluster it says itself who is the master.
        options["redis_connect_func"] = _refuse_replica
    return partial(_client, address, place, options)


def maker_of_master_clients(
    address: Address, credentials: CredentialProvider | None = None
) -> Callable[[float], redis.Redis]:
    """Makes clients of whom the sentinels name; likewise."""
    options = {**_options(address, credentials), "db": address.database, "redis_connect_func": _refuse_replica}
    own = _bounded(address, _SENTINEL_ANSWER)
    own |= {"username": address.sentinel_username or None, "password": address.sentinel_password or None}
    sentinel: Any = _untyped_sentinel(list(address.places), sentinel_kwargs=own)

    def make(answer: float) -> redis.Redis:
        return _plain(sentinel.master_for(address.service, **{**options, "socket_timeout": answer}))

    return make


def _bounded(address: Address, answer: float) -> dict[str, Any]:
    """What redis-py is told for each connection, so that no call takes long or is made twice."""
    # Else each connection would begin by saying the name and version of redis-py, which took these names before 7.2.
    unsaid = ("driver_info",) if "driver_info" in signature(redis.Redis).parameters else ("lib_name", "lib_version")
    encrypted = {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True, **dict(address.tls_files)}
    return {
        "socket_timeout": answer,
        "socket_connect_timeout": min(answer, ANSWER),
        "retry": Retry(NoBackoff(), 0),
        # RESP3 would begin each connection with greetings, each with a time-out of its own.
        "protocol": 2,
        **dict.fromkeys(unsaid),
        **(encrypted if address.is_encrypted else {}),
    }


def _options(address: Address, credentials: CredentialProvider | None) -> dict[str, Any]:
    if credentials is not None:
        login: dict[str, Any] = {"credential_provider": credentials}
    else:
        login = {"username": address.username or None, "password": address.password or None}
    # Its own bound is never met: `Server` lets threads wait for a connection instead.
    return {**_bounded(address, ANSWER), **login, "max_connections": 2 * address.pool}


def _client(address: Address, place: Place, options: dict[str, Any], answer: float) -> redis.Redis:
    options = {**options, "socket_timeout": answer}
    if address.kind == "unix":
        # Through a pool, since `Redis` has no bound for connecting to a socket.
        pool = redis.ConnectionPool(connection_class=redis.UnixDomainSocketConnection, path=place[0], **options)
        return _plain(redis.Redis.from_pool(pool))
    return _plain(redis.Redis(host=place[0], port=place[1], **options))


def _plain(client: redis.Redis) -> redis.Redis:
    """A client that gives each reply as it came."""
    client.response_callbacks.clear()
    return client


def _refuse_replica(connection: Any) -> None:
    connection.on_connect()
    connection.send_command("ROLE")
    try:
        role = connection.read_response()
    except ResponseError:
        # A user that may not ask.
        return
    if role[0] == b"slave":
        raise redis.ConnectionError("the server is a replica")
