"""Where API keys are kept: one small value each, under its id, which begins with the tag of its owner.

Whoever changes a key writes over the version that he has read, and otherwise reads it again, so that no change is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from ..errors import NotFoundError, StorageUnavailableError
from ..sessions.ids import tag_in, tag_of
from ..tokens.claims import LAST_SECOND
from .api_key_data import ApiKey
from .stored_values import reader_of

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable

    from ..storage.key_value import KeyValue

_KIND: Final = "api_key"
REVOKED_KEPT: Final = 600
"""Seconds for which a key that was revoked is kept where nobody completes that."""
_EXPIRED_KEPT: Final = 7 * 86_400
"""Seconds, and never longer than it lived, for which the holder of an expired key can learn that it has expired."""
_MOST_TRIES: Final = 100
"""Writers that may be faster, one after another."""
_read: Final = reader_of(ApiKey, "an API key")
_encode: Final = msgspec.json.Encoder().encode


class StoredKey(NamedTuple):
    """A key, and the version in which it was read."""

    key: ApiKey
    version: int


class ApiKeyStore:
    """The API keys of one realm. Every method may raise StorageUnavailableError; `at` is now, Unix seconds.

    Args:
        values: of the storage.
        realm: the population of users.
        valid_from: gives the Unix second before which nothing must have been made, at a Unix second.
        issued_for: names issuer and audience, for which alone keys are good that name them.
    """

    def __init__(self, values: KeyValue, realm: str, *, valid_from: Callable[[int], int], issued_for: str) -> None:
        self._values = values
        self._realm = realm
        self._valid_from = valid_from
        self._issued_for = issued_for

    def find(self, key_id: bytes, *, at: int) -> StoredKey | None:
        """The key of this id, whosever and of whatever realm; None for none."""
        value = self._values.get(_KIND, _name_of(key_id), at=at)
        return StoredKey(_read(value), value.version) if value is not None else None

    def working(self, user_id: str, *, at: int) -> list[ApiKey]:
        """The keys of a user that work, the oldest first."""
        valid_from = self._valid_from(at)
        return [each for each in self.list(user_id, at=at) if self._works(each, at, valid_from)]

    def list(self, user_id: str, *, at: int, also_revoked: bool = False) -> builtins.list[ApiKey]:
        """The keys of a user, expired ones too, the oldest first."""
        found = [_read(each) for each in self._values.list(_KIND, (self._realm, user_id), at=at)]
        return [each for each in found if also_revoked or not each.is_revoked]

    def change(
        self, user_id: str, key_id: bytes, change: Callable[[ApiKey], ApiKey], *, at: int, also_revoked: bool = False
    ) -> ApiKey:
        """Write what `change` makes of a key; again where somebody else was faster.

        Raises:
            NotFoundError: there is no such key, or it is somebody else's, or it does not work any more; with
                `also_revoked` one that does not work is changed as well.
        """
        for _ in range(_MOST_TRIES):
            value = self._values.get(_KIND, tag_of(self._realm, user_id) + key_id, at=at)
            key = _read(value) if value is not None else None
            if value is None or key is None or (key.realm, key.user_id) != (self._realm, user_id):
                raise NotFoundError("no such API key")
            if not also_revoked and (key.is_revoked or not self._works(key, at, self._valid_from(at))):
                raise NotFoundError("this API key does not work any more")
            changed = change(key)
            if self.write(changed, over=value.version, at=at):
                return changed
        raise StorageUnavailableError("others change this API key all the time", writing=True)

    def write(self, key: ApiKey, *, over: int, at: int) -> bool:
        """Write a key where `over` is still the version that there is; tells whether it was."""
        expires_at = min(key.until + min(_EXPIRED_KEPT, key.until - key.created_at), LAST_SECOND)
        if key.is_revoked:
            # Where nobody completes the revocation, nothing is left of it but this.
            expires_at = at + REVOKED_KEPT
        owner = (key.realm, key.user_id)
        name = _name_of(key.key_id)
        written = self._values.put(
            _KIND, name, _encode(key), expires_at=expires_at, at=at, owner=owner, expected_version=over
        )
        return bool(written)

    def remove(self, key_id: bytes) -> None:
        """Remove a key; one that is not there is gone already."""
        remove_key(self._values, key_id)

    def is_ours(self, key: ApiKey) -> bool:
        """Whether it is of this realm, and was not made for another issuer or audience."""
        return key.realm == self._realm and key.issued_for in ("", self._issued_for)

    def _works(self, key: ApiKey, at: int, valid_from: int) -> bool:
        return self.is_ours(key) and at < key.until and key.created_at >= valid_from


def remove_key(values: KeyValue, key_id: bytes) -> None:
    """Remove the key of an id, of whatever realm."""
    values.delete(_KIND, _name_of(key_id))


def _name_of(key_id: bytes) -> bytes:
    """The name under which a key is stored: it begins with the tag of its owner, which the id tells."""
    return tag_in(key_id) + key_id
