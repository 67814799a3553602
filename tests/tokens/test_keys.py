"""Keys: one secret, many keys that know nothing of each other."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import random

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from flask_tessera.errors import ConfigError
from flask_tessera.tokens.encoding import decode, encode
from flask_tessera.tokens.keys import TEXTBOOK_WORDS, Key, KeyRing, hkdf, weakness
from tests.tokens.forging import KEY, NONCE, RING, SEALED_KEY, SECRET

PURPOSES = ("access", "sealed", "refresh", "csrf", "sid", "legacy")
REALMS = ("", "user", "admin", "管理员")


def reference_hkdf(material, info):
    """RFC 5869 in three lines: one block of SHA-256, a salt of zeros."""
    extracted = hmac.digest(bytes(32), material, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


@given(st.binary(max_size=3000), st.binary(max_size=64), st.text(max_size=20).filter(str.isascii))
def test_the_prepared_contexts_give_the_MAC_of_the_standard_library(payload, secret, header):
    key = Key.symmetric("kid", "HS256", header, secret, "access")
    expected = hmac.digest(secret, header.encode() + b"." + payload, "sha256")
    assert key.sign(payload) == encode(expected)
    assert key.mac(payload) == hmac.digest(secret, payload, "sha256")
    # And once more: the contexts were copied, not used up.
    assert key.sign(payload) == encode(expected)


@given(st.binary(min_size=1), st.binary())
def test_K02_keys_are_derived_as_RFC_5869_says(material, info):
    assert hkdf(material, info) == reference_hkdf(material, info)


def test_K02_what_a_key_is_derived_from_does_not_change_between_releases():
    assert KEY.secret == reference_hkdf(SECRET.encode(), b"flask-tessera/1\0access\0")
    admin = KeyRing.from_secret(SECRET, purpose="sealed", realm="admin").active
    assert admin.secret == reference_hkdf(SECRET.encode(), b"flask-tessera/1\0sealed\0admin")
    assert KEY.kid == encode(hashlib.sha256(b"flask-tessera/1 kid\0" + KEY.secret).digest()[:9]).decode()


def test_K02_purposes_realms_and_secrets_have_keys_of_their_own():
    secrets = (SECRET, SECRET[::-1], SECRET + "0")
    rings = [
        KeyRing.from_secret(secret, purpose=purpose, realm=realm)
        for secret, purpose, realm in itertools.product(secrets, PURPOSES, REALMS)
    ]
    for part in ("secret", "kid", "header"):
        assert len({getattr(ring.active, part) for ring in rings}) == len(rings)
    assert SECRET.encode() not in {ring.active.secret for ring in rings}


def test_K02_a_realm_cannot_be_moved_into_the_purpose():
    one = KeyRing.from_secret(SECRET, purpose="a", realm="bc")
    other = KeyRing.from_secret(SECRET, purpose="ab", realm="c")
    assert one.active.secret != other.active.secret


@pytest.mark.parametrize("text", ["\0", "a\0b", "\n", "\x7f", "\u2028", "\ud800"], ids=ascii)
def test_K02_a_realm_that_no_token_could_name_is_refused(text):
    for names in ({"realm": text}, {"purpose": text}):
        with pytest.raises(ConfigError, match="control characters"):
            KeyRing.from_secret(SECRET, **names)


def test_a_text_and_its_bytes_are_one_secret():
    for same in (SECRET.encode(), bytearray(SECRET.encode()), memoryview(SECRET.encode())):
        assert KeyRing.from_secret(same).active == KEY
    assert KeyRing.from_secret("密钥" * 9).active == KeyRing.from_secret(("密钥" * 9).encode()).active
    assert KeyRing.from_secret("\udcff" * 9).active.secret != KeyRing.from_secret("\udcfe" * 9).active.secret


@pytest.mark.parametrize("secret", ["", b"", bytearray()])
def test_K01_an_empty_secret_is_refused(secret):
    with pytest.raises(ConfigError, match="SECRET_KEY is empty"):
        KeyRing.from_secret(secret)
    with pytest.raises(ConfigError, match="SECRET_KEY is empty"):
        KeyRing.from_secret(SECRET, fallbacks=[secret])


@pytest.mark.parametrize("secret", [None, 32, 0, True, 1.5, [1, 2], {"kty": "oct"}, KEY, object()], ids=type)
def test_T02_a_secret_of_another_type_is_refused(secret):
    with pytest.raises(ConfigError, match="text or bytes"):
        KeyRing.from_secret(secret)


@pytest.mark.parametrize("fallbacks", [SECRET, SECRET.encode(), "a"])
def test_K03_a_single_secret_in_place_of_the_fallbacks_is_refused(fallbacks):
    with pytest.raises(ConfigError, match="SECRET_KEY_FALLBACKS must be a list"):
        KeyRing.from_secret("another secret of 32 characters!", fallbacks=fallbacks)


def test_K03_the_first_secret_is_active_and_the_others_follow():
    ring = KeyRing.from_secret("the newest", fallbacks=["older", SECRET])
    assert ring.active == KeyRing.from_secret("the newest").active
    assert ring.keys == tuple(KeyRing.from_secret(each).active for each in ("the newest", "older", SECRET))
    assert set(ring.by_header.values()) == set(ring.keys)


def test_K03_a_fallback_that_is_the_secret_itself_changes_nothing():
    ring = KeyRing.from_secret(SECRET, fallbacks=[SECRET])
    assert ring.by_header[KEY.segment] is ring.active


@pytest.mark.parametrize(("purpose", "typ"), [("access", "at+jwt"), ("refresh", "refresh+jwt"), ("csrf", "csrf+jwt")])
def test_T13_a_header_names_what_its_key_is_for(purpose, typ):
    key = KeyRing.from_secret(SECRET, purpose=purpose).active
    assert json.loads(decode(key.header.encode())) == {"alg": "HS256", "kid": key.kid, "typ": typ}
    assert (key.algorithm, key.purpose, key.cipher) == ("HS256", purpose, None)


def test_T21_only_a_sealed_key_has_a_cipher():
    assert SEALED_KEY.algorithm == "A256GCM"
    box = SEALED_KEY.cipher.encrypt(NONCE, b"text", b"")
    with pytest.raises(InvalidTag):
        SEALED_KEY.cipher.decrypt(NONCE, box, b"other")


def test_T20_a_kid_is_short_and_of_a_safe_alphabet():
    for number in range(50):
        kid = KeyRing.from_secret(f"secret {number}").active.kid
        assert len(kid) == 12
        assert kid.replace("-", "").replace("_", "").isalnum()


def test_K08_no_key_is_printed():
    for ring in (RING, KeyRing.from_secret(SECRET, purpose="sealed")):
        for text in (repr(ring), str(ring.active), f"{ring.keys}", repr(vars(type(ring)))):
            assert repr(ring.active.secret)[2:-1] not in text
            assert ring.active.secret.hex() not in text
            assert SECRET not in text


WEAK = {
    "": "has 0 bytes",
    "secret": "has 6 bytes",
    "dev": "has 3 bytes",
    "15 characters..": "has 15 bytes",
    "a" * 64: "distinct",
    "abababababababababab": "distinct",
    "\0" * 32: "distinct",
    "12345678901234567890": "number",
    "1029384756102938": "number",
    "3141592653589793238462643383279502884197": "number",
    "00000000000000000001": "distinct",
    "deadbeefcafe" * 3: "repeats",
    "Passw0rd!Passw0rd!": "repeats",
    "your-256-bit-secret": "textbook",
    "a-string-secret-at-least-256-bits-long": "textbook",
    "super-secret-key-change-me": "textbook",
    "you-will-never-guess": "textbook",
    "hard to guess string": "textbook",
    "this-is-a-very-secret-key": "textbook",
    "my_secret_key_2024!": "textbook",
    "change_this_in_production": "textbook",
    "SuperSecretKey12345": "textbook",
    "CHANGE-ME-CHANGE-ME-NOT": "textbook",
    "flask-jwt-secret-key": "textbook",
    "qwertyuiopasdfghjklzxcvbnm123456": "textbook",
    "abcdefghijklmnopqrstuvwxyz": "textbook",
    "0123456789abcdef0123456789ABCDEF": "textbook",
    "development key not for production": "textbook",
    "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf": "textbook",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7": "textbook",
    "5791628bb0b13ce0c676dfde280ba245": "textbook",
    "A0Zr98j/3yX R~XHH!jmN]LWX/,?RT": "textbook",
    '_5#y2L"F4Q8z\n\xec]/': "textbook",
    "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0B": "key file",
    "\ufeff-----BEGIN RSA PUBLIC KEY-----": "key file",
    "\r\n -----begin certificate-----": "key file",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5": "key file",
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ": "key file",
    "ecdsa-sha2-nistp256 AAAAE2VjZHNh": "key file",
    '{"kty":"RSA","n":"0vx7agoebGcQ"}': "key file",
    '{"keys":[{"kty":"RSA"}]}': "key file",
}


@pytest.mark.parametrize(("secret", "reason"), WEAK.items(), ids=lambda text: ascii(text)[:40])
def test_K01_a_weak_secret_is_told_why(secret, reason):
    assert reason in weakness(secret)
    assert weakness(secret) == weakness(secret.encode())


@pytest.mark.parametrize("make", ["bytes", "hex", "base64url", "letters", "uuid", "words"])
@pytest.mark.parametrize("size", [16, 24, 32, 64])
def test_K01_a_random_secret_is_never_refused(make, size):
    rng = random.Random(f"{make} {size}")
    words = ["correct", "horse", "battery", "staple", "玻璃", "Ольга", "mañana"]
    made = {
        "bytes": lambda: rng.randbytes(size),
        "hex": lambda: rng.randbytes(size).hex(),
        "base64url": lambda: encode(rng.randbytes(size)),
        "letters": lambda: "".join(rng.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=size)),
        "uuid": lambda: rng.randbytes(16).hex("-", 4),
        "words": lambda: " ".join(rng.sample(words, 5)),
    }
    assert {weakness(made[make]()) for _ in range(1000)} == {""}


def test_K01_no_text_can_be_read_as_textbook_words_in_two_ways():
    """By Sardinas and Patterson; so the search never tries a place twice, however long the secret."""

    def remainders(prefixes, texts):
        return {text.removeprefix(prefix) for prefix in prefixes for text in texts if text.startswith(prefix)} - {""}

    words = set(TEXTBOOK_WORDS.split("|"))
    dangling, seen = remainders(words, words), set()
    while not dangling <= seen:
        assert not dangling & words
        seen |= dangling
        dangling = remainders(dangling, words) | remainders(words, dangling)


@pytest.mark.parametrize("piece", ["a", "an", "ai", "password", "passw", "test", "1a", "12345", " ", "and", "in", "is"])
def test_K01_a_long_secret_of_words_that_ends_in_none_is_not_searched_for_ever(piece):
    assert weakness((piece * 4000)[:4000] + "vowels, Zürich 0123") in {"", "has fewer than 6 distinct bytes"}


PUBLISHED = [
    "dev",
    "super-secret",
    "this-really-needs-to-be-changed",
    "secret-key-goes-here",
    "CHANGE THIS BEFORE DEPLOYMENT ! ! !",
    "your-super-secret-key-change-this-in-production",
    "CHANGE_ME_TO_A_COMPLEX_RANDOM_SECRET",
    "YOUR_OWN_RANDOM_GENERATED_SECRET_KEY",
    "django-insecure-5kq2m!vw1x@0c7b)e_z9p4u8h3(s6d-r$n+t%a^y*g&o=f#j",
    "pf9Wkove4IKEAXvy-cQkeDPhv9Cb3Ag-wyJILbq_dFw",
    b'_5#y2L"F4Q8z\n\xec]/',
    b"\xf9'\xe4p(\xa9\x12\x1a!\x94\x8d\x1c\x99l\xc7\xb7e\xc7c\x86\x02MJ\xa0",
    "\xf9'\xe4p(\xa9\x12\x1a!\x94\x8d\x1c\x99l\xc7\xb7e\xc7c\x86\x02MJ\xa0",
    r"\xf9'\xe4p(\xa9\x12\x1a!\x94\x8d\x1c\x99l\xc7\xb7e\xc7c\x86\x02MJ\xa0",
    b'\xfd{H\xe5<\x95\xf9\xe3\x96.5\xd1\x01O<!\xd5\xa2\xa0\x9fR"\xa1\xa8',
    r"\2\1thisismyscretkey\1\2\e\y\y\h",
    b"\xcc^\x91\xea\x17-\xd0W\x03\xa7\xf8J0\xac8\xc5",
    "hjshjhdjah kjshkjdhjs",
]


@pytest.mark.parametrize("secret", PUBLISHED, ids=ascii)
def test_K01_a_published_secret_is_weak_however_it_is_decorated(secret):
    quotes = (("", ""), (" ", "\n"), ('"', '"'), ("'", "'"), ("b'", "'"))
    for before, after in quotes:
        decorated = (
            before.encode() + secret + after.encode() if isinstance(secret, bytes) else f"{before}{secret}{after}"
        )
        assert weakness(decorated)
        assert weakness(decorated.upper() if decorated.isascii() else decorated)


@pytest.mark.parametrize("make", [lambda: RING, lambda: KEY])
def test_K08_a_key_shows_no_secret_of_it(make):
    shown = repr(make())
    assert KEY.secret.hex() not in shown
    assert repr(KEY.secret)[2:-1] not in shown
    assert SECRET not in shown
