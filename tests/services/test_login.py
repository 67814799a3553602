"""Attempts to log in: only wrong credentials count."""

from __future__ import annotations

import contextlib
import threading

import pytest

from flask_tessera.accounts.hash_slots import HashSlots
from flask_tessera.errors import (
    CredentialsError,
    InputError,
    LoginRefusedError,
    StorageUnavailableError,
    ThrottledError,
)
from flask_tessera.services.login import LoginAttempts

from .test_throttle import make

HOME = "203.0.113.7"


@pytest.fixture
def attempts():
    return LoginAttempts(make("2 per minute", "4 per minute"))


def is_open(attempts, account="7", address=HOME, realm="") -> bool:
    try:
        with attempts.attempt(realm, [account], address):
            return True
    except ThrottledError:
        return False


def test_L07_a_failure_counts_and_raises(attempts):
    for _ in range(2):
        with pytest.raises(CredentialsError, match="no such badge"), attempts.attempt("", ["7"], HOME) as attempt:
            attempt.fail("no such badge")
    assert not is_open(attempts)
    assert is_open(attempts, "8")


def test_L07_a_failure_counts_though_the_view_catches_its_error(attempts):
    for _ in range(2):
        with attempts.attempt("", ["7"], HOME) as attempt, contextlib.suppress(CredentialsError):
            attempt.fail()
    assert not is_open(attempts)


def test_L07_a_credentials_error_of_any_origin_counts(attempts):
    for _ in range(2):
        with contextlib.suppress(CredentialsError), attempts.attempt("", ["7"], HOME):
            raise CredentialsError
    assert not is_open(attempts)


@pytest.mark.parametrize(
    "error",
    [ConnectionError, KeyError, KeyboardInterrupt, LoginRefusedError, InputError, StorageUnavailableError],
)
def test_L09_no_other_error_counts(attempts, error):
    for _ in range(9):
        with contextlib.suppress(error), attempts.attempt("", ["7"], HOME):
            raise error
    with attempts.attempt("", ["7"], HOME):
        # Of two, one is being checked; nothing else is left of nine.
        assert is_open(attempts)


def test_leaving_without_a_failure_is_a_success_that_does_not_count(attempts):
    assert all(is_open(attempts) for _ in range(9))


def test_L07_parallel_attempts_beyond_the_limit_are_not_begun(attempts):
    with attempts.attempt("", ["7"], HOME), attempts.attempt("", ["7"], HOME):
        assert not is_open(attempts)
    assert is_open(attempts)


def test_L07_accounts_are_counted_in_one_spelling(attempts):
    for spelling in ("007", 7):
        with contextlib.suppress(CredentialsError), attempts.attempt("", [spelling], HOME) as attempt:
            attempt.fail()
    assert not is_open(attempts, "+7")


def test_L07_realms_have_counters_of_their_own(attempts):
    for _ in range(2):
        with contextlib.suppress(CredentialsError), attempts.attempt("staff", ["7"], HOME) as attempt:
            attempt.fail()
    assert not is_open(attempts, realm="staff")
    assert is_open(attempts)


@pytest.mark.parametrize("account", [7.0, None, True])
def test_L07_an_account_that_cannot_be_counted_begins_no_attempt(attempts, account):
    with pytest.raises(InputError), attempts.attempt("", [account], HOME):
        pytest.fail("it has begun")


@pytest.mark.parametrize(
    ("account", "address", "is_served"),
    [("mallory", "198.51.100.1", False), ("alice", HOME, False), ("alice", "198.51.100.1", True)],
)
def test_L02_one_client_with_one_right_password_leaves_hash_slots_to_the_others(account, address, is_served):
    attempts, slots = LoginAttempts(make()), HashSlots(1)
    with attempts.attempt("", ["mallory"], HOME), slots.acquire():
        done = []

        def log_in() -> None:
            with contextlib.suppress(ThrottledError), attempts.attempt("", [account], address), slots.acquire():
                done.append(account)

        other = threading.Thread(target=log_in)
        other.start()
        while other.is_alive() and not slots._queue:
            other.join(0.001)
    other.join(30)
    assert bool(done) is is_served
