"""Scripts for the tests of the client, which knows those of the package only."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import NamedTuple
from unittest import mock

import redis.client

from flask_tessera.storage.redis.calls import Call

REFUSES_LATE = b"""
if tonumber(redis.call('TIME')[1]) > tonumber(ARGV[1]) then return redis.error_reply('LATE by its own clock') end
"""
COUNTS = b"return {KEYS[1], redis.call('INCR', KEYS[1])}"


class Text(NamedTuple):
    """A script by its text."""

    text: bytes

    @property
    def sha(self):
        """What the server calls it."""
        return hashlib.sha1(self.text, usedforsecurity=False).hexdigest().encode()


def counting(key, *, waits=False, text=REFUSES_LATE + COUNTS):
    """Adds one to a counter, and gives its key and the new count."""
    return Call(key, (key,), Text(text), 1, writes=True, waits=waits)


@contextmanager
def counting_round_trips():
    """Gives a function that tells how often something was sent since, whatever it was and however much at once."""
    sent = []
    execute = redis.client.Pipeline.execute

    def counted(self, *arguments, **options):
        sent.append(self)
        return execute(self, *arguments, **options)

    with mock.patch.object(redis.client.Pipeline, "execute", counted):
        yield lambda: len(sent)
