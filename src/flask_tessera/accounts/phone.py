"""Phone numbers of mainland China, in the one spelling that names an account."""

from __future__ import annotations

import re

from ..errors import InputError

# Not \d, which takes the digits of every script; matched as a whole, since $ would let a newline follow.
_MOBILE = re.compile("1[2-9][0-9]{9}")


def normalise(phone: object) -> str:
    """The eleven digits that name an account, its throttle counter and its row.

    There is one accepted spelling, so two spellings never share or split an account.

    Args:
        phone: as received; any object is safe.

    Raises:
        InputError: `phone_malformed`: no text, or not `1[2-9]` and nine more ASCII digits as a whole.
    """
    if not isinstance(phone, str) or not _MOBILE.fullmatch(phone):
        raise InputError("a phone number is 1[2-9] and nine more ASCII digits", slug="phone_malformed")
    return phone
