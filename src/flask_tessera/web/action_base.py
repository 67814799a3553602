"""What all actions have in common: who asks, and whom they are about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..errors import ConfigError, TokenInvalidError
from ..services.keys import parse_sid
from .client import client_info
from .request_auth import auth_of
from .user_ids import id_of
from .user_loading import load_user

if TYPE_CHECKING:
    from ..services.ports import ClientInfo
    from .app_state import Runtime
    from .identity import Identity

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

    User = TypeVarWithDefault("User", default=Any)
else:
    User = TypeVar("User")


def is_user_object(user: Any) -> bool:
    """Whether this is a user, not the id of one."""
    return hasattr(user, "get_id") or (hasattr(user, "id") and not isinstance(user, str | int))


class ActionBase(Generic[User]):
    """Needs an application context."""

    realm: str

    @property
    def runtime(self) -> Runtime:
        """What runs in the current application.

        Raises:
            NotImplementedError: `Tessera` tells.
        """
        raise NotImplementedError

    def client_info(self) -> ClientInfo:
        """Who sent the present request; nobody outside one."""
        return client_info(self.runtime.settings.TRUSTED_PROXIES)

    def id_of(self, user: User | Any) -> str:
        """The text form of a user's id.

        Raises:
            ValueError: no usable user id.
        """
        return id_of(user, self.runtime.hooks.user_id_type)

    def stamp_of(self, user: Any) -> str:
        """The digest of a user's stamp; empty where the application gives none."""
        hooks = self.runtime.hooks
        return hooks.stamp_of(self.object_of(user)) if hooks.user_stamp is not None else ""

    def object_of(self, user: Any) -> Any:
        """The user object; the one that the loader gives where only an id was given."""
        if is_user_object(user):
            return user
        return load_user(self.runtime.hooks, self.runtime.hooks.user_id_of(self.id_of(user)))

    def as_loaded(self, user: Any) -> Any:
        """The user object where a text names the user: the loader may know one spelling of an id as another.

        What was given, where there is no loader, or what it gives names no id.

        Raises:
            UserGoneError: the loader knows no such user.
        """
        found = self.object_of(user) if isinstance(user, str) else user
        return found if hasattr(found, "get_id") or hasattr(found, "id") else user

    def _current_sid(self) -> bytes:
        identity = self._signed_in()
        if not identity.session_id and identity.credential != "legacy":
            raise TokenInvalidError("what the request carries belongs to no session that could end, or be kept")
        return parse_sid(identity.session_id)

    def _signed_in(self) -> Identity[Any]:
        identity: Identity[Any] | None = auth_of(self.realm).identity
        if identity is None:
            raise ConfigError("nobody is logged in here: guard this view with @login_required, without optional=")
        return identity
