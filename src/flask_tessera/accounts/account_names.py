"""Which account credentials name, in the one spelling in which wrong passwords are counted."""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any, Final

from ..errors import ConfigError, InputError
from .recipients import parse_phone, parse_recipient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .recipients import Recipient

WELL_KNOWN_MEMBERS: Final = ("phone", "mobile", "username", "email", "account", "name")
"""Members of credentials that name an account where the application has declared none."""
SECRET_MEMBERS: Final = frozenset({"password", "passwd", "pwd", "pw", "pass", "secret", "token", "otp"})
"""Members that name no account: each guess at one would get a counter of its own."""

_IGNORED_CATEGORIES: Final = frozenset({"Mn", "Me", "Cc", "Cf", "Cn", "Co", "Cs", "Zs", "Zl", "Zp"})
# Letters of two that Unicode does not take apart, and collations do.
_TWO_LETTERS: Final = {"æ": "ae", "œ": "oe"}
_CALLING_CODE: Final = 86
_DIGITS: Final = (12, 11, 10, 9, 8, 7)
"""Of Chinese phone numbers, without the calling code."""
LONGEST_NAME: Final = 512
"""Characters; some letters become 18, and all of it is done before anything is counted."""
_MOST_DIGITS: Final = 20_000
"""More than a request body can hold."""


class AccountMissingError(InputError):
    """The credentials name no account, so nothing could count a wrong password."""


def declared_members(account: str | Iterable[str]) -> tuple[str, ...]:
    """The members that `@tessera.authenticator(account=…)` declares.

    Raises:
        ConfigError: one is no text, empty, or the name of a secret.
    """
    members: tuple[Any, ...] = (account,) if isinstance(account, str) else tuple(account)
    for member in members:
        if not isinstance(member, str) or not member:
            raise ConfigError(f"authenticator(account=…) takes names of members of the credentials, not {member!r}")
        if member.casefold() in SECRET_MEMBERS:
            raise ConfigError(f"authenticator(account={member!r}): that is a secret, and names no account")
    return members


def accounts_in(credentials: Mapping[str, Any], members: Sequence[str] = ()) -> tuple[str | int, ...]:
    """The accounts that these credentials may name, as typed: which of them counts, only the authenticator knows.

    Of those with one exact name the first one is given.

    Args:
        credentials: as received.
        members: those that name the account; none for the well-known ones.

    Raises:
        AccountMissingError: there is none of these members, or all are blank.
        InputError: one of them is no text and no integer. It is never passed over: an authenticator may take what
            no counter was found for.
    """
    given = [credentials[member] for member in members or WELL_KNOWN_MEMBERS if member in credentials]
    # A form may send all its fields, of which one is filled in.
    filled = [value for value in given if not (isinstance(value, str) and not value.strip())]
    if not filled:
        raise AccountMissingError(
            "the credentials name no account", slug="credentials_missing", member=" / ".join(members)
        )
    by_name: dict[str, str | int] = {}
    for value in filled:
        by_name.setdefault(exact_name(value), value)
    return tuple(by_name.values())


def exact_name(account: object) -> str:
    """The name of an account for what is granted to it, which no other account has.

    A phone number in E.164 and a mail address in its one spelling; any other name as it is.

    Args:
        account: text or an integer, as received.

    Raises:
        InputError: it is neither, or too long.
    """
    return str(_read_by(parse_recipient, _checked(account)))


def _checked(account: object) -> str | int:
    if type(account) is not int and not isinstance(account, str):
        raise InputError(f"what names the account must be text or an integer, not {type(account).__name__}")
    if isinstance(account, str) and len(account) > LONGEST_NAME:
        raise InputError(f"what names the account has {len(account)} characters, at most {LONGEST_NAME} are taken")
    return account


def spelled_alike(account: object) -> str:
    """One spelling of all those that an application or its database may take for the same account.

    Two accounts that share a counter of wrong passwords cost little; one account with two counters gives away twice as
    many guesses. Whatever is granted goes by `exact_name`: whoever has an account that is spelled like another's could
    grant it to himself.

    Case, width, accents, blanks, dashes, brackets and what cannot be seen do not count (MySQL's default collation
    ignores most of them), and numbers count by value, as `int()` and an integer column read them. What an authenticator
    may read as a phone number counts as that number, a Chinese one without its calling code.

    Args:
        account: text or an integer, as received.

    Raises:
        InputError: it is neither, or too long.
    """
    name = _checked(account)
    # Folding gives some letters marks, and letters without marks other cases.
    name = _letters_of(_letters_of(name)) if isinstance(name, str) else name
    name = _read_by(parse_phone, name)
    return _value_of(name) or _value_of(plain := str(name).replace("-", "")) or plain


def _letters_of(text: str) -> str:
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(_base_of(letter) for letter in folded).casefold()


def _base_of(letter: str) -> str:
    """The letter without what collations pass over: `ø` is an `o` with a stroke, which NFKD leaves as it is."""
    if letter.isascii():
        return letter if letter.isprintable() and letter not in " ()" else ""
    category = unicodedata.category(letter)
    if category == "Pd":
        return "-"
    if category in _IGNORED_CATEGORIES:
        return ""
    base, _, marks = unicodedata.name(letter, "").partition(" WITH ")
    if not marks:
        return _TWO_LETTERS.get(letter, letter)
    try:
        return unicodedata.lookup(base)
    except KeyError:
        return letter


def _read_by(parse: Callable[[object], Recipient], name: str | int) -> str | int:
    """The address that a name can be read as; any other name as it is."""
    # ValueError: more digits than Python writes. ConfigError: nothing is installed that reads other countries' numbers.
    with suppress(InputError, ValueError, ConfigError):
        return parse(str(name)).address
    return name


def _value_of(name: str | int) -> str:
    """A number in the one form of its size; an empty text for what is none."""
    with localcontext(prec=_MOST_DIGITS):
        try:
            number = abs(Decimal(name))
            # The shortest form: 10 and 10.0 are 1E+1.
            return str(_without_calling_code(number).normalize()) if number.is_finite() else ""
        except ArithmeticError:
            return ""


def _without_calling_code(number: Decimal) -> Decimal:
    """Of +86 138 0013 8000 the same as of 138 0013 8000: both spellings are good, and one integer is not the other."""
    for digits in _DIGITS:
        if _CALLING_CODE * 10**digits + 10 ** (digits - 1) <= number < (_CALLING_CODE + 1) * 10**digits:
            number -= _CALLING_CODE * 10**digits
    return number
