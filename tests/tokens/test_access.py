"""Signed access tokens: what is minted is verified, when and where it should be."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_tessera.errors import ClaimsInvalidError, TokenExpiredError, TokenInvalidError
from flask_tessera.tokens import access
from flask_tessera.tokens.access import LONGEST_TOKEN
from flask_tessera.tokens.claims import LAST_SECOND, Claims
from flask_tessera.tokens.encoding import URL_ALPHABET, decode, encode
from flask_tessera.tokens.keys import KeyRing
from tests.tokens.forging import (
    AUDIENCE,
    CLAIMS,
    EXPIRES,
    HONEST,
    ISSUED,
    ISSUER,
    KEY,
    NOW,
    PLACE,
    REFUSALS,
    RING,
    SECRET,
    SID,
    b64,
    payload,
    refusal,
    sign,
    valid_claims,
)

BARE = Claims("42", SID, 0, 0, ISSUED, EXPIRES)


@given(valid_claims())
def test_T04_what_is_minted_is_verified_and_minted_again_alike(claims):
    text = access.mint(claims, KEY)
    place = {"at": claims.iat, "issuer": claims.iss, "audience": claims.aud, "longest": LAST_SECOND}
    assert access.verify(text, RING, **place) == claims
    assert access.mint(access.verify(text, RING, **place), KEY) == text


@given(st.text() | st.binary() | st.none() | st.integers() | st.lists(st.text()))
def test_T18_arbitrary_input_raises_nothing_else(text):
    assert refusal(access.verify, text, RING) == "TokenInvalidError"


@given(st.text(), st.text())
def test_T18_arbitrary_segments_after_the_right_header_raise_nothing_else(body, mac):
    assert refusal(access.verify, f"{KEY.header}.{body}.{mac}", RING) == "TokenInvalidError"


@given(st.binary())
def test_T18_arbitrary_bytes_under_the_right_key_raise_nothing_else(data):
    assert refusal(access.verify, sign(data), RING) == "TokenInvalidError"


@given(st.text())
def test_T18_arbitrary_text_under_the_right_key_raises_nothing_else(text):
    try:
        signed = sign(text)
    except UnicodeEncodeError:
        return
    assert refusal(access.verify, signed, RING) == "TokenInvalidError"


def test_a_token_is_written_in_one_way():
    header, body, mac = HONEST.split(".")
    assert json.loads(decode(header.encode())) == {"alg": "HS256", "kid": KEY.kid, "typ": "at+jwt"}
    assert decode(body.encode()) == payload()
    assert sign(payload()) == HONEST
    assert len(mac) == 43


def test_what_is_left_out_takes_no_room():
    assert decode(access.mint(BARE, KEY).split(".")[1].encode()) == payload(
        gen="0", ep="0", auth_time=None, iss=None, aud=None, amr=None, scope=None
    )


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (0, "TokenInvalidError"),
        (ISSUED - 31, "TokenInvalidError"),
        (ISSUED - 30, ""),
        (ISSUED, ""),
        (EXPIRES - 1, ""),
        (EXPIRES, "TokenExpiredError"),
        (EXPIRES + 1, "TokenExpiredError"),
        (LAST_SECOND, "TokenExpiredError"),
    ],
)
def test_T10_T11_a_token_is_good_from_its_issue_less_the_leeway_until_the_second_it_names(at, expected):
    assert refusal(access.verify, HONEST, RING, at=at) == expected


@pytest.mark.parametrize(
    ("leeway", "early", "expected"),
    [
        (0, 0, ""),
        (0, 1, "TokenInvalidError"),
        (60, 60, ""),
        (60, 61, "TokenInvalidError"),
        (120, 120, ""),
        (120, 121, "TokenInvalidError"),
        (10**6, 120, ""),
        (10**6, 121, "TokenInvalidError"),
    ],
)
def test_T10_the_leeway_is_for_the_time_of_issue_and_capped_at_two_minutes(leeway, early, expected):
    assert refusal(access.verify, HONEST, RING, at=ISSUED - early, leeway=leeway) == expected
    assert refusal(access.verify, HONEST, RING, at=EXPIRES, leeway=leeway) == "TokenExpiredError"


def test_T10_a_life_longer_than_the_longest_is_none_of_ours():
    assert refusal(access.verify, HONEST, RING, longest=900) == ""
    assert refusal(access.verify, HONEST, RING, longest=899) == "TokenInvalidError"
    assert refusal(access.verify, HONEST, RING, longest=899, at=EXPIRES) == "TokenInvalidError"


@pytest.mark.parametrize(
    ("issuer", "audience", "expected"),
    [
        (ISSUER, AUDIENCE, ""),
        ("", AUDIENCE, "TokenInvalidError"),
        (ISSUER, "", "TokenInvalidError"),
        ("", "", "TokenInvalidError"),
        (ISSUER[:-1], AUDIENCE, "TokenInvalidError"),
        (ISSUER + "/", AUDIENCE, "TokenInvalidError"),
        (ISSUER, AUDIENCE + "s", "TokenInvalidError"),
        (ISSUER, AUDIENCE.upper(), "TokenInvalidError"),
        (AUDIENCE, ISSUER, "TokenInvalidError"),
    ],
)
def test_T12_issuer_and_audience_are_compared_whole(issuer, audience, expected):
    assert refusal(access.verify, HONEST, RING, issuer=issuer, audience=audience) == expected
    bare = "" if issuer == audience == "" else "TokenInvalidError"
    assert refusal(access.verify, access.mint(BARE, KEY), RING, issuer=issuer, audience=audience) == bare


@pytest.mark.parametrize("change", [{"issuer": "b"}, {"audience": "b"}, {"longest": 1}])
def test_T12_a_token_for_elsewhere_is_invalid_even_when_it_has_expired(change):
    assert refusal(access.verify, HONEST, RING, at=EXPIRES, **change) == "TokenInvalidError"


def test_an_expired_token_tells_its_claims():
    with pytest.raises(TokenExpiredError) as caught:
        access.verify(HONEST, RING, **{**PLACE, "at": EXPIRES})
    assert caught.value.claims == CLAIMS


def test_T03_a_forged_token_tells_nothing():
    with pytest.raises(TokenInvalidError) as caught:
        access.verify(HONEST[:-1], RING, **PLACE)
    assert str(caught.value) == ""
    assert not hasattr(caught.value, "claims")


def test_T15_a_token_of_the_longest_length_is_good_and_a_character_more_is_refused():
    sizes = {}
    for size in range(5500, 6200):
        claims = Claims("a" * size, SID, 0, 0, ISSUED, EXPIRES)
        try:
            sizes[len(access.mint(claims, KEY))] = access.verify(access.mint(claims, KEY), RING, at=NOW)
        except ClaimsInvalidError:
            too_long = sign(payload(sub=f'"{"a" * size}"'))
            assert len(too_long) > LONGEST_TOKEN
            assert refusal(access.verify, too_long, RING) == "TokenInvalidError"
    assert max(sizes) == LONGEST_TOKEN


@pytest.mark.parametrize("purpose", ["sealed", "refresh", "csrf", "sid"])
def test_T13_a_key_for_another_purpose_signs_no_access_token(purpose):
    with pytest.raises(ValueError, match=f"not '{purpose}'"):
        access.mint(CLAIMS, KeyRing.from_secret(SECRET, purpose=purpose).active)


def test_K03_fallbacks_verify_and_never_sign():
    older, newer = "an older secret of 32 characters", "a newer secret of 32 characters"
    ring = KeyRing.from_secret(newer, fallbacks=[SECRET, older])
    for secret in (newer, SECRET, older):
        text = access.mint(CLAIMS, KeyRing.from_secret(secret).active)
        assert access.verify(text, ring, **PLACE) == CLAIMS
    # CVE-2025-47278: Flask signed with the oldest.
    assert access.mint(CLAIMS, ring.active) == access.mint(CLAIMS, KeyRing.from_secret(newer).active)
    assert refusal(access.verify, access.mint(CLAIMS, ring.active), RING) == "TokenInvalidError"


@given(st.binary(max_size=200))
def test_T04_base64url_is_read_as_it_was_written(data):
    text = encode(data)
    assert text == b64(data).encode()
    assert decode(text) == data


@given(st.text(URL_ALPHABET.decode() + "+/= \n", max_size=12).map(str.encode) | st.binary(max_size=12))
def test_T04_base64url_has_no_second_spelling(text):
    try:
        data = decode(text)
    except REFUSALS:
        return
    assert encode(data) == text


def test_T04_every_byte_in_every_place_of_base64url():
    for text in (b"QUJDREVG", b"QUJDREU", b"QUJDRA"):
        for at in range(len(text)):
            for byte in range(256):
                candidate = text[:at] + bytes([byte]) + text[at + 1 :]
                try:
                    assert encode(decode(candidate)) == candidate
                except TokenInvalidError:
                    is_last = at == len(text) - 1 and len(text) % 4
                    assert is_last or byte not in URL_ALPHABET


@pytest.mark.parametrize(
    "text", [b"A", b"AAAAA", b"=", b"==", b"====", b"AA==", b"AAA=", b"AB", b"AAB", b"\\u0041AAA", b'"', b'"AA"']
)
def test_T04_what_is_no_canonical_base64url_is_refused(text):
    with pytest.raises(TokenInvalidError):
        decode(text)
