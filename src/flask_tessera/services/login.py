"""Attempts to log in: counted before their credentials are checked."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from ..accounts.account_names import exact_name
from ..accounts.address import network_of
from ..accounts.hash_slots import claiming, network_claim
from ..errors import CredentialsError
from .codes import CodeSpentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .throttle import LoginThrottle


class LoginAttempt:
    """One attempt, counted until it turns out not to have failed.

    Attributes:
        has_failed: the credentials were found to be wrong.
        has_logged_in: a session has begun.
    """

    __slots__ = ("has_failed", "has_logged_in")

    def __init__(self) -> None:
        self.has_failed = self.has_logged_in = False

    def fail(self, message: str = "wrong credentials") -> NoReturn:
        """Say that the credentials are wrong: for an unknown account just as for a wrong password.

        Args:
            message: for the developer; holds no password.

        Raises:
            CredentialsError: always. The attempt counts even where that is caught.
        """
        self.has_failed = True
        raise CredentialsError(message)


class LoginAttempts:
    """Counts wrong credentials per account and per network, for all processes together."""

    def __init__(self, throttle: LoginThrottle) -> None:
        self._throttle = throttle

    @contextmanager
    def attempt(
        self, realm: str, accounts: Iterable[str | int], address: str, device: str = "", *, is_guessed: bool = True
    ) -> Iterator[LoginAttempt]:
        """An attempt: wrong credentials in it count, and nothing else does.

        Credentials are wrong where `fail()` was called or a CredentialsError leaves the block. With any other error
        nobody has learned whether they were right: a database that does not answer locks nobody out. Success forgets no
        earlier failures: whoever has guessed nine times would see by his next guesses that the owner was there.

        Args:
            realm: the population of users.
            accounts: all that the attempt may be about, known or not, in any spelling.
            address: the client's, from trusted proxies only.
            device: how the client's device calls itself; empty where it does not.
            is_guessed: False for credentials that have limits of their own: wrong ones count for the network alone.

        Raises:
            ThrottledError: there were too many; nothing may be checked.
            StorageUnavailableError: it cannot be counted.
            InputError: an account is no text and no integer.
        """
        names = [exact_name(account) for account in accounts]
        network = network_of(address)
        reservation = self._throttle.reserve(realm, names, network, device, is_guessed=is_guessed)
        attempt = LoginAttempt()
        try:
            with claiming(network_claim(network), *(f"account {realm}\0{name}" for name in reservation.accounts)):
                yield attempt
        except (CredentialsError, CodeSpentError):
            attempt.has_failed = True
            raise
        finally:
            if attempt.has_failed:
                self._throttle.note_failure(reservation)
            elif attempt.has_logged_in:
                self._throttle.note_login(reservation)
            else:
                self._throttle.release(reservation)

    def known_subject(self, realm: str, account: str | int, address: str, device: str = "") -> str:
        """By what a client is known for an account, for counters of other things than attempts; empty if it is not.

        Known are the devices and networks that have counters of their own here, too. Arguments and errors as of
        `attempt`.
        """
        return self._throttle.known_subject(realm, exact_name(account), network_of(address), device)
