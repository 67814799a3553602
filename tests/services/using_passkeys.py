"""What processes do that present one assertion: found by name, since they are spawned."""

from __future__ import annotations

import secrets

from flask_tessera.accounts.passkeys import RelyingParty
from flask_tessera.errors import CodeWrongError, StorageUnavailableError
from flask_tessera.services.keys import Keys
from flask_tessera.services.passkey_challenges import PasskeyChallenges
from flask_tessera.services.passkeys import Passkeys
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing import race
from flask_tessera.testing.contract.base import T0
from tests.authenticator import ORIGIN

from .bench import SECRET

PARTY = RelyingParty("shop.example", (ORIGIN, "https://www.shop.example"))


def passkeys_over(
    storage, clock=lambda: T0, *, realm="", valid_from=lambda **_: 0, party=PARTY, secret=SECRET, fallbacks=()
):
    """The service over a storage."""
    ring = Keys.from_secret(secret, fallbacks=fallbacks, realm=realm).passkey
    how = {"clock": clock, "random_bytes": secrets.token_bytes}
    challenges = PasskeyChallenges(storage.values, ring, valid_from=valid_from, **how)
    return Passkeys(storage.values, realm, challenges=challenges, relying_party=lambda: party, **how)


def user(url):
    """Present an assertion in many threads at once: how often that succeeded."""
    passkeys = passkeys_over(open_storage(url))

    def use_at_once(order):
        credential, threads = order
        return sum(race(threads, lambda _number: is_let_in(passkeys, credential)))

    return use_at_once


def registrar(url):
    """Register passkeys that were made before, in threads at once: the outcomes, None for those that are not known."""
    passkeys = passkeys_over(open_storage(url))

    def register_at_once(credentials):
        return race(len(credentials), lambda number: is_registered(passkeys, *credentials[number]))

    return register_at_once


def is_let_in(passkeys, credential):
    """Log in; again where a busy machine gave no answer when it was only read."""
    while True:
        try:
            passkeys.verify_login(credential)
        except StorageUnavailableError as error:
            # Of a write the outcome is unknown, and a test that lost one would prove nothing.
            if error.writing:
                raise
        except CodeWrongError:
            return False
        else:
            return True


def is_registered(passkeys, user_id, session_id, credential):
    """Register a passkey: None where the outcome is not known."""
    from flask_tessera.errors import AlreadyExistsError, InputError

    try:
        passkeys.register(user_id, "key", credential, session_id=session_id)
    except StorageUnavailableError:
        return None
    except (CodeWrongError, AlreadyExistsError, InputError):
        return False
    return True
