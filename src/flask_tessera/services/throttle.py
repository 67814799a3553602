"""How often one may guess a password, counted in the storage: exactly, by all processes together.

How it works. An attempt is counted when it begins, before anything about it is checked, so that parallel guesses beyond
a limit are never checked; it is given back when it turns out not to have failed. It counts for its account and for its
network, in fixed windows that no further attempt prolongs. Every step of a counter is atomic and tells the new count,
so of many that race for the last place one gets it.

Nobody can lock the owner out. The attempts at an account fall into several counters of the same limit:

- one for each device and each network from which the account has logged in within the last 30 days (as OWASP's device
  cookies do), so that a guesser elsewhere uses up nothing of it;
- one for all others together.

An attempt falls into the first that it fits: of its device, of its network, of the others. Each backs off by itself: a
window that was used up by failures makes the next one twice as long, by the failures of the last 24 hours. With 10 in 5
minutes that is 90 guesses on the first day.

Credentials that have limits of their own, as codes and links have, are counted for their network alone: else whoever
guesses at a password would keep the owner from using them.

Logins that succeed are limited too, generously: each keeps a session for a while.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from ..accounts.account_names import spelled_alike
from ..errors import StorageUnavailableError, ThrottledError
from ..storage.key_value import hashed_key
from ..storage.model import Increment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..accounts.rate import Rate
    from ..storage.key_value import KeyValue
    from ..storage.model import Counter, Value
    from .ports import Clock

    Name = tuple[str, bytes]
    Found = dict[Name, Value | None]

_DAY: Final = 86_400
KNOWN_FOR: Final = 30 * _DAY
"""Seconds for which a device or network is known from which an account has logged in."""
_OTHERS: Final = ""
"""The subject of attempts from devices and networks that are not known."""
_TRIES, _FAILURES, _KNOWN, _LOGINS = "tries", "failures", "known", "logins"


@dataclass(frozen=True, slots=True)
class ThrottleLimits:
    """Wrong passwords for one account, and from one network; logins of one account."""

    account: tuple[Rate, ...]
    address: tuple[Rate, ...]
    login: tuple[Rate, ...]


@dataclass(frozen=True)
class _Account:
    """An account of a realm as the counters know it: by hashes, whatever a hostile client has typed.

    Attributes:
        realm: the population of users.
        name: the exact one, by which something is granted, or kept from its owner.
        is_guessed: wrong credentials count for it, in whatever spelling.
    """

    realm: str
    name: str
    is_guessed: bool = True

    @cached_property
    def alike(self) -> str:
        return spelled_alike(self.name)

    def tries(self, subject: str, rate: Rate) -> Name:
        return _TRIES, hashed_key(self.realm, self.alike, subject, repr(rate))

    def failures(self, subject: str) -> Name:
        return _FAILURES, hashed_key(self.realm, self.alike, subject)

    def known(self, subject: str) -> Name:
        return _KNOWN, hashed_key(self.realm, self.name, subject)

    def logins(self, rate: Rate) -> Name:
        return _LOGINS, hashed_key(self.realm, self.name, repr(rate))


@dataclass(frozen=True, slots=True)
class Reservation:
    """One attempt that was counted; released at most once, not at all if it fails.

    Attributes:
        accounts: as they are counted, in the one spelling of each.
        taken: what was counted, to be given back.
        failures: counters of failures, if this will be one.
        logins: counters of logins, if it will be one.
        known: what will be known of by then, of this device and network.
    """

    accounts: tuple[str, ...]
    taken: tuple[Increment, ...]
    failures: tuple[Increment, ...]
    logins: tuple[Increment, ...]
    known: tuple[Name, ...]


class LoginThrottle:
    """Counts attempts to log in.

    Args:
        values: of the storage.
        limits: how often.
        clock: gives now, Unix seconds.
    """

    def __init__(self, values: KeyValue, limits: ThrottleLimits, clock: Clock) -> None:
        self._values = values
        self._limits = limits
        self._clock = clock

    def reserve(
        self, realm: str, accounts: Iterable[str], network: str, device: str = "", *, is_guessed: bool = True
    ) -> Reservation:
        """Count one attempt, before anything about it is checked.

        Args:
            realm: the population of users; the networks are the same for all.
            accounts: the exact names, known or not, that the attempt may be about.
            network: the client's, by a trusted address.
            device: how the client's device calls itself; empty where it does not.
            is_guessed: False for what has limits of its own, which counts for the network alone.

        Raises:
            ThrottledError: a limit is reached; the attempt must not be checked, and was not counted.
            StorageUnavailableError: it cannot be counted.
        """
        named = [_Account(realm, account, is_guessed) for account in dict.fromkeys(accounts)]
        subjects = _subjects(network, device)
        at = self._clock()
        found = self._read(named, subjects, network, at)
        steps, failures = self._choose(named, subjects, network, found, at)
        counters = self._values.increment_many([step for step, _ in steps], at=at)
        taken = [_back(step, counter) for (step, _), counter in zip(steps, counters, strict=True)]
        if late := [each.ends_at for (_, rate), each in zip(steps, counters, strict=True) if each.count > rate.amount]:
            # Others were counted since the look.
            self._values.increment_many(taken, at=at)
            raise _refusal(max(late), at)
        spelled = tuple(each.alike for each in named)
        return Reservation(spelled, tuple(taken), failures, *self._if_it_succeeds(named, subjects, found, at))

    def known_subject(self, realm: str, account: str, network: str, device: str = "") -> str:
        """By what this client is known for an account: its device, else its network; empty for neither.

        Args:
            realm: the population of users.
            account: the exact name, known or not.
            network: the client's, by a trusted address.
            device: how the client's device calls itself; empty where it does not.

        Raises:
            StorageUnavailableError: that cannot be told.
        """
        named, subjects = _Account(realm, account), _subjects(network, device)
        names = [named.known(subject) for subject in subjects]
        values = self._values.get_many(names, at=self._clock())
        return _subject_of(named, subjects, dict(zip(names, values, strict=True)))

    def release(self, reservation: Reservation) -> None:
        """The credentials were right, or were never compared: the attempt does not count.

        Failures before it stay counted: who has guessed would see by further guesses whether the owner has logged in.
        """
        self._write(reservation.taken)

    def note_failure(self, reservation: Reservation) -> None:
        """The credentials were wrong: the next window will be longer."""
        self._write(reservation.failures)

    def note_login(self, reservation: Reservation) -> None:
        """A session has begun: its device and network are known from now on."""
        self._write((*reservation.taken, *reservation.logins))
        at = self._clock()
        with suppress(StorageUnavailableError):
            for kind, key in reservation.known:
                self._values.put(kind, key, b"", expires_at=at + KNOWN_FOR, at=at)

    def _write(self, steps: Sequence[Increment]) -> None:
        # What came of the attempt is decided already, whether or not it can be counted.
        with suppress(StorageUnavailableError):
            self._values.increment_many(steps, at=self._clock())

    def _read(self, accounts: Sequence[_Account], subjects: Sequence[str], network: str, at: int) -> Found:
        names: list[Name] = [_of_address(network, rate) for rate in self._limits.address]
        for account in accounts:
            names += [account.logins(rate) for rate in self._limits.login]
            for subject in subjects:
                names += [account.known(subject), account.failures(subject)]
                names += [account.tries(subject, rate) for rate in self._limits.account]
        return dict(zip(names, self._values.get_many(names, at=at), strict=True))

    def _choose(
        self, accounts: Sequence[_Account], subjects: Sequence[str], network: str, found: Found, at: int
    ) -> tuple[list[tuple[Increment, Rate]], tuple[Increment, ...]]:
        """The counters that the attempt takes, each with its limit, and those of its failure.

        Raises:
            ThrottledError: one is full already, so that nothing need be written.
        """
        steps = [(_of_address(network, rate), rate, rate.seconds) for rate in self._limits.address]
        failures = []
        # Two names that are spelled alike are one to whoever guesses.
        for account in {each.alike: each for each in accounts if each.is_guessed}.values():
            subject = _subject_of(account, subjects, found)
            failed = found[account.failures(subject)]
            for rate in self._limits.account:
                window = rate.window_after(failed.version if failed else 0)
                steps.append((account.tries(subject, rate), rate, window))
            failures.append(Increment(*account.failures(subject), 1, at + _DAY))
        logins = [(account.logins(rate), rate) for account in accounts for rate in self._limits.login]
        values = [(found[name], rate) for name, rate in [*((name, rate) for name, rate, _ in steps), *logins]]
        if full := [value.expires_at for value, rate in values if value is not None and value.version >= rate.amount]:
            raise _refusal(max(full), at)
        return [(Increment(*name, 1, at + window), rate) for name, rate, window in steps], tuple(failures)

    def _if_it_succeeds(
        self, accounts: Sequence[_Account], subjects: Sequence[str], found: Found, at: int
    ) -> tuple[tuple[Increment, ...], tuple[Name, ...]]:
        """What is counted, and what is known from then on.

        Of an attempt that names several accounts nobody knows which one has logged in: else whoever logs in to his own
        would be known at another that he names beside it.
        """
        if len(accounts) != 1:
            return (), ()
        (account,) = accounts
        steps = [Increment(*account.logins(rate), 1, at + rate.seconds) for rate in self._limits.login]
        known = []
        for subject in (each for each in subjects if each != _OTHERS):
            name = account.known(subject)
            marker = found[name]
            # Once a day is often enough.
            if marker is None or marker.expires_at < at + KNOWN_FOR - _DAY:
                known.append(name)
            if marker is None:
                steps += self._carried_over(account, subject, found)
        return tuple(steps), tuple(known)

    def _carried_over(self, account: _Account, subject: str, found: Found) -> Iterable[Increment]:
        """What has been tried among the others counts for a subject that becomes known, to the end of its window.

        Else whoever has guessed in the same network would see by further guesses that the owner has logged in.
        """
        for rate in self._limits.account:
            tried = found[account.tries(_OTHERS, rate)]
            if tried is not None and tried.version > 0:
                yield Increment(*account.tries(subject, rate), tried.version, tried.expires_at)


def _subjects(network: str, device: str) -> list[str]:
    return [*([f"device {device}"] if device else []), f"network {network}", _OTHERS]


def _subject_of(account: _Account, subjects: Sequence[str], found: Found) -> str:
    """The first that is known for the account; where none is, it is one of the others."""
    return next(each for each in subjects if each == _OTHERS or found[account.known(each)])


def _of_address(network: str, rate: Rate) -> Name:
    return _TRIES, hashed_key("address", network, repr(rate))


def _back(step: Increment, counter: Counter) -> Increment:
    """What takes a step back, in the window in which it was made: a later one would allow a guess too many."""
    return Increment(step.kind, step.key, -step.amount, counter.ends_at, only_running=True)


def _refusal(ends_at: int, at: int) -> ThrottledError:
    return ThrottledError(max(1, ends_at - at))
