"""Hashes of bcrypt and of Django: verified and upgraded, at the price of every other failure."""

import base64
import hashlib
import logging
import subprocess
import sys

import argon2
import bcrypt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_tessera.accounts import bcrypt_hashes, django_hashes, hash_profiles
from flask_tessera.accounts.bcrypt_hashes import LEAST_COST, MOST_COST, Bcrypt
from flask_tessera.accounts.hash_profiles import OWASP_MINIMUM, Argon2, Pbkdf2, Scrypt, parse
from flask_tessera.accounts.hash_slots import HashSlots
from flask_tessera.accounts.passwords import Passwords

from .work import Work

PASSWORD = "正确 horse battery staple "

# The vectors of crypt_blowfish and of OpenBSD, as bcrypt's own tests have them.
ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
BCRYPT_VECTORS = [
    ("Kk4DQuMMfZL9o", "$2b$04$cVWp4XaNU8a4v1uMRum2SO026BWLIoQMD/TXg5uZV.0P.uO8m3YEm"),
    ("9IeRXmnGxMYbs", "$2b$04$pQ7gRO7e6wx/936oXhNjrOUNOHL1D0h1N2IDbJZYs.1ppzSof6SPy"),
    ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    ("U*U*", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"),
    ("U*U*U", "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"),
    (ALPHABET + "chars after 72 are ignored", "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui"),
]

# Made by Django 5.2 with `make_password("tessera-正确", hasher=…)`.
DJANGO_PASSWORD = "tessera-正确"
DJANGO = {
    "pbkdf2_sha256": "pbkdf2_sha256$1000000$T9ITHbVlZUhy5IvZ241A4b$oDpu3EQeGLIj0QQ0TLDmAIwdRkaDFZGYQIK70rhrRLU=",
    "pbkdf2_sha1": "pbkdf2_sha1$1000000$9KXog77Wsm0VsGtBVVdGRX$eg5+bo992EA6gtXDRloccChPtcg=",
    "argon2": (
        "argon2$argon2id$v=19$m=102400,t=2,p=8$NWpkZTlMSWVKQndzeFR2VXhJTkpRNA"
        "$QKNXy/zZuorVXrGEPSoyZ75YQWtZMTsOj31lx/zdb+0"
    ),
    "bcrypt_sha256": "bcrypt_sha256$$2b$12$OCyebRv/Jg8BIDk6gsvmvOiLuHIZxymtyw7v2zrh8LEgxG7Zh.6K.",
    "bcrypt": "bcrypt$$2b$12$jWTmmPlLnmvUsaoDmlfN1OIAhBXm4/w.JTE2u795X1oHIJUXbl4tS",
    "scrypt": (
        "scrypt$16384$azs1eqUnerzq6QahD4VWA4$8$5"
        "$vXfblFD8kKVDnrQtt8ck7TEeq4LDugkcAML+AD9rLCepjovAKktS47Ozj2G6JyXOeNKa8ahUEPSSTwFtWqR2xw=="
    ),
}


# bcrypt


@pytest.mark.parametrize(("password", "old"), BCRYPT_VECTORS)
def test_L01_the_known_answers_of_bcrypt_verify(passwords, password, old):
    assert passwords.verify(old, password)
    assert passwords.needs_rehash(old)
    assert not passwords.verify(old, "x" + password[1:])


@pytest.mark.parametrize("letter", ["a", "b", "y"])
def test_L01_a_hash_of_bcrypt_verifies_whatever_its_version_is_called(passwords, letter):
    old = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    assert passwords.verify(f"$2{letter}{old[3:]}", PASSWORD)
    assert not passwords.verify(f"$2{letter}{old[3:]}", PASSWORD.strip())


def test_L03_a_hash_of_bcrypt_has_72_bytes_of_a_password_in_it_and_the_next_one_has_all(passwords):
    """So libraries of its time made it: nobody could log in who was held to what was never hashed."""
    long = "x" * 71 + "é" + "and the rest"
    old = bcrypt.hashpw(long.encode()[:72], bcrypt.gensalt(4)).decode()
    assert passwords.verify(old, long)
    assert passwords.verify(old, long + "!")
    assert not passwords.verify(old, "x" * 70 + "y" + "and the rest")
    new = passwords.hash(long)
    assert passwords.verify(new, long)
    assert not passwords.verify(new, long + "!")


@given(st.binary(min_size=16, max_size=16))
def test_the_base64_of_bcrypt_is_read_as_bcrypt_writes_it(salt):
    # A hash begins with its salt, in the spelling of the library.
    written = bcrypt.hashpw(b"x", b"$2b$04$" + base64.b64encode(salt).translate(bcrypt_hashes._TO_BCRYPT)[:22])
    assert bcrypt_hashes.decode(written[7:29]) == salt
    assert Bcrypt(4).derive(b"x", salt) == bcrypt_hashes.decode(written[29:])


def test_L02_a_stored_hash_of_bcrypt_may_cost_so_much_and_not_more():
    for cost, is_believed in ((LEAST_COST - 1, False), (LEAST_COST, True), (MOST_COST, True), (MOST_COST + 1, False)):
        assert (parse(f"$2b${cost:02}$" + "a" * 53) is not None) is is_believed


@given(st.integers(LEAST_COST, MOST_COST), st.integers(LEAST_COST, MOST_COST))
def test_L05_what_is_worked_in_place_of_a_dearer_bcrypt_costs_as_much(cheap, dear):
    low, high = sorted((cheap, dear))
    rest = (1 << high) - (1 << low)
    parts = list(Bcrypt(high).of_units(rest))
    assert sum(part.units for part in parts) == rest
    assert all(part.is_affordable for part in parts)


def test_a_dummy_of_bcrypt_can_really_be_worked():
    assert len(Bcrypt(4).derive(b"x" * 1024, bytes(16))) == 23


def test_without_bcrypt_its_hashes_match_nothing_and_that_is_logged_once():
    """In a process of its own: this one has bcrypt imported."""
    code = (
        "import sys; sys.modules['bcrypt'] = None\n"
        "from flask_tessera.accounts.passwords import Passwords\n"
        f"passwords, old = Passwords(), {BCRYPT_VECTORS[0][1]!r}\n"
        f"print([passwords.verify(each, {BCRYPT_VECTORS[0][0]!r}) for each in (old, old, 'bcrypt$' + old)])\n"
        "print(passwords.verify(passwords.hash('a long one'), 'a long one'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[False, False, False]", "True"]
    assert done.stderr.count("Add the extra [accounts]") == 1
    assert BCRYPT_VECTORS[0][1] not in done.stderr


# Django


@pytest.mark.repeats("algorithm")
@pytest.mark.parametrize("algorithm", DJANGO)
def test_L01_a_hash_that_django_made_verifies_and_is_upgraded(passwords, algorithm):
    old = DJANGO[algorithm]
    assert passwords.verify(old, DJANGO_PASSWORD)
    assert passwords.needs_rehash(old)
    assert not passwords.verify(old, DJANGO_PASSWORD[:-1])


def test_L01_the_form_in_djangos_manual_is_read():
    # "Password management in Django": <algorithm>$<iterations>$<salt>$<hash>.
    digest = base64.b64encode(hashlib.pbkdf2_hmac("sha256", b"letmein", b"seasalt", 870000)).decode()
    stored = parse(f"pbkdf2_sha256$870000$seasalt${digest}")
    assert (stored.profile, stored.salt, stored.is_translated) == (Pbkdf2("sha256", 870000), b"seasalt", True)
    assert stored.profile.derive(b"letmein", b"seasalt") == stored.digest


@pytest.mark.slow
@pytest.mark.parametrize("function", ["sha1", "sha256"])
def test_L01_pbkdf2_of_django_is_what_hashlib_makes_of_it(passwords, function):
    digest = hashlib.pbkdf2_hmac(function, PASSWORD.encode(), b"NaCl", 1000)
    old = f"pbkdf2_{function}$1000$NaCl${base64.b64encode(digest).decode()}"
    assert passwords.verify(old, PASSWORD)
    assert not passwords.verify(old, PASSWORD.strip())


@pytest.mark.slow
@pytest.mark.parametrize(("cost", "block_size", "parallelism"), [(16384, 8, 1), (16384, 8, 5), (1024, 4, 2)])
def test_L01_scrypt_of_django_is_what_hashlib_makes_of_it(passwords, cost, block_size, parallelism):
    digest = hashlib.scrypt(PASSWORD.encode(), salt=b"NaCl", n=cost, r=block_size, p=parallelism, dklen=64)
    old = f"scrypt${cost}$NaCl${block_size}${parallelism}${base64.b64encode(digest).decode()}"
    assert parse(old).profile == Scrypt(cost, block_size, parallelism)
    assert passwords.verify(old, PASSWORD)
    assert not passwords.verify(old, PASSWORD.strip())


@pytest.mark.slow
def test_L01_bcrypt_sha256_of_django_has_all_of_a_long_password_in_it(passwords):
    long = "x" * 100
    digest = hashlib.sha256(long.encode()).hexdigest().encode()
    old = "bcrypt_sha256$" + bcrypt.hashpw(digest, bcrypt.gensalt(4)).decode()
    assert passwords.verify(old, long)
    assert not passwords.verify(old, long + "!")
    # Without Django's name before it, it would be the hash of another password.
    assert not passwords.verify(old.removeprefix("bcrypt_sha256$"), long)


def test_L01_argon2_of_django_is_upgraded_even_where_it_is_strong_enough(passwords):
    strong = argon2.PasswordHasher(memory_cost=65_536, time_cost=3, parallelism=1).hash(PASSWORD)
    assert not passwords.needs_rehash(strong)
    assert passwords.verify("argon2" + strong, PASSWORD)
    assert passwords.needs_rehash("argon2" + strong)


# Rows that are no hash

B64_32, B64_64 = "A" * 43 + "=", "A" * 86 + "=="
BROKEN = [
    *(f"$2{letter}$12$" + "a" * 53 for letter in ("", "x", "c", "A", "aa")),
    *(f"$2b${cost}$" + "a" * 53 for cost in ("", "3", "4", "03", "16", "31", "40", "99", "0x", "-4", "٤٤")),
    *("$2b$12$" + "a" * length for length in (0, 22, 52, 54, 10_000)),
    *("$2b$12$" + "a" * 52 + letter for letter in ("=", "+", "\n", "é", "$", " ", "\ud800")),
    *("$2b$12$" + "a" * 53 + "\n", " $2b$12$" + "a" * 53, "2b$12$" + "a" * 53, "$2b$12" + "a" * 53),
    *("bcrypt", "bcrypt$", "bcrypt$$", "bcrypt$$2b$12$", "bcrypt$$2b$12$" + "a" * 52, "bcrypt$2b$12$" + "a" * 53),
    *("bcrypt$bcrypt$$2b$12$" + "a" * 53, "bcrypt_sha256$2b$12$" + "a" * 53, "bcrypt_sha512$$2b$12$" + "a" * 53),
    *("bcrypt$$2b$31$" + "a" * 53, "bcrypt_sha256$$2b$16$" + "a" * 53, "bcrypt$$argon2id$v=19", "bcrypt$$2$"),
    *(
        f"pbkdf2_sha256$1000$salt${digest}"
        for digest in ("", B64_32[:-1], B64_32 + "=", B64_32 + "\n", B64_64, "=" * 44)
    ),
    *(f"pbkdf2_sha256${count}$salt${B64_32}" for count in ("", "0", "-1", "1e3", "10000001", "9" * 5000, "٣")),
    *(f"pbkdf2_{name}$1000$salt${B64_32}" for name in ("sha1", "md5", "sha512", "SHA256", "", "sha256 ")),
    *(f"pbkdf2_sha256$1000${salt}${B64_32}" for salt in ("", "a$b", "é", "a b", "\0", "x" * 65, "\ud800")),
    *(
        f"scrypt${n}$salt${r}${p}${B64_64}"
        for n, r, p in ((0, 8, 1), (3, 8, 1), (16384, 0, 1), (16384, 8, 0), ("", 8, 1))
    ),
    *(
        f"scrypt${n}$salt${r}${p}${B64_64}"
        for n, r, p in ((262144, 8, 1), (131072, 8, 9), (2, 9999, 9999), (65536, 1, 1))
    ),
    *(f"scrypt$16384$salt$8$1${B64_32}", "scrypt$16384$salt$8$1$", "scrypt$16384$8$1$salt$" + B64_64),
    *("argon2", "argon2$", "argon2$argon2", "argon2$argon2id$", "argon2$argon2id$v=19$m=19456,t=2,p=1$AAAA$AAAA"),
    *("argon2$argon2id$v=19$m=999999,t=2,p=1$" + "A" * 22 + "$" + "A" * 43, "argon2$argon2$argon2id$v=19"),
    # Django's own for "no password", and what it has not made for long.
    *("!", "!" + "a" * 40, "md5$salt$" + "0" * 32, "sha1$salt$" + "0" * 40, "unsalted_sha1$$" + "0" * 40, "crypt$$xx"),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda text: ascii(text)[:60])
def test_L05_a_broken_or_hostile_row_matches_nothing_and_still_does_the_dummy_work(counted, work, broken):
    assert counted.verify(broken, PASSWORD) is False
    assert counted.needs_rehash(broken)
    assert work.units_taken() == {"argon2": OWASP_MINIMUM.units}


FORMS = (hash_profiles._BCRYPT, django_hashes._PBKDF2, django_hashes._SCRYPT)
SPLICED = st.lists(
    st.sampled_from(["bcrypt", "bcrypt_sha256", "argon2", "argon2id", "scrypt", "pbkdf2_sha256", "$", "$$", "2b", "12"])
    | st.text(max_size=5)
    | st.integers(0, 10**9).map(str)
    | st.from_regex(r"\A[A-Za-z0-9+/]{43}=\Z"),
    max_size=9,
).map("".join)


@pytest.mark.slow
@settings(max_examples=2 * settings.default.max_examples)
@given(SPLICED | st.one_of(*(st.from_regex(form) for form in FORMS)) | st.text().map("argon2$argon2".__add__))
def test_T18_no_row_raises_and_none_matches(text):
    assert not Passwords(HashSlots(1), derive=Work()).verify(text, "x")
    stored = parse(text)
    assert stored is None or stored.profile.is_affordable


# Equal work

ROWS = [
    *(f"$2b${cost:02}$" + "a" * 53 for cost in (4, 10, 12, 13)),
    *("bcrypt_sha256$$2b$11$" + "a" * 53, "bcrypt$$2y$08$" + "a" * 53),
    *(f"pbkdf2_sha256${count}$salt${B64_32}" for count in (1000, 870_000)),
    *(f"pbkdf2:sha256:{count}$salt$" + "0" * 64 for count in (600_000, 1_000_000)),
    f"scrypt$16384$salt$8$5${B64_64}",
    "scrypt:32768:8:1$salt$" + "0" * 128,
    "argon2" + Argon2(memory=102_400, passes=2, lanes=8).render(b"saltsalt", b"0" * 32),
]


@pytest.mark.parametrize("kinds", [1, 4, 6, 8, len(ROWS)])
def test_L06_every_failure_costs_the_same_whatever_framework_the_rows_are_of(counted, work, kinds):
    rows = [*ROWS[:kinds], counted.hash(PASSWORD), None, "", "broken", "$2x$12$" + "a" * 53]
    for row in rows:
        counted.remember(row)
    work.units_taken()
    costs = []
    for row in rows:
        assert not counted.verify(row, "wrong")
        costs.append(work.units_taken())
    assert all(cost == costs[0] for cost in costs)


def test_L06_django_and_werkzeug_share_the_families_of_their_hashes(counted, work):
    for row in ROWS:
        counted.remember(row)
    assert not counted.verify(None, "wrong")
    assert work.units_taken() == {
        "bcrypt": 2**13,
        "pbkdf2:sha256": 1_000_000,
        "scrypt": 5 * 16_384 * 8,
        "argon2": 2 * 102_400,
    }


def test_L06_a_kind_of_bcrypt_is_imitated_from_its_first_failure_on(counted, work):
    assert not counted.verify(ROWS[0], "wrong")
    of_bcrypt = work.units_taken()
    assert not counted.verify(None, "wrong")
    assert work.units_taken() == of_bcrypt == {"bcrypt": 16, "argon2": OWASP_MINIMUM.units}


def test_L06_a_right_password_is_not_slowed_by_them(counted, work):
    stored = counted.hash(PASSWORD)
    for row in ROWS:
        counted.remember(row)
    work.units_taken()
    assert counted.verify(stored, PASSWORD)
    assert work.units_taken() == {"argon2": OWASP_MINIMUM.units}


def test_K08_a_row_of_another_framework_shows_neither_salt_nor_digest(caplog):
    caplog.set_level(logging.DEBUG)
    for row in DJANGO.values():
        shown = repr(parse(row))
        assert not any(part in shown for part in row.split("$") if len(part) > 20)
    assert caplog.text == ""
