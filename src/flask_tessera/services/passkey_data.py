"""A passkey as it is stored."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from .stored_values import reader_of

if TYPE_CHECKING:
    from ..accounts.passkeys import Use

_ID_BYTES: Final = 16


class Passkey(msgspec.Struct, frozen=True):
    """A passkey: a public key, and nothing that could be presented. Times are Unix seconds.

    Attributes:
        credential_id: names it to authenticators.
        realm: the population of users that its owner belongs to.
        user_id: its owner.
        handle: random bytes that stand for its owner on authenticators (WebAuthn §14.6.1 asks for such).
        public_key: as COSE (RFC 9052 §7).
        name: what its owner calls it.
        created_at: when it was registered.
        sign_count: how often it was used, by its own count, when it was last used here; 0 of one that does not count.
        last_used_at: when that was; 0 for never.
        transports: how browsers reach it, as they say ("internal", "hybrid", "usb" …).
        may_be_backed_up: whether it can be copied to other devices; that never changes.
        is_backed_up: whether it was when it was last used.
        aaguid: the model of its authenticator, all zeros where it does not tell.
        user_stamp: the digest of its owner's stamp, empty where the application gives none.
    """

    credential_id: bytes
    realm: str
    user_id: str
    handle: bytes
    public_key: bytes
    name: str
    created_at: int
    sign_count: int = 0
    last_used_at: int = 0
    transports: tuple[str, ...] = ()
    may_be_backed_up: bool = False
    is_backed_up: bool = False
    aaguid: str = ""
    user_stamp: str = ""

    @property
    def passkey_id(self) -> bytes:
        """The 16 bytes that name it to its owner."""
        return passkey_id_of(self.credential_id)

    def is_counted_back(self, use: Use) -> bool:
        """Whether its own count has not grown since: it may have been copied (WebAuthn §6.1.1)."""
        return bool(use.sign_count or self.sign_count) and use.sign_count <= self.sign_count

    def used(self, use: Use, *, at: int) -> Passkey:
        """The same, used at Unix second `at`."""
        return replace(self, sign_count=use.sign_count, is_backed_up=use.is_backed_up, last_used_at=at)


class PasskeyLogin(NamedTuple):
    """Who has logged in with a passkey, and whether it verified the user, by a PIN or a finger, say.

    `user_stamp` is the digest of the stamp of whoever registered it: where it is another one now, so is the person.
    """

    user_id: str
    is_user_verified: bool
    user_stamp: str


read: Final = reader_of(Passkey, "a passkey")
encode: Final = msgspec.json.Encoder().encode


def passkey_id_of(credential_id: bytes) -> bytes:
    """The 16 bytes that name a passkey to its owner, of what names it to authenticators, which is of any length."""
    return hashlib.sha256(credential_id).digest()[:_ID_BYTES]
