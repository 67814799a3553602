"""Reading values of the storage that hold a struct as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from ..errors import StorageUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..storage.model import Value

Struct = TypeVar("Struct", bound=msgspec.Struct)


def reader_of(form: type[Struct], what: str) -> Callable[[Value], Struct]:
    """What reads values of this form. It raises StorageUnavailableError where another release has written another one.

    Args:
        form: of the struct.
        what: a value is, in words, for the error.
    """
    decode = msgspec.json.Decoder(form).decode

    def read(value: Value) -> Struct:
        try:
            return decode(value.value)
        except msgspec.MsgspecError as error:
            raise StorageUnavailableError(f"{what} in the storage cannot be decoded") from error

    return read
