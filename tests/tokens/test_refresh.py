"""Refresh tokens as text: one text for a session's generation, and no other that reads as one (R01, R08)."""

from __future__ import annotations

import string
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_tessera.errors import TokenInvalidError
from flask_tessera.tokens.keys import Key, KeyRing
from flask_tessera.tokens.refresh import parse, render
from tests.tokens.forging import HONEST, HONEST_SEALED, SECRET, b64

RING = KeyRing.from_secret(SECRET, purpose="refresh")
KEY = RING.active
SID = bytes(range(16))
TOKEN = render(SID, 7, KEY)

sids = st.binary(min_size=16, max_size=16)
generations = st.integers(0, 2**32 - 1)


def is_refused(text, ring=RING):
    try:
        parse(text, ring)
    except TokenInvalidError:
        return True
    return False


def forge(head, *, key=KEY, mac_bytes=24):
    body = b64(head + key.mac(head)[:mac_bytes])
    return f"tsr_{body}{b64(zlib.crc32(body.encode()).to_bytes(4, 'big'))}"


def with_checksum(body):
    return f"tsr_{body}{b64(zlib.crc32(body.encode()).to_bytes(4, 'big'))}"


@given(sids, generations)
def test_what_is_rendered_is_parsed(sid, gen):
    assert parse(render(sid, gen, KEY), RING) == (sid, gen)


@given(sids, generations)
def test_R04_a_generation_has_always_the_same_text(sid, gen):
    assert render(sid, gen, KEY) == render(sid, gen, KeyRing.from_secret(SECRET, purpose="refresh").active)


@given(sids, sids, generations, generations)
def test_two_generations_have_different_texts(sid, other_sid, gen, other_gen):
    same = (sid, gen) == (other_sid, other_gen)
    assert (render(sid, gen, KEY) == render(other_sid, other_gen, KEY)) == same


@given(st.text(max_size=100))
def test_R08_arbitrary_text_is_refused(text):
    assert is_refused(text)
    assert is_refused("tsr_" + text)


@given(st.text(alphabet=string.ascii_letters + string.digits + "-_", min_size=60, max_size=60))
def test_R08_garbage_with_the_right_checksum_is_refused(body):
    assert is_refused(with_checksum(body))


def test_R01_the_token_has_the_form_that_secret_scanners_look_for():
    assert len(TOKEN) == 70
    assert TOKEN.startswith("tsr_")
    assert TOKEN[-6:] == b64(zlib.crc32(TOKEN[4:-6].encode()).to_bytes(4, "big"))


def test_R01_all_single_character_edits_are_refused():
    alphabet = string.ascii_letters + string.digits + "-_.=+/ \n\0é\ud800"
    for at, right in enumerate(TOKEN):
        for wrong in alphabet:
            assert wrong == right or is_refused(TOKEN[:at] + wrong + TOKEN[at + 1 :])
        assert is_refused(TOKEN[:at] + TOKEN[at + 1 :])
        assert is_refused(TOKEN[:at] + "A" + TOKEN[at:])


def test_R08_all_single_character_edits_are_refused_with_a_checksum_made_anew():
    body = TOKEN[4:-6]
    for at, right in enumerate(body):
        for wrong in string.ascii_letters + string.digits + "-_.=+/ ":
            assert wrong == right or is_refused(with_checksum(body[:at] + wrong + body[at + 1 :]))


def test_R08_every_cut_of_a_token_is_refused():
    assert all(is_refused(TOKEN[:size]) for size in range(len(TOKEN)))
    assert all(is_refused(TOKEN[size:]) for size in range(1, len(TOKEN)))


@pytest.mark.parametrize(
    "change", [" {}", "{} ", "{}\n", "{}A", "A{}", '"{}"', "Bearer {}", "{0}{0}", "{}\0", "\ufeff{}"]
)
def test_R08_a_token_in_other_clothes_is_refused(change):
    assert is_refused(change.format(TOKEN))


@pytest.mark.parametrize(
    "text", [None, 7, b"", TOKEN.encode(), [TOKEN], {}, object(), ...], ids=lambda v: type(v).__name__
)
def test_R08_what_is_no_text_is_refused(text):
    assert is_refused(text)


def test_R08_a_megabyte_is_refused():
    assert is_refused("tsr_" + "A" * 2**20)
    assert is_refused("中" * 2**20)


def test_T13_access_tokens_are_refused():
    assert is_refused(HONEST)
    assert is_refused(HONEST_SEALED)


@pytest.mark.parametrize("purpose", ["access", "sealed", "csrf", "sid", "legacy"])
def test_T13_K02_a_key_for_another_purpose_does_not_read_them(purpose):
    assert is_refused(TOKEN, KeyRing.from_secret(SECRET, purpose=purpose))


def test_K02_another_realm_or_secret_reads_none():
    assert is_refused(TOKEN, KeyRing.from_secret(SECRET, purpose="refresh", realm="admin"))
    assert is_refused(TOKEN, KeyRing.from_secret(SECRET[::-1], purpose="refresh"))


def test_K03_a_fallback_reads_its_tokens_and_writes_none():
    new = KeyRing.from_secret("a new secret, thirty-two bytes long", fallbacks=["older", SECRET], purpose="refresh")
    assert parse(TOKEN, new) == (SID, 7)
    assert render(SID, 7, new.active) != TOKEN
    assert is_refused(render(SID, 7, new.active))


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_is_refused_though_its_mac_is_good(version):
    assert is_refused(forge(struct.pack(">B16sI", version, SID, 7)))
    assert forge(struct.pack(">B16sI", 1, SID, 7)) == TOKEN


@pytest.mark.parametrize("mac_bytes", [0, 1, 16, 23, 25, 32])
def test_R01_a_mac_of_another_size_is_refused(mac_bytes):
    assert is_refused(forge(struct.pack(">B16sI", 1, SID, 7), mac_bytes=mac_bytes))


@pytest.mark.parametrize("sid", [b"", SID[:15], SID + b"\0"])
def test_a_session_id_of_another_size_is_not_rendered(sid):
    with pytest.raises(ValueError, match="16 bytes"):
        render(sid, 7, KEY)


@pytest.mark.parametrize("gen", [-1, 2**32])
def test_a_generation_that_does_not_fit_is_not_rendered(gen):
    with pytest.raises(ValueError, match="gen must"):
        render(SID, gen, KEY)


def test_R02_the_key_is_not_in_the_token_nor_in_what_is_printed_of_it():
    assert isinstance(KEY, Key)
    assert KEY.secret.hex() not in repr(KEY) + repr(RING)
    assert repr(KEY.secret) not in repr(KEY) + repr(RING)
