"""`purge` and `doctor`."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from .calling import PHONE, SECRET, add, assert_refused, tessera_of, user_of
from .stores import store_url


def test_S11_purge_removes_the_dead_and_nothing_else(run, service, tmp_path):
    with service.app_context():
        dead, living = (tessera_of(service).login(user_of(service)) for _ in range(2))
    with closing(sqlite3.connect(tmp_path / "tessera.db")) as database, database:
        database.execute(
            "UPDATE tessera_sessions SET idle_until = 1 WHERE sid IN (SELECT min(sid) FROM tessera_sessions)"
        )
    assert run("purge").stdout == "removed 1 sessions\n"
    assert run("purge").stdout == "removed 0 sessions\n"
    assert dead.session_id != living.session_id
    assert "1 live sessions" in run("sessions", "list", PHONE).stdout


def test_F07_purge_refuses_a_clock_that_has_jumped_unless_it_is_forced(run, service, tmp_path):
    with service.app_context():
        tessera_of(service).login(user_of(service))
    with closing(sqlite3.connect(tmp_path / "tessera.db")) as database, database:
        database.execute("UPDATE tessera_sessions SET created_at = created_at - 1000000, idle_until = 1")
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


def test_the_doctor_looks_after_the_services_users_too(run, tmp_path):
    add(run)
    assert f"OK    the users can be read, from sqlite:///{tmp_path}/tessera.db" in run("doctor").stdout
    away = "mysql://anna:hunter2@127.0.0.1:1/users"
    told = run("doctor", env={"TESSERA_USERS_URL": away})
    assert told.exit_code == 1
    assert "FAIL  the users cannot be read: users: " in told.stdout
    assert "hunter2" not in told.output


def test_the_doctor_warns_of_users_of_one_machine_beside_sessions_of_several(run, tmp_path):
    with store_url("redis8", tmp_path) as url:
        add(run, PHONE, "--store", url)
        told = run("doctor", "--store", url).stdout
    assert "WARN  they are in a file of this machine: on several machines set TESSERA_USERS_URL" in told
