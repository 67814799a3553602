"""Password hashes in Django's text forms, told in those of the libraries behind them."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Final

# Django's name, and the library's own text behind it.
_ARGON2: Final = "argon2$argon2"
_BCRYPT: Final = "bcrypt$$2"
# As in hash_profiles, every part is bounded. Django's salts are text without a `$`.
_SALT = r"\$([!-#%-~]{1,64})\$"
_NUMBER = "([1-9][0-9]{0,8})"
_PBKDF2 = re.compile(r"pbkdf2_(sha1|sha256)\$" + _NUMBER + _SALT + "([A-Za-z0-9+/]{27}=|[A-Za-z0-9+/]{43}=)")
_SCRYPT = re.compile(r"scrypt\$" + _NUMBER + _SALT + _NUMBER + r"\$" + _NUMBER + r"\$([A-Za-z0-9+/]{86}==)")


def translate(stored: str) -> str | None:
    """The same hash as Werkzeug, argon2 or bcrypt write it; None for what is none of Django's.

    `bcrypt_sha256$…` has no other form than this one, and is not translated. Django's plain MD5 and SHA-1 are not known
    here: such a row never matches.

    Args:
        stored: the row's text.
    """
    if stored.startswith(_ARGON2):
        return stored.removeprefix("argon2")
    if stored.startswith(_BCRYPT):
        return stored.removeprefix("bcrypt$")
    if match := _PBKDF2.fullmatch(stored):
        function, iterations, salt, digest = match.groups()
        return f"pbkdf2:{function}:{iterations}${salt}${b64decode(digest).hex()}"
    if match := _SCRYPT.fullmatch(stored):
        cost, salt, block_size, parallelism, digest = match.groups()
        return f"scrypt:{cost}:{block_size}:{parallelism}${salt}${b64decode(digest).hex()}"
    return None
