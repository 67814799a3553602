"""`restored`: after a backup was put back, which has forgotten which sessions had ended."""

from __future__ import annotations

import re
import shutil

import pytest

from flask_tessera.errors import SessionEndedError
from flask_tessera.services.login_data import Login
from flask_tessera.services.ports import UNKNOWN_CLIENT
from flask_tessera.storage.from_url import open_storage
from flask_tessera.web.app_state import runtime_of
from flask_tessera.web.credential_reading import verify_credential
from tests.servers import wait_until

from .calling import assert_refused, in_app, tessera_of, user_of
from .stores import listened_storage

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def log_in(app, user="u-1"):
    with app.app_context():
        return runtime_of("").sessions.log_in(Login(user))


def is_good(app, issued):
    """Whether an access token opens anything."""
    with app.app_context():
        try:
            verify_credential(runtime_of(""), issued.access_token)
        except SessionEndedError:
            return False
        return True


def assert_spent(app, issued):
    with app.app_context(), pytest.raises(SessionEndedError):
        runtime_of("").sessions.refresh(issued.refresh_token, UNKNOWN_CLIENT)


@pytest.mark.repeats("url")
def test_F04_all_sessions_are_over_everywhere_and_who_logs_in_again_is_in(url, host):
    here, there = host("", storage=url), host("", storage=url)
    sessions = [log_in(here, "u-1"), log_in(there, "u-2")]
    assert all(is_good(app, each) for app in (here, there) for each in sessions)
    result = in_app(here, "restored", "--yes")
    assert result.exit_code == 0, result.output
    wait_until(lambda: not any(is_good(app, each) for app in (here, there) for each in sessions), "all are refused")
    for each in sessions:
        assert_spent(there, each)
    assert_refused(in_app(here, "sessions", "list", "u-1"), "no live session")
    fresh = log_in(there, "u-1")
    assert all(is_good(app, fresh) for app in (here, there))
    assert in_app(here, "sessions", "list", "u-1").stdout.splitlines()[-1] == "1 live sessions"


@pytest.mark.parametrize(("bound", "delay"), [(0, "at once"), (2, "within [23] s")])
def test_S01_it_says_by_when_every_worker_knows(host, bound, delay):
    storage = listened_storage(bound) if bound else open_storage("memory:")
    (line,) = in_app(host("", storage=storage), "restored", "--yes").stdout.splitlines()
    said = rf"all sessions that began before {TIME} are over; refused by every worker by {TIME}, {delay}"
    assert re.fullmatch(said, line)


def test_S01_where_nobody_asks_the_storage_it_takes_the_life_of_a_token(host):
    app = host("", storage=listened_storage(), TESSERA_REVOCATION="stateless", TESSERA_TOKEN_LIFETIME=1200)
    assert re.search(r", within 120[01] s$", in_app(app, "restored", "--yes").stdout)


@pytest.mark.parametrize(("typed", "is_over"), [("y\n", True), ("n\n", False), ("\n", False), ("", False)])
def test_it_asks_before_it_ends_anything(host, typed, is_over):
    app = host("")
    issued = log_in(app)
    result = in_app(app, "restored", input=typed)
    assert "This ends all sessions of all users. Was a backup put back? [y/N]" in result.stdout
    assert result.exit_code == (0 if is_over else 1)
    assert is_good(app, issued) is not is_over


def test_F04_a_file_that_was_put_back_revives_nobody_once_this_was_said(run, service, tmp_path):
    client = service.test_client()
    with service.app_context():
        ended = tessera_of(service).login(user_of(service))
    with service.app_context():
        runtime_of("").storage.close()
    shutil.copytree(tmp_path, tmp_path.with_suffix(".backup"))
    with service.app_context():
        tessera_of(service).revoke_session(ended.session_id)
        runtime_of("").storage.close()
    for path in tmp_path.with_suffix(".backup").glob("tessera.db*"):
        shutil.copy(path, tmp_path / path.name)
    assert run("restored", "--yes").exit_code == 0
    for send in (
        lambda: client.get("/user/detail", headers={"z-token": ended.access_token}),
        lambda: client.post("/auth/refresh", json={"refresh_token": ended.refresh_token}),
    ):
        assert send().json["code"] == 4101
