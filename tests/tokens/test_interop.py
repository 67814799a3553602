"""Other libraries read our tokens; what they write in other words is not taken for ours."""

from __future__ import annotations

import json
import warnings

import jwt
import pytest
from joserfc import jwe, jws
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import OctKey
from jwt.warnings import InsecureKeyLengthWarning

from flask_tessera.tokens import access, sealed
from tests.tokens.forging import (
    AUDIENCE,
    CLAIMS,
    HONEST,
    HONEST_SEALED,
    ISSUER,
    KEY,
    PLACE,
    RING,
    SEALED_KEY,
    SEALED_RING,
    payload,
    refusal,
)

SAID = json.loads(payload())
HEADER = {"alg": "HS256", "kid": KEY.kid, "typ": "at+jwt"}
SEALED_HEADER = {"alg": "dir", "kid": SEALED_KEY.kid, "typ": "at+jwt", "enc": "A256GCM"}
OCT = OctKey.import_key(KEY.secret)
SEALED_OCT = OctKey.import_key(SEALED_KEY.secret)
AT_ANY_TIME = {"verify_exp": False, "verify_iat": False}


def with_pyjwt(said, *, headers=None, algorithm="HS256", **options):
    headers = {"kid": KEY.kid, "typ": "at+jwt"} if headers is None else headers
    with warnings.catch_warnings():
        # The key is short for HS512: that token is none of ours anyway.
        warnings.simplefilter("ignore", InsecureKeyLengthWarning)
        return jwt.encode(said, KEY.secret, algorithm=algorithm, headers=headers, **options)


def test_PyJWT_reads_a_signed_token():
    read = jwt.decode(HONEST, KEY.secret, algorithms=["HS256"], issuer=ISSUER, audience=AUDIENCE, options=AT_ANY_TIME)
    assert read == SAID
    assert jwt.get_unverified_header(HONEST) == HEADER


def test_joserfc_reads_a_signed_token():
    token = joserfc_jwt.decode(HONEST, OCT, algorithms=["HS256"])
    assert (token.header, token.claims) == (HEADER, SAID)


def test_joserfc_opens_a_sealed_token():
    box = jwe.decrypt_compact(HONEST_SEALED, SEALED_OCT, algorithms=["dir", "A256GCM"])
    assert (box.protected, box.plaintext) == (SEALED_HEADER, payload())


def test_what_PyJWT_writes_in_our_words_is_ours():
    text = jwt.PyJWS().encode(payload(), KEY.secret, headers={"kid": KEY.kid, "typ": "at+jwt"}, sort_headers=True)
    assert text == HONEST == with_pyjwt(SAID)
    assert access.verify(text, RING, **PLACE) == CLAIMS


def test_what_joserfc_writes_in_our_words_is_ours():
    assert jws.serialize_compact(HEADER, payload(), OCT) == HONEST
    text = jwe.encrypt_compact(SEALED_HEADER, payload(), SEALED_OCT, algorithms=["dir", "A256GCM"])
    assert sealed.verify(text, SEALED_RING, **PLACE) == CLAIMS


OTHERWISE = {
    "PyJWT, headers as given": with_pyjwt(SAID, headers={"typ": "at+jwt", "kid": KEY.kid}, sort_headers=False),
    "PyJWT, claims reordered": with_pyjwt(dict(sorted(SAID.items())), sort_headers=True),
    "PyJWT, no kid": with_pyjwt(SAID, headers={"typ": "at+jwt"}),
    "PyJWT, typ JWT": with_pyjwt(SAID, headers={"kid": KEY.kid}),
    "PyJWT, HS512": with_pyjwt(SAID, algorithm="HS512"),
    "PyJWT, HS384": with_pyjwt(SAID, algorithm="HS384"),
    "PyJWT, none": jwt.encode(SAID, None, algorithm="none", headers={"kid": KEY.kid, "typ": "at+jwt"}),
    "PyJWT, jti": with_pyjwt(SAID | {"jti": "1"}, sort_headers=True),
    "PyJWT, nbf": with_pyjwt(SAID | {"nbf": SAID["iat"]}, sort_headers=True),
    "PyJWT, aud as list": with_pyjwt(SAID | {"aud": [AUDIENCE]}, sort_headers=True),
    "PyJWT, exp as float": with_pyjwt(SAID | {"exp": SAID["exp"] + 0.0}, sort_headers=True),
    "PyJWT, non-ASCII escaped": with_pyjwt(SAID | {"scope": "é"}, sort_headers=True),
    "joserfc, other header order": jws.serialize_compact(dict(reversed(HEADER.items())), payload(), OCT),
    "joserfc, HS512": jws.serialize_compact(HEADER | {"alg": "HS512"}, payload(), OCT, algorithms=["HS512"]),
    "joserfc, typ JWT": joserfc_jwt.encode(HEADER | {"typ": "JWT"}, SAID, OCT),
    "joserfc, JSON with blanks": jws.serialize_compact(HEADER, json.dumps(SAID).encode(), OCT),
    "joserfc, indented": jws.serialize_compact(HEADER, json.dumps(SAID, indent=1).encode(), OCT),
    "joserfc, b64 false": jws.serialize_compact(
        HEADER | {"b64": False, "crit": ["b64"]}, payload().replace(b".", b"_"), OCT
    ),
    "joserfc, flattened": json.dumps(jws.serialize_json({"protected": HEADER}, payload(), OCT)),
}
SEALED_OTHERWISE = {
    "other header order": jwe.encrypt_compact(
        dict(reversed(SEALED_HEADER.items())), payload(), SEALED_OCT, algorithms=["dir", "A256GCM"]
    ),
    "no kid": jwe.encrypt_compact(
        {"alg": "dir", "enc": "A256GCM"}, payload(), SEALED_OCT, algorithms=["dir", "A256GCM"]
    ),
    "zip": jwe.encrypt_compact(
        SEALED_HEADER | {"zip": "DEF"}, payload(), SEALED_OCT, algorithms=["dir", "A256GCM", "DEF"]
    ),
    "A256KW": jwe.encrypt_compact(
        SEALED_HEADER | {"alg": "A256KW"}, payload(), SEALED_OCT, algorithms=["A256KW", "A256GCM"]
    ),
    "A256GCMKW": jwe.encrypt_compact(
        SEALED_HEADER | {"alg": "A256GCMKW"}, payload(), SEALED_OCT, algorithms=["A256GCMKW", "A256GCM"]
    ),
    "JSON with blanks": jwe.encrypt_compact(
        SEALED_HEADER, json.dumps(SAID).encode(), SEALED_OCT, algorithms=["dir", "A256GCM"]
    ),
    "signed within": jwe.encrypt_compact(
        SEALED_HEADER | {"cty": "JWT"}, HONEST.encode(), SEALED_OCT, algorithms=["dir", "A256GCM"]
    ),
}


@pytest.mark.parametrize("text", OTHERWISE.values(), ids=OTHERWISE)
def test_T04_a_token_in_other_words_is_refused_though_it_says_the_same(text):
    assert refusal(access.verify, text, RING) == "TokenInvalidError"


@pytest.mark.parametrize("text", SEALED_OTHERWISE.values(), ids=SEALED_OTHERWISE)
def test_T21_a_sealed_token_in_other_words_is_refused_though_it_says_the_same(text):
    assert refusal(sealed.verify, text, SEALED_RING) == "TokenInvalidError"
