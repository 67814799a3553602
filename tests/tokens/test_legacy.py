"""Tokens of the old application (SECURITY.md H), answered as the releases that made them meant them."""

import base64
import dataclasses
import hashlib
import hmac
import itertools
import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_tessera.errors import ConfigError, TokenExpiredError, TokenInvalidError
from flask_tessera.tokens.access import mint, verify
from flask_tessera.tokens.claims import Claims
from flask_tessera.tokens.keys import KeyRing
from flask_tessera.tokens.legacy import LAST_SECOND, LONGEST_TOKEN, LegacyClaims, LegacyTokens

SECRET = "the secret of the old application, 2019"
FOREVER = LAST_SECOND
ISSUED = 1_700_000_000
EXPIRES = ISSUED + 3600
DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
REFUSED = (TokenInvalidError, TokenExpiredError)

VECTORS = json.loads(Path(__file__).parent.parent.joinpath("data", "legacy-tokens.json").read_text("utf-8"))["tokens"]
GOOD = [vector for vector in VECTORS if vector["good_at"]]
NEVER_GOOD = [vector for vector in VECTORS if not vector["good_at"]]


def named(vector):
    return f"{vector['made_by']}, {vector['note']}"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(header: str, payload: str, *, algorithm="HS512", secret=SECRET, salt=None) -> str:
    """What itsdangerous does, written anew: segments given as text, so that a test may misspell them."""
    key = secret.encode()
    if salt is not None:
        key = hashlib.sha1(salt.encode() + b"signer" + key).digest()
    return (
        header + "." + payload + "." + b64(hmac.new(key, f"{header}.{payload}".encode(), DIGESTS[algorithm]).digest())
    )


def issue(payload, *, algorithm="HS512", header=..., escaped=False, **signing) -> str:
    if header is ...:
        header = {"alg": algorithm, "iat": ISSUED, "exp": EXPIRES}
    segments = (
        b64(json.dumps(part, ensure_ascii=escaped, separators=(",", ":")).encode()) for part in (header, payload)
    )
    return sign(*segments, algorithm=algorithm, **signing)


def issue_text(header: str, payload: str) -> str:
    return sign(b64(header.encode("utf-8", "surrogatepass")), b64(payload.encode("utf-8", "surrogatepass")))


def reader_of(vector, **changes):
    options = {"secret": SECRET, "algorithm": vector["algorithm"], "salt": vector["salt"], "until": FOREVER}
    if vector["good_at"]:
        options["user_key"] = next(iter(vector["payload"]))
    options |= changes
    return LegacyTokens(options.pop("secret"), **options)


READER = LegacyTokens(SECRET, until=FOREVER)


def is_refused(text, reader=READER, at=ISSUED) -> bool:
    with pytest.raises(REFUSED):
        reader.verify(text, at=at)
    return True


# The 33 tokens of the releases


def test_M06_there_are_33_vectors_of_three_releases():
    assert len(VECTORS) == 33
    assert len(GOOD) + len(NEVER_GOOD) == 33
    assert {vector["made_by"] for vector in VECTORS} == {f"itsdangerous {v}" for v in ("0.24", "1.1.0", "2.0.1")}


@pytest.mark.parametrize("vector", GOOD, ids=named)
def test_M06_a_real_token_is_good_from_its_first_to_its_last_second(vector):
    reader = reader_of(vector)
    first, last = vector["good_at"]
    expected = LegacyClaims(next(iter(vector["payload"].values())), vector["iat"], vector["exp"])
    assert reader.verify(vector["token"], at=first) == expected
    assert reader.verify(vector["token"], at=last) == expected
    with pytest.raises(TokenInvalidError):
        reader.verify(vector["token"], at=first - 1)
    with pytest.raises(TokenExpiredError):
        reader.verify(vector["token"], at=last + 1)


@pytest.mark.parametrize("offset", [-1, 0, 3599, 3600])
@pytest.mark.parametrize("vector", NEVER_GOOD, ids=named)
def test_M03_a_real_token_that_is_no_login_is_never_good(vector, offset):
    algorithms = [vector["algorithm"]] if vector["algorithm"] in DIGESTS else list(DIGESTS)
    for algorithm in algorithms:
        with pytest.raises(TokenInvalidError):
            reader_of(vector, algorithm=algorithm).verify(vector["token"], at=vector["iat"] + offset)


@pytest.mark.parametrize("vector", GOOD, ids=named)
def test_M02_a_real_token_is_refused_under_any_other_profile(vector):
    others = [{"algorithm": name} for name in DIGESTS if name != vector["algorithm"]]
    others += [{"salt": salt} for salt in (None, "", "auth", "other") if salt != vector["salt"]]
    others += [{"user_key": "uid"}, {"secret": SECRET + " "}]
    for other in others:
        with pytest.raises(TokenInvalidError):
            reader_of(vector, **other).verify(vector["token"], at=ISSUED)


# The window


def test_M01_the_window_closes_at_its_date_for_a_process_that_runs_on():
    reader = LegacyTokens(SECRET, until=ISSUED + 10)
    token = issue({"id": 42})
    assert reader.verify(token, at=ISSUED + 9).user_id == 42
    for at in (ISSUED + 10, ISSUED + 11, EXPIRES - 1, EXPIRES, FOREVER):
        with pytest.raises(TokenExpiredError):
            reader.verify(token, at=at)


def test_M01_after_the_window_a_forgery_is_still_called_invalid():
    with pytest.raises(TokenInvalidError):
        LegacyTokens(SECRET, until=0).verify(issue({"id": 42}, secret="guessed"), at=ISSUED)


# The exact profile


BAD_HEADERS = {
    "no algorithm": {"iat": ISSUED, "exp": EXPIRES},
    "no iat": {"alg": "HS512", "exp": EXPIRES},
    "no exp": {"alg": "HS512", "iat": ISSUED},
    "a further member": {"alg": "HS512", "iat": ISSUED, "exp": EXPIRES, "kid": "1"},
    "typ": {"typ": "JWT", "alg": "HS512", "iat": ISSUED, "exp": EXPIRES},
    "none": {"alg": "none", "iat": ISSUED, "exp": EXPIRES},
    "another algorithm": {"alg": "HS256", "iat": ISSUED, "exp": EXPIRES},
    "lower case": {"alg": "hs512", "iat": ISSUED, "exp": EXPIRES},
    "algorithm as a list": {"alg": ["HS512"], "iat": ISSUED, "exp": EXPIRES},
    "iat is a bool": {"alg": "HS512", "iat": True, "exp": EXPIRES},
    "exp is a bool": {"alg": "HS512", "iat": 0, "exp": True},
    "exp is text": {"alg": "HS512", "iat": ISSUED, "exp": str(EXPIRES)},
    "exp is a float": {"alg": "HS512", "iat": ISSUED, "exp": float(EXPIRES)},
    "iat is a float": {"alg": "HS512", "iat": float(ISSUED), "exp": EXPIRES},
    "exp is NaN": {"alg": "HS512", "iat": ISSUED, "exp": float("nan")},
    "exp is infinite": {"alg": "HS512", "iat": ISSUED, "exp": float("inf")},
    "exp is null": {"alg": "HS512", "iat": ISSUED, "exp": None},
    "iat is negative": {"alg": "HS512", "iat": -1, "exp": EXPIRES},
    "exp after the year 9999": {"alg": "HS512", "iat": ISSUED, "exp": LAST_SECOND + 1},
    "exp before iat": {"alg": "HS512", "iat": ISSUED, "exp": ISSUED - 1},
    "a list": ["alg", "iat", "exp"],
    "null": None,
}


@pytest.mark.parametrize("header", BAD_HEADERS.values(), ids=BAD_HEADERS.keys())
def test_M02_a_signed_header_of_any_other_shape_is_refused(header):
    with pytest.raises(TokenInvalidError):
        READER.verify(issue({"id": 42}, header=header), at=ISSUED)


@pytest.mark.parametrize("order", list(itertools.permutations(["alg", "iat", "exp"])), ids="-".join)
def test_M06_the_members_of_the_header_come_in_any_order_as_old_pythons_wrote_them(order):
    header = {"alg": "HS512", "iat": ISSUED, "exp": EXPIRES}
    assert READER.verify(issue({"id": 42}, header={name: header[name] for name in order}), at=ISSUED).user_id == 42


BAD_PAYLOADS = {
    "M03 a reset link with the user's id": {"id": 42, "operation": "reset"},
    "M03 a confirmation": {"confirm": 42},
    "nothing": {},
    "a bool": {"id": True},
    "a float": {"id": 42.0},
    "NaN": {"id": float("nan")},
    "null": {"id": None},
    "a list": {"id": [42]},
    "an object": {"id": {"id": 42}},
    "a bare number": 42,
    "a bare text": "id",
    "a bare list": ["id"],
    "an integer of 20 digits": {"id": 10**19},
    "a negative integer of 20 digits": {"id": -(10**19)},
    "an empty text": {"id": ""},
    "a text of 256": {"id": "x" * 256},
    "T08 NUL": {"id": "a\0"},
    "T08 a line feed": {"id": "a\n"},
    "T08 escape": {"id": "\x1b[31m"},
    "T08 DEL": {"id": "a\x7f"},
    "T08 a C1 control": {"id": "a\x85"},
    "T08 a line separator": {"id": "a\u2028"},
    "the claims of a JWT": {"sub": "42", "exp": EXPIRES},
}


@pytest.mark.parametrize("payload", BAD_PAYLOADS.values(), ids=BAD_PAYLOADS.keys())
def test_M02_a_signed_payload_of_any_other_shape_is_refused(payload):
    for escaped in (False, True):
        with pytest.raises(TokenInvalidError):
            READER.verify(issue(payload, escaped=escaped), at=ISSUED)


@pytest.mark.parametrize("user_id", [0, 1, -1, 10**19 - 1, "u-1", "x" * 255, "用户一", "😀", "é/ü", 'a"b\\c', " "])
def test_M06_an_honest_user_id_survives_escaped_as_in_0_24_or_plain_as_since_1_0(user_id):
    for escaped in (False, True):
        assert READER.verify(issue({"id": user_id}, escaped=escaped), at=ISSUED).user_id == user_id


HEADER_TEXT = f'{{"alg":"HS512","iat":{ISSUED},"exp":{EXPIRES}}}'
MISSPELLED = {
    "T07 a duplicate": (HEADER_TEXT, '{"id":1,"id":42}'),
    "T07 a duplicate behind an escape": (HEADER_TEXT, '{"id":1,"\\u0069d":42}'),
    "T07 a duplicate in the header": (HEADER_TEXT.replace('"exp"', '"exp":9,"exp"'), '{"id":42}'),
    "an escaped name": (HEADER_TEXT, '{"\\u0069d":42}'),
    "an escaped letter": (HEADER_TEXT, '{"id":"\\u0061"}'),
    "an escaped slash": (HEADER_TEXT, '{"id":"a\\/b"}'),
    "upper-case hex": (HEADER_TEXT, '{"id":"\\u00E9"}'),
    "half escaped": (HEADER_TEXT, '{"id":"é\\u00e9"}'),
    "a blank": (HEADER_TEXT, '{"id": 42}'),
    "a final newline": (HEADER_TEXT, '{"id":42}\n'),
    "trailing data": (HEADER_TEXT, '{"id":42}{}'),
    "T06 a byte order mark": (HEADER_TEXT, '\ufeff{"id":42}'),
    "T06 a byte order mark in the header": ("\ufeff" + HEADER_TEXT, '{"id":42}'),
    "minus nought": (HEADER_TEXT, '{"id":-0}'),
    "a leading nought": (HEADER_TEXT, '{"id":042}'),
    "an exponent": (HEADER_TEXT, '{"id":42e0}'),
    "an exponent in exp": (HEADER_TEXT.replace(str(EXPIRES), "2e9"), '{"id":42}'),
    "overflow": (HEADER_TEXT, '{"id":1e999}'),
    "T08 a lone surrogate, escaped": (HEADER_TEXT, '{"id":"\\ud800"}'),
    "T08 a lone surrogate, raw": (HEADER_TEXT, '{"id":"\ud800"}'),
    "T08 a raw control character": (HEADER_TEXT, '{"id":"a\tb"}'),
    "T16 deep nesting": (HEADER_TEXT, "[" * 5800),
    "T16 deep nesting, closed": (HEADER_TEXT, '{"id":' * 900 + "1" + "}" * 900),
    "T17 a number of 5000 digits": (HEADER_TEXT, '{"id":' + "9" * 5000 + "}"),
    "T17 a time of 5000 digits": (HEADER_TEXT.replace(str(EXPIRES), "9" * 5000), '{"id":42}'),
    "nothing": (HEADER_TEXT, ""),
    "nothing at all": ("", ""),
}


@pytest.mark.parametrize(("header", "payload"), MISSPELLED.values(), ids=MISSPELLED.keys())
def test_M02_signed_json_in_any_other_spelling_is_refused(header, payload):
    with pytest.raises(TokenInvalidError):
        READER.verify(issue_text(header, payload), at=ISSUED)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-8-sig"])
def test_T06_signed_json_in_any_other_encoding_is_refused(encoding):
    with pytest.raises(TokenInvalidError):
        READER.verify(sign(b64(HEADER_TEXT.encode()), b64('{"id":42}'.encode(encoding))), at=ISSUED)


def test_T06_signed_bytes_that_are_no_utf_8_are_refused():
    with pytest.raises(TokenInvalidError):
        READER.verify(sign(b64(HEADER_TEXT.encode()), b64(b'{"id":"\xff"}')), at=ISSUED)


HEADER = b64(HEADER_TEXT.encode())
PAYLOAD = b64(b'{"id":4}')  # eyJpZCI6NH0: two unused bits at its end


@pytest.mark.parametrize(
    ("header", "payload"),
    [
        (HEADER, PAYLOAD + "="),
        (HEADER + "=", PAYLOAD),
        (HEADER, PAYLOAD[:-1] + "1"),
        (HEADER, PAYLOAD + "\n"),
        (HEADER, " " + PAYLOAD),
        (HEADER, PAYLOAD[:4] + "!" + PAYLOAD[4:]),
        (HEADER, PAYLOAD + "A"),
        (HEADER, PAYLOAD + "." + PAYLOAD),
        (HEADER, "." + PAYLOAD),
        (HEADER, ""),
        ("", PAYLOAD),
    ],
)
def test_T04_signed_segments_in_any_other_spelling_are_refused(header, payload):
    assert READER.verify(sign(HEADER, PAYLOAD), at=ISSUED).user_id == 4
    with pytest.raises(TokenInvalidError):
        READER.verify(sign(header, payload), at=ISSUED)


def test_T04_the_signature_has_one_spelling():
    token = issue({"id": 42})
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twins = [token[:-1] + letter for letter in alphabet if token[-1] != letter]
    twins += [token + tail for tail in ("=", "==", "A", ".", " ", "\n", "\0")]
    twins += [head + token for head in (" ", ".", "\ufeff", "Bearer ")]
    assert all(is_refused(twin) for twin in twins)


def test_T04_segments_of_the_standard_alphabet_are_refused():
    token = next(t for t in (issue({"id": n}) for n in range(100)) if "-" in t.rpartition(".")[2])
    head, _, mac = token.rpartition(".")
    assert is_refused(head + "." + mac.replace("-", "+"))


def test_T15_a_text_over_the_limit_is_refused_before_it_is_looked_at():
    assert is_refused("a" * (LONGEST_TOKEN + 1))
    assert is_refused("." * 10_000_000)
    tokens = {len(token): (key, token) for key in ("k" * n for n in range(5900, 6100)) for token in [issue({key: 1})]}
    for length, (key, token) in tokens.items():
        reader = LegacyTokens(SECRET, user_key=key, until=FOREVER)
        assert is_refused(token, reader) if length > LONGEST_TOKEN else reader.verify(token, at=ISSUED).user_id == 1
    assert min(tokens) <= LONGEST_TOKEN < max(tokens)


@pytest.mark.parametrize("thing", [None, 1, True, b"", b"a.b.c", bytearray(b"x"), [], {}, object(), 1.5, float("nan")])
def test_T18_a_thing_that_is_no_text_is_an_invalid_token(thing):
    with pytest.raises(TokenInvalidError):
        READER.verify(thing, at=ISSUED)


# Agreement and hostility in numbers


def random_user_id(rng: random.Random):
    if rng.random() < 0.5:
        return rng.randrange(10 ** rng.randrange(1, 19))
    letters = 'abcXYZ019-_.@ é中文用户😀"\\/\u00a0ß'
    return "".join(rng.choices(letters, k=rng.randrange(1, 40)))


def honest(rng: random.Random):
    """A reader, a token that it must accept, and what it says."""
    algorithm = rng.choice(list(DIGESTS))
    options = {
        "secret": "".join(rng.choices("abcdefghijklmnop é中", k=rng.randrange(1, 200))),
        "salt": rng.choice([None, None, "auth", "", "盐"]),
    }
    user_key = rng.choice(["id", "user_id", "uid", "用户"])
    issued_at = rng.randrange(LAST_SECOND - 10**8)
    expires_at = issued_at + rng.randrange(1, 10**8)
    members = [("alg", algorithm), ("iat", issued_at), ("exp", expires_at)]
    rng.shuffle(members)
    user_id = random_user_id(rng)
    token = issue({user_key: user_id}, algorithm=algorithm, header=dict(members), escaped=rng.random() < 0.5, **options)
    reader = LegacyTokens(**options, user_key=user_key, algorithm=algorithm, until=FOREVER)
    return reader, token, LegacyClaims(user_id, issued_at, expires_at)


@pytest.mark.slow
def test_M06_ten_thousand_honest_tokens_are_accepted():
    rng = random.Random(6)
    for _ in range(10_000):
        reader, token, expected = honest(rng)
        at = rng.choice([expected.issued_at, expected.expires_at - 1])
        assert reader.verify(token, at=at) == expected


def edited(text: str, rng: random.Random) -> str:
    place = rng.randrange(len(text))
    letter = rng.choice("ABCyz019-_.=+/ \n\0é")
    match rng.randrange(7):
        case 0:
            return text[:place] + letter + text[place + 1 :]
        case 1:
            return text[:place] + letter + text[place:]
        case 2:
            return text[:place] + text[place + 1 :]
        case 3:
            return text[:place]
        case 4:
            return text[:place] + text[place].swapcase() + text[place + 1 :]
        case 5:
            return text[:place] + text[place + 1 : place + 2] + text[place] + text[place + 2 :]
        case _:
            start = rng.randrange(len(text))
            return text[:place] + text[start : start + rng.randrange(1, 30)] + text[place:]


def test_T18_none_of_twenty_thousand_edits_of_a_genuine_token_is_accepted():
    rng = random.Random(18)
    tokens = [(reader_of(vector), vector["token"]) for vector in GOOD]
    tried = 0
    while tried < 20_000:
        reader, token = rng.choice(tokens)
        text = edited(token, rng)
        if text != token:
            with pytest.raises(TokenInvalidError):
                reader.verify(text, at=ISSUED)
            tried += 1


def test_T18_segments_of_different_genuine_tokens_do_not_combine():
    tokens = {issue({"id": user_id}) for user_id in range(8)} | {vector["token"] for vector in VECTORS}
    segments = [token.split(".") for token in tokens]
    combined = {
        f"{header}.{payload}.{mac}"
        for (header, _, _), (_, payload, _), (_, _, mac) in itertools.product(segments, repeat=3)
    }
    assert all(is_refused(text) for text in combined - tokens)


@pytest.mark.parametrize("place", [0, 10, 90, 120, 200])
@pytest.mark.parametrize("letter", ["\ud800", "é", "中", "\U0001f600", "\0", "\uff0e"])
def test_T18_letters_beyond_ascii_are_refused_in_every_segment(place, letter):
    token = issue({"id": 42})
    assert is_refused(token[:place] + letter + token[place:])


@settings(deadline=None)
@given(
    st.one_of(
        st.text(),
        st.text(st.characters(exclude_categories=[])),
        st.binary(),
        st.text(alphabet="eyJhbGciOi.-_=", max_size=400),
    )
)
def test_T18_no_text_and_no_bytes_raise_anything_but_token_errors(thing):
    assert is_refused(thing)


@settings(deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=300))
def test_T18_no_signed_bytes_raise_anything_but_token_errors(header, payload):
    assert is_refused(sign(b64(header), b64(payload)))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["id", "alg", "x"]), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(JSON_VALUES)
def test_T18_a_signed_payload_is_a_login_or_refused(payload):
    try:
        user_id = READER.verify(issue(payload, escaped=True), at=ISSUED).user_id
    except TokenInvalidError:
        return
    assert payload == {"id": user_id}
    assert type(user_id) in {int, str}


@settings(deadline=None)
@given(JSON_VALUES, st.sampled_from(["alg", "iat", "exp", "crit"]))
def test_T18_a_signed_header_with_any_member_changed_raises_token_errors_only(value, member):
    header = {"alg": "HS512", "iat": ISSUED, "exp": EXPIRES} | {member: value}
    try:
        claims = READER.verify(issue({"id": 42}, header=header, escaped=True), at=ISSUED)
    except REFUSED:
        return
    assert header == {"alg": "HS512", "iat": claims.issued_at, "exp": claims.expires_at}


# Old and new tokens beside each other


def test_M04_old_and_new_verifiers_refuse_each_others_tokens_under_one_secret():
    ring = KeyRing.from_secret(SECRET)
    claims = Claims(sub="42", sid="s", gen=0, ep=0, iat=ISSUED, exp=EXPIRES, auth_time=ISSUED)
    new = mint(claims, ring.active)
    assert verify(new, ring, at=ISSUED) == claims
    for algorithm in DIGESTS:
        assert is_refused(new, LegacyTokens(SECRET, algorithm=algorithm, until=FOREVER))
        with pytest.raises(TokenInvalidError):
            verify(issue({"id": 42}, algorithm=algorithm), ring, at=ISSUED)


def test_M05_the_claims_tell_when_the_token_was_issued_and_cannot_be_changed():
    claims = READER.verify(issue({"id": 42}), at=ISSUED)
    assert claims == LegacyClaims(user_id=42, issued_at=ISSUED, expires_at=EXPIRES)
    with pytest.raises(dataclasses.FrozenInstanceError):
        claims.user_id = 1


def test_the_secret_and_the_salt_may_be_bytes():
    reader = LegacyTokens(SECRET.encode(), salt=b"auth", until=FOREVER)
    assert reader.verify(issue({"id": 42}, salt="auth"), at=ISSUED).user_id == 42


def test_the_secret_shows_in_no_representation():
    assert SECRET not in repr(READER)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"secret": ""}, "secret"),
        ({"secret": b""}, "secret"),
        ({"secret": None}, "secret"),
        ({"secret": "\ud800"}, "secret"),
        ({"algorithm": "none"}, "algorithm"),
        ({"algorithm": "hs256"}, "algorithm"),
        ({"algorithm": "RS256"}, "algorithm"),
        ({"algorithm": ["HS256"]}, "algorithm"),
        ({"algorithm": None}, "algorithm"),
        ({"user_key": ""}, "user_key"),
        ({"user_key": 1}, "user_key"),
        ({"salt": 1}, "salt"),
        ({"until": None}, "until"),
        ({"until": True}, "until"),
        ({"until": 1.5}, "until"),
        ({"until": "2030-01-01"}, "until"),
    ],
)
def test_X15_a_wrong_setting_stops_the_start_and_is_named(options, word):
    options = {"secret": SECRET, "until": FOREVER} | options
    with pytest.raises(ConfigError, match=f"TESSERA_LEGACY: {word}"):
        LegacyTokens(options.pop("secret"), **options)


def test_K08_a_reader_shows_no_secret():
    assert SECRET not in repr(READER)
