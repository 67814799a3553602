"""`sessions …`: listed and ended, whatever a device calls itself."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

import pytest
from flask import Flask

from flask_tessera import Device, Tessera
from flask_tessera.storage.memory import MemoryStorage

from .calling import HOSTILE, PHONE, SECRET, assert_refused, id_of, in_app, tessera_of


def test_sessions_are_listed_and_ended(run, service):
    with service.app_context():
        tessera = tessera_of(service)
        phone, laptop = (tessera.login(id_of(service), device=Device(name=name)) for name in ("phone", "laptop"))
    lines = run("sessions", "list", str(id_of(service))).stdout.splitlines()
    # In one second, the order is random.
    for pair, name in ((phone, "phone"), (laptop, "laptop")):
        (line,) = (line for line in lines if line.startswith(pair.session_id))
        times = re.fullmatch(rf"\S+\tsince (\S+Z)\tseen (\S+Z)\t-\t{name}", line)
        assert times
        # Not the minute in which it began.
        assert times[1] <= times[2]
    assert lines[2:] == ["2 live sessions"]
    told = run("sessions", "end", phone.session_id).stdout
    assert told.startswith(f"ended {phone.session_id} of user {id_of(service)} (kick); refused by every worker by ")
    with service.app_context():
        assert tessera.verify_token(phone.access_token) is None
        assert tessera.verify_token(laptop.access_token) is not None
    assert run("sessions", "end-user", str(id_of(service))).stdout.startswith(
        f"ended 1 sessions of user {id_of(service)}; "
    )
    with service.app_context():
        assert tessera.verify_token(laptop.access_token) is None
    assert run("sessions", "list", str(id_of(service))).stdout == "0 live sessions\n"


@pytest.mark.repeats("sid")
@pytest.mark.parametrize("sid", ["x", "AAAAAAAAAAAAAAAAAAAAAA", "", "\udcff", "../../etc/passwd"])
def test_an_unknown_session_is_refused_in_one_sentence(run, service, sid):
    assert_refused(run("sessions", "end", sid), "no such session")


@pytest.mark.repeats("name")
@pytest.mark.parametrize("name", HOSTILE)
def test_G02_a_hostile_device_or_browser_forges_no_line(run, service, tmp_path, name):
    with service.app_context():
        tessera_of(service).login(id_of(service))
        tessera_of(service).login(id_of(service), device=Device(name=HOSTILE[name]))
    for column in ("device_name", "device_type", "user_agent"):
        with closing(sqlite3.connect(tmp_path / "tessera.db")) as database, database:
            database.execute("UPDATE tessera_sessions SET device_name = '', device_type = '', ip = ?", (HOSTILE[name],))
            database.execute(f"UPDATE tessera_sessions SET {column} = ?", (HOSTILE[name],))
        lines = run("sessions", "list", str(id_of(service))).stdout.splitlines()
        assert len(lines) == 3
        assert all(line.replace("\t", "").isprintable() for line in lines)
        assert [len(line.split("\t")) for line in lines] == [5, 5, 1]


@pytest.mark.repeats("user")
@pytest.mark.parametrize("user", ["", "a\nb", "\udcff", "x" * 256])
def test_T08_who_cannot_be_called_so_is_refused_in_one_sentence(run, service, user):
    assert_refused(run("sessions", "end-user", user), "user id")


# -- Who is meant ------------------------------------------------------------------------------------------------------


def test_S03_in_the_service_a_phone_number_is_looked_up(run, service):
    with service.app_context():
        token = tessera_of(service).create_token(id_of(service))
        assert run("sessions", "list", PHONE).stdout.splitlines()[-1] == "1 live sessions"
        assert run("sessions", "end-user", PHONE).stdout.startswith(f"ended 1 sessions of user {id_of(service)}; ")
        assert tessera_of(service).verify_token(token) is None
    assert run("sessions", "list", PHONE).stdout == "0 live sessions\n"


def test_a_user_who_is_disabled_is_found_by_phone_and_by_id(run, service):
    run("users", "disable", PHONE)
    for name in (PHONE, str(id_of(service))):
        assert run("sessions", "list", name).stdout == "0 live sessions\n"


@pytest.mark.repeats("act")
@pytest.mark.parametrize("act", ["list", "end-user"])
@pytest.mark.parametrize("name", ["nobody", "13900139000", "2", "01", str(2**63 - 1), str(2**63), "9" * 30, "１"])
def test_nobody_of_that_name_is_told_in_one_sentence(run, service, act, name):
    assert_refused(run("sessions", act, name), f"no user with the phone number, e-mail address or id {name}")


@pytest.mark.parametrize("act", ["list", "end-user"])
def test_in_an_application_its_loader_tells_who_there_is(act):
    app = Flask(__name__)
    app.config.update(SECRET_KEY=SECRET)
    tessera: Tessera[str] = Tessera(app, user_id_type=int, storage=MemoryStorage())
    tessera.user_loader({7: "Ada"}.get)
    assert in_app(app, "sessions", act, "7").exit_code == 0
    for name in ("8", "nobody"):
        assert_refused(in_app(app, "sessions", act, name), f"no user with the id {name}")


def test_S03_in_an_application_whose_own_database_is_away_sessions_can_be_ended():
    app = Flask(__name__)
    app.config.update(SECRET_KEY=SECRET)
    tessera: Tessera[str] = Tessera(app, storage=MemoryStorage())

    @tessera.user_loader
    def load(user_id):
        raise OSError("the database of the users is away")

    with app.app_context():
        tessera.login("7")
    ended = in_app(app, "sessions", "end-user", "7")
    assert (ended.exit_code, ended.output.startswith("ended 1 sessions of user 7")) == (0, True), ended.output
    assert_refused(in_app(app, "sessions", "end-user", "8"), "no live session of 8; whether there is such a user")


@pytest.mark.parametrize("act", ["list", "end-user"])
def test_in_an_application_without_a_loader_its_sessions_tell_who_there_is(act):
    app = Flask(__name__)
    app.config.update(SECRET_KEY=SECRET)
    tessera: Tessera[str] = Tessera(app, storage=MemoryStorage())
    with app.app_context():
        tessera.create_token("7")
    assert in_app(app, "sessions", act, "7").exit_code == 0
    refused = in_app(app, "sessions", act, "8")
    assert_refused(refused, "no live session of 8")
    assert "no user" not in refused.output
