"""A proof of work before codes and logins: a second of a client's time, and no third party.

The server signs a challenge and keeps nothing of it. The client looks for a number that, put behind the challenge,
gives a SHA-256 with so many leading zero bits. What was solved is good once: its first use is counted in the storage.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import secrets
import time

from flask_tessera.storage.key_value import hashed_key

HEADER = "X-Proof-Of-Work"
LONGEST = 200


class ProofOfWork:
    """Challenges of one application.

    Args:
        tessera: of the realm; its storage counts what was used.
        secret: bytes that nobody else knows, the same in all processes.
        bits: leading zero bits; each one more doubles the work, 18 are about 260,000 hashes.
        seconds: for which a challenge is good.
    """

    def __init__(self, tessera, secret, *, bits=18, seconds=300):
        self._tessera = tessera
        self._key = hmac.digest(secret, b"proof of work", "sha256")
        self._bits = bits
        self._seconds = seconds

    def make(self, action):
        """A challenge for "code", "link", "register" or "login", and how hard it is."""
        signed = f"{int(time.time()) + self._seconds}.{secrets.token_hex(8)}.{action}"
        return {"challenge": f"{signed}.{self._mac(signed)}", "bits": self._bits}

    def is_solved(self, action, text):
        """Whether the text, a challenge, a colon and a number, solves an unused challenge for this action."""
        challenge, colon, _ = text.partition(":")
        signed, _, mac = challenge.rpartition(".")
        if not colon or len(text) > LONGEST or not hmac.compare_digest(mac.encode(), self._mac(signed).encode()):
            return False
        ends, _, meant = signed.split(".")
        if meant != action or int(ends) < time.time() or zero_bits(text) < self._bits:
            return False
        # Only who has done the work makes the storage write; of many at once, one is the first.
        values, at = self._tessera.runtime.storage.values, int(time.time())
        return values.increment("proof_of_work", hashed_key(challenge), window=self._seconds + 60, at=at).count == 1

    def _mac(self, signed):
        return hmac.new(self._key, signed.encode(errors="replace"), "sha256").hexdigest()[:32]


def zero_bits(text):
    """How many leading bits of its SHA-256 are zero."""
    number = int.from_bytes(hashlib.sha256(text.encode(errors="replace")).digest())
    return 256 - number.bit_length()


def solve(challenge, bits):
    """What a client does: the text that goes into the header."""
    return next(text for text in (f"{challenge}:{number}" for number in itertools.count()) if zero_bits(text) >= bits)
