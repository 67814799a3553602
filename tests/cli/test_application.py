"""`flask tessera …` in an application of one's own."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from flask import Flask

from flask_tessera import Tessera
from flask_tessera.services.login_data import Login
from flask_tessera.web.app_state import runtime_of

from .calling import SECRET, assert_refused, in_app


def begin_session(app: Flask, realm: str) -> None:
    with app.app_context():
        runtime_of(realm).sessions.log_in(Login("u-1"))


@pytest.mark.parametrize("realm", ["", "admin"])
def test_the_only_realm_of_an_application_need_not_be_named(host, realm):
    app = host(realm)
    begin_session(app, realm)
    assert in_app(app, "sessions", "list", "u-1").stdout.splitlines()[-1] == "1 live sessions"
    assert in_app(app, "reset-factors", "u-1").stdout.startswith("user u-1 has no second factor any more; 1 sessions")
    begin_session(app, realm)
    assert in_app(app, "sessions", "end-user", "u-1", "--realm", realm).stdout.startswith("ended 1 sessions")
    assert in_app(app, "purge").stdout == "removed 0 sessions\n"
    assert in_app(app, "doctor").exit_code == 0


def test_S09_where_there_are_several_realms_one_has_to_be_named(host):
    app = host("user", "admin")
    assert_refused(in_app(app, "sessions", "list", "1"), "realm")
    begin_session(app, "admin")
    assert in_app(app, "sessions", "list", "u-1", "--realm", "admin").stdout.splitlines()[-1] == "1 live sessions"
    assert_refused(in_app(app, "sessions", "list", "u-1", "--realm", "user"), "no live session")
    assert_refused(in_app(app, "sessions", "list", "1", "--realm", "nobody"), "realm 'nobody'")


def test_an_application_without_tessera_is_told_so(host):
    assert_refused(in_app(host(), "doctor"), "init_app")


def test_F07_a_clock_jump_is_one_sentence_in_an_application_too(host, tmp_path):
    app = host("")
    begin_session(app, "")
    with closing(sqlite3.connect(tmp_path / "host.db")) as database, database:
        database.execute("UPDATE tessera_sessions SET created_at = 1000")
    assert_refused(in_app(app, "purge"), "--force")


def test_K01_the_doctor_exits_with_1_where_something_matters(host):
    app = host("", SECRET_KEY="changeme", DEBUG=True)
    result = in_app(app, "doctor")
    assert result.exit_code == 1
    assert "FAIL  SECRET_KEY" in result.stdout
    assert "WARN  debug mode" in result.stdout
    assert "changeme" not in result.output
    (sentence,) = result.stderr.splitlines()
    assert sentence.startswith("Error: SECRET_KEY has 8 bytes")


@pytest.mark.parametrize("command", [("doctor",), ("purge",), ("db", "check")], ids=" ".join)
def test_an_instance_folder_that_cannot_be_made_is_one_sentence(tmp_path, command):
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "instance"
    app = Flask(__name__, instance_path=str(folder))
    app.config.update(SECRET_KEY=SECRET, TESSERA_STORE_URL="sqlite:///host.db")
    Tessera(app)
    assert_refused(in_app(app, *command), f"the folder {folder} cannot be made: Not a directory")


@pytest.mark.slow
def test_flask_finds_the_commands_by_the_name_tessera(tmp_path):
    (tmp_path / "app.py").write_text(
        "from flask import Flask\n"
        "from flask_tessera import Tessera\n"
        "from flask_tessera.cli import tessera_commands\n"
        "app = Flask(__name__)\n"
        f"app.config.update(SECRET_KEY={SECRET!r}, TESSERA_STORE_URL='sqlite:///host.db')\n"
        "Tessera(app)\n"
        # What the entry point does where the package is installed.
        "app.cli.add_command(tessera_commands)\n"
    )
    command = [sys.executable, "-m", "flask", "--app", "app", "tessera", "purge"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "removed 0 sessions\n", "")
