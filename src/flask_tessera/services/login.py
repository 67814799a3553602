"""Attempts to log in: counted before their credentials are checked."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import InputError, LoginRefusedError, StorageUnavailableError, ThrottledError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..accounts.throttle import LoginThrottle

_NO_GUESS = (InputError, StorageUnavailableError, ThrottledError)
"""What ends an attempt before its password was compared."""


class LoginAttempts:
    """Counts wrong credentials per account and per network, in this process."""

    def __init__(self, throttle: LoginThrottle) -> None:
        self._throttle = throttle

    @contextmanager
    def attempt(self, account: str, address: str, *more_accounts: str, forgives: bool = True) -> Iterator[None]:
        """An attempt: any error in it counts as a wrong password, but for those that come before one is compared.

        Args:
            account: the canonical name, known or not.
            address: the client's.
            *more_accounts: others that the attempt may be about.
            forgives: whether success forgets the account's earlier failures.

        Raises:
            ThrottledError: there were too many; nothing was checked.
        """
        reservation = self._throttle.reserve(account, address, *more_accounts)
        settle = self._throttle.succeeded if forgives else self._throttle.released
        try:
            yield
        except _NO_GUESS:
            self._throttle.released(reservation)
            raise
        except LoginRefusedError:
            settle(reservation)
            raise
        settle(reservation)
