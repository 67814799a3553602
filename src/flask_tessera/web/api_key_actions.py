"""What an application does with API keys: make, list, rename, rotate, end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..config import whole_seconds
from ..errors import InputError
from ..services.api_key_data import ApiKey, NewApiKey
from ..services.keys import parse_sid, sid_text
from .client import LONGEST_NAME_READ, clean
from .http_errors import raises_http

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from .extension import Tessera


class ShownKey(NamedTuple):
    """An API key of a user. Times are Unix seconds; `expires_at` and `last_used_at` are 0 for never."""

    id: str
    name: str
    scope: str
    created_at: int
    expires_at: int
    last_used_at: int
    addresses: tuple[str, ...]
    key: str = ""
    """What is presented; told once, when it was made or rotated, and empty ever after."""


class ApiKeyActions:
    """`tessera.api_keys`: the API keys of the users of one realm; all of it needs an application context.

    While a request is handled, errors of the core are raised as `TesseraHTTPError`, so that they answer it. Nobody's
    login is looked at: views of your own guard themselves.

    Args:
        tessera: the extension.
    """

    def __init__(self, tessera: Tessera[Any]) -> None:
        self._tessera = tessera

    @raises_http
    def create(
        self,
        user: Any,
        *,
        name: str,
        scope: str = "",
        expires_in: int | dt.timedelta | None = None,
        addresses: Iterable[str] = (),
    ) -> ShownKey:
        """Make a key for a user; its `key` is told now and never again.

        Args:
            user: as for `Tessera.login`.
            name: what it is called, 1 to 128 characters.
            scope: what it allows, words separated by spaces.
            expires_in: whole seconds or a `timedelta`, 60 seconds to ten years; None for a key that never expires.
            addresses: IP addresses and networks from which alone it works; none for all, at most 32.

        Raises:
            InputError: one of them cannot be taken, or the user has 50 keys already.
            LoginRefusedError: the user is suspended.
            ValueError: no usable user id.
            StorageUnavailableError: no key was made that anybody knows.
        """
        seconds = None if expires_in is None else whole_seconds(expires_in)
        if expires_in is not None and seconds is None:
            raise InputError(f"expires_in must be whole seconds, not {expires_in!r}")
        wanted = NewApiKey(clean(name, LONGEST_NAME_READ), scope, seconds, tuple(addresses))
        user_id, stamp = self._tessera.id_of(user), self._tessera.stamp_of(user)
        return _shown(*self._tessera.runtime.api_keys.create(user_id, wanted, user_stamp=stamp))

    @raises_http
    def list(self, user: Any) -> list[ShownKey]:
        """The keys of a user that work, the newest first.

        Raises:
            ValueError: no usable user id.
            StorageUnavailableError: they cannot be read.
        """
        return [_shown(each) for each in self._tessera.runtime.api_keys.list(self._tessera.id_of(user))]

    @raises_http
    def rename(self, user: Any, key_id: str, name: str) -> ShownKey:
        """Rename a key.

        Raises:
            InputError: no key can be called that.
            NotFoundError: the user has no such key.
            StorageUnavailableError: it may not have been changed.
        """
        user_id = self._tessera.id_of(user)
        return _shown(self._tessera.runtime.api_keys.rename(user_id, parse_sid(key_id), clean(name, LONGEST_NAME_READ)))

    @raises_http
    def rotate(self, user: Any, key_id: str, *, overlap: int | dt.timedelta = 0) -> ShownKey:
        """Give a key a new secret; its `key` is told now and never again.

        Args:
            user: as for `Tessera.login`.
            key_id: names the key.
            overlap: whole seconds or a `timedelta` for which the old secret works on, at most 7 days.

        Raises:
            InputError: `overlap` is out of range.
            NotFoundError: the user has no such key.
            StorageUnavailableError: it may not have been changed, or not every worker knows; rotate it again.
        """
        seconds = whole_seconds(overlap)
        if seconds is None:
            raise InputError(f"overlap must be whole seconds, not {overlap!r}")
        user_id = self._tessera.id_of(user)
        return _shown(*self._tessera.runtime.api_keys.rotate(user_id, parse_sid(key_id), overlap=seconds))

    @raises_http
    def revoke(self, user: Any, key_id: str) -> int:
        """End a key; gives the Unix second by which every worker refuses it.

        Raises:
            NotFoundError: the user has no such key.
            StorageUnavailableError: it may not have ended; revoke it again.
        """
        runtime = self._tessera.runtime
        runtime.api_keys.revoke(self._tessera.id_of(user), parse_sid(key_id))
        return runtime.clock() + runtime.bound


def _shown(key: ApiKey, text: str = "") -> ShownKey:
    return ShownKey(
        sid_text(key.key_id),
        key.name,
        key.scope,
        key.created_at,
        key.expires_at,
        key.last_used_at,
        key.addresses,
        text,
    )
