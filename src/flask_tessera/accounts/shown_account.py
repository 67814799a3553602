"""What may be told of an account as somebody has typed it: a password is often typed into the wrong field."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Final

from ..errors import ConfigError, InputError
from .recipients import parse_recipient

_LIKE_EMAIL: Final = re.compile(r"[^@]+@[^@]+\.[A-Za-z]{2,}")
_LIKE_PHONE: Final = re.compile(r"\+[0-9 ()./-]+|(?:0086|86)?1[2-9][0-9]{9}")


def shown_account(account: object) -> str:
    """The phone number or e-mail address that was typed; an empty text for anything else, which may be a password.

    A number needs its plus sign unless it is a Chinese mobile number, an address a domain of more than one name.

    Args:
        account: as received; any object is safe.
    """
    text = str(account) if type(account) is int and 0 < account < 10**15 else account
    if not isinstance(text, str) or not (_LIKE_EMAIL.fullmatch(text) or _LIKE_PHONE.fullmatch(text)):
        return ""
    with suppress(InputError, ConfigError):
        return parse_recipient(text).local
    return ""
