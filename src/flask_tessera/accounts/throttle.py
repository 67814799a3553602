"""How often one may guess a password, per account and per network."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from hashlib import blake2b
from threading import Lock
from typing import TYPE_CHECKING

from limits import parse_many
from limits.strategies import FixedWindowRateLimiter

from ..errors import ConfigError, ThrottledError
from ..fork import renew_in_children
from .address import network_of
from .attempt_counters import AttemptCounters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from limits import RateLimitItem


@dataclass(frozen=True, slots=True)
class _Counter:
    """One limit as it applies to one account or network."""

    limit: RateLimitItem
    subject: tuple[str, str]

    @property
    def key(self) -> str:
        return self.limit.key_for(*self.subject)


@dataclass(frozen=True, slots=True)
class _Taken:
    """One attempt, counted in the window that ends then (seconds of the throttle's clock)."""

    counter: _Counter
    ends_at: float


@dataclass(frozen=True, slots=True)
class Reservation:
    """One attempt that was counted before its password is checked; released at most once, not at all if it fails."""

    attempts: tuple[_Taken, ...]


class LoginThrottle:
    """Counts failed logins in one process; workers count apart, so N of them let through N times as many.

    One is enough for an application, whatever the number of its realms. An attempt is counted when it begins, so
    parallel guesses beyond the limit are never checked, and given back when it turns out not to have failed.
    Windows are fixed and not prolonged by further attempts: an attacker can keep a victim from new logins until the
    window ends, never from live sessions. An attempt that is refused counts nowhere, so a network that is refused
    cannot use up somebody's account.

    Args:
        per_account: limits in the notation of the library `limits`; several are separated by `;`.
        per_address: the same for one IPv4 address or IPv6 /64. All clients without a readable address share one.
        clock: seconds, never going back.

    Raises:
        ConfigError: a limit cannot be read, or allows nothing.
    """

    def __init__(
        self,
        per_account: str = "10 per 5 minutes",
        per_address: str = "100 per 5 minutes",
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_account = _limits_of("LOGIN_LIMIT_ACCOUNT", per_account)
        self._per_address = _limits_of("LOGIN_LIMIT_ADDRESS", per_address)
        self._clock = clock
        self._counters = AttemptCounters(clock)
        self._limiter = FixedWindowRateLimiter(self._counters)
        renew_in_children(self)

    def renew_locks(self) -> None:
        """A thread of the parent may have been counting."""
        # Held for microseconds: look and count are one step, over all counters of an attempt.
        self._lock = Lock()

    def reserve(self, realm: str, accounts: Iterable[str], address: str) -> Reservation:
        """Count one attempt, before anything about it is checked.

        Args:
            realm: the population of users; the networks are the same for all.
            accounts: the canonical names, known or not, that the attempt may be about.
            address: the client's, from trusted proxies only.

        Raises:
            ThrottledError: a limit is reached; the attempt must not be checked, and was not counted.
        """
        fingerprints = dict.fromkeys(_fingerprint_of(realm, account) for account in accounts)
        counters = [counter for name in fingerprints for counter in _counters_of(self._per_account, "account", name)]
        counters += _counters_of(self._per_address, "address", network_of(address))
        with self._lock:
            self._refuse_where_full(counters)
            return Reservation(tuple(map(self._take, counters)))

    def release(self, reservation: Reservation) -> None:
        """The password was right, or was never compared: the attempt does not count.

        Failures before it stay counted: who has guessed would see by further guesses whether the owner has logged in.
        """
        with self._lock:
            for taken in reservation.attempts:
                self._give_back(taken)

    def _refuse_where_full(self, counters: Iterable[_Counter]) -> None:
        full = [counter for counter in counters if not self._limiter.test(counter.limit, *counter.subject)]
        if full:
            latest = max(self._counters.get_expiry(counter.key) for counter in full)
            raise ThrottledError(max(1, math.ceil(latest - self._clock())))

    def _take(self, counter: _Counter) -> _Taken:
        self._limiter.hit(counter.limit, *counter.subject)
        return _Taken(counter, self._counters.get_expiry(counter.key))

    def _give_back(self, taken: _Taken) -> None:
        # From a later window nothing was taken: giving back there would allow somebody a guess too many.
        if self._counters.get_expiry(taken.counter.key) == taken.ends_at:
            self._limiter.hit(taken.counter.limit, *taken.counter.subject, cost=-1)


def _limits_of(setting: str, notation: str) -> tuple[RateLimitItem, ...]:
    try:
        limits = tuple(parse_many(notation))
    except ValueError as error:
        raise ConfigError(f"TESSERA_{setting} must look like '10 per 5 minutes', not {notation!r}") from error
    if any(limit.amount < 1 for limit in limits):
        raise ConfigError(f"TESSERA_{setting} must allow at least one attempt, not {notation!r}")
    return limits


def _counters_of(limits: Iterable[RateLimitItem], kind: str, name: str) -> tuple[_Counter, ...]:
    return tuple(_Counter(limit, (kind, name)) for limit in limits)


def _fingerprint_of(realm: str, account: str) -> str:
    """A short key for a name of any length; what a hostile client types is not kept."""
    # A realm holds no control characters.
    return blake2b(f"{realm}\0{account}".encode(errors="surrogatepass"), digest_size=16).hexdigest()
