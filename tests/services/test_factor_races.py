"""Q06: of many processes that show one code at once exactly one passes, on every storage."""

from __future__ import annotations

import itertools

import pytest

from flask_tessera.errors import CodeWrongError, StorageUnavailableError, ThrottledError
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing import WorkerProcesses, race
from flask_tessera.testing.contract.base import T0
from tests.cli.stores import STORES, store_url

from .factors import WRONG, code_at, device, factors_over, passes, set_up, shower

PROCESSES, THREADS = 4, 5


def make_known(factors, turn, processes):
    """Let every racer's device be one from which the owner has passed, so that no limit keeps it from being checked."""
    for process in processes:
        for number in range(THREADS):
            with factors.limit.attempt("7", device_id=device(turn, process, number)):
                pass


@pytest.mark.repeats("kind")
@pytest.mark.parametrize("kind", STORES)
def test_Q06_a_code_shown_20_times_at_once_by_four_processes_is_taken_once(kind, tmp_path):
    """One of TOTP, and one of recovery, again until no write was lost by a busy machine."""
    with store_url(kind, tmp_path) as url:
        storage = open_storage(url)
        try:
            storage.check()
            with WorkerProcesses(PROCESSES, shower, url) as processes:
                assert [taken(storage, processes, name) for name in ("totp", "recovery") * 3] == [1] * 6
        finally:
            storage.close()


turns = itertools.count()


def taken(storage, processes, name):
    """How often the one code was taken."""
    factors = factors_over(storage)
    while True:
        turn = next(turns)
        try:
            secret, codes = set_up(factors, T0)
            make_known(factors, turn, [processes.call(each, None) for each in range(PROCESSES)])
            proof = code_at(secret, T0) if name == "totp" else codes[0]
            return sum(processes.race((turn, name, proof, THREADS)))
        except StorageUnavailableError:
            continue


@pytest.mark.slow
def test_Q06_in_memory_too():
    factors = factors_over(open_storage("memory:"))
    for turn in range(20):
        secret, codes = set_up(factors, T0)
        make_known(factors, turn, range(PROCESSES))
        for name, proof in (("totp", code_at(secret, T0)), ("recovery", codes[3])):

            def show(number, turn=turn, name=name, proof=proof):
                place = device(turn, number // THREADS, number % THREADS)
                return passes(lambda: factors.all.check("7", name, proof, device_id=place))

            assert sum(race(PROCESSES * THREADS, show)) == 1, name


@pytest.mark.repeats("kind")
@pytest.mark.parametrize("kind", STORES)
def test_L07_of_20_wrong_codes_at_once_five_are_checked(kind, tmp_path):
    with store_url(kind, tmp_path) as url:
        storage = open_storage(url)
        try:
            factors = factors_over(storage)
            set_up(factors, T0)

            def guess(_number):
                try:
                    factors.all.check("7", "totp", WRONG)
                except (CodeWrongError, ThrottledError, StorageUnavailableError) as error:
                    return type(error)

            answers = race(20, guess)
            # Whoever had no answer from a busy machine was not checked.
            assert answers.count(CodeWrongError) == 5 or StorageUnavailableError in answers
            assert answers.count(CodeWrongError) <= 5
        finally:
            storage.close()
