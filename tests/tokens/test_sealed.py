"""Sealed access tokens: the same claims, unreadable."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_tessera.errors import ClaimsInvalidError
from flask_tessera.tokens import sealed
from flask_tessera.tokens.access import LONGEST_TOKEN
from flask_tessera.tokens.claims import LAST_SECOND, Claims
from flask_tessera.tokens.encoding import decode
from flask_tessera.tokens.keys import KeyRing
from tests.tokens.forging import (
    CLAIMS,
    EXPIRES,
    HONEST_SEALED,
    ISSUED,
    NONCE,
    NOW,
    PLACE,
    SEALED_KEY,
    SEALED_RING,
    SECRET,
    SID,
    payload,
    refusal,
    seal,
    valid_claims,
)


@given(valid_claims(), st.binary(min_size=12, max_size=12))
def test_what_is_sealed_is_opened(claims, nonce):
    text = sealed.mint(claims, SEALED_KEY, nonce=nonce)
    place = {"at": claims.iat, "issuer": claims.iss, "audience": claims.aud, "longest": LAST_SECOND}
    assert sealed.verify(text, SEALED_RING, **place) == claims


@given(st.text() | st.binary() | st.none() | st.integers())
def test_T18_arbitrary_input_raises_nothing_else(text):
    assert refusal(sealed.verify, text, SEALED_RING) == "TokenInvalidError"


@given(st.lists(st.text(), min_size=4, max_size=4))
def test_T18_arbitrary_segments_after_the_right_header_raise_nothing_else(segments):
    assert refusal(sealed.verify, ".".join([SEALED_KEY.header, *segments]), SEALED_RING) == "TokenInvalidError"


@given(st.binary())
def test_T18_arbitrary_bytes_under_the_right_key_raise_nothing_else(data):
    assert refusal(sealed.verify, seal(data), SEALED_RING) == "TokenInvalidError"


def test_a_token_is_written_in_one_way():
    header, wrapped_key, nonce, _, tag = HONEST_SEALED.split(".")
    expected = {"alg": "dir", "kid": SEALED_KEY.kid, "typ": "at+jwt", "enc": "A256GCM"}
    assert json.loads(decode(header.encode())) == expected
    assert (wrapped_key, decode(nonce.encode()), len(tag)) == ("", NONCE, 22)
    assert seal(payload()) == HONEST_SEALED


def test_K06_another_nonce_makes_another_text_throughout():
    other = sealed.mint(CLAIMS, SEALED_KEY, nonce=bytes(12))
    assert not set(other.split(".")[2:]) & set(HONEST_SEALED.split(".")[2:])


def test_the_claims_cannot_be_read_in_the_text():
    assert b"shop" not in decode(HONEST_SEALED.split(".")[3].encode())


@pytest.mark.parametrize(
    ("at", "expected"),
    [(ISSUED - 31, "TokenInvalidError"), (ISSUED - 30, ""), (EXPIRES - 1, ""), (EXPIRES, "TokenExpiredError")],
)
def test_T10_T11_times_are_those_of_a_signed_token(at, expected):
    assert refusal(sealed.verify, HONEST_SEALED, SEALED_RING, at=at) == expected


@pytest.mark.parametrize(
    "change", [{"issuer": ""}, {"audience": ""}, {"issuer": "b"}, {"audience": "b"}, {"longest": 1}]
)
def test_T12_a_token_for_elsewhere_is_refused_even_when_it_has_expired(change):
    assert refusal(sealed.verify, HONEST_SEALED, SEALED_RING, **change) == "TokenInvalidError"
    assert refusal(sealed.verify, HONEST_SEALED, SEALED_RING, at=EXPIRES, **change) == "TokenInvalidError"


@pytest.mark.parametrize("leeway", [120, 10**6])
def test_T10_the_leeway_is_capped(leeway):
    assert refusal(sealed.verify, HONEST_SEALED, SEALED_RING, at=ISSUED - 120, leeway=leeway) == ""
    assert refusal(sealed.verify, HONEST_SEALED, SEALED_RING, at=ISSUED - 121, leeway=leeway) == "TokenInvalidError"


@pytest.mark.parametrize("size", [0, 8, 11, 13, 16])
def test_T21_a_nonce_of_another_size_seals_nothing(size):
    with pytest.raises(ValueError, match="12 bytes"):
        sealed.mint(CLAIMS, SEALED_KEY, nonce=bytes(size))


@pytest.mark.parametrize("purpose", ["access", "refresh", "csrf"])
def test_T22_a_key_for_another_purpose_seals_nothing(purpose):
    with pytest.raises(ValueError, match=f"not '{purpose}'"):
        sealed.mint(CLAIMS, KeyRing.from_secret(SECRET, purpose=purpose).active, nonce=NONCE)


def test_claims_that_could_not_be_read_are_not_sealed():
    with pytest.raises(ClaimsInvalidError):
        sealed.mint(Claims("", SID, 0, 0, ISSUED, EXPIRES), SEALED_KEY, nonce=NONCE)


def test_T15_a_token_of_the_longest_length_is_good_and_a_longer_one_is_not_minted():
    lengths = set()
    for size in range(5800, 6000):
        claims = Claims("a" * size, SID, 0, 0, ISSUED, EXPIRES)
        try:
            text = sealed.mint(claims, SEALED_KEY, nonce=NONCE)
        except ClaimsInvalidError:
            assert lengths
            continue
        assert sealed.verify(text, SEALED_RING, at=NOW) == claims
        lengths.add(len(text))
    assert max(lengths) == LONGEST_TOKEN
    assert refusal(sealed.verify, seal(payload(sub=f'"{"a" * 5700}"')), SEALED_RING) == ""
    assert refusal(sealed.verify, seal(payload(sub=f'"{"a" * 6000}"')), SEALED_RING) == "TokenInvalidError"


def test_K03_fallbacks_open_and_never_seal():
    ring = KeyRing.from_secret("a newer secret of 32 characters", fallbacks=[SECRET], purpose="sealed")
    assert sealed.verify(HONEST_SEALED, ring, **PLACE) == CLAIMS
    assert refusal(sealed.verify, sealed.mint(CLAIMS, ring.active, nonce=NONCE), SEALED_RING) == "TokenInvalidError"
