"""Recipients as logs show them."""

from __future__ import annotations

import re
from typing import Final

_CHINESE: Final = re.compile(r"\+861([0-9]{2})[0-9]{4}([0-9]{4})")
_PHONE: Final = re.compile(r"(\+[0-9]{2,3})[0-9]+([0-9]{2})")


def mask_recipient(to: str) -> str:
    """`138****8000`, `+44****00` or `a***@example.com`; three asterisks for what is neither.

    Args:
        to: a phone number in E.164, or an e-mail address; any text is safe.
    """
    if match := _CHINESE.fullmatch(to):
        return f"1{match[1]}****{match[2]}"
    if match := _PHONE.fullmatch(to):
        return f"{match[1]}****{match[2]}"
    local, at, domain = to.rpartition("@")
    if not at or not to.isprintable():
        return "***"
    return f"{local[:1] if len(local) > 1 else ''}***@{domain}"
