"""Phone numbers and e-mail addresses, each in the one spelling that names an account."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

from ..errors import InputError, missing_extra

LONGEST: Final = 254
"""Characters of an e-mail address (RFC 5321 §4.5.3.1.3, without the angle brackets)."""
_LONGEST_LOCAL: Final = 64
_LONGEST_PHONE: Final = 32
REGION: Final = "CN"
"""Whose numbers need no calling code."""
_COUNTRY: Final = "+86"
# The numbers that Chinese networks give to people; phonenumbers learns of a new range later than they do. Not \d, which
# takes the digits of every script.
_CHINESE: Final = re.compile(r"1[2-9][0-9]{9}")
# As phonenumbers has them (`PhoneNumberType`): FIXED_LINE, MOBILE, FIXED_LINE_OR_MOBILE, VOIP, PERSONAL_NUMBER. What is
# missing earns money by each call or message, costs nothing to call, or is no phone.
_PERSONAL: Final = frozenset((0, 1, 2, 6, 7))
_NO_COUNTRY: Final = "001"
"""The region of numbers of satellites, of services, and of networks of no country: +800, +870, +881, +979."""
_TYPED: Final = re.compile(r"\+?[0-9 ()./-]+")
# As HTML's input type=email has it, which is narrower than RFC 5322: no quotes, no comments.
_EMAIL: Final = re.compile(
    r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"
)


class Recipient(NamedTuple):
    """Where a person can be reached, and is known by.

    `address` is a phone number in the form of E.164, with its plus sign, or an e-mail address in lower case.
    """

    kind: Literal["phone", "email"]
    address: str

    @property
    def local(self) -> str:
        """A Chinese phone number without its calling code; anything else as it is."""
        number = self.address.removeprefix(_COUNTRY)
        return number if self.kind == "phone" and _CHINESE.fullmatch(number) else self.address


def parse_recipient(text: object) -> Recipient:
    """The recipient that a text names: with an at sign an e-mail address, else a phone number.

    Raises:
        InputError: `phone_malformed` or `email_malformed`: it names none.
    """
    if isinstance(text, str) and "@" in text:
        return parse_email(text)
    return parse_phone(text)


def parse_phone(text: object) -> Recipient:
    """The recipient that a phone number names, typed with or without spaces, dashes, brackets and calling code.

    Raises:
        InputError: `phone_malformed`: no text, no number that a network gives to people, or one with an extension. So
            are premium rates, shared costs, toll-free numbers and satellites.
        ConfigError: it is no Chinese number, and the extra `accounts` is not installed.
    """
    if not isinstance(text, str) or len(text) > _LONGEST_PHONE or not _TYPED.fullmatch(text):
        raise InputError("no phone number", slug="phone_malformed")
    plain = re.sub("[^+0-9]", "", text)
    for prefix in ("", _COUNTRY, "0086"):
        if plain.startswith(prefix) and _CHINESE.fullmatch(plain.removeprefix(prefix)):
            return Recipient("phone", _COUNTRY + plain.removeprefix(prefix))
    return Recipient("phone", _foreign(plain))


def _foreign(plain: str) -> str:
    try:
        import phonenumbers
    except ModuleNotFoundError as error:
        raise missing_extra("phone numbers of other countries need the module phonenumbers", "accounts") from error
    try:
        number = phonenumbers.parse(plain, REGION)
    except phonenumbers.NumberParseException as error:
        raise InputError(f"no phone number: {error}", slug="phone_malformed") from error
    if not phonenumbers.is_valid_number(number) or number.extension:
        raise InputError("no network has such a phone number", slug="phone_malformed")
    if phonenumbers.region_code_for_number(number) == _NO_COUNTRY or phonenumbers.number_type(number) not in _PERSONAL:
        raise InputError("a number that belongs to no person", slug="phone_malformed")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def parse_email(text: object) -> Recipient:
    """The recipient that an e-mail address names.

    Case does not count. What stands before the at sign is kept otherwise: dots and plus signs mean what that domain
    says.

    Raises:
        InputError: `email_malformed`: no text, or no address of ASCII characters.
    """
    address = text.lower() if isinstance(text, str) and len(text) <= LONGEST else ""
    local = address.partition("@")[0]
    if not _EMAIL.fullmatch(address) or len(local) > _LONGEST_LOCAL or _has_stray_dot(local):
        raise InputError("no e-mail address", slug="email_malformed")
    return Recipient("email", address)


def _has_stray_dot(local: str) -> bool:
    return local.startswith(".") or local.endswith(".") or ".." in local
