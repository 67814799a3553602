"""Purging: only what is dead, in batches, and without anybody being asked for it."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flask_tessera.errors import ClockJumpError, SessionEndedError, StorageUnavailableError
from flask_tessera.server import maintenance
from flask_tessera.services.purging import purge
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing.contract.base import begin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask

    from flask_tessera.server.users import User
    from flask_tessera.web.app_state import Runtime

DAY = 86_400
MONTH = 30 * DAY


@pytest.fixture
def runtime(app: Flask) -> Iterator[Runtime]:
    with app.app_context():
        yield app.extensions["tessera_service"].tessera.runtime


@pytest.fixture
def tessera(app, runtime):
    return app.extensions["tessera_service"].tessera


@pytest.fixture
def user(app) -> User:
    return app.extensions["tessera_service"].users.get("13800138000")


def purged(runtime: Runtime, **options: object) -> int:
    return purge(runtime.storage, at=runtime.clock(), batch=500, **options)


def test_S11_live_sessions_and_those_that_detect_a_replay_stay(tessera, runtime, user, clock):
    alive, spent, ended = (tessera.login(user) for _ in range(3))
    fresh = tessera.refresh(spent.refresh_token)
    fresher = tessera.refresh(fresh.refresh_token)
    tessera.revoke_session(ended.session_id)
    clock.now += DAY - 1
    assert purged(runtime) == 0
    with pytest.raises(SessionEndedError, match="reuse"):
        tessera.refresh(spent.refresh_token)
    with pytest.raises(SessionEndedError, match="reuse"):
        tessera.refresh(fresher.refresh_token)
    with pytest.raises(SessionEndedError, match="kick"):
        tessera.refresh(ended.refresh_token)
    assert tessera.refresh(alive.refresh_token).session_id == alive.session_id


def test_S11_dead_sessions_go_and_nothing_of_them_revives(tessera, runtime, user, clock):
    token = tessera.create_token(user)
    pair = tessera.login(user)
    clock.now += MONTH
    living = tessera.login(user)
    assert purged(runtime) == 2
    assert purged(runtime) == 0
    assert tessera.verify_token(token) is None
    with pytest.raises(SessionEndedError):
        tessera.refresh(pair.refresh_token)
    assert tessera.refresh(living.refresh_token).session_id == living.session_id


def test_S11_a_session_goes_in_the_second_in_which_it_is_over_and_not_before(tessera, runtime, user, clock):
    tessera.create_token(user)
    clock.now += 3599
    assert purged(runtime) == 0
    clock.now += 1
    assert purged(runtime) == 1


@pytest.mark.parametrize("days", [2, 400, -2, -400])
def test_F07_a_clock_that_has_jumped_removes_nothing(tessera, runtime, user, clock, days):
    pair = tessera.login(user)
    clock.now += days * DAY
    with pytest.raises(ClockJumpError, match="--force"):
        purged(runtime)
    clock.now -= days * DAY
    assert tessera.refresh(pair.refresh_token).session_id == pair.session_id


def test_F07_who_is_sure_of_the_clock_purges_by_force(tessera, runtime, user, clock):
    tessera.login(user)
    clock.now += 2 * MONTH
    assert purged(runtime, force=True) == 1


def test_an_empty_storage_has_nothing_to_purge(runtime):
    assert purged(runtime) == 0


@pytest.mark.parametrize("url", ["memory:", "sqlite:///purge.db"])
def test_S11_batches_are_as_small_as_asked_for_and_others_get_a_turn_between_them(tmp_path, make_service, clock, url):
    app = make_service(tmp_path, clock, TESSERA_STORE_URL=url, TESSERA_MAX_SESSIONS="0")
    user = app.extensions["tessera_service"].users.add("13800138000", "hash")
    with app.app_context():
        tessera = app.extensions["tessera_service"].tessera
        for _ in range(7):
            tessera.create_token(user)
        clock.now += DAY
        turns = []

        def log_in() -> None:
            turns.append(tessera.create_token(user))

        assert purge(tessera.runtime.storage, at=clock.now, batch=3, rest=log_in) == 7
        assert len(turns) == 3
        assert len(tessera.sessions(user)) == 3


def test_the_service_tidies_up_and_says_so(tessera, runtime, user, clock, caplog):
    caplog.set_level(logging.INFO, "flask_tessera")
    tessera.create_token(user)
    clock.now += 4000
    assert maintenance.run_once(runtime)
    assert "purged 1 sessions" in caplog.text


def test_F07_the_service_leaves_all_as_it_is_when_the_clock_has_jumped(tessera, runtime, user, clock, caplog):
    tessera.create_token(user)
    clock.now += 400 * DAY
    assert maintenance.run_once(runtime)
    assert "nothing was purged: the newest login is 400 days" in caplog.text


def test_F02_the_service_tries_again_when_the_storage_does_not_answer(
    app, tessera, runtime, user, clock, caplog, hold_lock
):
    tessera.create_token(user)
    clock.now += 4000
    with hold_lock(Path(app.instance_path) / "tessera.db"):
        assert not maintenance.run_once(runtime)
    assert "trying again" in caplog.text
    assert maintenance.run_once(runtime)


@pytest.mark.slow
def test_a_running_server_purges_without_being_asked(serve, tmp_path):
    first = serve(TESSERA_TOKEN_LIFETIME="1")
    token = first.log_in()
    while first.call("GET", "/user/detail", token=token).json["code"] == 0:
        continue
    first.stop()
    path = tmp_path / "data" / "tessera.db"
    second = serve()
    with closing(sqlite3.connect(path)) as database, database:
        counts = (
            (second.call("GET", "/healthz"), database.execute("SELECT count(*) FROM tessera_sessions").fetchone())[1]
            for _ in range(500)
        )
        assert (0,) in counts
    database.close()


def test_a_storage_that_fails_while_purging_says_so(tmp_path, hold_lock):
    storage = open_storage(f"sqlite:///{tmp_path}/purge.db")
    at = begin(storage).until
    with hold_lock(tmp_path / "purge.db"), pytest.raises(StorageUnavailableError):
        purge(storage, at=at, batch=500, force=True)
