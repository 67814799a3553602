"""Roles and permissions of the host's user objects, in the forms that hosts give them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum, Flag
from typing import Any, Final

from ..errors import ConfigError

_ABSENT: Final = object()
_HINT: Final = "give text, an Enum, an object with a name, several of these, or a method that gives them"


def names_granted(user: Any, *attributes: str) -> frozenset[str]:
    """The names in these attributes of a user, all of them together.

    Each may be absent, None, a text, an Enum (its value, where that is text, and its name), a Flag (the names of all
    that are set), an object with a `name`, an iterable of these, or a method without arguments that gives one of these.

    Args:
        user: an object, or a mapping.
        *attributes: e.g. "role" and "roles".

    Raises:
        ConfigError: the user has none of them, or one is of another form; the text says what to do.
        AttributeError: raised by a property of the user.
    """
    found = {name: value for name in attributes if (value := _read(user, name)) is not _ABSENT}
    if not found:
        raise ConfigError(
            f"the guard asks for a {attributes[0]}, but {type(user).__name__!r} has neither {' nor '.join(attributes)}:"
            " register a @tessera.user_loader that gives objects with one of them"
        )
    return frozenset(name for attribute, value in found.items() for name in _names(attribute, value, depth=2))


def _read(user: Any, name: str) -> Any:
    """The value of an attribute; what a method gives, for its value.

    Raises:
        ConfigError: the method needs arguments.
        AttributeError: raised by a property.
        TypeError: raised within the method.
    """
    if isinstance(user, Mapping):
        value = user.get(name, _ABSENT)
    else:
        # Without a default: a property that fails is not one that is absent.
        value = getattr(user, name) if hasattr(type(user), name) else getattr(user, name, _ABSENT)
    if not callable(value) or isinstance(value, type):
        return value
    try:
        return value()
    except TypeError as error:
        # Raised by the call itself, not within the method.
        if error.__traceback__ is not None and error.__traceback__.tb_next is None:
            raise ConfigError(f"the method {name} of a user cannot be called without arguments: {_HINT}") from error
        raise


def _names(attribute: str, value: Any, depth: int) -> Iterable[str]:
    if value is None:
        return ()
    if isinstance(value, Flag):
        return [str(each.name) for each in value]
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
