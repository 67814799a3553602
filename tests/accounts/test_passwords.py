"""Passwords: real hashes of Werkzeug and argon2, equal work for every failure."""

import subprocess
import sys
import threading
from collections import Counter

import argon2
import pytest
from argon2.exceptions import HashingError
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.security import generate_password_hash

from flask_tessera.accounts import hash_profiles
from flask_tessera.accounts.hash_profiles import OWASP_MINIMUM, Argon2, Pbkdf2, Scrypt, parse
from flask_tessera.accounts.hash_slots import HashSlots
from flask_tessera.accounts.passwords import LONGEST_PASSWORD, Passwords
from flask_tessera.errors import ConfigError, InputError, ThrottledError

from .work import Work

PASSWORD = "正确 horse battery staple "


@pytest.fixture(scope="module")
def stored(passwords):
    return passwords.hash(PASSWORD)


# Hashing


def test_L01_a_new_hash_is_argon2id_of_the_owasp_minimum_with_its_parameters_in_it(stored):
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (OWASP_MINIMUM.memory, OWASP_MINIMUM.passes, OWASP_MINIMUM.lanes) == (19 * 1024, 2, 1)


def test_L01_other_implementations_of_argon2_read_our_hash(stored):
    assert argon2.PasswordHasher().verify(stored, PASSWORD)
    assert argon2.extract_parameters(stored).salt_len == 16


def test_L01_the_right_password_verifies_and_needs_no_new_hash(passwords, stored):
    assert passwords.verify(stored, PASSWORD) is True
    assert not passwords.needs_rehash(stored)


def test_two_hashes_of_one_password_differ(passwords, stored):
    assert passwords.hash(PASSWORD) != stored


def test_a_passwords_of_defaults_hashes_and_verifies():
    passwords = Passwords()
    assert passwords.verify(passwords.hash(PASSWORD), PASSWORD)
    assert not passwords.verify(None, PASSWORD)


def test_without_the_extra_the_error_says_what_to_install():
    """In a process of its own: another test has argon2 imported."""
    code = "import sys; sys.modules['argon2'] = None; import flask_tessera.accounts.passwords"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ConfigError: passwords need the module argon2: add the extra [accounts] to the line" in done.stderr


@pytest.mark.parametrize(
    "guess", [PASSWORD.strip(), PASSWORD + " ", PASSWORD.upper(), PASSWORD[:-2], PASSWORD + "\n", "x", "正确" * 100]
)
def test_L03_no_other_password_verifies(passwords, stored, guess):
    assert passwords.verify(stored, guess) is False


def test_L03_unicode_forms_are_different_passwords(counted):
    stored = counted.hash("caf\u00e9")
    assert counted.verify(stored, "caf\u00e9")
    assert not counted.verify(stored, "cafe\u0301")


@pytest.mark.parametrize("password", ["x" * LONGEST_PASSWORD, "é" * (LONGEST_PASSWORD // 2), "x", " ", "\n", "\u200b"])
def test_L03_passwords_of_up_to_1024_bytes_are_used_whole(counted, password):
    assert counted.verify(counted.hash(password), password)
    assert not counted.verify(counted.hash(password), password[:-1] + "y")


@pytest.mark.parametrize(
    "password",
    [
        *("", "x" * (LONGEST_PASSWORD + 1), "é" * 513, "x" * 10_000_000, "a\0b", "\0", "\ud800", "a\udfff"),
        *(None, True, 1, b"bytes", ["x"], {"$ne": ""}),
    ],
)
def test_L03_L18_anything_else_is_malformed_before_any_work(counted, work, password):
    for call in (counted.hash, lambda password: counted.verify(None, password)):
        with pytest.raises(InputError) as caught:
            call(password)
        assert caught.value.slug == "input_malformed"
    assert work.taken() == []


# Hashes of Werkzeug

WERKZEUG_METHODS = [
    *("pbkdf2:sha1:1000", "pbkdf2:sha256:1000", "pbkdf2:sha512:1000", "pbkdf2:sha256:150000", "pbkdf2:sha256:600000"),
    *("pbkdf2:sha224:10", "pbkdf2:sha384:10", "scrypt:32768:8:1", "scrypt:1024:8:2"),
]


@pytest.mark.parametrize("method", WERKZEUG_METHODS)
def test_L01_a_hash_of_werkzeug_verifies_and_is_upgraded(method):
    passwords = Passwords(HashSlots(1))
    old = generate_password_hash(PASSWORD, method)
    assert passwords.verify(old, PASSWORD)
    assert passwords.needs_rehash(old)
    assert not passwords.verify(old, PASSWORD.strip())


@pytest.mark.parametrize("method", ["scrypt", "pbkdf2", "pbkdf2:sha256"])
def test_L01_werkzeug_writes_its_default_parameters_down(method):
    profile = parse(generate_password_hash("x", method)).profile
    assert profile in {Scrypt(32768, 8, 1), Pbkdf2("sha256", 1_000_000), Pbkdf2("sha256", 600_000)}


@pytest.mark.parametrize(
    "old",
    [
        # Made by Werkzeug 0.16.1, 1.0.1, 2.0.3 and 2.2.3, of the password "tessera-2019".
        "pbkdf2:sha256:150000$XIaMQF8G$53fc13ec4d6f3efc7592c8f54d59145cb4cc73e467f78ceaeff631d2e1b1fafa",
        "pbkdf2:sha1:150000$AXYlC1K1$b1882729513aeeb49da5b885bd27191592a9c396",
        "pbkdf2:sha256:150000$O8AdJJkD$6b03afa96de4006d4570928df9e3fd79df9fbf6eae0d40d8f7758dc66d2d9119",
        "pbkdf2:sha256:260000$gOBa72cpOtvquicX$bed1e915bef1a5d26eb4314fa6b50e9ee8ae9f272d42c2023639aca5a207b26a",
        "pbkdf2:sha256:260000$gyNUi7jiRljjRC3L$e112d60fb29532eeae38ac051b91339efaf77665d061af6ef6bd1680c28c1e1b",
    ],
)
def test_L01_hashes_of_releases_of_long_ago_verify(old):
    passwords = Passwords(HashSlots(1))
    assert passwords.verify(old, "tessera-2019")
    assert passwords.needs_rehash(old)
    assert not passwords.verify(old, "tessera-2018")


@pytest.mark.parametrize(
    ("options", "is_upgraded"),
    [
        ({"memory_cost": 19456, "time_cost": 2, "parallelism": 1}, False),
        ({"memory_cost": 19456, "time_cost": 2, "parallelism": 4}, False),
        ({"memory_cost": 65536, "time_cost": 3, "parallelism": 4}, False),
        ({"memory_cost": 19455, "time_cost": 2, "parallelism": 1}, True),
        ({"memory_cost": 65536, "time_cost": 1, "parallelism": 1}, True),
        ({"memory_cost": 19456, "time_cost": 2, "parallelism": 1, "hash_len": 16}, True),
        ({"memory_cost": 19456, "time_cost": 2, "parallelism": 1, "type": argon2.Type.I}, True),
        ({"memory_cost": 19456, "time_cost": 2, "parallelism": 1, "type": argon2.Type.D}, True),
    ],
)
def test_L01_another_argon2_hash_verifies_and_is_upgraded_only_where_it_is_weaker(passwords, options, is_upgraded):
    stored = argon2.PasswordHasher(**options).hash(PASSWORD)
    assert passwords.verify(stored, PASSWORD)
    assert passwords.needs_rehash(stored) is is_upgraded


def test_L01_raised_parameters_rehash_at_login(work):
    old = Passwords(HashSlots(1), derive=work).hash(PASSWORD)
    raised = Argon2(memory=65_536, passes=3, lanes=1)
    passwords = Passwords(HashSlots(1), current=raised, derive=work)
    assert passwords.verify(old, PASSWORD)
    assert passwords.needs_rehash(old)
    assert parse(passwords.hash(PASSWORD)).profile == raised


# Rows that are no hash

HEX_32 = "0" * 64
BASE = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43
BROKEN = [
    *("", " ", "x", "plain$$secret", "md5$salt$" + "0" * 32, "sha1$salt$" + "0" * 40, "$2x$12$" + "a" * 53, "!", "*"),
    *(
        "pbkdf2",
        "pbkdf2:sha256",
        f"pbkdf2:sha256$salt${HEX_32}",
        f"pbkdf2$salt${HEX_32}",
        f"pbkdf2:sha256:$salt${HEX_32}",
    ),
    *(f"pbkdf2:sha256:0$salt${HEX_32}", f"pbkdf2:sha256:-1$salt${HEX_32}", f"pbkdf2:sha256:1e3$salt${HEX_32}"),
    *(f"pbkdf2:md5:1000$salt${HEX_32}", f"pbkdf2:none:1000$salt${HEX_32}", f"pbkdf2:SHA256:1000$salt${HEX_32}"),
    *(
        f"pbkdf2:sha256:1000$${HEX_32}",
        f"pbkdf2:sha256:1000$salt${HEX_32}00",
        "pbkdf2:sha256:1000$salt$",
        f"pbkdf2:sha1:9$s${HEX_32}",
    ),
    *(
        f"pbkdf2:sha256:1000$salt${HEX_32}\n",
        f"pbkdf2:sha256:٣$salt${HEX_32}",
        f"pbkdf2:sha256:1000$sa\ud800lt${HEX_32}",
    ),
    *(f"pbkdf2:sha256:10000001$salt${HEX_32}", f"pbkdf2:sha256:{'9' * 5000}$salt${HEX_32}"),
    *(
        f"scrypt:{n}$salt${HEX_32 * 2}"
        for n in ("0:8:1", "1:8:1", "3:8:1", "32768:0:1", "32768:8:0", "65536:1:1", "32768:8")
    ),
    *(
        f"scrypt:{n}$salt${HEX_32 * 2}"
        for n in ("262144:8:1", "131072:8:9", "2:9999:9999", "1073741824:8:1", "-2:8:1", "")
    ),
    *(f"scrypt:32768:8:1$salt${HEX_32}", f"scrypt$salt${HEX_32 * 2}"),
    *(BASE.replace("m=19456", f"m={m}") for m in ("0", "7", "131073", "4294967295", "99999999999")),
    *(BASE.replace("t=2", f"t={t}") for t in ("0", "1000", "4294967295")),
    *(BASE.replace("p=1", f"p={p}") for p in ("0", "17", "9999", "16777215")),
    *(BASE.replace("v=19", "v=18"), BASE.replace("v=19$", ""), BASE.replace("2id", "2x"), BASE + "=", BASE + "\n"),
    *(BASE[:-42], BASE[: BASE.rindex("$")], BASE + "$", BASE.replace("c29tZXNhbHRzb21lc2FsdA", "c29t"), "A" * 10_000),
    *(BASE.replace("c29tZXNhbHRzb21lc2FsdA", "c29tZXNhbHRzb"), BASE[:-2], BASE + "A" * 60),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda text: ascii(text)[:60])
def test_L05_a_broken_or_hostile_row_matches_nothing_and_still_does_the_dummy_work(counted, work, broken):
    assert counted.verify(broken, PASSWORD) is False
    assert counted.needs_rehash(broken)
    assert work.taken() == [OWASP_MINIMUM]


@pytest.mark.parametrize("broken", [None, 1, b"x", ["x"], True])
def test_A03_a_missing_hash_matches_nothing(counted, work, broken):
    assert counted.verify(broken, PASSWORD) is False
    assert counted.needs_rehash(broken)
    assert work.taken() == [OWASP_MINIMUM]


@pytest.mark.slow
@settings(max_examples=2 * settings.default.max_examples)
@given(
    st.text(max_size=80)
    | st.from_regex(hash_profiles._ARGON2)
    | st.from_regex(hash_profiles._SCRYPT)
    | st.from_regex(hash_profiles._PBKDF2)
)
def test_T18_no_row_raises(text):
    assert not Passwords(HashSlots(1), derive=Work()).verify(text, "x")


@pytest.mark.parametrize(
    "profile",
    [
        Argon2(memory=8, passes=1, lanes=1, length=16),
        Argon2(memory=128, passes=1, lanes=16, length=64, version=16),
        Scrypt(2, 1, 1),
        Scrypt(32768, 1, 1),
        Scrypt(2, 9999, 1),
        Scrypt(2, 1, 999),
        Pbkdf2("sha512", 1),
    ],
)
def test_L05_a_profile_that_is_believed_can_really_be_worked(profile):
    assert profile.is_affordable
    assert len(profile.derive(b"x" * 1024, b"saltsalt")) >= 16


@pytest.mark.parametrize(
    "profile", [Argon2(131_072, 8, 1), Scrypt(131_072, 8, 8), Scrypt(16_384, 64, 1), Pbkdf2("sha256", 10_000_000)]
)
def test_L02_the_dearest_profiles_that_are_believed_stand_at_the_bounds(profile):
    assert profile.is_affordable


# Equal work


def legacy(method: str) -> str:
    """A row of that method, of a password that nobody guesses here."""
    function = {"sha1": 40, "sha256": 64, "sha512": 128}
    length = 128 if method.startswith("scrypt") else function[method.split(":")[1]]
    return f"{method}$salt${'0' * length}"


WEAK_ARGON2 = Argon2(memory=8192, passes=1, lanes=1)
POPULATION = [
    *map(legacy, ("pbkdf2:sha1:1000", "pbkdf2:sha256:150000", "pbkdf2:sha256:600000", "scrypt:32768:8:1")),
    WEAK_ARGON2.render(b"saltsalt", b"0" * 32),
]


def test_L05_an_unknown_account_costs_what_a_wrong_password_costs(counted, work):
    stored = counted.hash(PASSWORD)
    work.taken()
    assert not counted.verify(stored, "wrong")
    of_known = work.taken()
    assert not counted.verify(None, "wrong")
    assert work.taken() == of_known == [OWASP_MINIMUM]


def units_of(done) -> dict[str, int]:
    """How much of each family of hashes was worked."""
    units = Counter()
    for profile in done:
        units[profile.family] += profile.units
    return dict(units)


MANY_KINDS = [
    *map(legacy, (f"pbkdf2:sha256:{n}" for n in (1000, 2000, 50_000, 150_000, 260_000, 600_000, 1_000_000, 77_777))),
    *map(legacy, ("pbkdf2:sha1:1000", "pbkdf2:sha1:150000", "pbkdf2:sha512:25000", "pbkdf2:sha512:210000")),
    *map(legacy, ("scrypt:32768:8:1", "scrypt:1024:8:2", "scrypt:16384:8:3", "scrypt:32768:8:2")),
    WEAK_ARGON2.render(b"saltsalt", b"0" * 32),
    Argon2(memory=65_536, passes=3, lanes=1).render(b"saltsalt", b"0" * 32),
    Argon2(memory=65_536, passes=1, lanes=1, kind=argon2.Type.I).render(b"saltsalt", b"0" * 32),
]


@pytest.mark.parametrize("kinds", [0, 1, 6, 7, 8, len(MANY_KINDS)])
def test_L06_every_failure_costs_the_same_whatever_the_number_of_kinds(counted, work, kinds):
    rows = [*MANY_KINDS[:kinds], counted.hash(PASSWORD), None, "", "broken"]
    for row in rows:
        counted.remember(row)
    work.taken()
    costs = []
    for row in rows:
        assert not counted.verify(row, "wrong")
        costs.append(units_of(work.taken()))
    assert all(cost == costs[0] for cost in costs)


def test_L06_the_costliest_of_each_family_stands_for_all(counted, work):
    for row in MANY_KINDS:
        counted.remember(row)
    assert not counted.verify(None, "wrong")
    assert units_of(work.taken()) == {
        "pbkdf2:sha256": 1_000_000,
        "pbkdf2:sha1": 150_000,
        "pbkdf2:sha512": 210_000,
        "scrypt": 2 * 32_768 * 8,
        "argon2": 3 * 65_536,
    }


@given(
    st.sampled_from([Scrypt(32768, 8, 1), Scrypt(1024, 8, 2), Scrypt(16384, 8, 3)]),
    st.integers(2, 100_000),
)
def test_L05_what_is_worked_in_place_of_another_hash_costs_as_much_and_is_bearable(profile, cost):
    units = cost * profile.block_size * 2
    parts = list(profile.of_units(units))
    assert sum(part.units for part in parts) == units
    assert all(part.cost <= profile.cost and part.cost & (part.cost - 1) == 0 for part in parts)


@given(st.integers(8, 10**6), st.integers(8, 131_072), st.integers(1, 16))
def test_L05_argon2_is_filled_up_to_less_than_eight_blocks_a_lane(units, memory, lanes):
    profile = Argon2(memory=max(memory, 8 * lanes), passes=1, lanes=lanes)
    parts = list(profile.of_units(units))
    assert 0 <= units - sum(part.units for part in parts) < 8 * lanes
    assert all(8 * lanes <= part.memory <= profile.memory for part in parts)


def test_L06_the_dummy_has_the_current_parameters_when_they_were_raised(work):
    raised = Argon2(memory=65_536, passes=3, lanes=1)
    assert not Passwords(HashSlots(1), current=raised, derive=work).verify(None, "wrong")
    assert work.taken() == [raised]


def test_L06_a_kind_of_hash_is_imitated_from_its_first_failure_on(counted, work):
    assert not counted.verify(POPULATION[3], "wrong")
    of_legacy = set(work.taken())
    assert not counted.verify(None, "wrong")
    assert set(work.taken()) == of_legacy == {Scrypt(32768, 8, 1), OWASP_MINIMUM}


def test_L06_a_right_password_is_not_slowed_by_the_kinds_that_others_have(counted, work):
    stored = counted.hash(PASSWORD)
    for row in POPULATION:
        counted.remember(row)
    work.taken()
    assert counted.verify(stored, PASSWORD)
    assert work.taken() == [OWASP_MINIMUM]


def test_L06_racing_first_failures_remember_each_kind_once(work):
    passwords = Passwords(HashSlots(32), derive=work)
    threads = [threading.Thread(target=passwords.verify, args=(POPULATION[n % 5], "wrong")) for n in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    work.taken()
    assert not passwords.verify(None, "wrong")
    assert units_of(work.taken()) == {
        "pbkdf2:sha1": 1000,
        "pbkdf2:sha256": 600_000,
        "scrypt": 32_768 * 8,
        "argon2": OWASP_MINIMUM.units,
    }


# Slots


def test_L02_no_password_is_hashed_without_a_slot(work):
    slots = HashSlots(1, longest_wait=0)
    passwords = Passwords(slots, derive=work)
    with slots.acquire():
        for call in (lambda: passwords.hash(PASSWORD), lambda: passwords.verify(None, PASSWORD)):
            with pytest.raises(ThrottledError) as caught:
                call()
            assert caught.value.retry_after == 1
    assert work.taken() == []


@pytest.mark.parametrize("error", [MemoryError, HashingError])
def test_X12_out_of_memory_is_no_wrong_password_and_gives_the_slot_back(error):
    def fail(profile, password, salt):
        raise error

    passwords = Passwords(HashSlots(1, longest_wait=0), derive=fail)
    for _ in range(5):
        with pytest.raises(ThrottledError):
            passwords.verify(None, PASSWORD)


@pytest.mark.parametrize(
    "weak",
    [
        Argon2(memory=19_455, passes=2, lanes=1),
        Argon2(memory=65_536, passes=1, lanes=1),
        Argon2(memory=19_456, passes=2, lanes=1, length=16),
        Argon2(memory=19_456, passes=2, lanes=1, kind=argon2.Type.I),
        Argon2(memory=2_097_152, passes=2, lanes=1),
    ],
)
def test_L01_parameters_below_the_minimum_or_beyond_reading_stop_the_start(weak):
    with pytest.raises(ConfigError, match="OWASP_MINIMUM"):
        Passwords(HashSlots(1), current=weak)


def test_K08_a_stored_hash_shows_neither_salt_nor_digest():
    assert repr(parse(legacy("pbkdf2:sha256:1000"))) == f"StoredHash(profile={Pbkdf2('sha256', 1000)!r})"
