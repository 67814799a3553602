"""`WorkerRegistry` in Redis."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final

import msgspec

from ...errors import StorageUnavailableError
from ..contract import WORKER_FORGOTTEN, Worker

if TYPE_CHECKING:
    from .link import Link

_decode: Final = msgspec.msgpack.Decoder(Worker).decode


class RedisWorkers:
    """A hash of what they say, and a sorted set of when they said it, which drops those that were killed."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def beat(self, worker: Worker) -> None:
        said = msgspec.msgpack.encode(worker)
        self._link.writing().run("beat", self._keys(), worker.name, said, WORKER_FORGOTTEN)

    def remove(self, name: str) -> None:
        self._link.writing().run("leave", self._keys(), name)

    def list(self, *, at: int) -> list[Worker]:
        said = self._link.reading().command(self._link.log, b"HVALS", self._link.log + b"workers")
        try:
            workers = [_decode(each) for each in said]
        except msgspec.DecodeError as error:
            raise StorageUnavailableError("an entry of the worker registry cannot be decoded") from error
        return sorted((each for each in workers if at - each.beat_at < WORKER_FORGOTTEN), key=attrgetter("name"))

    def _keys(self) -> tuple[bytes, ...]:
        return self._link.log_keys(b"workers", b"beats")
