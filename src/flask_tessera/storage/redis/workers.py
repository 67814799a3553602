"""`WorkerRegistry` in Redis."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final

import msgspec

from ...errors import StorageUnavailableError
from ..contract import WORKER_SILENCE, Worker

if TYPE_CHECKING:
    from .link import Link

_decode: Final = msgspec.msgpack.Decoder(Worker).decode


class RedisWorkers:
    """Beats go to a stream, beside the one of endings."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def beat(self, worker: Worker) -> None:
        said = msgspec.msgpack.encode(worker)
        self._link.writing().run(
            "beat", self._link.log_keys(b"workers", b"beats", b"pulse"), worker.name, said, 2 * WORKER_SILENCE
        )

    def list(self, *, at: int) -> list[Worker]:
        said = self._link.reading().command(self._link.log, b"HVALS", self._link.log + b"workers")
        try:
            workers = [_decode(each) for each in said]
        except msgspec.DecodeError as error:
            raise StorageUnavailableError("what a worker says of itself cannot be read") from error
        return sorted((each for each in workers if at - each.beat_at < WORKER_SILENCE), key=attrgetter("name"))
