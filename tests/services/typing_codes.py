"""What processes do that try one code: found by name, since they are spawned."""

from __future__ import annotations

import secrets

from flask_tessera.accounts.recipients import Recipient
from flask_tessera.errors import CodeWrongError, StorageUnavailableError, ThrottledError
from flask_tessera.services.codes import Codes
from flask_tessera.services.keys import Keys
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing import race
from flask_tessera.testing.contract.base import T0

from .bench import SECRET

ADA = Recipient("phone", "+8613800138000")


def codes_over(storage, clock=lambda: T0, *, realm="", secret=SECRET, fallbacks=()):
    """The service over a storage."""
    ring = Keys.from_secret(secret, fallbacks=fallbacks, realm=realm).code
    return Codes(storage.values, ring, realm=realm, clock=clock, random_bytes=secrets.token_bytes)


def typist(url):
    """Try a code in many threads at once: what came of each try."""
    codes = codes_over(open_storage(url))

    def type_at_once(order):
        code, threads = order
        return race(threads, lambda _number: outcome(codes, code))

    return type_at_once


def outcome(codes, code, purpose="login", recipient=ADA):
    """Try a code, again where a busy machine gave no answer when it was only read; "right", "wrong" or "too many"."""
    while True:
        try:
            codes.use(purpose, recipient, code)
        except StorageUnavailableError as error:
            # Of a write the outcome is unknown, and a test that lost one would prove nothing.
            if error.writing:
                raise
        except CodeWrongError:
            return "wrong"
        except ThrottledError:
            return "too many"
        else:
            return "right"
