"""Phone numbers: one spelling names one account."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_tessera.accounts.phone import normalise
from flask_tessera.errors import InputError


@pytest.mark.parametrize("phone", ["13800138000", "12000000000", "19999999999"])
def test_L10_a_mainland_number_is_its_own_canonical_form(phone):
    assert normalise(phone) == phone


@pytest.mark.parametrize(
    "phone",
    [
        "",
        "1380013800",
        "138001380000",
        "11800138000",
        "10800138000",
        "23800138000",
        "13800138000\n",
        "\n13800138000",
        " 13800138000",
        "13800138000 ",
        "138 0013 8000",
        "138-0013-8000",
        "+8613800138000",
        "8613800138000",
        "008613800138000",
        "13800138000\0",
        "13800138000\u200b",
        "1380013800o",
        "１３８００１３８０００",
        "1380013800\u0660",
        "1380013800\u00b2",
        "1\u0663\u0668\u0660\u0660\u0661\u0663\u0668\u0660\u0660\u0660",
        "1380013800\ud800",
        "1" * 100_000,
    ],
)
def test_L10_any_other_spelling_is_malformed(phone):
    with pytest.raises(InputError) as caught:
        normalise(phone)
    assert caught.value.slug == "phone_malformed"


@pytest.mark.parametrize(
    "phone", [None, True, False, 13800138000, 1.38e10, b"13800138000", ["13800138000"], {"$ne": ""}, ("13800138000",)]
)
def test_L18_a_phone_that_is_no_text_is_malformed(phone):
    with pytest.raises(InputError) as caught:
        normalise(phone)
    assert caught.value.slug == "phone_malformed"


@settings(deadline=None)
@given(st.text() | st.from_regex(r"1[2-9]\d{9}$"))
def test_L10_what_is_accepted_is_eleven_ascii_digits_unchanged(phone):
    try:
        canonical = normalise(phone)
    except InputError:
        return
    assert canonical == phone
    assert re.fullmatch("1[2-9][0-9]{9}", canonical, re.ASCII)
