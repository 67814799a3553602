"""Codes: one purpose, one recipient, one use, five tries, on every storage."""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import closing, suppress

import pytest

from flask_tessera.accounts.recipients import Recipient
from flask_tessera.errors import StorageUnavailableError, ThrottledError
from flask_tessera.services.codes import LIFETIME, TRIES
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing import Clock, WorkerProcesses, race
from tests.cli.stores import STORES, store_url

from .bench import SECRET
from .typing_codes import ADA, codes_over, outcome, typist

BOB = Recipient("email", "bob@example.com")


@pytest.fixture
def storage():
    return open_storage("memory:")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def codes(storage, clock):
    return codes_over(storage, clock)


def send(codes, code="", purpose="login", recipient=ADA):
    code = code or codes.make()
    codes.keep(purpose, recipient, code)
    return code


def another(code):
    return f"{(int(code) + 1) % 1_000_000:06}"


def test_L11_a_code_has_six_digits_that_nobody_could_foresee(codes):
    made = [codes.make() for _ in range(2000)]
    assert all(len(code) == 6 and code.isascii() and code.isdigit() for code in made)
    assert len(set(made)) > 1900
    # Each digit at each place: 200 of 2000 are expected, and none is five deviations from that.
    for place in range(6):
        assert all(130 < count < 270 for count in Counter(code[place] for code in made).values())


def test_L11_a_code_is_good_once(codes):
    code = send(codes)
    assert [outcome(codes, code) for _ in range(2)] == ["right", "wrong"]


def test_L11_a_code_is_bound_to_its_purpose_recipient_and_realm(codes, storage, clock):
    code = send(codes)
    assert outcome(codes, code, purpose="reset") == "wrong"
    assert outcome(codes, code, recipient=BOB) == "wrong"
    assert outcome(codes_over(storage, clock, realm="admin"), code) == "wrong"
    assert outcome(codes, code) == "right"


def test_L11_a_code_is_over_after_five_minutes(codes, clock):
    first = send(codes)
    clock.advance(LIFETIME)
    assert outcome(codes, first) == "wrong"
    second = send(codes)
    clock.advance(LIFETIME - 1)
    assert outcome(codes, second) == "right"


def test_L11_after_five_tries_a_code_is_dead_and_the_next_one_is_good(codes):
    code = send(codes)
    assert [outcome(codes, another(code)) for _ in range(TRIES)] == ["wrong"] * TRIES
    assert outcome(codes, code) == "too many"
    assert outcome(codes, send(codes)) == "right"


def test_L11_the_next_code_takes_the_place_of_the_one_before(codes):
    first = send(codes)
    second = send(codes, another(first))
    assert outcome(codes, first) == "wrong"
    assert outcome(codes, second) == "right"


def test_who_has_tried_too_often_is_told_when_to_come_back(codes, clock):
    for _ in range(TRIES):
        outcome(codes, "000000")
    clock.advance(100)
    with pytest.raises(ThrottledError) as refused:
        codes.use("login", ADA, "000000")
    assert refused.value.retry_after == LIFETIME - 100


@pytest.mark.parametrize("typed", [None, True, 123456, 1.5, [], {}, "", "12345", "1234567", "１２３４５６", "\0" * 6])
def test_L18_what_is_no_code_is_wrong(codes, typed):
    send(codes, "123456")
    assert outcome(codes, typed) == "wrong"


def test_X9_nothing_that_is_stored_can_be_typed_or_guessed_without_the_secret(codes, storage):
    code = send(codes)
    (kept,) = [each.value for each in storage.values.read("", most=10).values if each.kind == "code"]
    assert code.encode() not in kept
    assert kept not in [hashlib.sha256(text.encode()).digest() for text in (code, f"login{code}")]
    assert outcome(codes_over(storage, secret="another secret that is long enough, 7"), code) == "wrong"


def test_a_code_survives_a_change_of_the_secret(codes, storage, clock):
    code = send(codes)
    new = codes_over(storage, clock, secret="another secret that is long enough, 7", fallbacks=[SECRET])
    assert outcome(new, code) == "right"


def test_L12_of_many_threads_one_is_let_in(codes):
    for _ in range(20):
        code = send(codes)
        assert Counter(race(20, lambda _n, code=code: outcome(codes, code)))["right"] == 1


def certain(codes, processes, typed):
    """What came of a code that four processes of five threads typed at once; of another one where a busy machine leaves
    one outcome unknown."""
    while True:
        code = send(codes)
        with suppress(StorageUnavailableError):
            return Counter(each for told in processes.race((typed(code), 5)) for each in told), code


@pytest.mark.repeats("kind")
@pytest.mark.parametrize("kind", STORES)
def test_L12_of_many_processes_one_is_let_in_and_no_guess_is_compared_beyond_the_limit(kind, tmp_path):
    with store_url(kind, tmp_path) as url, closing(open_storage(url)) as storage:
        codes = codes_over(storage)
        with WorkerProcesses(4, typist, url) as processes:
            for _ in range(5):
                assert certain(codes, processes, str)[0]["right"] == 1
                told, code = certain(codes, processes, another)
                assert told == {"wrong": TRIES, "too many": 20 - TRIES}
                assert outcome(codes, code) == "too many"
