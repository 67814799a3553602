"""What may be tried so often and no oftener within a while, counted in the storage: by all processes together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import ThrottledError

if TYPE_CHECKING:
    from ..storage.key_value import KeyValue

_KIND: Final = "tries"


def count_try(
    values: KeyValue, key: bytes, *, most: int, window: int, at: int, refusal: type[ThrottledError] = ThrottledError
) -> None:
    """Count one try, before anything is done for it.

    Args:
        values: of the storage.
        key: names what is tried, as `hashed_key` makes it.
        most: how often it may be.
        window: seconds from the first try, after which it is counted anew.
        at: now.
        refusal: what is raised for one too many.

    Raises:
        ThrottledError: that was one too many.
        StorageUnavailableError: it cannot be counted.
    """
    counter = values.increment(_KIND, key, window=window, at=at)
    if counter.count > most:
        raise refusal(max(1, counter.ends_at - at))
