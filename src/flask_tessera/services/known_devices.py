"""From which devices each user has logged in: for telling him of one that is new.

How it works. One small value (kind `known_devices`) for each user holds a digest of 8 bytes for each device, at most
50, the newest last. It is written when a device is new, and once a month, and is kept for 400 days from then. A device
is what it calls itself; one that sends no id is the program and the system that its user agent tells, in the client's
network. So a browser that was updated is the same device, and one in another network is not.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from ..accounts.address import network_of
from ..storage.key_value import hashed_key, owned_key
from .user_agents import guess

if TYPE_CHECKING:
    from ..sessions.model import Device
    from ..storage.key_value import KeyValue
    from .ports import ClientInfo, Clock

_KIND: Final = "known_devices"
_DAY: Final = 86_400
KNOWN_FOR: Final = 400 * _DAY
"""Seconds; longer than a session lives at most by default, after which everybody logs in anew."""
_WRITTEN_EVERY: Final = 30 * _DAY
_MOST: Final = 50
_DIGEST: Final = 8
_TRIES: Final = 3


class KnownDevices:
    """The devices of the users of one realm.

    Args:
        values: of the storage.
        realm: the population of users.
        clock: gives now, Unix seconds.
    """

    def __init__(self, values: KeyValue, realm: str, clock: Clock) -> None:
        self._values = values
        self._realm = realm
        self._clock = clock

    def is_news(self, user_id: str, device: Device, caller: ClientInfo) -> bool:
        """Note a login; whether the user has logged in before, and from this device he has not.

        Args:
            user_id: whose login, in its text form.
            device: as its client describes it.
            caller: who has sent the request.

        Raises:
            StorageUnavailableError: that cannot be told, or not be noted.
        """
        digest, key = _digest_of(device, caller), self._key(user_id)
        is_first = False
        for _ in range(_TRIES):
            at = self._clock()
            value = self._values.get(_KIND, key, at=at)
            known = _digests(value.value) if value else []
            is_first = value is None
            if value and digest in known and value.expires_at >= at + KNOWN_FOR - _WRITTEN_EVERY:
                return False
            kept = [*(each for each in known if each != digest), digest][-_MOST:]
            version = value.version if value else 0
            if self._put(key, kept, at, owner=(self._realm, user_id), version=version):
                return not is_first and digest not in known
            # Another login of his was noted in between.
        return not is_first

    def owner_ended(self, user_id: str, reason: str) -> None:
        """Forget the devices of a user who is gone, as of `SessionService`: his id may be given to somebody else."""
        if reason == "user_gone":
            self._values.delete(_KIND, self._key(user_id))

    def _put(self, key: bytes, kept: list[bytes], at: int, *, owner: tuple[str, str], version: int) -> bool:
        raw, until = b"".join(kept), at + KNOWN_FOR
        return bool(self._values.put(_KIND, key, raw, expires_at=until, at=at, owner=owner, expected_version=version))

    def _key(self, user_id: str) -> bytes:
        return owned_key(self._realm, user_id, hashed_key(self._realm, user_id))


def device_text(device: Device, caller: ClientInfo, language: str) -> str:
    """What people recognise a device by: how it calls itself, else its browser and system; empty for neither."""
    told = guess(caller.user_agent)
    return device.name or " · ".join(filter(None, (told.program[language == "en"], told.system))) or device.type


def _digest_of(device: Device, caller: ClientInfo) -> bytes:
    told = guess(caller.user_agent)
    parts = ("id", device.id) if device.id else ("client", network_of(caller.ip), *told.program, told.system)
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).digest()[:_DIGEST]


def _digests(raw: bytes) -> list[bytes]:
    return [raw[place : place + _DIGEST] for place in range(0, len(raw), _DIGEST)]
