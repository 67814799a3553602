"""What was written is checked once more, now that it counts, and undone where it may not stand."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import TesseraError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def undone_if_refused(undo: Callable[[], object]) -> Iterator[None]:
    """Undo a write if the checks in the block refuse it, which any TesseraError says: it goes on."""
    try:
        yield
    except TesseraError:
        undo()
        raise
