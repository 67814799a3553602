"""Time-based one-time passwords (RFC 6238) as authenticator apps make them: secret, address, QR code, comparison.

The parameters are those that every app knows: HMAC-SHA-1, six digits, steps of 30 s. Others can be named in the
address, but apps of many makers ignore that and show codes that never match.
"""

from __future__ import annotations

import base64
import io
from hmac import compare_digest
from typing import Final
from urllib.parse import quote, urlencode

from ..errors import missing_extra

SECRET_BYTES: Final = 20
"""RFC 4226 §4 (R6) recommends 160 bits, as many as SHA-1 gives."""
STEP: Final = 30
"""Seconds (RFC 6238 §5.2)."""
DIGITS: Final = 6
RFC_6238_STEPS: Final = (1, 0, -1)
"""§5.2 recommends at most one step of delay; clocks of phones are wrong in both directions. The newest first."""
_LONGEST_NAME: Final = 40
"""Characters of issuer and account each: more makes a QR code that cameras read badly."""


def secret_of(random: bytes) -> str:
    """The secret of these random bytes, as apps want it typed: base32 without padding (RFC 4648 §6).

    Raises:
        ValueError: there are not `SECRET_BYTES` of them.
    """
    if len(random) != SECRET_BYTES:
        raise ValueError(f"a TOTP secret is made of {SECRET_BYTES} random bytes")
    return base64.b32encode(random).decode()


def uri_of(secret: str, *, account: str, issuer: str) -> str:
    """The `otpauth:` address of a secret, which an app reads from a QR code.

    A colon parts the two names, so none stays within them; control characters are left out.

    Args:
        secret: as of `secret_of`.
        account: whose it is, as its owner knows it: a phone number, an address, a name.
        issuer: what the app puts over the code: the name of the application; empty for none.
    """
    issuer, account = _name(issuer), _name(account)
    label = ":".join(quote(each, safe="") for each in (issuer, account) if each)
    query = {"secret": secret, **({"issuer": issuer} if issuer else {})}
    return f"otpauth://totp/{label}?{urlencode(query, quote_via=quote)}"


def qr_of(uri: str) -> str:
    """A QR code of an address: the text of an SVG of paths only, for a page to hold or to take as an image.

    Raises:
        ConfigError: the extra is not installed that draws it.
    """
    try:
        import segno
    except ModuleNotFoundError as error:
        raise missing_extra("TOTP needs segno", "accounts") from error
    svg = io.BytesIO()
    # Black on white whatever the page's colours are: many cameras read no inverted code.
    segno.make(uri, error="m", micro=False).save(svg, kind="svg", scale=4, light="#fff", xmldecl=False, nl=False)
    return svg.getvalue().decode()


def match(secret: str, code: object, at: int) -> int | None:
    """The newest time step around Unix second `at` of which this is the code; None if it is of none.

    Args:
        secret: as of `secret_of`.
        code: as received; only six ASCII digits are one.
        at: now. The step before and the one after count too.

    Raises:
        ConfigError: the extra is not installed that computes it.
    """
    if not isinstance(code, str) or len(code) != DIGITS or not (code.isascii() and code.isdigit()):
        return None
    try:
        # By the counter alone: what pyotp makes of a time has differed between its releases.
        from pyotp import HOTP
    except ModuleNotFoundError as error:
        raise missing_extra("TOTP needs pyotp", "accounts") from error
    generator, now = HOTP(secret, digits=DIGITS), at // STEP
    steps = [now + each for each in RFC_6238_STEPS if now + each >= 0]
    # All of them, so that the time taken tells nothing.
    found = [step for step in steps if compare_digest(generator.at(step), code)]
    return found[0] if found else None


def _name(text: str) -> str:
    shown = "".join(each for each in text.replace(":", " ") if each.isprintable())
    return " ".join(shown.split())[:_LONGEST_NAME]
