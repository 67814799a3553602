"""`sessions move`: to another storage, and nobody notices."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing
from itertools import pairwise

import pytest

from flask_tessera.errors import LoginRefusedError
from flask_tessera.server import create_app
from flask_tessera.sessions.model import Principal, Session
from flask_tessera.sessions.revocations import Revocation
from flask_tessera.storage.from_url import open_storage
from flask_tessera.storage.memory import MemoryStorage
from flask_tessera.storage.model import Page
from tests.server.locking import write_lock
from tests.servers import why_not

from .calling import PASSWORD, PHONE, SECRET, add, assert_refused, close, id_of, in_app, tessera_of
from .stores import store_url

OTHER = "13900139000"
NOW = int(time.time())
NEXT = "next: set TESSERA_STORE_URL to the new storage and restart every worker; if one wrote to the old storage"
JOURNEY = ("sqlite", "redis8", "redis8-cluster", "mariadb", "postgres", "sqlite")


def session(number: int, user: str = "u-1", **values) -> Session:
    times = {
        "created_at": NOW,
        "auth_at": NOW,
        "idle_until": NOW + 86_400,
        "until": NOW + 86_400,
        "access_lifetime": 900,
    }
    return Session(sid=number.to_bytes(16, "big"), realm="", user_id=user, **times, **values)


def fill(url: str, count: int = 1, *, at: int = NOW) -> None:
    """Puts `count` sessions, a suspended user and an ending into a storage."""
    suspended = Principal("", "u-2", epoch=3, suspended_until=NOW + 86_400)
    ending = Revocation(forget_at=at + 86_400, reason="kick", sid=b"x" * 16)
    sessions = tuple(session(number) for number in range(1, count + 1))
    with closing(open_storage(url)) as storage:
        storage.records.write(Page(sessions, (suspended,)), at=at)
        storage.revocations.append([ending], at=at)


def said(sessions: int, users: int, endings: int) -> str:
    return f"moved {sessions} sessions, {users} users with an epoch or a suspension, {endings} endings"


def held(url: str) -> Page:
    with closing(open_storage(url)) as storage:
        return storage.records.read("", most=1000)


# -- The journey -------------------------------------------------------------------------------------------------------


class Traveller:
    """Clients with tokens of all kinds, and what each of them must be told at every stop."""

    def __init__(self, app) -> None:
        self.app = app
        client = app.test_client()
        tessera = tessera_of(app)
        self.pair = client.post("/auth/login", json={"phone": PHONE, "password": PASSWORD}).json["data"]
        with app.app_context():
            self.single = tessera.create_token(id_of(app))
            self.ended = tessera.login(id_of(app))
            tessera.revoke_session(self.ended.session_id)
            self.suspended = tessera.login(id_of(app, OTHER))
            tessera.suspend(id_of(app, OTHER))
        self.spent = self.pair["refresh_token"]

    def arrive(self, app) -> None:
        client = app.test_client()

        def code(token: str) -> int:
            return client.get("/user/detail", headers={"z-token": token}).json["code"]

        def refresh(token: str):
            return client.post("/auth/refresh", json={"refresh_token": token})

        assert [code(token) for token in (self.pair["access_token"], self.single)] == [0, 0]
        assert [code(each.access_token) for each in (self.ended, self.suspended)] == [4101, 4101]
        assert refresh(self.ended.refresh_token).json["error"] == "session_kick"
        assert refresh(self.suspended.refresh_token).json["error"] == "session_suspension"
        reply = refresh(self.pair["refresh_token"])
        assert reply.status_code == 200, reply.json
        self.pair = reply.json["data"]
        assert code(self.pair["access_token"]) == 0
        with app.app_context(), pytest.raises(LoginRefusedError):
            tessera_of(app).login(id_of(app, OTHER))


@pytest.mark.slow
def test_S03_R03_nobody_is_logged_out_let_in_or_pardoned_on_a_journey_through_every_storage(run, tmp_path):
    add(run)
    add(run, OTHER)
    with ExitStack() as stack:
        stops = [kind for kind in JOURNEY if kind == "sqlite" or why_not(kind) is None]
        (tmp_path / "last").mkdir()
        folders = [*[tmp_path] * (len(stops) - 1), tmp_path / "last"]
        urls = [stack.enter_context(store_url(kind, folder)) for kind, folder in zip(stops, folders, strict=True)]

        def open_at(url: str):
            app = create_app(environment={"SECRET_KEY": SECRET}, data=str(tmp_path), store=url)
            stack.callback(close, app)
            return app

        here = open_at(urls[0])
        traveller = Traveller(here)
        for source, target in pairwise(urls):
            result = run("sessions", "move", "--from", source, "--to", target)
            assert result.exit_code == 0, result.output
            assert result.stdout.splitlines()[0].startswith("moved 4 sessions, ")
            traveller.arrive(open_at(target))


# -- What it says and does ---------------------------------------------------------------------------------------------


def test_it_says_how_many_there_were_and_what_to_do_next(run, tmp_path):
    source, target = (f"sqlite:///{tmp_path}/{name}.db" for name in ("source", "target"))
    fill(source, 3)
    result = run("sessions", "move", "--from", source, "--to", target)
    assert result.exit_code == 0
    moved, following = result.stdout.splitlines()
    assert moved == said(3, 1, 1)
    assert following.startswith(NEXT)
    # Not a terminal.
    assert result.stderr == ""
    assert held(target).sessions == held(source).sessions
    assert held(target).principals == held(source).principals


def test_the_applications_own_storage_is_where_they_are_unless_another_is_named(host, run, tmp_path):
    fill(f"sqlite:///{tmp_path}/host.db", 2)
    assert in_app(host(""), "sessions", "move", "--to", "sqlite:///target.db").stdout.startswith(said(2, 1, 1))
    assert len(held(f"sqlite:///{tmp_path}/target.db").sessions) == 2
    result = run("sessions", "move", "--to", "sqlite:///third.db", "--store", "sqlite:///target.db")
    assert result.stdout.startswith(said(2, 1, 1))
    assert (tmp_path / "third.db").exists()


def test_it_may_be_done_again_and_turns_nothing_back(run, tmp_path):
    source, target = (f"sqlite:///{tmp_path}/{name}.db" for name in ("source", "target"))
    fill(source, 2)
    words = ("sessions", "move", "--from", source, "--to", target)
    first = run(*words)
    with closing(open_storage(target)) as storage:
        storage.sessions.end(session(1).sid, "kick", at=NOW)
        assert storage.sessions.rotate(session(2).sid, 0, at=NOW, leeway=15, idle=86_400).session.gen == 1
    assert run(*words).stdout == first.stdout
    one, two = sorted(held(target).sessions, key=lambda each: each.sid)
    assert (one.end_reason, two.gen) == ("kick", 1)


def test_what_is_over_stays_behind(run, tmp_path):
    source, target = (f"sqlite:///{tmp_path}/{name}.db" for name in ("source", "target"))
    with closing(open_storage(source)) as storage:
        ending = Revocation(forget_at=NOW - 1, reason="kick", sid=b"x" * 16)
        sessions = (session(1), session(2)), (session(3),)
        storage.records.write(Page(sessions[0]), at=NOW)
        storage.revocations.append([ending], at=NOW)
        storage.revocations.restart(at=NOW, valid_from=NOW + 1)
        storage.records.write(Page(sessions[1]), at=NOW)
    assert run("sessions", "move", "--from", source, "--to", target).stdout.startswith(said(1, 0, 0))
    assert [each.sid for each in held(target).sessions] == [session(3).sid]


def test_a_storage_in_which_there_is_nothing_is_hardly_the_right_one(run, tmp_path):
    assert_refused(run("sessions", "move", "--to", f"sqlite:///{tmp_path}/target.db"), "no tables yet")


# -- What is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["sqlite:///{}/same.db", "sqlite:///same.db", "sqlite:///{}/./same.db", "link"])
def test_a_storage_is_not_moved_onto_itself_however_it_is_spelt(run, tmp_path, spelling):
    url = f"sqlite:///{tmp_path}/same.db"
    fill(url)
    if spelling == "link" and os.name == "nt":
        pytest.skip("Windows has no symbolic links for everybody")
    if spelling == "link":
        (tmp_path / "link.db").symlink_to(tmp_path / "same.db")
        spelling = "sqlite:///link.db"
    result = run("sessions", "move", "--from", url, "--to", spelling.format(tmp_path))
    assert_refused(result, "--from and --to are the same storage")


@pytest.mark.repeats("url")
def test_a_storage_on_a_server_is_not_moved_onto_itself_either(run, url):
    fill(url)
    assert_refused(run("sessions", "move", "--from", url, "--to", url), "--from and --to are the same storage")
    assert_refused(run("sessions", "move", "--store", url, "--to", url), "--from and --to are the same storage")


def test_a_storage_of_an_application_with_another_secret_is_neither_source_nor_target(run, host, tmp_path):
    fill(f"sqlite:///{tmp_path}/host.db")
    url, empty = (f"sqlite:///{tmp_path}/{name}.db" for name in ("service", "empty"))
    assert add(run, PHONE, "--store", url).exit_code == 0
    assert run("sessions", "list", PHONE, "--store", url).exit_code == 0
    before = held(url)
    other = host("", SECRET_KEY=SECRET[::-1])
    for words, option in ((("--to", url), "--to"), (("--from", url, "--to", empty), "--from")):
        refused = f"{option}: this storage belongs to an application with another SECRET_KEY"
        assert_refused(in_app(other, "sessions", "move", *words), refused)
    assert held(url) == before
    # Whoever moves to a place that nobody has used owns it.
    assert in_app(other, "sessions", "move", "--to", empty).exit_code == 0
    assert_refused(run("sessions", "move", "--from", url, "--to", empty), "--to: this storage belongs")


def test_the_memory_of_another_process_cannot_be_reached(run, host, tmp_path):
    url = f"sqlite:///{tmp_path}/some.db"
    fill(url)
    for source, target, option in (("memory:", url, "--from"), (url, "memory:", "--to"), ("memory:", "memory:", "--")):
        assert_refused(run("sessions", "move", "--from", source, "--to", target), f"{option}")
    assert_refused(in_app(host("", storage=MemoryStorage()), "sessions", "move", "--to", url), "--from: the memory")


@pytest.mark.parametrize("option", ["--from", "--to"])
@pytest.mark.parametrize("url", ["nonsense", "oracle://me:hunter2@db/x", "sqlite://", "sqlite:///a?b=c", "memory:x"])
def test_K08_what_names_no_storage_is_refused_by_the_options_name(run, tmp_path, option, url):
    urls = {"--from": f"sqlite:///{tmp_path}/a.db", "--to": f"sqlite:///{tmp_path}/b.db", option: url}
    result = run("sessions", "move", *(word for pair in urls.items() for word in pair))
    assert_refused(result, f"{option}: ")
    assert "hunter2" not in result.output


def test_where_they_go_has_to_be_said(run, service):
    result = run("sessions", "move")
    assert result.exit_code == 2
    assert "--to" in result.stderr


# -- Faults ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_F02_a_move_that_was_interrupted_is_one_sentence_and_may_be_done_again(run, tmp_path):
    source, target = (f"sqlite:///{tmp_path}/{name}.db" for name in ("source", "target"))
    fill(source, 3)
    with closing(open_storage(target)) as storage:
        storage.check()
    words = ("sessions", "move", "--from", source, "--to", target)
    with write_lock(tmp_path / "target.db"):
        assert_refused(run(*words), "")
    assert run(*words).stdout.startswith(said(3, 1, 1))
    assert len(held(target).sessions) == 3


# -- On a terminal -----------------------------------------------------------------------------------------------------


def read_all(descriptor: int) -> str:
    """What was written to a terminal until its last writer is gone."""
    pieces = []
    while True:
        try:
            piece = os.read(descriptor, 4096)
        except OSError:
            break
        pieces.append(piece)
    return b"".join(pieces).decode()


@pytest.mark.unix("terminals that a program makes")
def test_a_terminal_shows_one_line_that_counts(tmp_path):
    import pty

    source, target = (f"sqlite:///{tmp_path}/{name}.db" for name in ("source", "target"))
    fill(source, 1200)
    kept = {name: text for name, text in os.environ.items() if not name.startswith("TESSERA_")}
    terminal, end = pty.openpty()
    command = [sys.executable, "-m", "flask_tessera.cli", "sessions", "move", "--from", source, "--to", target]
    with subprocess.Popen(
        [*command, "--data", str(tmp_path)], env={**kept, "SECRET_KEY": SECRET}, stderr=end, stdout=subprocess.PIPE
    ) as process:
        os.close(end)
        shown: list[str] = []
        reader = threading.Thread(target=lambda: shown.append(read_all(terminal)))
        reader.start()
        assert process.stdout is not None
        printed = process.stdout.read().decode()
        reader.join()
    os.close(terminal)
    assert process.returncode == 0, shown
    counts = [int(part.partition(" ")[0]) for part in shown[0].rstrip("\r\n").split("\r") if part]
    assert counts == sorted(counts)
    assert {500, 1000, 1200} <= set(counts)
    assert shown[0].count("\n") == 1
    assert printed.startswith(said(1200, 1, 1))
