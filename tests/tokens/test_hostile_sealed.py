"""Hostile sealed tokens, most of them under the right key: none is accepted, none raises anything undocumented."""

from __future__ import annotations

import json
import os
import random
import zlib

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from flask_tessera.errors import TokenExpiredError
from flask_tessera.tokens import access, refresh, sealed
from flask_tessera.tokens.keys import KeyRing
from tests.tokens.forging import (
    CLAIMS,
    EXPIRES,
    HONEST,
    HONEST_SEALED,
    ISSUED,
    KEY,
    NONCE,
    NOW,
    PLACE,
    REFUSALS,
    RING,
    SEALED_KEY,
    SEALED_RING,
    SECRET,
    b64,
    misspelled,
    payload,
    refusal,
    seal,
    seal_parts,
    sign,
)
from tests.tokens.test_hostile_signed import NO_TEXTS, PAYLOADS, edits

HEADER = {"alg": "dir", "kid": SEALED_KEY.kid, "typ": "at+jwt", "enc": "A256GCM"}
PARTS = seal_parts()
HEAD, _, IV, TEXT, TAG = PARTS


def sealed_under(header, **sealing):
    return seal(payload(), header=b64(json.dumps(header, separators=(",", ":"))), **sealing)


def parts_with(**changes):
    names = ("header", "wrapped_key", "nonce", "text", "tag")
    return ".".join({**dict(zip(names, PARTS, strict=True)), **changes}.values())


def deflated(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def authenticating(data):
    """Sealed with other associated data than the header segment."""
    box = AESGCM(SEALED_KEY.secret).encrypt(NONCE, payload(), data)
    return parts_with(text=b64(box[:-16]), tag=b64(box[-16:]))


def with_nonce_of(size):
    return seal(payload(), nonce=bytes(range(size)))


HOSTILE = {
    **{f"claims: {name}": seal(data) for name, data in PAYLOADS.items()},
    **{
        f"T21 alg {alg!r}": sealed_under(HEADER | {"alg": alg})
        for alg in (
            "DIR",
            "Dir",
            "none",
            "",
            None,
            "A256KW",
            "A128KW",
            "A256GCMKW",
            "RSA1_5",
            "RSA-OAEP",
            "RSA-OAEP-256",
            "ECDH-ES",
            "PBES2-HS256+A128KW",
            "HS256",
            ["dir"],
        )
    },
    **{
        f"T21 enc {enc!r}": sealed_under(HEADER | {"enc": enc})
        for enc in (
            "a256gcm",
            "A128GCM",
            "A192GCM",
            "A256CBC-HS512",
            "A128CBC-HS256",
            "none",
            "",
            None,
            "C20P",
            "XC20P",
        )
    },
    **{
        f"T20 kid {kid!r}": sealed_under(HEADER | {"kid": kid})
        for kid in ("", KEY.kid, SEALED_KEY.kid + "A", "../../dev/null", None, 1, [SEALED_KEY.kid])
    },
    **{
        f"T13 typ {typ!r}": sealed_under(HEADER | {"typ": typ})
        for typ in ("JWT", "AT+JWT", "application/at+jwt", "refresh+jwt", None)
    },
    **{
        f"T21 header with {name}": sealed_under(HEADER | {name: value})
        for name, value in {
            "zip": "DEF",
            "crit": ["exp"],
            "cty": "JWT",
            "p2c": 10**9,
            "p2s": "AAAA",
            "epk": {"kty": "EC"},
            "apu": "QQ",
            "iv": "AAAA",
            "tag": "AAAA",
            "jku": "https://evil.example",
            "jwk": {"kty": "oct"},
            "x5c": ["MIIB"],
        }.items()
    },
    "T21 zip, and zipped": seal(
        deflated(payload()), header=b64(json.dumps(HEADER | {"zip": "DEF"}, separators=(",", ":")))
    ),
    "T21 zipped without saying so": seal(deflated(payload())),
    "T21 a zip bomb": seal(
        deflated(bytes(3 * 10**6)), header=b64(json.dumps(HEADER | {"zip": "DEF"}, separators=(",", ":")))
    ),
    "T21 no members": sealed_under({}),
    "T21 no enc": sealed_under({"alg": "dir", "kid": SEALED_KEY.kid, "typ": "at+jwt"}),
    "T21 other order": sealed_under(dict(reversed(HEADER.items()))),
    "T21 blanks": seal(payload(), header=b64(json.dumps(HEADER))),
    **{
        f"T21 wrapped key {key[:12]!r}": seal(payload(), wrapped_key=key)
        for key in ("A", "AA", "AAAA", b64(bytes(32)), b64(SEALED_KEY.secret), b64(bytes(40)), " ", "=", "\0")
    },
    **{f"T21 nonce of {size} bytes": with_nonce_of(size) for size in (8, 9, 11, 13, 15, 16, 24, 32, 128)},
    "T21 no nonce": parts_with(nonce=""),
    "T21 zero nonce": parts_with(nonce=b64(bytes(12))),
    "T21 nonce twice": parts_with(nonce=IV + IV),
    "T21 nonce and 4 characters of the text": parts_with(nonce=IV + TEXT[:4], text=TEXT[4:]),
    "T21 4 characters of the nonce in the text": parts_with(nonce=IV[:12], text=IV[12:] + TEXT),
    "T21 nonce in the text": parts_with(nonce="", text=IV + TEXT),
    **{
        f"T21 tag cut to {size} bytes": parts_with(
            tag=b64(AESGCM(SEALED_KEY.secret).encrypt(NONCE, payload(), HEAD.encode())[-16:][:size])
        )
        for size in (0, 1, 4, 8, 12, 13, 14, 15)
    },
    "T21 zero tag": parts_with(tag=b64(bytes(16))),
    "T21 tag and a zero": parts_with(tag=b64(bytes(17))),
    "T21 tag of 32 bytes": parts_with(tag=b64(bytes(32))),
    "T21 tag of another": parts_with(tag=seal(payload(sub='"1"')).split(".")[4]),
    "T21 no text": parts_with(text=""),
    "T21 empty text": seal(b""),
    "T21 text and tag swapped": parts_with(text=TAG, tag=TEXT),
    "T21 tag within the text": parts_with(text=TEXT + TAG, tag=""),
    "T21 text of another": parts_with(text=seal(payload(sub='"1"')).split(".")[3]),
    "T21 text cut": parts_with(text=TEXT[:-4]),
    "T21 text doubled": parts_with(text=TEXT + TEXT),
    "T21 unencrypted": parts_with(text=b64(payload())),
    "T21 no data authenticated": authenticating(None),
    "T21 header's bytes authenticated": authenticating(json.dumps(HEADER, separators=(",", ":")).encode()),
    "K02 SECRET_KEY itself": seal(payload(), secret=SECRET.encode()),
    "K02 zero key": seal(payload(), secret=bytes(32)),
    "K02 access key": seal(payload(), secret=KEY.secret),
    "K02 half the key, A128GCM": seal(payload(), secret=SEALED_KEY.secret[:16]),
    "K02 another realm": seal(
        payload(), secret=KeyRing.from_secret(SECRET, purpose="sealed", realm="admin").active.secret
    ),
    "K02 another secret": seal(payload(), secret=KeyRing.from_secret(SECRET[::-1], purpose="sealed").active.secret),
    "T22 a signed token": HONEST,
    "T22 a signed token under the sealed key": sign(payload(), header=SEALED_KEY.header, secret=SEALED_KEY.secret),
    "T22 a signed token in five segments": HONEST + "..",
    "T22 signed within": seal(HONEST.encode()),
    "T22 access header": seal(payload(), header=KEY.header),
    "T22 access header and key": seal(payload(), header=KEY.header, secret=KEY.secret),
    "T22 sealed in sealed": seal(HONEST_SEALED.encode()),
    "T13 refresh token": refresh.render(bytes(16), 7, KeyRing.from_secret(SECRET, purpose="refresh").active),
    **{f"T05 {text!r}": text for text in ("", ".", "..", "....", "a.b.c.d.e", ".....", "....a", "null", "\0")},
    "T05 four segments": ".".join(PARTS[:4]),
    "T05 six segments": HONEST_SEALED + ".",
    "T05 six with a tag": f"{HONEST_SEALED}.{TAG}",
    "T05 three segments": f"{HEAD}.{TEXT}.{TAG}",
    "T05 dot before": "." + HONEST_SEALED,
    "T05 flattened JSON": json.dumps({"protected": HEAD, "iv": IV, "ciphertext": TEXT, "tag": TAG}),
    "T05 general JSON": json.dumps({"protected": HEAD, "recipients": [{}], "iv": IV, "ciphertext": TEXT, "tag": TAG}),
    "T04 newline after": HONEST_SEALED + "\n",
    "T04 blank before": " " + HONEST_SEALED,
    "T04 capitals": HONEST_SEALED.upper(),
    "T04 quoted": f'"{HONEST_SEALED}"',
    "T18 surrogate": HONEST_SEALED + "\ud800",
    "T15 one too long": parts_with(text="A" * (8193 - len(parts_with(text="")))),
    "T15 1 MB of text": seal(bytes(2**20)),
    "T15 1 MB of dots": "." * 2**20,
    "T15 1 MB of 中": "中" * 2**20,
    "T15 1 MB of nonce": parts_with(nonce="A" * 2**20),
    "T15 1 MB of wrapped key": parts_with(wrapped_key="A" * 2**20),
    **{
        f"T04 {name}: {what}": parts_with(**{name: text})
        for name, segment in (("header", HEAD), ("nonce", IV), ("text", TEXT), ("tag", TAG))
        for what, text in misspelled(segment).items()
    },
    **{
        f"T04 text of {more} more: {what}": ".".join((*PARTS[:2], IV, text, box[4]))
        for more in (1, 2)
        for box in [seal_parts(payload(sub=f'"42{"4" * more}"'))]
        for what, text in misspelled(box[3]).items()
    },
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_T21_a_hostile_sealed_token_is_refused_with_a_documented_error(text):
    expected = "TokenExpiredError" if text in EXPIRED else "TokenInvalidError"
    assert refusal(sealed.verify, text, SEALED_RING) == expected


EXPIRED = {HOSTILE["claims: T10 expired this second"], HOSTILE["claims: T10 expired"]}


def test_the_table_holds_what_it_promises():
    assert len(HOSTILE) >= 300
    assert len(HOSTILE) - len(PAYLOADS) >= 200
    assert len(set(HOSTILE.values())) >= 300
    for more in ("", "4", "44"):
        data = payload(sub=f'"42{more}"')
        assert refusal(sealed.verify, seal(data), SEALED_RING) == ""


def test_T21_all_failures_of_the_cipher_give_one_indistinguishable_error():
    names = ("T21 zero tag", "T21 text of another", "K02 zero key", "T21 no text", "T21 zero nonce")
    raised = set()
    for name in names:
        with pytest.raises(REFUSALS) as caught:
            sealed.verify(HOSTILE[name], SEALED_RING, **PLACE)
        raised.add((type(caught.value), str(caught.value), caught.value.args, caught.value.row))
    assert len(raised) == 1


@pytest.mark.parametrize("text", NO_TEXTS, ids=lambda value: type(value).__name__)
def test_T18_what_is_no_text_is_refused(text):
    assert refusal(sealed.verify, text, SEALED_RING) == "TokenInvalidError"


@pytest.mark.parametrize("purpose", ["access", "refresh", "csrf"])
def test_T22_a_ring_for_another_purpose_opens_nothing_even_under_its_own_key(purpose):
    ring = KeyRing.from_secret(SECRET, purpose=purpose)
    assert refusal(sealed.verify, seal(payload(), header=ring.active.header, secret=ring.active.secret), ring)
    assert refusal(sealed.verify, HONEST_SEALED, ring) == "TokenInvalidError"


def test_T22_neither_verifier_accepts_the_others_token():
    assert refusal(sealed.verify, HONEST, RING) == "TokenInvalidError"
    assert refusal(sealed.verify, HONEST, SEALED_RING) == "TokenInvalidError"
    assert refusal(access.verify, HONEST_SEALED, RING) == "TokenInvalidError"
    assert refusal(access.verify, HONEST_SEALED, SEALED_RING) == "TokenInvalidError"


def test_T18_of_random_edits_only_the_unedited_token_is_accepted():
    count = 200_000 if os.environ.get("TESSERA_LONG") == "1" else 5_000
    accepted = set()
    for text in edits(HONEST_SEALED, random.Random(21), count, "ABCxyz019-_.=+/ \n\0é\ud800"):
        try:
            sealed.verify(text, SEALED_RING, **PLACE)
        except REFUSALS:
            continue
        accepted.add(text)
    assert accepted <= {HONEST_SEALED}


def test_T04_every_edit_of_a_single_character_is_refused():
    for at, right in enumerate(HONEST_SEALED):
        for wrong in "A-_.=+/ Q9":
            if wrong != right:
                text = HONEST_SEALED[:at] + wrong + HONEST_SEALED[at + 1 :]
                assert refusal(sealed.verify, text, SEALED_RING) == "TokenInvalidError"


def test_T10_an_expired_sealed_token_tells_its_claims():
    with pytest.raises(TokenExpiredError) as caught:
        sealed.verify(HONEST_SEALED, SEALED_RING, **{**PLACE, "at": EXPIRES})
    assert caught.value.claims == CLAIMS
    assert ISSUED < NOW < EXPIRES
