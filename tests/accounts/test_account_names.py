"""Which account credentials name: every spelling of one that a database may take for it shares a counter."""

from __future__ import annotations

import contextlib
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_tessera.accounts.account_names import (
    SECRET_MEMBERS,
    WELL_KNOWN_MEMBERS,
    AccountMissingError,
    accounts_in,
    declared_members,
    spelled_alike,
)
from flask_tessera.accounts.recipients import parse_phone
from flask_tessera.errors import ConfigError, InputError

DIGITS = [chr(code) for code in range(sys.maxunicode) if unicodedata.decimal(chr(code), None) is not None]
UNSEEN = [
    "\u200b",
    "\u200d",
    "\u00ad",
    "\ufeff",
    "\u2060",
    "\u202e",
    "\ufe0f",
    "\x00",
    "\x07",
    "\u0301",
    "\u20dd",
    "\ud800",
]


@pytest.mark.parametrize(
    "spelling",
    [
        *(
            "7",
            "07",
            "007",
            "0_7",
            "+7",
            "-7",
            " 7 ",
            "(7)",
            "7.0",
            "7.000",
            "70e-1",
            "7000E-3",
            "7-",
            "\uff17",
            "\u0667",
            "\u096d",
            7,
        ),
        "7\u200b",
    ],
)
def test_L07_a_number_is_counted_by_its_value(spelling):
    assert spelled_alike(spelling) == spelled_alike(7)


@given(st.integers(), st.integers(0, 5), st.data())
def test_L07_digits_of_every_script_are_the_number_that_int_reads(number, zeros, data):
    digits = "0" * zeros + str(abs(number))
    scripts = [[digit for digit in DIGITS if unicodedata.decimal(digit) == int(each)] for each in digits]
    text = "".join(data.draw(st.sampled_from(script)) for script in scripts)
    assert int(text) == abs(number)
    assert spelled_alike(text) == spelled_alike(number) == spelled_alike(abs(number))


NO_PHONE = st.integers(0, 999_999) | st.integers(10**20, 10**40)


@given(NO_PHONE, NO_PHONE)
def test_numbers_of_different_value_have_counters_of_their_own(one, other):
    assert (spelled_alike(one) == spelled_alike(other)) == (one == other)


@pytest.mark.parametrize(
    "spellings",
    [
        (
            *("13800138000", 13800138000, "+8613800138000", "8613800138000", 8613800138000, "0086 138 0013 8000"),
            *("138.0013.8000", "1.3800138000", "1380/0138/000", "(+86) 138-0013-8000", "１３８００１３８０００"),
        ),
        ("010 8888 8888", "1088888888", "+861088888888", "0086-10-88888888", 1088888888, "(010) 8888.8888"),
        ("+44 20 7183 8750", "+44 (0)20 7183 8750", "00442071838750", 442071838750, "+44.20.71838750"),
        ("+1 415 555 2671", "+14155552671", "0014155552671", 14155552671, "+1.415.555.2671"),
    ],
)
def test_L07_L10_what_is_read_as_a_phone_number_counts_as_that_number(spellings):
    """Also with an authenticator that makes one of all its spellings, as `parse_phone` does."""
    assert len({spelled_alike(each) for each in spellings}) == 1


@pytest.mark.slow
@given(st.from_regex(r"(\+|00)?(86)?[0-9 ()./-]{1,20}", fullmatch=True))
def test_L07_L10_a_text_and_the_phone_number_that_is_read_from_it_share_a_counter(text):
    with contextlib.suppress(InputError):
        assert spelled_alike(text) == spelled_alike(parse_phone(text).address)


@given(st.text(max_size=40) | st.from_regex(r"[0-9_+.eE\s-]{1,30}"))
def test_L07_a_spelling_that_was_folded_stays_as_it_is(text):
    folded = spelled_alike(text)
    assert spelled_alike(folded) == folded


@given(st.text(max_size=40))
def test_L07_case_and_composition_never_buy_another_counter(text):
    folded = spelled_alike(text)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert spelled_alike(unicodedata.normalize(form, text)) == folded
    assert spelled_alike(text.casefold()) == folded


@given(st.text(st.characters(categories=["L"], codec="ascii"), min_size=1, max_size=20), st.data())
def test_L07_what_cannot_be_seen_never_buys_another_counter(name, data):
    unseen = st.lists(st.sampled_from([*UNSEEN, " ", "\u3000", "\t", "-", "\u2010", "\u2013", "(", ")"]), max_size=3)
    spelled = "".join(letter + "".join(data.draw(unseen)) for letter in name)
    assert spelled_alike(spelled) == spelled_alike(name)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ádmin", "admin"),
        ("ḋṁ", "dm"),
        ("Ærø", "aero"),
        ("łukasz", "lukasz"),
        ("đorđe", "dorde"),
        ("Œuvre", "oeuvre"),
        ("İstanbul", "istanbul"),
        ("straße", "STRASSE"),
        ("Ａnna@Example.COM", "anna@example.com"),
        ("ﬁona", "fiona"),
    ],
)
def test_L07_names_that_collations_equate_share_a_counter(one, other):
    assert spelled_alike(one) == spelled_alike(other)


@pytest.mark.parametrize("pair", [("bob", "rob"), ("a.b@x", "ab@x"), ("7a", "7b"), ("李", "王"), ("bob1", "bob2")])
def test_different_names_have_counters_of_their_own(pair):
    assert spelled_alike(pair[0]) != spelled_alike(pair[1])


@pytest.mark.parametrize(
    "text",
    ["nan", "sNaN", "inf", "-Infinity", "1e999999999999999999999", "9" * 512, 10**5000],
    ids=lambda text: ascii(text)[:20] if isinstance(text, str) else "huge",
)
def test_H04_no_number_is_too_strange(text):
    assert spelled_alike(spelled_alike(text)) == spelled_alike(text)


@pytest.mark.parametrize("value", [None, True, False, 7.0, 1e999, ["7"], {"$ne": ""}, b"7"])
def test_L07_what_is_neither_text_nor_an_integer_is_refused(value):
    with pytest.raises(InputError):
        spelled_alike(value)
    for credentials, members in (({"id": value}, ("id",)), ({"phone": value, "email": "decoy"}, ())):
        with pytest.raises(InputError) as caught:
            accounts_in(credentials, members)
        assert not isinstance(caught.value, AccountMissingError)


@pytest.mark.parametrize(
    ("credentials", "members", "accounts"),
    [
        ({"phone": "1", "password": "p"}, (), ("1",)),
        ({"phone": "1", "email": "a@b"}, (), ("1", "a@b")),
        ({"phone": "", "email": "a@b", "name": "  "}, (), ("a@b",)),
        ({"phone": 5, "password": "p"}, (), (5,)),
        ({"username": "Bob", "account": "bob"}, (), ("Bob", "bob")),
        ({"phone": 5, "email": "a@b", "account": "5"}, (), (5, "a@b")),
        ({"badge": "B 7", "phone": "1", "junk": "x"}, ("badge",), ("B 7",)),
        ({"passport": "E1234", "zipcode": "9"}, ("passport",), ("E1234",)),
        ({"name": "()"}, (), ("()",)),
    ],
)
def test_what_names_the_account(credentials, members, accounts):
    assert accounts_in(credentials, members) == accounts


@pytest.mark.parametrize("member", WELL_KNOWN_MEMBERS)
def test_L07_an_account_is_one_whatever_member_names_it(member):
    assert [spelled_alike(each) for each in accounts_in({member: "Anna"})] == ["anna"]


@pytest.mark.parametrize(
    ("credentials", "members"),
    [({}, ()), ({"badge": "x", "password": "p"}, ()), ({"phone": ""}, ()), ({"phone": "1"}, ("badge",))],
)
def test_L07_credentials_that_name_no_account_are_refused_and_not_counted_by_their_junk(credentials, members):
    with pytest.raises(AccountMissingError) as caught:
        accounts_in(credentials, members)
    assert caught.value.slug == "credentials_missing"


@pytest.mark.parametrize(
    "account", ["", ["id", ""], [7], [None], "password", ["phone", "Pwd"], *sorted(SECRET_MEMBERS)]
)
def test_L07_a_secret_or_nothing_cannot_be_declared_to_name_the_account(account):
    with pytest.raises(ConfigError, match="account="):
        declared_members(account)


@pytest.mark.parametrize(
    ("account", "members"),
    [("passport", ("passport",)), (["barcode", "zipcode"], ("barcode", "zipcode")), ((), ()), ("pin", ("pin",))],
)
def test_names_that_only_begin_like_a_secret_can_be_declared(account, members):
    assert declared_members(account) == members


@pytest.mark.parametrize("name", ["9e999999999999999999", "1e1000000", "-1E+99999999999999999999"])
def test_H04_a_number_that_no_arithmetic_bears_is_a_name_like_any_other(name):
    assert spelled_alike(name)


def test_H04_a_name_that_is_too_long_is_refused_before_it_is_folded():
    with pytest.raises(InputError):
        spelled_alike("x" * 513)
