"""All ports over one Redis."""

from __future__ import annotations

import logging
import secrets
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final

from ...errors import StorageUnavailableError
from ..contract import CHECK_WRITES_EVERY
from ..engine import Storage
from ..pace import Pace
from . import about, layout
from .address import parse
from .client import Client
from .log import RedisLog
from .records import Keys
from .servers import Servers
from .sessions import RedisSessions
from .values import RedisValues

if TYPE_CHECKING:
    from redis.credentials import CredentialProvider

    from ..contract import Description, SchemaState
    from .server import Server

_CHECK_KEPT: Final = 60
"""Seconds for which the server keeps what was written to try it."""
_log: Final = logging.getLogger("flask_tessera")


class RedisStorage(Storage):
    """All records on the servers of one URL.

    Args:
        url: of one of the forms of `open_storage`; it is connected to at first use.
        credential_provider: asked for user name and password at each connection, in place of those in the URL, as
            redis-py has it; `Tessera(app, storage=RedisStorage(url, credential_provider=…))`.

    Raises:
        ConfigError: the URL is malformed.
    """

    another_place = "?prefix=NAME in the URL of the storage"

    def __init__(self, url: str, *, credential_provider: CredentialProvider | None = None) -> None:
        address = parse(url)
        self._keys = Keys(address.prefix)
        self._is_cluster = address.kind == "cluster"
        self._servers = Servers(address, credential_provider)
        self._plain = Client(self._servers)
        self._client = Client(self._servers, first=partial(layout.refuse_old, self._plain, self._keys))
        log = RedisLog(self._client, self._keys)
        sessions = RedisSessions(self._client, self._keys, log, is_cluster=self._is_cluster)
        super().__init__(sessions, log, RedisValues(self._client, self._keys))
        self._warned: set[str] = set()
        self._writing = Pace(CHECK_WRITES_EVERY)

    def describe(self) -> Description:
        return about.describe(self._client, is_cluster=self._is_cluster)

    def is_new(self) -> bool:
        """Whether no worker has used it yet, so that there is no revocation log.

        Raises:
            StorageUnavailableError: Redis does not answer.
        """
        return self.schema_state().is_new

    def schema_state(self) -> SchemaState:
        """Whether the records are laid out as this release does it, and what is to be done if not.

        Raises:
            StorageUnavailableError: Redis does not answer.
        """
        return layout.state_of(self._plain, self._keys)

    def upgrade(self) -> list[str]:
        """Bring records of release 0.1 over while nobody else uses them; gives the steps that were done.

        Once more goes on where it has stopped.

        Raises:
            StorageUnavailableError: Redis does not answer.
        """
        return layout.upgrade(self._plain, self._keys, is_cluster=self._is_cluster)

    def check(self) -> None:
        warnings = about.describe(self._plain, is_cluster=self._is_cluster).warnings
        self._client.command(self._keys.log, "EXISTS", self._keys.log + b"meta")
        if self._writing.is_due:
            self._write_something()
            self._writing.note_done()
        for warning in warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                _log.warning("%s", warning)

    def close(self) -> None:
        self._servers.close()

    def _write_something(self) -> None:
        for base in self._bases():
            key, value = base + b"check", secrets.token_bytes(8)
            self._client.command(key, "SET", key, value, "EX", _CHECK_KEPT, writes=True)
            if self._client.command(key, "GET", key) != value:
                raise StorageUnavailableError("Redis: what was written is not what is read", writing=True)

    def _bases(self) -> list[bytes]:
        """Beginnings of keys, one for each server."""
        bases: dict[Server, bytes] = {}
        count = len(self._servers.all())
        for base in chain([self._keys.log], (self._keys.base(tag.to_bytes(2, "big")) for tag in range(1 << 16))):
            bases.setdefault(self._servers.of(base), base)
            if len(bases) >= count:
                break
        return list(bases.values())
