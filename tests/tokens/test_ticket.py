"""Tickets as text: one text for what is drawn, and no other that reads as one."""

from __future__ import annotations

import re
import string
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_tessera.errors import TokenInvalidError
from flask_tessera.tokens import api_key, refresh
from flask_tessera.tokens.keys import Key, KeyRing
from flask_tessera.tokens.ticket import parse, render
from tests.tokens.forging import HONEST, HONEST_SEALED, SECRET, b64

RING = KeyRing.from_secret(SECRET, purpose="ticket")
KEY = RING.active
TAG, RANDOM = b"\x07\x08", bytes(range(16))
TICKET = render(TAG, RANDOM, KEY)


def is_refused(text, ring=RING):
    try:
        parse(text, ring)
    except TokenInvalidError:
        return True
    return False


def forge(data, *, key=KEY, mac_bytes=20):
    body = b64(data + key.mac(data)[:mac_bytes])
    return f"tst_{body}{b64(zlib.crc32(body.encode()).to_bytes(4, 'big'))}"


@given(st.binary(min_size=2, max_size=2), st.binary(min_size=16, max_size=16))
def test_what_is_rendered_is_parsed(tag, random):
    assert parse(render(tag, random, KEY), RING) == (tag, random)


@pytest.mark.parametrize(("tag", "random"), [(b"\0", RANDOM), (TAG, RANDOM[1:]), (b"", b""), (TAG * 2, RANDOM)])
def test_other_sizes_are_the_caller_s_fault(tag, random):
    with pytest.raises(ValueError, match="2 bytes and 16 random bytes"):
        render(tag, random, KEY)


def test_the_ticket_has_the_form_that_secret_scanners_look_for():
    assert re.fullmatch(r"tst_[A-Za-z0-9_-]{58}", TICKET)
    assert TICKET[-6:] == b64(zlib.crc32(TICKET[4:-6].encode()).to_bytes(4, "big"))


@given(st.text(max_size=100))
def test_arbitrary_text_is_refused(text):
    assert is_refused(text)
    assert is_refused("tst_" + text)


@given(st.text(alphabet=string.ascii_letters + string.digits + "-_", min_size=52, max_size=52))
def test_garbage_with_the_right_checksum_is_refused(body):
    assert is_refused(f"tst_{body}{b64(zlib.crc32(body.encode()).to_bytes(4, 'big'))}")


def test_all_single_character_edits_are_refused():
    alphabet = string.ascii_letters + string.digits + "-_.=+/ \n\0é\ud800"
    for at, right in enumerate(TICKET):
        for wrong in alphabet:
            if wrong != right:
                assert is_refused(TICKET[:at] + wrong + TICKET[at + 1 :])
    assert all(is_refused(TICKET[:length]) for length in range(len(TICKET)))
    assert is_refused(TICKET + "A")


@pytest.mark.parametrize("text", [None, 7, b"", TICKET.encode(), [TICKET], {}, object()])
def test_what_is_no_text_is_refused(text):
    assert is_refused(text)


def test_another_version_another_length_or_another_key_is_refused():
    data = b"\x01" + TAG + RANDOM
    assert parse(forge(data), RING) == (TAG, RANDOM)
    assert is_refused(forge(b"\x02" + TAG + RANDOM))
    assert is_refused(forge(data, mac_bytes=19))
    assert is_refused(forge(data + b"\0\0\0"))
    assert is_refused(forge(data, key=Key.symmetric("k", "HS256", "h", bytes(32), "ticket")))


@pytest.mark.parametrize("purpose", ["refresh", "access", "sealed", "csrf"])
def test_Q02_the_key_of_another_purpose_makes_no_tickets(purpose):
    ring = KeyRing.from_secret(SECRET, purpose=purpose)
    assert is_refused(render(TAG, RANDOM, ring.active))
    assert is_refused(TICKET, ring)


def test_the_ticket_of_another_realm_is_refused():
    assert is_refused(TICKET, KeyRing.from_secret(SECRET, purpose="ticket", realm="admin"))


def test_K03_a_ticket_under_an_older_secret_is_good_while_that_is_a_fallback():
    newer = "another secret that is long enough, 32+"
    assert parse(TICKET, KeyRing.from_secret(newer, fallbacks=[SECRET], purpose="ticket")) == (TAG, RANDOM)
    assert is_refused(TICKET, KeyRing.from_secret(newer, purpose="ticket"))


def test_Q02_no_other_kind_of_token_is_a_ticket_nor_the_reverse():
    other = KeyRing.from_secret(SECRET, purpose="refresh")
    texts = [HONEST, HONEST_SEALED, refresh.render(bytes(16), 0, other.active), api_key.render(bytes(16), bytes(32))]
    assert all(is_refused(text) for text in texts)
    for ring in (RING, other):
        with pytest.raises(TokenInvalidError):
            refresh.parse(TICKET, ring)
    with pytest.raises(TokenInvalidError):
        api_key.parse(TICKET)
    for prefix in ("tsr_", "tsk_"):
        with pytest.raises(TokenInvalidError):
            refresh.parse(prefix + TICKET[4:], RING)
        with pytest.raises(TokenInvalidError):
            api_key.parse(prefix + TICKET[4:])
