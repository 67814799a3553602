"""The services of second factors over a storage; what racing processes do is found by name, since they are spawned."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass

import pyotp

from flask_tessera.errors import CodeWrongError, StorageUnavailableError, ThrottledError
from flask_tessera.services.factor_limit import FactorLimit
from flask_tessera.services.keys import Keys
from flask_tessera.services.recovery_codes import RecoveryCodes
from flask_tessera.services.second_factors import SecondFactors
from flask_tessera.services.totp import TotpFactors
from flask_tessera.services.trusted_devices import TrustedDevices
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing import race
from flask_tessera.testing.contract.base import T0

from .bench import SECRET

WRONG = "000000"


@dataclass
class Factors:
    """All of them, over one storage."""

    totp: TotpFactors
    codes: RecoveryCodes
    trusted: TrustedDevices
    limit: FactorLimit
    all: SecondFactors


def factors_over(storage, clock=lambda: T0, *, realm="", keys=None, valid_from=lambda **_: 0, passkeys=None):
    """The services of a realm."""
    keys = keys or Keys.from_secret(SECRET, realm=realm)
    values = storage.values
    limit = FactorLimit(values, realm, clock)
    given = {"clock": clock, "random_bytes": secrets.token_bytes}
    codes = RecoveryCodes(values, keys.code, realm, limit=limit, **given)
    totp = TotpFactors(values, keys.at_rest, realm, limit=limit, recovery_codes=codes, **given)
    trusted = TrustedDevices(values, realm, valid_from=valid_from, **given)
    return Factors(totp, codes, trusted, limit, SecondFactors(totp, codes, trusted, passkeys))


def code_at(secret, at):
    """What an authenticator app shows at a Unix second."""
    return pyotp.HOTP(secret).at(at // 30)


def set_up(factors, at, user_id="7"):
    """A confirmed generator: its secret, and the recovery codes."""
    secret, _ = factors.totp.begin(user_id, "ada", "Shop")
    return secret, factors.totp.confirm(user_id, code_at(secret, at - 30))


def passes(call):
    """Whether a factor is taken; again where a busy machine gave no answer when it was only read."""
    while True:
        try:
            call()
        except StorageUnavailableError as error:
            # Of a write the outcome is unknown, and a test that lost one would prove nothing.
            if error.writing:
                raise
        except (CodeWrongError, ThrottledError):
            return False
        else:
            return True


def shower(url):
    """Show one factor in many threads at once, each at a device of its own; how often it was taken."""
    factors = factors_over(open_storage(url))

    def show_at_once(order):
        if order is None:
            return os.getpid()
        turn, name, proof, threads = order

        def show(number):
            place = device(turn, os.getpid(), number)
            return passes(lambda: factors.all.check("7", name, proof, device_id=place))

        return sum(race(threads, show))

    return show_at_once


def device(turn, process, number):
    """The name of the device of one racer."""
    return f"device {turn} {process} {number}"
