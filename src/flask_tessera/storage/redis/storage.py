"""All ports over one Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine import Storage

if TYPE_CHECKING:
    from ..contract import Description


class RedisStorage(Storage):
    """Being rewritten."""

    def __init__(self, url: str) -> None:
        raise NotImplementedError(url)

    def describe(self) -> Description:
        raise NotImplementedError

    def check(self) -> None: ...

    def close(self) -> None: ...
