"""Passwords that are guessed first: the frequent ones, patterns, and what is made of a person's own words.

How this works. The text is folded (NFKC, case) and then taken apart in one way only: what is trivial is taken off its
ends, and the core that is left is looked up, as it is and with the usual replacements of letters undone. Trivial are up
to four digits, or digits that are a date or another pattern, and up to four other characters. So `P@ssw0rd2024!` is
looked up as `p@ssw0rd` and `password`. A core of the list, of a row of keys, of a repetition or of the person's words
makes the password a common one. Two words beside each other do not: passphrases are what people are meant to choose.
"""

from __future__ import annotations

import functools
import importlib.util
import re
import unicodedata
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Final

from ..errors import missing_extra
from . import chinese_passwords
from .password_patterns import is_number_pattern, is_pattern, smallest_unit
from .recipients import LONGEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LONGEST_WORD: Final = LONGEST
"""Characters of a person's word that are looked at: it may be a name of any length."""
_MOST_TRIVIAL: Final = 4
"""Digits, and other characters than letters, that add nothing: a year, a few exclamation marks."""
_LONGEST_END: Final = 16
"""Characters that are taken off an end at most: a date with dashes, a phone number."""
_SHORTEST_PART: Final = 6
"""Characters of a person's word that are as bad as all of it, e.g. of the phone number."""
_LONGEST_INITIALS: Final = 3
_UNSHIFTED: Final = str.maketrans("!@#$%^&*()", "1234567890")
_LETTERS_FOR: Final = {"0": "o", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g", "@": "a", "$": "s"} | {
    "+": "t",
    "(": "c",
    "|": "l",
}
_SPELLINGS: Final = (
    str.maketrans(_LETTERS_FOR | {"1": "i", "!": "i"}),
    str.maketrans(_LETTERS_FOR | {"1": "l", "!": "l"}),
    _UNSHIFTED,
)
_MACHINES: Final = (
    "root admin administrator manager operator system server service oracle mysql postgres postgresql mariadb"
    " redis mongo mongodb tomcat jenkins docker ubuntu centos debian linux windows test testing tester demo guest"
    " user username login public default changeme changeit temp temporary support webmaster website backup"
    " database flask python django"
)
_OF_MACHINES: Final = frozenset(_MACHINES.split())
"""What administrators begin with; the list of frequent passwords lacks half of these."""
_BESIDE_OWN: Final = re.compile("woai|woshi|wode|ilove|love|iam|my|mima|password|pass|pwd")
"""What is put beside the own name or that of somebody loved."""


@functools.cache
def frequent() -> frozenset[str]:
    """The 30,000 passwords that zxcvbn lists as the most frequent ones of many breaches, in lower case.

    They are read at the first call, and take some 4 MB. The package itself is not imported: it builds five more lists.

    Raises:
        ConfigError: zxcvbn is not installed.
    """
    package = importlib.util.find_spec("zxcvbn")
    spec = package and PathFinder.find_spec("zxcvbn.frequency_lists", package.submodule_search_locations)
    if not spec or not spec.loader:
        raise missing_extra("checking passwords needs the module zxcvbn", "accounts")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return frozenset(module.FREQUENCY_LISTS["passwords"])


def is_common(password: str, words: Iterable[object] = ()) -> bool:
    """Whether a password is among those that are guessed first.

    Args:
        password: at most some thousand characters; any text is safe.
        words: of the person and the application; what is no text, or blank, is passed over.

    Raises:
        ConfigError: zxcvbn is not installed.
    """
    text = fold(password)
    texts = [fold(word[:LONGEST_WORD]) for word in words if isinstance(word, str)]
    own = frozenset(part for word in texts for part in _parts_of(word))
    made = own.union(whole for word in texts for whole in _addresses_of(word))
    # "i-love-you" is "iloveyou"; a text of symbols alone is left as it is.
    compact = "".join(filter(str.isalnum, text)) or text
    return any(_is_weak(each, own) or _is_made_of(each, made) for each in {text, compact})


def fold(text: str) -> str:
    """One spelling of all cases and widths."""
    return unicodedata.normalize("NFKC", text).casefold()


def _parts_of(text: str) -> Iterator[str]:
    """A word, and what it is made of; of an e-mail address only what stands before the @."""
    parts = re.split(r"[\W_]+", text.partition("@")[0] or text)
    whole = "".join(parts)
    for part in (whole, whole.strip("0123456789"), *parts):
        if len(part) > 1:
            yield part


def _addresses_of(text: str) -> Iterator[str]:
    """An e-mail address without its signs, also shortened: `adaexamplecom`, `adaexample`; of another word nothing.

    Only together: the domain alone is no word of one person.
    """
    local, _, domain = text.partition("@")
    starts = ("".join(filter(str.isalnum, local)), *_parts_of(text))
    ends = ("".join(filter(str.isalnum, each)) for each in (domain, domain.partition(".")[0]))
    yield from (start + end for end in ends for start in starts if start and end)


def _is_weak(text: str, own: frozenset[str]) -> bool:
    if not any(map(str.isalpha, text)):
        # Nothing is taken off: parts of every number are on the list.
        return _is_trivial(text) or _is_known(text, own)
    return any(_is_known(core, own) or _is_few(core, rest) for core, rest in _cores(text))


def _cores(text: str) -> Iterator[tuple[str, str]]:
    """A text with letters without what is trivial at its ends, and that."""
    for start in _trivial_lengths(text):
        for end in _trivial_lengths(text[::-1]):
            yield text[start : len(text) - end], text[:start] + text[len(text) - end :]


def _trivial_lengths(text: str) -> Iterator[int]:
    """How many characters may be taken off the beginning, which is the end where a text is given backwards."""
    yield 0
    letter = next(index for index, character in enumerate(text) if character.isalpha())
    yield from range(1, min(letter, _MOST_TRIVIAL) + 1)
    if _MOST_TRIVIAL < letter <= _LONGEST_END and (_is_trivial(text[:letter]) or _is_trivial(text[letter - 1 :: -1])):
        yield letter


def _is_trivial(text: str) -> bool:
    return any(map(_is_trivial_as_spelled, {text, text.translate(_UNSHIFTED)}))


def _is_trivial_as_spelled(text: str) -> bool:
    digits = "".join(filter(str.isdecimal, text))
    if len(text) - len(digits) > _MOST_TRIVIAL or any(map(str.isalpha, text)):
        return False
    return len(digits) <= _MOST_TRIVIAL or digits in frequent() or is_number_pattern(digits)


def _is_known(core: str, own: frozenset[str]) -> bool:
    spellings = {core, *(core.translate(table) for table in _SPELLINGS)}
    return any(_is_word(text, own) for text in spellings) or is_pattern(core) or is_pattern(core.translate(_UNSHIFTED))


def _is_word(text: str, own: frozenset[str]) -> bool:
    if len(text) >= _SHORTEST_PART and any(text in word for word in own):
        return True
    unit = smallest_unit(text)
    # A repetition may be frequent as a whole: blingbling.
    is_frequent = not frequent().isdisjoint((text, unit))
    return is_frequent or unit in own or unit in _OF_MACHINES or chinese_passwords.is_frequent(unit)


def _is_few(core: str, rest: str) -> bool:
    """Initials beside a birthday or the like."""
    return len(core) <= _LONGEST_INITIALS and core.isalpha() and _is_trivial(rest)


def _is_made_of(text: str, own: frozenset[str]) -> bool:
    """Whether only trivial pieces are left when the own words, and what is put beside them, are taken out."""
    found = own.intersection(word for word in own if word in text)
    if not found:
        return False
    longest_first = sorted(found, key=len, reverse=True)
    pieces = re.split("|".join(map(re.escape, longest_first)), text)
    return all(_is_trivial(_BESIDE_OWN.sub("", piece)) for piece in pieces)
