"""Scripts for the tests of the client, which knows those of the package only."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from unittest import mock

import redis

from flask_tessera.storage.redis.client import Call

REFUSES_LATE = b"""
if tonumber(redis.call('TIME')[1]) > tonumber(ARGV[1]) then return redis.error_reply('LATE by its own clock') end
"""
COUNTS = b"return {KEYS[1], redis.call('INCR', KEYS[1])}"


def counting(key, *others, waits=False, text=REFUSES_LATE + COUNTS):
    """Adds one to a counter, and gives its key and the new count; names other keys, too."""
    sha = hashlib.sha1(text, usedforsecurity=False).hexdigest().encode()
    keys = (key, *others)
    return Call(key, ("EVALSHA", sha, len(keys), *keys), writes=True, waits=waits, script=text, limit_at=3 + len(keys))


@contextmanager
def counting_round_trips():
    """Gives a function that tells how often something was sent since, whatever it was and however much at once."""
    sent = []
    send = redis.Connection.send_packed_command

    def counted(self, *arguments, **options):
        sent.append(self)
        return send(self, *arguments, **options)

    with mock.patch.object(redis.Connection, "send_packed_command", counted):
        yield lambda: len(sent)
