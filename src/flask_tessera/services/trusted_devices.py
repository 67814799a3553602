"""Devices at which no second factor is asked for, for 30 days: each has a secret, of which a hash is kept.

Such a device is trusted with one thing only: a login there needs the first factor alone. It is no session, and its text
opens no route. All of a user end with a password change, a suspension and the removal of a factor.
"""

from __future__ import annotations

import hashlib
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

import msgspec

from ..errors import NotFoundError, TokenInvalidError
from ..sessions.model import UNKNOWN_DEVICE, Device
from ..storage.key_value import hashed_key, owned_key
from ..tokens import trusted_device
from .new_ids import NewIds
from .ports import UNKNOWN_CLIENT, ClientInfo
from .undoing import undone_if_refused

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable

    from ..storage.key_value import KeyValue
    from .ports import Clock, RandomBytes
    from .tickets import ValidFrom

KIND: Final = "trusted_device"
TRUSTED_FOR: Final = 30 * 86_400
"""Seconds."""
MOST_DEVICES: Final = 20
"""Of one user; of more the oldest goes."""


class TrustedDevice(msgspec.Struct, frozen=True):
    """A device as it is kept: nothing in it can be presented. Times are Unix seconds.

    Attributes:
        device_id: names it, in the form of a session id.
        digest: the SHA-256 of its secret.
        device: as the client described it.
        ip: from where it was trusted.
        user_agent: of the client that asked.
        created_at: when.
        expires_at: first second in which it is trusted no longer.
    """

    device_id: bytes
    digest: bytes
    device: Device
    ip: str
    user_agent: str
    created_at: int
    expires_at: int


_decode: Final = msgspec.json.Decoder(TrustedDevice).decode
_encode: Final = msgspec.json.Encoder().encode


class TrustedDevices:
    """The trusted devices of one realm. Every method may raise StorageUnavailableError; user ids are texts.

    Args:
        values: of the storage.
        realm: the population of users.
        clock: gives now, Unix seconds.
        random_bytes: gives random bytes.
        valid_from: gives the second of the last restore from a backup: the storage has forgotten what was revoked.
    """

    def __init__(
        self, values: KeyValue, realm: str, *, clock: Clock, random_bytes: RandomBytes, valid_from: ValidFrom
    ) -> None:
        self._values = values
        self._realm = realm
        self._clock = clock
        self._random_bytes = random_bytes
        self._valid_from = valid_from
        self._ids = NewIds(realm, random_bytes)

    def trust(
        self,
        user_id: str,
        *,
        device: Device = UNKNOWN_DEVICE,
        caller: ClientInfo = UNKNOWN_CLIENT,
        check: Callable[[], object] | None = None,
    ) -> str:
        """Trust the device of a login for `TRUSTED_FOR` seconds; gives the text that it presents at the next ones.

        Args:
            user_id: who has just shown a second factor there.
            device: as the client describes it.
            caller: who sent the request.
            check: raises if the login is over by now, so that whatever has ended all devices ends this one too.
        """
        at, secret = self._clock(), self._random_bytes(trusted_device.SECRET_BYTES)
        trusted = TrustedDevice(
            self._ids.make(user_id, at), _digest(secret), device, caller.ip, caller.user_agent, at, at + TRUSTED_FOR
        )
        for oldest in self.list(user_id)[MOST_DEVICES - 1 :]:
            self._remove(user_id, oldest.device_id)
        owner = (self._realm, user_id)
        key = self._key(user_id, trusted.device_id)
        self._values.put(KIND, key, _encode(trusted), expires_at=trusted.expires_at, at=at, owner=owner)
        with undone_if_refused(lambda: self._remove(user_id, trusted.device_id)):
            (check or bool)()
        return trusted_device.render(trusted.device_id, secret)

    def is_trusted(self, user_id: str, text: object) -> bool:
        """Whether this is the text of a device that this user trusts now; any object is safe."""
        try:
            device_id, secret = trusted_device.parse(text) if isinstance(text, str) else (b"", b"")
        except TokenInvalidError:
            return False
        if not secret:
            return False
        at = self._clock()
        value = self._values.get(KIND, self._key(user_id, device_id), at=at)
        if value is None:
            return False
        found = _decode(value.value)
        return compare_digest(found.digest, _digest(secret)) and found.created_at >= self._valid_from(at=at)

    def list(self, user_id: str) -> list[TrustedDevice]:
        """The devices that a user trusts now, the newest first."""
        at = self._clock()
        valid_from = self._valid_from(at=at)
        found = [_decode(each.value) for each in self._values.list(KIND, (self._realm, user_id), at=at)]
        return [each for each in found if each.created_at >= valid_from][::-1]

    def revoke(self, user_id: str, device_id: bytes) -> None:
        """Trust a device no longer.

        Raises:
            NotFoundError: there is no such device, or it is somebody else's.
        """
        key = self._key(user_id, device_id)
        # Taken, so that of two who revoke it one is told that it was there.
        if not device_id or self._values.take(KIND, key, at=self._clock()) is None:
            raise NotFoundError("no such trusted device")

    def revoke_all(self, user_id: str) -> None:
        """Trust no device of a user any longer."""
        for each in self._all_keys(user_id):
            self._values.delete(KIND, each)

    def _all_keys(self, user_id: str) -> builtins.list[bytes]:
        # As of second 0 none has expired: a clock that runs ahead would leave some.
        return [each.key for each in self._values.list(KIND, (self._realm, user_id), at=0)]

    def _remove(self, user_id: str, device_id: bytes) -> None:
        self._values.delete(KIND, self._key(user_id, device_id))

    def _key(self, user_id: str, device_id: bytes) -> bytes:
        # Two users may have one tag: so the id of another's device names nothing of this one's.
        return owned_key(self._realm, user_id, hashed_key(self._realm, user_id) + device_id)


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()
