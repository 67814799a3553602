"""Which new passwords are taken: long enough, not a common one, not known from a breach."""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import InputError, TesseraError
from .common_passwords import is_common
from .passwords import password_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_log = logging.getLogger("flask_tessera")


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """What a new password must be; there are no rules about which characters it consists of (NIST SP 800-63B §3.1.1.2).

    Attributes:
        minimum: characters (Unicode code points) that it has at least.
        is_breached: says of a password whether it is known from a breach. Where it raises, that is logged, and the
            password passes: a look-up that is down must not keep everybody from changing a password. An error of this
            package is not caught.
        words: of the application, such as its name.
    """

    minimum: int
    is_breached: Callable[[str], bool] | None = None
    words: tuple[str, ...] = field(default=())

    def check(self, password: str, words: Iterable[str] = ()) -> None:
        """Refuse a password that others would guess; call it before the password is hashed.

        Args:
            password: as it was typed; nothing of it is changed, and any text is safe.
            words: what is known of the person: phone number, e-mail address or the part before the @, name.

        Raises:
            InputError: `password_too_short`; `password_common` if it is on the list of frequent passwords, or follows a
                pattern that many use, or is made of the words; `password_breached`; `input_malformed` if it could not
                be hashed either: no text, over 1024 bytes, NUL or a lone surrogate in it.
        """
        given: object = password
        if isinstance(given, str) and len(given) < self.minimum:
            raise InputError(f"the password needs at least {self.minimum} characters", slug="password_too_short")
        # Before anything looks at it: what is looked at is short, and the hook is given text that has bytes.
        password_bytes(password)
        if is_common(password, (*self.words, *words)):
            text = "the password is one that many people use, or is made of what is known of its owner"
            raise InputError(text, slug="password_common")
        if self._is_known_from_breach(password):
            raise InputError("the password is known from a breach", slug="password_breached")

    def _is_known_from_breach(self, password: str) -> bool:
        if self.is_breached is None:
            return False
        try:
            return bool(self.is_breached(password))
        except TesseraError:
            raise
        except Exception as error:  # noqa: BLE001 (the application's function may raise anything; it is logged)
            # Without the text of the error, which may hold the password.
            where = "".join(traceback.format_tb(error.__traceback__))
            _log.error(
                "the check of passwords known from a breach failed, and the password was let pass: %s\n%s",
                type(error).__qualname__,
                where,
            )
            return False
