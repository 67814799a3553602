"""What processes do that redeem one ticket: found by name, since they are spawned."""

from __future__ import annotations

import secrets

from flask_tessera.errors import StorageUnavailableError, TicketInvalidError
from flask_tessera.services.keys import Keys
from flask_tessera.services.tickets import Tickets
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing import race
from flask_tessera.testing.contract.base import T0

from .bench import SECRET


def tickets_over(storage, clock=lambda: T0, *, realm="", valid_from=lambda **_: 0):
    """The service over a storage."""
    ring = Keys.from_secret(SECRET, realm=realm).ticket
    return Tickets(storage, ring, realm=realm, clock=clock, random_bytes=secrets.token_bytes, valid_from=valid_from)


def redeemer(url):
    """Redeem a ticket in many threads at once: how often that succeeded."""
    tickets = tickets_over(open_storage(url))

    def redeem_at_once(order):
        text, threads = order
        return sum(race(threads, lambda _number: is_redeemed(tickets, text)))

    return redeem_at_once


def is_redeemed(tickets, text, purpose="download"):
    """Redeem a ticket, again where a busy machine gave no answer when it was only read; whether that succeeded."""
    while True:
        try:
            tickets.redeem(text, purpose, lambda audience: True)
        except StorageUnavailableError as error:
            # Of a write the outcome is unknown, and a test that lost one would prove nothing.
            if error.writing:
                raise
        except TicketInvalidError:
            return False
        else:
            return True
