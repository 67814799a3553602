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
    def attempt(self, account: str, address: str) -> Iterator[None]:
        """An attempt: any error in it counts as a wrong password, but for those that come before one is compared.

        Raises:
            ThrottledError: there were too many; nothing was checked.
        """
        reservation = self._throttle.reserve(account, address)
        try:
            yield
        except _NO_GUESS:
            self._throttle.released(reservation)
            raise
        except LoginRefusedError:
            self._throttle.succeeded(reservation)
            raise
        self._throttle.succeeded(reservation)
