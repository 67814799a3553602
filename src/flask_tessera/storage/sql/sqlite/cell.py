"""A few bytes in a memory-mapped file beside the database: "there may be something new"."""

from __future__ import annotations

import mmap
import os
import secrets
from pathlib import Path
from typing import Final

_SIZE: Final = 16


class Cell:
    """A value shared by all processes of one host, changed after each ending.

    Reading takes a tenth of a microsecond, where `PRAGMA data_version` takes five. A torn read differs
    from both values around it, so it is only one poll too many.

    Args:
        path: of the file; created where it is missing.

    Raises:
        OSError: it cannot be created or mapped.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(descriptor).st_size < _SIZE:
                # Written, not truncated to size: a hole would be a bus error on a full disk.
                os.pwrite(descriptor, secrets.token_bytes(_SIZE), 0)
            self._map = mmap.mmap(descriptor, _SIZE)
            self._identity = _identity(os.fstat(descriptor))
        finally:
            os.close(descriptor)

    def read(self) -> bytes:
        """The present value."""
        return self._map[:]

    def change(self) -> None:
        """Put a fresh value: random, since two processes may change it at once."""
        self._map[:] = secrets.token_bytes(_SIZE)

    def is_current(self) -> bool:
        """Whether the file at `path` is still the one that is mapped."""
        try:
            return _identity(Path(self.path).stat()) == self._identity
        except OSError:
            return False

    def close(self) -> None:
        """Unmap the file."""
        self._map.close()


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
