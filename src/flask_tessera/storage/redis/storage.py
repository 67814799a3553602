"""All ports over one Redis."""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Final

from ...errors import StorageUnavailableError
from ..contract import CHECK_WRITES_EVERY
from ..pace import Pace
from . import about
from .address import parse
from .homes import Homes
from .link import Link
from .moving import RedisMoving
from .principals import RedisPrincipals
from .revocations import RedisRevocations
from .sessions import RedisSessions
from .workers import RedisWorkers

if TYPE_CHECKING:
    from ..contract import Description

_CHECK_KEPT: Final = 60
"""Seconds for which the server keeps what was written to try it."""
_log: Final = logging.getLogger("flask_tessera")


class RedisStorage:
    """Sessions, principals, the revocation log and its workers on the servers of one URL.

    Args:
        url: of one of the forms of `open_storage`; it is connected to at first use.

    Raises:
        ConfigError: the URL is malformed.
    """

    def __init__(self, url: str) -> None:
        self._link = Link(parse(url))
        homes = Homes(self._link)
        self.sessions = RedisSessions(self._link, homes)
        self.principals = RedisPrincipals(self._link, homes)
        self.revocations = RedisRevocations(self._link, homes)
        self.workers = RedisWorkers(self._link)
        self.records = RedisMoving(self._link, homes)
        self._warned: set[str] = set()
        self._writing = Pace(CHECK_WRITES_EVERY)

    def describe(self) -> Description:
        return about.describe(self._link)

    def is_new(self) -> bool:
        """Whether no worker has used it yet, so that there is no revocation log.

        Raises:
            StorageUnavailableError: Redis does not answer.
        """
        return not self.revocations.exists()

    def check(self) -> None:
        about.refuse_part_of_cluster(self._link)
        self.revocations.stamp()
        if self._writing.is_due:
            self._write_something()
            self._writing.note_done()
        for warning in self.describe().warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                _log.warning("%s", warning)

    def _write_something(self) -> None:
        for base in self._bases():
            key, value = base + b"check", secrets.token_bytes(8)
            step = self._link.writing()
            step.command(base, b"SET", key, value, b"EX", _CHECK_KEPT)
            if step.command(base, b"GET", key) != value:
                raise StorageUnavailableError("Redis: what was written is not what is read", writing=True)

    def close(self) -> None:
        self._link.nodes.close()

    def _bases(self) -> list[bytes]:
        """Beginnings of keys, one for each server."""
        bases = {self._link.reading().server(self._link.log): self._link.log}
        servers = len(self._link.reading().servers())
        for number in range(1 << 16):
            if len(bases) >= servers:
                break
            base = self._link.base(number.to_bytes(2, "big"))
            bases.setdefault(self._link.reading().server(base), base)
        return list(bases.values())
