"""`audit`: why somebody was logged out, in words and for machines."""

from __future__ import annotations

import json

import pytest
from flask import Flask

from flask_tessera import Device, Tessera
from flask_tessera.testing import Clock

from .calling import HOSTILE, PASSWORD, PHONE, SECRET, add, assert_refused, close, id_of, in_app, tessera_of

AT = 1_790_000_000 // 86_400 * 86_400 + 14 * 3600
"""14:00 in UTC."""


@pytest.fixture
def site(url):
    """An application on each storage, in which a user was logged out at 14:03, since a spent token came back."""
    clock = Clock(AT)
    app = Flask(__name__)
    app.config.update(SECRET_KEY=SECRET, TESSERA_STORE_URL=url)
    tessera = Tessera(app, user_id_type=int, clock=clock, audit=True)
    with app.app_context():
        pair = tessera.login(7, device=Device(name="Ada's phone"))
        clock.advance(60)
        tessera.verify(tessera.refresh(pair.refresh_token).access_token)
        clock.advance(120)
        with pytest.raises(Exception, match="session"):
            tessera.refresh(pair.refresh_token)
        clock.advance(3600)
        tessera.login(7)
        tessera.login(8)
    app.sid = pair.session_id
    yield app
    close(app)


@pytest.mark.repeats("url")
def test_G01_it_says_why_somebody_was_logged_out_at_14_03(site):
    done = in_app(site, "audit", "7", "--at", "14:03")
    assert done.exit_code == 0
    times, words = zip(*(line.split("  ", 1) for line in done.stdout.splitlines()[:-1]), strict=True)
    assert [time[11:] for time in times] == ["14:00:00Z", "14:01:00Z", "14:03:00Z", "14:03:00Z", "14:03:00Z"]
    assert words[0].startswith(f"logged in: a session began; session {site.sid}; device Ada's phone; ")
    assert words[3].startswith("logged out: two clients held copies of its tokens, or they were stolen")
    assert "(reuse)" in words[3]
    assert words[4].startswith("renewing the session was refused: two clients")
    assert done.stdout.splitlines()[-1] == "5 events"


@pytest.mark.repeats("url")
def test_for_machines_it_is_json(site):
    lines = in_app(site, "audit", "7", "--json").stdout.splitlines()
    assert [json.loads(line)["event"] for line in lines] == [
        *("session_started", "session_refreshed", "token_reused", "session_ended", "refresh_failed"),
        "session_started",
    ]
    assert json.loads(lines[3])["reason"] == "reuse"
    assert json.loads(in_app(site, "audit", "7", "--json", "--limit", "1").stdout)["at"].endswith("T15:03:00Z")


@pytest.mark.repeats("url")
def test_only_so_many_and_only_of_that_time_are_told(site):
    assert in_app(site, "audit", "7", "--limit", "2").stdout.splitlines()[-1] == "2 events"
    assert in_app(site, "audit", "7", "--at", "03:00").stdout == "no event is recorded for that time\n"
    assert in_app(site, "audit", "8").stdout.splitlines()[-1] == "1 events"


@pytest.mark.repeats("url")
@pytest.mark.parametrize("time", ["x", "25:00", "2026-13-01T00:00", ""])
def test_what_is_no_time_is_refused(site, time):
    assert_refused(in_app(site, "audit", "7", "--at", time), "--at takes a time")


@pytest.mark.repeats("url")
def test_of_somebody_of_whom_nothing_is_recorded_it_says_so(site):
    assert_refused(in_app(site, "audit", "9"), "no live session of 9")


@pytest.mark.slow
def test_the_service_is_asked_by_phone_also_for_somebody_who_is_gone(run, service):
    client = service.test_client()
    client.post("/login", json={"phone": PHONE, "password": "wrong"})
    client.post("/login", json={"phone": PHONE, "password": PASSWORD})
    with service.app_context():
        tessera_of(service).runtime.shared.audit.writer.flush()
    user_id = str(id_of(service))
    told = run("audit", PHONE).stdout.splitlines()
    # By two processes, and maybe within one second.
    assert [line.split("  ")[1].split(";")[0] for line in told[:-1]] == [
        "the user was added",
        "login refused: Wrong account or password (credentials_wrong)",
        "logged in: a session began",
    ]
    for name in (user_id, f"+86 {PHONE}", f"{PHONE[:3]}-{PHONE[3:]}"):
        assert told == run("audit", name).stdout.splitlines()
    run("users", "passwd", PHONE, "--password-stdin", input="another password\n")
    assert "the password was changed (password_change)" in run("audit", PHONE).stdout
    run("users", "delete", PHONE)
    assert "the user was deleted; typed as 13800138000; by a command or by the application itself" in (
        run("audit", user_id).stdout
    )
    assert_refused(run("audit", PHONE), "there is no user with the phone number, e-mail address or id")


@pytest.mark.repeats("name")
@pytest.mark.parametrize("name", HOSTILE)
def test_G02_a_hostile_device_forges_no_line(run, service, name):
    add(run, "13900139000")
    with service.app_context():
        tessera_of(service).login(id_of(service), device=Device(name=HOSTILE[name]))
        tessera_of(service).runtime.shared.audit.writer.flush()
    for words in (("audit", PHONE), ("audit", PHONE, "--json")):
        lines = run(*words).stdout.splitlines()
        assert len(lines) == 2 + (len(words) == 2)
        assert all(line.isprintable() for line in lines)
