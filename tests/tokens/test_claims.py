"""Claims: what may be said, and that `mint` and `verify` agree about it."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import uuid

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_tessera.errors import ClaimsInvalidError, TesseraError
from flask_tessera.tokens import access
from flask_tessera.tokens.claims import (
    DEEPEST,
    LARGEST_COUNTER,
    LARGEST_INTEGER,
    LAST_SECOND,
    MOST_MEMBERS,
    Claims,
    is_safe_text,
)
from tests.tokens.forging import CLAIMS, EXPIRES, ISSUED, KEY, PLACE, REFUSALS, RING, SID, sign, valid_claims


def changed(**changes):
    return msgspec.structs.replace(CLAIMS, **changes)


def read_back(claims):
    """What everybody reads who is asked to, at the time and place of issue."""
    text = access.mint(claims, KEY)
    return access.verify(text, RING, at=claims.iat, issuer=claims.iss, audience=claims.aud, longest=LAST_SECOND)


class Text(str):
    __slots__ = ()


class Code(enum.StrEnum):
    ONE = "1"


class Plain(enum.Enum):
    ONE = "1"
    TWO = 2


class Count(enum.IntEnum):
    ONE = 1


class More(Claims, frozen=True):
    more: str = "x"


class Unequal:
    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0


def named(value):
    """The same in every process: no address, no depth."""
    return ascii(value)[:30] if type(value) in {str, int, float, bool} else type(value).__name__


def deep(depth, core=1):
    value = core
    for _ in range(depth):
        value = {"a": value}
    return value


CYCLE: dict[str, object] = {}
CYCLE["a"] = CYCLE

NO_TEXT = [None, 1, 1.5, True, b"1", bytearray(b"1"), ["1"], {"a": 1}, uuid.UUID(int=1), decimal.Decimal(1), Plain.ONE]
NO_TEXT += [dt.date(2027, 1, 15), dt.timedelta(1), object(), Unequal(), msgspec.UNSET, msgspec.Raw(b'"1"')]
UNSAFE = ["a\0", "\n", "a\r\nb", "\x1b[0m", "\x7f", "\x80", "\x9f", "\u2028", "\u2029", "\ud800", "a\udfff"]
NO_TIME = [
    None,
    "1800000000",
    1.8e9,
    float(ISSUED),
    True,
    False,
    -1,
    LAST_SECOND + 1,
    2**63,
    2**64,
    10**30,
    [],
    Plain.TWO,
]
NO_TIME += [decimal.Decimal(ISSUED), float("nan"), float("inf"), object(), Unequal()]
NO_COUNTER = [*NO_TIME, LARGEST_COUNTER + 1, 1.0, 0.0, -(2**40)]
NO_OBJECT = [
    [],
    (),
    "",
    "{}",
    1,
    False,
    b"",
    [1],
    deep(DEEPEST),
    deep(400),
    deep(DEEPEST - 1, {}),
    deep(DEEPEST - 1, []),
    deep(DEEPEST - 1, "\0"),
]
NO_OBJECT += [
    {"a": "\0"},
    {"\0": 1},
    {"a": ["\0"]},
    {"a": {"\0": 1}},
    {"a": "\ud800"},
    {"\ud800": 1},
    {"a": float("nan")},
]
NO_OBJECT += [
    {"a": float("inf")},
    {"a": 2**63},
    {"a": -(2**63)},
    {"a": 2**64},
    {"a": [10**40]},
    {1: "a"},
    {None: 1},
    CYCLE,
]
NO_OBJECT += [
    {1: 1, "1": 2},
    {"a": (1, 2)},
    {"a": {1}},
    {"a": b"x"},
    {"a": uuid.UUID(int=1)},
    {"a": object()},
    {(): 1},
    {b"a": 1},
]
NO_OBJECT += [{str(n): n for n in range(MOST_MEMBERS + 1)}, {"a": [0] * MOST_MEMBERS}, {"a": dt.date(2027, 1, 1)}]
NO_OBJECT += [{"a": Text("x")}, {"a": CLAIMS}, {"a": msgspec.Raw(b"1.00")}, {"a": Plain.ONE}, {"a": decimal.Decimal(1)}]

REFUSED = [
    *(
        (name, value)
        for name in ("sub", "sid", "realm", "iss", "aud", "scope")
        for value in (*NO_TEXT, *UNSAFE, Text("1"))
    ),
    *((name, value) for name in ("iat", "exp", "auth_time") for value in NO_TIME),
    *((name, value) for name in ("gen", "ep") for value in NO_COUNTER),
    *((name, value) for name in ("act", "cnf", "ext") for value in NO_OBJECT),
    *(("amr", (value,)) for value in (*NO_TEXT, *UNSAFE, "", ())),
    *(("amr", value) for value in (None, "", "pwd", ["pwd"], [], {"pwd": 1}, {"pwd"}, {}, 1, object())),
    *(("sub", ""), ("sid", ""), ("ext", None), ("exp", ISSUED), ("exp", ISSUED - 1), ("auth_time", ISSUED + 1)),
    *(("iat", EXPIRES), ("iat", ISSUED - 1), ("sub", "a" * 8192)),
]


@pytest.mark.parametrize(("name", "value"), REFUSED, ids=named)
def test_T09_mint_refuses_what_verify_would_refuse_or_read_otherwise(name, value):
    with pytest.raises(ClaimsInvalidError) as caught:
        access.mint(changed(**{name: value}), KEY)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, TesseraError)
    assert str(caught.value)


@pytest.mark.parametrize("claims", [None, {}, [], "", 1, object(), json.loads(msgspec.json.encode(CLAIMS)), Claims])
def test_what_is_no_claims_is_refused(claims):
    with pytest.raises(ClaimsInvalidError):
        access.mint(claims, KEY)


def test_a_kind_of_claims_that_says_more_is_refused():
    with pytest.raises(ClaimsInvalidError):
        access.mint(More("42", SID, 0, 0, ISSUED, EXPIRES), KEY)


ACCEPTED = [
    *(
        (name, value)
        for name in ("sub", "sid", "realm", "iss", "aud", "scope")
        for value in ("é", "中", '"', "\\", "😀", "a/b", " ")
    ),
    *((name, value) for name in ("gen", "ep") for value in (0, 1, LARGEST_COUNTER, Count.ONE)),
    *(("exp", LAST_SECOND), ("auth_time", 0), ("amr", ()), ("amr", ("pwd", "otp")), ("amr", ("é",)), ("sub", Code.ONE)),
    *(
        (name, value)
        for name in ("act", "cnf", "ext")
        for value in ({"a": None}, deep(DEEPEST - 1), deep(3, {}), deep(3, []))
    ),
    *(
        ("ext", {"a": value})
        for value in (LARGEST_INTEGER, -LARGEST_INTEGER, 1.0, 1e300, -0.0, 5e-324, 0.1, "\n", "\x7f", "", True)
    ),
    *(
        ("ext", {str(n): n for n in range(MOST_MEMBERS)}),
        ("ext", {"a": [0] * (MOST_MEMBERS - 1)}),
        ("ext", {Text("a"): 1}),
    ),
    *(("ext", {}), ("act", None), ("act", {}), ("cnf", {}), ("ext", {"": ""}), ("ext", {"é": "中"})),
]


@pytest.mark.parametrize(("name", "value"), ACCEPTED, ids=named)
def test_what_mint_accepts_is_read_as_it_was_written(name, value):
    claims = changed(**{name: value})
    assert read_back(claims) == claims


def test_the_limits_hold_for_all_free_members_together():
    both = {"act": {"a": [0] * 200}, "cnf": {"b": [0] * 54}}
    assert read_back(changed(**both)) == changed(**both)
    with pytest.raises(ClaimsInvalidError):
        access.mint(changed(**both, ext={"c": 1}), KEY)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"sub": ""}, "sub"),
        ({"gen": -1}, "gen"),
        ({"exp": 1.5}, "exp"),
        ({"exp": ISSUED}, "auth_time <= iat < exp"),
        ({"iss": "a\x7f"}, "iss holds a control character"),
        ({"amr": ("a\n",)}, "amr holds a control character"),
        ({"ext": deep(40)}, "too deep"),
        ({"ext": {1: 1}}, "another type"),
        ({"sub": Text("1")}, "verify would refuse these claims"),
        ({"sub": "a" * 9000}, "characters, 8192 is the limit"),
    ],
)
def test_a_refusal_names_what_is_wrong(changes, text):
    with pytest.raises(ClaimsInvalidError, match=text):
        access.mint(changed(**changes), KEY)


# Wild values by name, right ones among them, so that many claims are wrong in one place or in none.
TEXTS = st.sampled_from([*NO_TEXT, *UNSAFE, "", "a", "é", "中", '"', "\\", Text("a"), Code.ONE])
TIMES = st.sampled_from([*NO_TIME, 0, 1, ISSUED, ISSUED + 1, EXPIRES, LAST_SECOND, Count.ONE]) | st.integers(
    0, LAST_SECOND
)
COUNTERS = st.sampled_from([*NO_COUNTER, 0, 1, LARGEST_COUNTER])
OBJECTS = st.sampled_from([*NO_OBJECT, None, {}, {"a": 1}, deep(DEEPEST - 1), deep(DEEPEST)])
WILD = {
    **dict.fromkeys(("sub", "sid", "realm", "iss", "aud", "scope"), TEXTS),
    **dict.fromkeys(("iat", "exp", "auth_time"), TIMES),
    **dict.fromkeys(("gen", "ep"), COUNTERS),
    **dict.fromkeys(("act", "cnf", "ext"), OBJECTS),
    "amr": st.lists(TEXTS, max_size=2).map(tuple) | st.sampled_from([None, "", [], ["a"], {}, 0]),
}


CHANGES = st.sampled_from([*WILD]).flatmap(lambda name: st.tuples(st.just(name), WILD[name]))


@given(st.lists(CHANGES, max_size=3).map(dict))
def test_mint_refuses_just_what_verify_refuses_or_reads_otherwise(changes):
    claims = changed(**changes)
    try:
        again = read_back(claims)
    except ClaimsInvalidError:
        again = None
    assert again == (claims if would_be_read(claims) else None)


def would_be_read(claims):
    """Whether the claims, written without any check, would be accepted and read as they are."""
    try:
        text = sign(msgspec.json.encode(claims))
    except (TypeError, ValueError, RecursionError):
        return False
    place = {"at": claims.iat, "issuer": claims.iss, "audience": claims.aud, "longest": LAST_SECOND}
    if type(claims.iat) not in {int, Count}:
        place["at"] = ISSUED
    try:
        return access.verify(text, RING, **place) == claims
    except REFUSALS:
        return False


@given(valid_claims())
def test_all_valid_claims_are_minted(claims):
    assert read_back(claims) == claims


def test_T08_text_is_safe_if_every_log_and_database_bears_it():
    unsafe = {*range(32), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0xD800, 0xE000)}
    assert {code for code in range(0x11000) if not is_safe_text(f"a{chr(code)}b")} == unsafe


def test_claims_cannot_be_changed_and_compare_by_value():
    with pytest.raises(AttributeError):
        CLAIMS.sub = "1"
    assert changed() == CLAIMS
    assert changed(gen=8) != CLAIMS
    assert access.verify(access.mint(CLAIMS, KEY), RING, **PLACE) == CLAIMS


def test_two_claims_share_no_ext():
    one, two = (Claims("42", SID, 0, 0, ISSUED, EXPIRES) for _ in range(2))
    one.ext["a"] = 1
    assert two.ext == {}
