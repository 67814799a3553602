"""Roles and permissions of the host's user objects, in the forms that hosts give them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, Final

from ..errors import ConfigError

_ABSENT: Final = object()
_HINT: Final = "give text, an Enum, an object with a name, several of these, or a method that gives them"


def names_granted(user: Any, *attributes: str) -> frozenset[str]:
    """The names in these attributes of a user, all of them together.

    Each may be absent, None, a text, an Enum (its value, where that is text, and its name), an object with a `name`,
    an iterable of these, or a method without arguments that gives one of these.

    Args:
        user: an object, or a mapping.
        *attributes: e.g. "role" and "roles".

    Raises:
        ConfigError: the user has none of them, or one is of another form; the text says what to do.
    """
    found = {name: value for name in attributes if (value := _read(user, name)) is not _ABSENT}
    if not found:
        raise ConfigError(
            f"the guard asks for a {attributes[0]}, but {type(user).__name__!r} has neither {' nor '.join(attributes)}:"
            " register a @tessera.user_loader that gives objects with one of them"
        )
    return frozenset(name for attribute, value in found.items() for name in _names(attribute, value, depth=2))


def _read(user: Any, name: str) -> Any:
    value = user.get(name, _ABSENT) if isinstance(user, Mapping) else getattr(user, name, _ABSENT)
    return value() if callable(value) and not isinstance(value, type) else value


def _names(attribute: str, value: Any, depth: int) -> Iterable[str]:
    if value is None:
        return ()
    if isinstance(value, Enum):
        return {value.name, value.value} if isinstance(value.value, str) else {value.name}
    if isinstance(value, str):
        return (value,)
    # A class stands for nobody's role; that of an Enum would give all its members.
    if not isinstance(value, type) and isinstance(name := getattr(value, "name", None), str):
        return (name,)
    if depth and isinstance(value, Iterable) and not isinstance(value, Mapping | bytes | type):
        return [name for each in value for name in _names(attribute, each, depth - 1)]
    raise ConfigError(f"the {attribute} of a user is {type(value).__name__}, which names nothing: {_HINT}")
