"""`sessions …`: listed and ended, whatever a device calls itself."""

from __future__ import annotations

import re
import sqlite3

import pytest

from flask_tessera import Device

from .calling import HOSTILE, assert_refused, tessera_of


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


@pytest.mark.parametrize("user", ["", "a\nb", "\udcff", "x" * 256])
def test_T08_who_cannot_be_called_so_is_refused_in_one_sentence(run, service, user):
    assert_refused(run("sessions", "end-user", user), "user id")
