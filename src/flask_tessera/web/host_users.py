"""The application's users, called as the rest of the host is: plain or `async`."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ..accounts.recipients import Recipient
from ..errors import ConfigError
from .current import call_host, refuse_async_without_support

if TYPE_CHECKING:
    from collections.abc import Callable

_METHODS: Final = (
    *("by_id", "by_recipient", "recipients", "password_hash", "set_password_hash", "is_disabled"),
    *("create", "update", "bind"),
)
_NEEDED: Final = frozenset(("by_id", "by_recipient", "password_hash", "set_password_hash", "is_disabled"))
_FORMS: Final = {"phone": re.compile(r"\+[1-9][0-9]{4,14}"), "email": re.compile(r"[^@A-Z\s]+@[^@A-Z\s]+")}
"""What is compared with what `parse_recipient` gives, so that it must be spelled alike."""


class HostUsers:
    """A `UserStore` over the application's own, whose methods it awaits where they are `async`.

    An application that lets nobody register, or change his name or recipients, need not have the methods for it.

    Args:
        store: the application's.

    Raises:
        ConfigError: it lacks a method, or one is `async` and Flask cannot run it.
    """

    def __init__(self, store: Any) -> None:
        self._store = store
        for name in sorted(_NEEDED):
            if not callable(getattr(store, name, None)):
                raise ConfigError(f"Tessera(users=…) needs an object with the methods of UserStore; it has no {name}()")
        for name in _METHODS:
            refuse_async_without_support(getattr(store, name, None), f"users.{name}")

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in _METHODS:
            raise AttributeError(name)
        method = getattr(self._store, name, None)
        if method is None:
            raise ConfigError(f"this needs the method {name}() of the object given as Tessera(users=…)")
        return partial(call_host, method)

    def recipients(self, user: Any) -> list[Recipient]:
        """Where a user is reached; nowhere if the application does not tell.

        Raises:
            ConfigError: one is not spelled as `parse_recipient` does, and would never be found equal to what is typed.
        """
        if not self.has("recipients"):
            return []
        found = list(self.__getattr__("recipients")(user))
        if not all(map(_is_well_formed, found)):
            # Without the value: it is somebody's address, and the error is logged.
            raise ConfigError(
                "recipients() of the object given as Tessera(users=…) must return Recipients with a number in E.164"
                " (+8613800138000) or an address in lower case: parse_phone(…) and parse_email(…) of"
                " flask_tessera.accounts.recipients make them"
            )
        return found

    def has(self, name: str) -> bool:
        """Whether the application's have a method that they need not have."""
        return callable(getattr(self._store, name, None))

    def load(self, user_id: Any) -> Any:
        """The user loader: the user of an id, None for none and for one who is disabled."""
        user = self.by_id(user_id)
        return None if user is None or self.is_disabled(user) else user


def _is_well_formed(recipient: Any) -> bool:
    if not isinstance(recipient, Recipient) or not isinstance(recipient.address, str):
        return False
    form = _FORMS.get(recipient.kind)
    return form is not None and form.fullmatch(recipient.address) is not None
