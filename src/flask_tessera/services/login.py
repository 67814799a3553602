"""Attempts to log in: counted before their credentials are checked."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from ..accounts.account_names import spelled_alike
from ..accounts.address import network_of
from ..accounts.hash_slots import claiming
from ..errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..accounts.throttle import LoginThrottle


class LoginAttempt:
    """One attempt, counted until it turns out not to have failed.

    Attributes:
        has_failed: the credentials were found to be wrong.
    """

    __slots__ = ("has_failed",)

    def __init__(self) -> None:
        self.has_failed = False

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
    """Counts wrong credentials per account and per network, in this process."""

    def __init__(self, throttle: LoginThrottle) -> None:
        self._throttle = throttle

    @contextmanager
    def attempt(self, realm: str, accounts: Iterable[str | int], address: str) -> Iterator[LoginAttempt]:
        """An attempt: wrong credentials in it count, and nothing else does.

        Credentials are wrong where `fail()` was called or a CredentialsError leaves the block. With any other error
        nobody has learned whether they were right: a database that does not answer locks nobody out. Success forgets no
        earlier failures: whoever has guessed nine times would see by his next guesses that the owner was there.

        Args:
            realm: the population of users.
            accounts: all that the attempt may be about, known or not, in any spelling.
            address: the client's, from trusted proxies only.

        Raises:
            ThrottledError: there were too many; nothing may be checked.
            InputError: an account is no text and no integer.
        """
        names = [spelled_alike(account) for account in accounts]
        reservation = self._throttle.reserve(realm, names, address)
        attempt = LoginAttempt()
        try:
            with claiming(f"network {network_of(address)}", *(f"account {realm}\0{name}" for name in names)):
                yield attempt
        except CredentialsError:
            attempt.has_failed = True
            raise
        finally:
            if not attempt.has_failed:
                self._throttle.release(reservation)
