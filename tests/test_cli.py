"""The commands, in the service and in an application of one's own."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.cli import ScriptInfo

from flask_tessera import Device, Tessera, __version__
from flask_tessera.cli import main, tessera_commands
from flask_tessera.server import create_app
from flask_tessera.services.sessions import Login
from flask_tessera.web.guards import runtime_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

PHONE = "13800138000"
PASSWORD = "correct horse battery"
SECRET = "9b7e40c1f3a85d26e1908c7745bb3f02d6ea914c58f7230b"
HOSTILE = {
    "a newline": "Ada\n2\t13900139000\tenabled\t9\tadmin\tEve",
    "an erased screen": "\x1b[2J\x1b[1;1Hnobody",
    "a carriage return": "Ada\rEve",
    "a C1 control": "\x9b2J",
    "a line separator": "Ada\u2028Eve",
    "backwards": "\u202eadA",
    "a tab": "Ada\tEve",
    "a NUL": "Ada\0Eve",
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs `flask-tessera WORDS` on a data folder of its own."""
    for name in [name for name in os.environ if name.startswith(("TESSERA_", "SECRET_KEY"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SECRET_KEY", SECRET)
    monkeypatch.setenv("TESSERA_DATA_DIR", str(tmp_path))

    def run(*words: str, **more: Any) -> Result:
        return CliRunner().invoke(main, words, prog_name="flask-tessera", **more)

    return run


@pytest.fixture
def service(run, tmp_path) -> Flask:
    """The service that the commands look after, with one user."""
    add(run)
    return create_app(data=str(tmp_path))


def add(run: Callable[..., Result], phone: str = PHONE, *words: str) -> Result:
    return run("users", "add", phone, "--password-stdin", *words, input=f"{PASSWORD}\n")


def tessera_of(app: Flask) -> Tessera[Any]:
    tessera: Tessera[Any] = app.extensions["tessera_service"].tessera
    return tessera


def assert_refused(result: Result, text: str) -> None:
    """One sentence on standard error, exit code 1, no traceback."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    error = result.stderr.splitlines()
    assert len(error) == 1
    assert error[0].startswith("Error: ")
    assert text in error[0]


# -- Users -------------------------------------------------------------------------------------------------------------


def test_a_user_is_added_with_the_password_of_the_prompt(run, tmp_path):
    result = run("users", "add", PHONE, "--name", "Ada", "--level", "3", input=f"{PASSWORD}\n{PASSWORD}\n")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == f"added user 1 with phone {PHONE}"
    assert PASSWORD not in result.output
    client = create_app(data=str(tmp_path)).test_client()
    token = client.post("/login", json={"phone": PHONE, "password": PASSWORD}).json["data"]
    detail = client.get("/user/detail", headers={"z-token": token}).json["data"]
    assert (detail["name"], detail["level"]) == ("Ada", 3)


def test_two_different_passwords_at_the_prompt_add_nobody(run):
    assert run("users", "add", PHONE, input=f"{PASSWORD}\nanother one\n").exit_code == 1
    assert run("users", "list").stdout == ""


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\nsecond line\n"])
def test_L03_the_password_on_standard_input_ends_with_its_line_and_keeps_its_blanks(run, tmp_path, ending):
    assert run("users", "add", PHONE, "--password-stdin", input=f"  {PASSWORD}  {ending}").exit_code == 0
    service = create_app(data=str(tmp_path)).extensions["tessera_service"]
    stored = service.users.get(PHONE).password_hash
    assert service.passwords.verify(f"  {PASSWORD}  ", stored)
    assert not service.passwords.verify(PASSWORD, stored)


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (b"", "at least 8 characters"),
        (b"seven!!\n", "at least 8 characters"),
        (b"x" * 1025, "1024 bytes"),
        (b"with a NUL \0\n", "NUL"),
        (b"\xff\xfe\xfd no UTF-8 \n", "UTF-8"),
    ],
)
def test_L03_L04_a_password_that_cannot_be_one_is_refused_in_one_sentence(run, sent, text):
    assert_refused(run("users", "add", PHONE, "--password-stdin", input=sent), text)
    assert run("users", "list").stdout == ""


def test_a_phone_number_that_is_taken_is_refused_in_one_sentence(run, service):
    assert_refused(add(run), "taken")


@pytest.mark.parametrize("phone", ["123", "+8613800138000", "１３８００１３８０００", "\udcff", "138\n00138000"])
@pytest.mark.parametrize("act", ["add", "disable", "enable", "delete"])
def test_what_is_no_phone_number_is_refused_in_one_sentence(run, act, phone):
    more = {"input": f"{PASSWORD}\n"} if act == "add" else {}
    words = ["--password-stdin"] if act == "add" else []
    assert_refused(run("users", act, phone, *words, **more), "phone number")


@pytest.mark.parametrize("act", ["disable", "enable", "delete"])
def test_an_unknown_phone_number_is_refused_in_one_sentence(run, act):
    assert_refused(run("users", act, PHONE), PHONE)


def test_users_are_listed_one_a_line(run, service):
    add(run, "13900139000", "--name", "名字", "--level", "3", "--role", "admin")
    run("users", "disable", PHONE)
    assert run("users", "list").stdout.splitlines() == [
        f"1\t{PHONE}\tdisabled\t0\t-\t-",
        "2\t13900139000\tenabled\t3\tadmin\t名字",
    ]


def test_S03_disabling_ends_the_sessions_and_enabling_revives_none(run, service):
    client = service.test_client()
    with service.app_context():
        tokens = [tessera_of(service).create_token(1) for _ in range(2)]

    def codes() -> list[int]:
        return [client.get("/user/detail", headers={"z-token": token}).json["code"] for token in tokens]

    assert codes() == [0, 0]
    assert run("users", "disable", PHONE).stdout.startswith(f"disabled {PHONE}; 2 sessions ended; refused by every")
    assert codes() == [4101, 4101]
    assert run("users", "enable", PHONE).stdout == f"enabled {PHONE}\n"
    assert codes() == [4101, 4101]
    assert client.post("/login", json={"phone": PHONE, "password": PASSWORD}).json["code"] == 0


def test_S03_deleting_removes_the_user_and_the_sessions(run, service):
    with service.app_context():
        token = tessera_of(service).create_token(1)
    assert "1 sessions ended" in run("users", "delete", PHONE).stdout
    assert service.test_client().get("/user/detail", headers={"z-token": token}).json["code"] == 4101
    assert run("users", "list").stdout == ""


@pytest.mark.parametrize("name", HOSTILE)
def test_G02_a_hostile_name_in_the_table_forges_no_line(run, service, tmp_path, name):
    with sqlite3.connect(tmp_path / "tessera.db") as database:
        database.execute("UPDATE service_users SET name = ?, role = ?", (HOSTILE[name], HOSTILE[name]))
    database.close()
    (line,) = run("users", "list").stdout.splitlines()
    assert line.replace("\t", "").isprintable()
    assert len(line.split("\t")) == 6


# -- Sessions ----------------------------------------------------------------------------------------------------------


def test_sessions_are_listed_and_ended(run, service):
    with service.app_context():
        tessera = tessera_of(service)
        phone, laptop = (tessera.login(1, device=Device(name=name)) for name in ("phone", "laptop"))
    lines = run("sessions", "list", "1").stdout.splitlines()
    # In one second, the order is a matter of dice.
    for pair, name in ((phone, "phone"), (laptop, "laptop")):
        (line,) = (line for line in lines if line.startswith(pair.session_id))
        assert re.fullmatch(rf"\S+\tsince \S+Z\tseen \S+Z\t-\t{name}", line)
    assert lines[2:] == ["2 live sessions"]
    told = run("sessions", "end", phone.session_id).stdout
    assert told.startswith(f"ended {phone.session_id} of user 1 (kick); refused by every worker by ")
    with service.app_context():
        assert tessera.verify_token(phone.access_token) is None
        assert tessera.verify_token(laptop.access_token) is not None
    assert run("sessions", "end-user", "1").stdout.startswith("ended 1 sessions of user 1; ")
    with service.app_context():
        assert tessera.verify_token(laptop.access_token) is None
    assert run("sessions", "list", "1").stdout == "0 live sessions\n"


@pytest.mark.parametrize("sid", ["x", "AAAAAAAAAAAAAAAAAAAAAA", "", "\udcff", "../../etc/passwd"])
def test_an_unknown_session_is_refused_in_one_sentence(run, service, sid):
    assert_refused(run("sessions", "end", sid), "no such session")


@pytest.mark.parametrize("name", HOSTILE)
def test_G02_a_hostile_device_or_browser_forges_no_line(run, service, tmp_path, name):
    with service.app_context():
        tessera_of(service).login(1)
        tessera_of(service).login(1, device=Device(name=HOSTILE[name]))
    for column in ("device_name", "device_type", "user_agent"):
        with sqlite3.connect(tmp_path / "tessera.db") as database:
            database.execute("UPDATE tessera_sessions SET device_name = '', device_type = '', ip = ?", (HOSTILE[name],))
            database.execute(f"UPDATE tessera_sessions SET {column} = ?", (HOSTILE[name],))
        database.close()
        lines = run("sessions", "list", "1").stdout.splitlines()
        assert len(lines) == 3
        assert all(line.replace("\t", "").isprintable() for line in lines)
        assert [len(line.split("\t")) for line in lines] == [5, 5, 1]


# -- Purge and doctor --------------------------------------------------------------------------------------------------


def test_S11_purge_removes_the_dead_and_nothing_else(run, service, tmp_path):
    with service.app_context():
        dead, living = (tessera_of(service).login(1) for _ in range(2))
    with sqlite3.connect(tmp_path / "tessera.db") as database:
        database.execute(
            "UPDATE tessera_sessions SET idle_until = 1 WHERE sid IN (SELECT min(sid) FROM tessera_sessions)"
        )
    database.close()
    assert run("purge").stdout == "removed 1 sessions\n"
    assert run("purge").stdout == "removed 0 sessions\n"
    assert dead.session_id != living.session_id
    assert "1 live sessions" in run("sessions", "list", "1").stdout


def test_F07_purge_refuses_a_clock_that_has_jumped_unless_it_is_forced(run, service, tmp_path):
    with service.app_context():
        tessera_of(service).login(1)
    with sqlite3.connect(tmp_path / "tessera.db") as database:
        database.execute("UPDATE tessera_sessions SET created_at = created_at - 1000000, idle_until = 1")
    database.close()
    assert_refused(run("purge"), "--force")
    assert run("purge", "--force").stdout == "removed 1 sessions\n"


def test_the_doctor_of_the_service_finds_nothing_and_prints_no_secret(run, service):
    result = run("doctor")
    assert result.exit_code == 0
    assert "OK    the storage can be read and written" in result.stdout.splitlines()
    assert "WARN" not in result.stdout
    assert SECRET not in result.output


def test_the_doctor_warns_with_exit_code_0(run, service):
    result = run("doctor", env={"TESSERA_HTTP_STATUS": "always_200"})
    assert result.exit_code == 0
    assert "WARN  TESSERA_HTTP_STATUS always_200" in result.stdout


# -- Where -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [("--data", "{}", "users", "list"), ("users", "--data", "{}", "list"), ("users", "list", "--data", "{}")],
    ids=["before", "between", "behind"],
)
def test_the_data_folder_may_be_named_anywhere(run, tmp_path, words):
    other = tmp_path / "other"
    add(run, PHONE, "--data", str(other))
    assert run("users", "list").stdout == ""
    assert PHONE in run(*(word.format(other) for word in words)).stdout


@pytest.mark.parametrize("words", [("--store", "nonsense", "purge"), ("purge", "--store", "nonsense")])
def test_the_storage_may_be_named_anywhere(run, words):
    assert_refused(run(*words), "STORE_URL")


def test_of_two_places_the_nearer_one_counts(run, tmp_path):
    add(run, PHONE, "--data", str(tmp_path / "near"))
    assert PHONE in run("--data", str(tmp_path / "far"), "users", "list", "--data", str(tmp_path / "near")).stdout


def test_the_commands_of_an_application_know_nothing_of_data_folders():
    options = {
        option for command in tessera_commands.commands.values() for each in command.params for option in each.opts
    }
    assert "--data" not in options
    assert "--store" not in options


# -- Serve -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"SECRET_KEY": "changeme"}, "SECRET_KEY"),
        ({"SECRET_KEY": ""}, "SECRET_KEY"),
        ({"TESSERA_ACCESS_LIFETIME": "15 min"}, "TESSERA_ACCESS_LIFETIME"),
        ({"TESSERA_STORE_URL": "oracle://x"}, "STORE_URL"),
        ({"TESSERA_DATA_DIR": "/dev/null"}, "TESSERA_DATA_DIR"),
    ],
)
@pytest.mark.parametrize("command", ["serve", "doctor", "purge"])
def test_X15_a_weak_setting_stops_every_command_with_one_sentence(run, command, settings, named):
    assert_refused(run(command, env=settings), named)


# Waitress leaves the socket that it could not bind to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("host", ["nowhere.invalid", "203.0.113.77", "::g", "a b"])
def test_a_host_that_is_not_ours_is_told_in_one_sentence(run, host):
    assert_refused(run("serve", "--host", host, "--port", "65001"), "cannot listen on ")


@pytest.mark.parametrize("port", ["0", "-1", "65536", "http"])
def test_a_port_that_is_none_is_a_wrong_usage(run, port):
    assert run("serve", "--port", port).exit_code == 2


def test_the_version_is_that_of_the_package(run):
    assert run("--version").stdout == f"flask-tessera, version {__version__}\n"


def test_help_says_what_there_is(run):
    for words in ((), ("serve",), ("users",), ("users", "add"), ("sessions",), ("purge",), ("doctor",)):
        result = run(*words, "--help")
        assert result.exit_code == 0
        assert "--data" in result.stdout


def test_the_commands_can_be_started_as_a_module(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "flask_tessera.cli", "--data", str(tmp_path), "users", "list"],
        env={**os.environ, "SECRET_KEY": SECRET},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# -- flask tessera … ---------------------------------------------------------------------------------------------------


@pytest.fixture
def host(tmp_path) -> Callable[..., Flask]:
    """Makes an application of one's own, with a Tessera for each realm."""

    def make(*realms: str, **config: Any) -> Flask:
        app = Flask(__name__, instance_path=str(tmp_path))
        app.config.update({"SECRET_KEY": SECRET, "TESSERA_STORE_URL": "sqlite:///host.db", **config})
        for realm in realms:
            Tessera[Any](app, realm=realm)
        return app

    return make


def in_app(app: Flask, *words: str) -> Result:
    """Runs `flask --app … tessera WORDS`."""
    return CliRunner().invoke(tessera_commands, words, obj=ScriptInfo(create_app=lambda: app, set_debug_flag=False))


def begin_session(app: Flask, realm: str) -> None:
    with app.app_context():
        runtime_of(realm).sessions.log_in(Login("u-1"))


@pytest.mark.parametrize("realm", ["", "admin"])
def test_the_only_realm_of_an_application_need_not_be_named(host, realm):
    app = host(realm)
    begin_session(app, realm)
    assert in_app(app, "sessions", "list", "u-1").stdout.splitlines()[-1] == "1 live sessions"
    assert in_app(app, "sessions", "end-user", "u-1", "--realm", realm).stdout.startswith("ended 1 sessions")
    assert in_app(app, "purge").stdout == "removed 0 sessions\n"
    assert in_app(app, "doctor").exit_code == 0


def test_S09_where_there_are_several_realms_one_has_to_be_named(host):
    app = host("user", "admin")
    assert_refused(in_app(app, "sessions", "list", "1"), "realm")
    assert in_app(app, "sessions", "list", "1", "--realm", "admin").stdout == "0 live sessions\n"
    assert_refused(in_app(app, "sessions", "list", "1", "--realm", "nobody"), "realm 'nobody'")


def test_an_application_without_tessera_is_told_so(host):
    assert_refused(in_app(host(), "doctor"), "init_app")


def test_F07_a_clock_jump_is_one_sentence_in_an_application_too(host, tmp_path):
    app = host("")
    begin_session(app, "")
    with sqlite3.connect(tmp_path / "host.db") as database:
        database.execute("UPDATE tessera_sessions SET created_at = 1000")
    database.close()
    assert_refused(in_app(app, "purge"), "--force")


def test_K01_the_doctor_exits_with_1_where_something_matters(host):
    app = host("", SECRET_KEY="changeme")
    app.debug = True
    result = in_app(app, "doctor")
    assert result.exit_code == 1
    assert "FAIL  SECRET_KEY" in result.stdout
    assert "WARN  debug mode" in result.stdout
    assert "changeme" not in result.stdout


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
    command = [sys.executable, "-m", "flask", "--app", "app", "tessera", "sessions", "list", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0 live sessions\n", "")
