"""Where passkeys are kept: two small values for each.

One (kind `passkey`) belongs to the owner. The other (kind `passkey_owner`), under a hash of the credential id, tells
whose it is: by it a login finds the passkey without being told a name, and nobody registers one that there is already,
whoever's (WebAuthn §7.1, step 26). It is written first and removed last: where a process dies in between, a credential
id is taken that no authenticator will ever make again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ..errors import AlreadyExistsError
from ..storage.key_value import hashed_key, owned_key
from ..tokens.claims import LAST_SECOND
from ..tokens.encoding import encode as base64url
from . import passkey_data

if TYPE_CHECKING:
    import builtins

    from ..storage.key_value import KeyValue
    from .passkey_data import Passkey

_KIND: Final = "passkey"
_OWNER: Final = "passkey_owner"


class FoundPasskey(NamedTuple):
    """A passkey, and the version in which it was read."""

    passkey: Passkey
    version: int


class PasskeyStore:
    """The passkeys of one realm. Every method may raise StorageUnavailableError; `at` is now, Unix seconds.

    Args:
        values: of the storage.
        realm: the population of users.
    """

    def __init__(self, values: KeyValue, realm: str) -> None:
        self._values = values
        self._realm = realm

    def list(self, user_id: str, *, at: int) -> builtins.list[Passkey]:
        """The passkeys of a user, the newest first."""
        found = [passkey_data.read(each) for each in self._values.list(_KIND, (self._realm, user_id), at=at)]
        return sorted(found, key=lambda each: (-each.created_at, each.passkey_id))

    def find(self, user_id: str, passkey_id: bytes, *, at: int) -> FoundPasskey | None:
        """A passkey of a user; None for none, or somebody else's."""
        value = self._values.get(_KIND, owned_key(self._realm, user_id, passkey_id), at=at)
        found = FoundPasskey(passkey_data.read(value), value.version) if value is not None else None
        # The tag in a key is not one user's alone.
        if found is None or (found.passkey.realm, found.passkey.user_id) != (self._realm, user_id):
            return None
        return found

    def owner_of(self, credential_id: bytes, *, at: int) -> str | None:
        """The user id of whoever has a passkey; None for nobody."""
        value = self._values.get(_OWNER, self._owner_key(credential_id), at=at)
        return value.value.decode() if value is not None else None

    def add(self, passkey: Passkey, *, at: int) -> None:
        """Keep a new passkey.

        Raises:
            AlreadyExistsError: there is this one already, perhaps somebody else's.
        """
        owner = passkey.user_id.encode()
        name = self._owner_key(passkey.credential_id)
        is_new = self._values.put(_OWNER, name, owner, expires_at=LAST_SECOND, at=at, expected_version=0)
        if not is_new or not self.write(passkey, over=0, at=at):
            raise AlreadyExistsError("this passkey is registered already")

    def write(self, passkey: Passkey, *, over: int, at: int) -> bool:
        """Write a passkey where `over` is still the version that there is; tells whether it was."""
        written = self._values.put(
            _KIND,
            owned_key(self._realm, passkey.user_id, passkey.passkey_id),
            passkey_data.encode(passkey),
            expires_at=LAST_SECOND,
            at=at,
            owner=(self._realm, passkey.user_id),
            expected_version=over,
        )
        return bool(written)

    def remove(self, passkey: Passkey) -> None:
        """Remove a passkey; one that is not there is gone already."""
        self._values.delete(_KIND, owned_key(self._realm, passkey.user_id, passkey.passkey_id))
        self._values.delete(_OWNER, self._owner_key(passkey.credential_id))

    def _owner_key(self, credential_id: bytes) -> bytes:
        return hashed_key(_OWNER, self._realm, base64url(credential_id).decode())
