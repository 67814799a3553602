"""API keys as text: one text for an id and a secret, and no other that reads as one (A03, A05)."""

from __future__ import annotations

import re
import string
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_tessera.errors import TokenInvalidError
from flask_tessera.tokens.api_key import PATTERN, parse, render
from tests.tokens.forging import b64

KEY_ID, SECRET = bytes(range(16)), bytes(range(100, 132))
KEY = render(KEY_ID, SECRET)

key_ids = st.binary(min_size=16, max_size=16)
secrets = st.binary(min_size=32, max_size=32)


def is_refused(text):
    try:
        parse(text)
    except TokenInvalidError:
        return True
    return False


def with_checksum(body):
    return f"tsk_{body}{b64(zlib.crc32(body.encode(errors='surrogatepass')).to_bytes(4, 'big'))}"


@given(key_ids, secrets)
def test_what_is_rendered_is_parsed(key_id, secret):
    assert parse(render(key_id, secret)) == (key_id, secret)


@given(key_ids, secrets)
def test_A02_every_key_has_the_form_that_secret_scanners_look_for(key_id, secret):
    text = render(key_id, secret)
    assert re.fullmatch(PATTERN, text)
    assert text[-6:] == b64(zlib.crc32(text[4:-6].encode()).to_bytes(4, "big"))


@given(st.text(max_size=100))
def test_A03_arbitrary_text_is_refused(text):
    assert is_refused(text)
    assert is_refused("tsk_" + text)


@given(st.text(alphabet=string.ascii_letters + string.digits + "-_", min_size=64, max_size=64))
def test_what_has_the_form_of_a_key_has_it_in_one_spelling(body):
    text = with_checksum(body)
    assert render(*parse(text)) == text


@given(st.text(max_size=70))
def test_A03_garbage_with_the_right_checksum_is_refused(body):
    text = with_checksum(body)
    assert is_refused(text) or render(*parse(text)) == text


def test_A03_all_single_character_edits_are_refused():
    alphabet = string.ascii_letters + string.digits + "-_.=+/ \n\0é\ud800"
    for at, right in enumerate(KEY):
        for wrong in alphabet:
            if wrong != right:
                assert is_refused(KEY[:at] + wrong + KEY[at + 1 :])


@pytest.mark.parametrize(
    "text", [None, b"", KEY.encode(), 5, [], "", "tsk_", KEY[:-1], KEY + "A", KEY + "\n", " " + KEY]
)
def test_A03_whatever_else_there_is_is_refused(text):
    assert is_refused(text)


def test_a_subclass_of_text_cannot_lie():
    class Liar(str):
        __slots__ = ()

        def __eq__(self, other):
            return True

        __hash__ = str.__hash__

        def startswith(self, *_):
            return True

    assert parse(Liar(KEY)) == (KEY_ID, SECRET)
    assert is_refused(Liar("x" * len(KEY)))


@pytest.mark.parametrize(
    ("key_id", "secret"), [(b"", SECRET), (KEY_ID, b""), (KEY_ID + b"x", SECRET), (KEY_ID, SECRET[1:])]
)
def test_only_ids_and_secrets_of_the_right_size_are_rendered(key_id, secret):
    with pytest.raises(ValueError, match="an id of 16 bytes and a secret of 32"):
        render(key_id, secret)
