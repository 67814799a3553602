"""Patterns that make a password of any length one of a few: rows of keys, repetitions, dates, numbers that speak."""

from __future__ import annotations

import re
from typing import Final

_ROWS: Final = (
    *("abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./"),
    # Down the columns, to and fro, and between two rows.
    *("1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p", "1qazxsw23edcvfr45tgbnhy67ujm", "qazwsxedcrfvtgbyhnujmikolp"),
    *("qwertyuiopasdfghjklzxcvbnm", "1q2w3e4r5t6y7u8i9o0p", "q1w2e3r4t5y6u7i8o9p0", "q2w3e4r5t6y7u8i9o0p"),
    *("a1b2c3d4e5f6g7h8i9j0", "1a2b3c4d5e6f7g8h9i0j", "qawsedrftgyhujikolp", "147258369", "159357", "!@#$%^&*()_+"),
)
_WALKS: Final = "\n".join(walk for row in _ROWS for walk in (row * 2, row[::-1] * 2))
_STEPS: Final = frozenset(_WALKS[at : at + 3] for at in range(len(_WALKS)))
"""What a walk begins and ends with: most texts are no walk by that alone."""
_SHORTEST_WALK: Final = 4
_SHORTEST_PIECE: Final = 3
_LONGEST_TWO: Final = 24
"""Characters of two walks."""
_MOST_LETTERS_REPEATED: Final = 4
"""Characters of a unit that is nothing, however often it is repeated."""
_FEWEST_TO_SQUEEZE: Final = 6

_YEAR, _MONTH, _DAY = "(?:19[3-9][0-9]|20[0-4][0-9])", "(?:0[1-9]|1[0-2])", "(?:0[1-9]|[12][0-9]|3[01])"
_SHORT_YEAR = "[0-9]{2}"
_DATES: Final = (
    *(f"{_YEAR}{_MONTH}{_DAY}", f"{_DAY}{_MONTH}{_YEAR}", f"{_MONTH}{_DAY}{_YEAR}", f"{_YEAR}{_MONTH}"),
    *(f"{_SHORT_YEAR}{_MONTH}{_DAY}", f"{_DAY}{_MONTH}{_SHORT_YEAR}", f"{_MONTH}{_DAY}{_SHORT_YEAR}"),
    *(f"{_YEAR}(?:[1-9]|1[0-2])(?:[1-9]|[12][0-9]|3[01])", f"{_YEAR}{_YEAR}"),
)
_PHONE: Final = "(?:86)?1[3-9][0-9]{9}"
SPEAKING: Final = (
    *("00", "111", "222", "333", "444", "555", "66", "7758", "88", "99", "168", "1314", "9420", "258", "520", "521"),
    *(
        "530",
        "584",
        "3344",
        "1920",
        "1711",
        "159",
        "147",
        "369",
        "357",
        "753",
        "951",
        "852",
        "741",
        "963",
        "456",
        "123",
    ),
    *("654", "987", "321", "789", "9527"),
)
"""Numbers that sound like words (520: I love you), are lucky, or are neighbours on a keypad; none begins another."""
_NUMBERS: Final = re.compile("|".join((*_DATES, _PHONE, f"(?:{'|'.join(SPEAKING)})+[0-9]?")))


def is_number_pattern(digits: str) -> bool:
    """Whether digits are a date, a mobile number of China, a walk or a repetition, or numbers that speak."""
    return _NUMBERS.fullmatch(digits) is not None or is_pattern(digits)


def is_pattern(text: str) -> bool:
    """Whether a text is a walk over the keyboard or the alphabet, or repeats a few characters."""
    rules = (_is_repeated, _is_walk, _is_slow_walk, _is_two_walks, _is_there_and_back)
    return any(rule(text) for rule in rules)


def smallest_unit(text: str) -> str:
    """What the text is a repetition of; itself where it is none."""
    return text[: (text + text).find(text, 1)] if text else text


def _is_repeated(text: str) -> bool:
    """`abcabcab`, `aaaa1111`."""
    for period in range(1, min(_MOST_LETTERS_REPEATED, len(text) // 2) + 1):
        if text[period:] == text[:-period]:
            return True
    return len(text) >= _FEWEST_TO_SQUEEZE and len(_squeezed(text)) <= 2


def _is_walk(text: str, shortest: int = _SHORTEST_WALK) -> bool:
    """`qwerty`, `87654321`."""
    return len(text) >= shortest and text[:3] in _STEPS and "\n" not in text and text in _WALKS


def _is_slow_walk(text: str) -> bool:
    """`11223344`. What is short when it is squeezed is none: `tree` gives `tre`."""
    return _is_walk(_squeezed(text))


def _is_two_walks(text: str) -> bool:
    """`qweasd`, `qwerasdf`."""
    if len(text) > _LONGEST_TWO or text[:3] not in _STEPS or text[-3:] not in _STEPS:
        return False
    ends = range(_SHORTEST_PIECE, len(text) - _SHORTEST_PIECE + 1)
    return any(_is_walk(text[:end], _SHORTEST_PIECE) and _is_walk(text[end:], _SHORTEST_PIECE) for end in ends)


def _is_there_and_back(text: str) -> bool:
    """`123321`, `abcdcba`."""
    return text == text[::-1] and _is_walk(text[: (len(text) + 1) // 2], _SHORTEST_PIECE)


def _squeezed(text: str) -> str:
    return re.sub(r"(.)\1+", r"\1", text, flags=re.DOTALL)
