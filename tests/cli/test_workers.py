"""`workers`: who follows the revocation log, and who is overdue."""

from __future__ import annotations

import re
import time

import pytest

from flask_tessera.services.workers import WORKER_FORGOTTEN, WORKER_OVERDUE, Worker, WorkerRegistry
from flask_tessera.web.app_state import runtime_of
from tests.servers import wait_until

from .calling import HOSTILE, in_app
from .stores import listened_storage

BOUND = "every worker that is ok sees a revocation within 2 s (TESSERA_REVOCATION_BOUND)"
NOW = int(time.time())


def beat(storage, *, name="web-1:1:ab", age=0, delay=0):
    WorkerRegistry(storage).beat(Worker(name, NOW - 3600, int(time.time()) - age, delay))


def test_S01_where_every_request_is_told_one_line_says_so(run, service):
    result = run("workers")
    assert (result.exit_code, result.stdout) == (0, "every worker sees a revocation with its next request\n")


@pytest.mark.parametrize(("mode", "said"), [("strict", "asks the storage"), ("stateless", "until it expires")])
def test_S01_in_another_mode_the_line_says_what_holds_there(run, service, mode, said):
    (line,) = run("workers", env={"TESSERA_REVOCATION": mode}).stdout.splitlines()
    assert line.startswith(f"TESSERA_REVOCATION {mode}: ")
    assert said in line


def test_S01_nobody_listens_before_the_first_request(host):
    result = in_app(host("", storage=listened_storage()), "workers")
    none = "no worker follows the log: one does from its first request on"
    assert (result.exit_code, result.stdout.splitlines()) == (0, [none, BOUND])


def test_S01_every_worker_is_listed_with_its_beat(host):
    storage = listened_storage()
    beat(storage, name="web-1:17:ab", age=3, delay=1250)
    beat(storage, name="web-2:18:cd", age=60)
    beat(storage, name="web-3:19:ef", age=-5)
    first, second, third, last = in_app(host("", storage=storage), "workers").stdout.splitlines()
    assert re.fullmatch(r"web-1:17:ab\tsince \S+Z\tbeat [3-9] s ago\tslowest revocation 1\.250 s\tok", first)
    assert re.fullmatch(
        r"web-2:18:cd\tsince \S+Z\tbeat 6\d s ago\tslowest revocation 0\.000 s\tOVERDUE: stuck or killed, .+", second
    )
    # Its clock is ahead.
    assert "\tbeat 0 s ago\t" in third
    assert last == BOUND


@pytest.mark.parametrize(
    ("ages", "code"),
    [([], 0), ([0, WORKER_OVERDUE - 6], 0), ([WORKER_OVERDUE], 1), ([0, WORKER_FORGOTTEN - 60, 2], 1)],
)
def test_S01_a_worker_that_has_missed_several_beats_is_told_by_the_exit_code(host, ages, code):
    storage = listened_storage()
    for number, age in enumerate(ages):
        beat(storage, name=f"web-{number}", age=age)
    result = in_app(host("", storage=storage, TESSERA_REVOCATION_BOUND=3), "workers")
    assert result.exit_code == code
    assert len(result.stdout.splitlines()) == max(len(ages), 1) + 1
    assert result.stdout.splitlines()[-1] == BOUND.replace("2", "3")


@pytest.mark.parametrize("name", HOSTILE)
def test_G02_a_worker_with_a_hostile_name_forges_no_line(host, name):
    storage = listened_storage()
    beat(storage, name=HOSTILE[name])
    line, _ = in_app(host("", storage=storage), "workers").stdout.splitlines()
    assert line.replace("\t", "").isprintable()
    assert len(line.split("\t")) == 5


@pytest.mark.repeats("url")
def test_S01_a_worker_is_listed_as_soon_as_it_listens(url, host):
    app = host("", storage=url)
    with app.app_context():
        runtime = runtime_of("")
        if not runtime.storage.revocations.bound:
            assert in_app(app, "workers").stdout == "every worker sees a revocation with its next request\n"
            return
        wait_until(runtime.shared.follower.is_current, "it listens")
        wait_until(lambda: runtime.shared.follower.name in in_app(app, "workers").stdout, "it is listed")
        result = in_app(host("", storage=url), "workers")
    assert result.exit_code == 0
    line = rf"{runtime.shared.follower.name}\tsince \S+Z\tbeat \d s ago\tslowest revocation 0\.000 s\tok"
    assert re.fullmatch(line, result.stdout.splitlines()[0])
    assert result.stdout.splitlines()[1:] == [BOUND]
