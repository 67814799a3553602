"""What an application registers on a Tessera: loader, authenticator, views of a user, further claims, checks."""

from __future__ import annotations

import base64
import hashlib
import weakref
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..errors import TokenInvalidError
from .current import is_async

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..services.senders.message import Sender
    from .host_users import HostUsers

_STAMP_BYTES = 9


@dataclass(slots=True, eq=False, weakref_slot=True)
class Hooks:
    """The host's functions.

    Each application works with a copy of its own, made at its first request: a factory may register others for the next
    application. What an application has none of at that time, it takes over when it is registered later.
    """

    user_id_type: Callable[[str], Any] = str
    user_loader: Callable[[Any], Any] | None = None
    authenticator: Callable[[dict[str, Any]], Any] | None = None
    account_members: tuple[str, ...] = ()
    user_view: Callable[[Any], Any] | None = None
    claims_loader: Callable[[Any], Mapping[str, Any]] | None = None
    scope_loader: Callable[[Any], str] | None = None
    password_check: Callable[[str], Any] | None = None
    user_stamp: Callable[[Any], Any] | None = None
    answer: Callable[[Any], Any] | None = None
    ticket_purposes: frozenset[str] = frozenset()
    users: HostUsers | None = None
    sender: Sender | None = None
    challenge: Callable[[str], Any] | None = None
    keeps_history: bool = False
    loads_always: bool = False
    loads_before_view: bool = False
    """Whether a guard loads the user: always, or since a loader that is async can be awaited only there."""
    _copies: weakref.WeakSet[Hooks] = field(default_factory=weakref.WeakSet, repr=False, compare=False)

    def register(self, name: str, value: Any) -> None:
        """Take over a function, or what belongs to one, here and in the copies that have none."""
        for hooks in (self, *(copy for copy in self._copies if not getattr(copy, name))):
            setattr(hooks, name, value)
            hooks.loads_before_view = hooks.loads_always or is_async(hooks.user_loader)

    def for_application(self) -> Hooks:
        """A copy that what is registered later does not replace."""
        made = replace(self, _copies=weakref.WeakSet())
        self._copies.add(made)
        return made

    def user_id_of(self, text: str) -> Any:
        """The application's user id of its text form.

        Raises:
            TokenInvalidError: `user_id_type` makes none of it.
        """
        try:
            return self.user_id_type(text)
        except Exception as error:
            # Converters raise what they like, e.g. bson's InvalidId.
            raise TokenInvalidError from error

    def stamp_of(self, user: Any) -> str:
        """The digest of the user's stamp, 12 characters; empty where none is kept.

        Raises:
            ValueError: `user_stamp` gave nothing.
        """
        if self.user_stamp is None:
            return ""
        stamp = self.user_stamp(user)
        if stamp is None or stamp == "":
            raise ValueError("user_stamp gave nothing for this user: give a text that no other user of this id has")
        return base64.urlsafe_b64encode(hashlib.sha256(str(stamp).encode()).digest()[:_STAMP_BYTES]).decode()
