"""How often one may guess a second factor: counted before it is checked, by all processes together.

It is the throttle of logins (`throttle.py`) with a smaller limit and counters of its own, so its rules hold here too:
parallel guesses beyond the limit are never checked, each window that was used up makes the next one twice as long, and
the devices and networks from which the owner has passed before have counters that nobody else can fill. All factors of
a user count together.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ..accounts.address import network_of
from ..accounts.hash_slots import claiming, network_claim
from ..accounts.rate import Rate
from ..errors import CredentialsError
from .throttle import LoginThrottle, ThrottleLimits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..storage.key_value import KeyValue
    from .ports import Clock

GUESSES: Final = Rate(5, 300)
"""Of six digits, three codes are good at a time: five guesses find one in 1 of 67,000 cases."""
_NAMESPACE: Final = "\0factors\0"
"""Before the realm, which cannot begin so: no login can name an account that counts as one here."""


class FactorLimit:
    """Counts wrong second factors of the users of one realm.

    Args:
        values: of the storage.
        realm: the population of users.
        clock: gives now, Unix seconds.
    """

    def __init__(self, values: KeyValue, realm: str, clock: Clock) -> None:
        self._throttle = LoginThrottle(values, ThrottleLimits(account=(GUESSES,), address=(), login=()), clock)
        self._realm = _NAMESPACE + realm

    @contextmanager
    def attempt(self, user_id: str, *, address: str = "", device_id: str = "") -> Iterator[None]:
        """One guess: it counts if a CredentialsError leaves the block, and is given back with any other end.

        What is hashed in the block takes places of this user and network, which have a share of all.

        Args:
            user_id: whose factor is checked.
            address: the client's, from trusted proxies only.
            device_id: how the client's device calls itself; empty where it does not.

        Raises:
            ThrottledError: there were too many; nothing may be checked.
            StorageUnavailableError: it cannot be counted.
        """
        network = network_of(address)
        reservation = self._throttle.reserve(self._realm, [user_id], network, device_id)
        try:
            with claiming(network_claim(network), f"user {self._realm}\0{user_id}"):
                yield
        except CredentialsError:
            self._throttle.note_failure(reservation)
            raise
        except BaseException:
            self._throttle.release(reservation)
            raise
        self._throttle.note_login(reservation)
