"""Phone numbers and e-mail addresses in one spelling."""

from __future__ import annotations

from itertools import chain

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_tessera.accounts.recipients import Recipient, parse_recipient
from flask_tessera.errors import InputError

SPELLINGS = ("13800138000", "138 0013 8000", "138-0013-8000", "+8613800138000", "+86 138 0013 8000", "008613800138000")
PHONES = {"+1 650-253-0000": "+16502530000", "00442071838750": "+442071838750", "+886 912 345 678": "+886912345678"}
NO_PHONES = (
    *("", " ", "12345", "1380013800", "138001380000", "1１３800138000", "１３８００１３８０００", "+1 555"),
    *("13800138000 ext 4", "tel:13800138000", "13800138000\n", "13800138000;x", "0" * 33, "+", "++8613800138000"),
)
NOBODYS = {
    "premium rate": ("+19002345678", "+449098790000", "+979123456789", "+499001234567", "+33899123456", "+39899123456"),
    "premium rate of China": ("+8616896123",),
    "shared cost": ("+864001234567", "+448431234567", "+80812345678"),
    "toll-free": ("+18002345678", "+80012345678"),
    "satellites and networks of no country": ("+870773111632", "+881612345678", "+88213300655", "+883510012345"),
    "pagers": ("+447640123456",),
}
NO_EMAILS = (
    *("@", "a@", "@b.com", "a@b@c.com", "a b@c.com", "a@b..com", "a@-b.com", "a@b-.com", ".a@b.com", "a.@b.com"),
    *("a..b@c.com", '"a"@b.com', "a@b.com\n", "a\r\nBcc: x@y.com", "ä@b.com", "a@bücher.de", "x" * 65 + "@b.com"),
    *("a@" + "b" * 64 + ".com", "a@[127.0.0.1]", "a@b.com>", "a,b@c.com", "a@" + "b." * 126 + "com", "a\0@b.com"),
)


@pytest.mark.parametrize("text", SPELLINGS)
def test_L10_spellings_of_one_number_are_one_recipient(text):
    assert parse_recipient(text) == Recipient("phone", "+8613800138000")
    assert parse_recipient(text).local == "13800138000"


@pytest.mark.parametrize(("text", "address"), PHONES.items())
def test_L10_numbers_of_other_countries_keep_their_calling_code(text, address):
    found = parse_recipient(text)
    assert found == Recipient("phone", address)
    assert found.local == address


@pytest.mark.parametrize("text", NO_PHONES)
def test_L10_what_is_no_phone_number_is_refused(text):
    with pytest.raises(InputError) as refused:
        parse_recipient(text)
    assert refused.value.slug == "phone_malformed"


@pytest.mark.parametrize("text", [*chain.from_iterable(NOBODYS.values())])
def test_L10_numbers_that_belong_to_no_person_are_refused(text):
    with pytest.raises(InputError) as refused:
        parse_recipient(text)
    assert refused.value.slug == "phone_malformed"


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_L10_a_mobile_number_of_each_country_is_taken(region):
    kinds = phonenumbers.PhoneNumberType
    for kind in (kinds.MOBILE, kinds.VOIP, kinds.PERSONAL_NUMBER, kinds.FIXED_LINE):
        if number := phonenumbers.example_number_for_type(region, kind):
            text = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            assert parse_recipient(text).address == text


@pytest.mark.parametrize("value", [None, True, 13800138000, 1.5, ["13800138000"], {"$ne": ""}, b"13800138000"])
def test_L18_what_is_no_text_is_refused(value):
    with pytest.raises(InputError):
        parse_recipient(value)


def test_the_case_of_an_email_address_does_not_count():
    assert parse_recipient("Ada+News@Example.COM") == Recipient("email", "ada+news@example.com")
    assert parse_recipient("a@localhost") == Recipient("email", "a@localhost")


@pytest.mark.parametrize("text", NO_EMAILS)
def test_what_is_no_email_address_is_refused(text):
    with pytest.raises(InputError) as refused:
        parse_recipient(text)
    assert refused.value.slug == "email_malformed"


@given(st.text() | st.from_regex(r"\+?[0-9 ()./-]{1,20}", fullmatch=True))
def test_any_text_is_parsed_to_itself_or_refused(text):
    try:
        found = parse_recipient(text)
    except InputError:
        return
    assert found.address.isascii()
    assert parse_recipient(found.address) == found
