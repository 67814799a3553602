"""Every command on a storage that is broken: one sentence, exit code 1, no password."""

from __future__ import annotations

import pytest

from .calling import assert_refused, in_app

COMMANDS = {
    "sessions list": ("sessions", "list", "1"),
    "sessions end": ("sessions", "end", "AAAAAAAAAAAAAAAAAAAAAA"),
    "sessions end-user": ("sessions", "end-user", "1"),
    "reset-factors": ("reset-factors", "1"),
    "sessions move": ("sessions", "move", "--to", "sqlite:///target.db"),
    "purge": ("purge",),
    "restored": ("restored", "--yes"),
}
# Nothing listens on port 1.
UNREACHABLE = {
    "postgres": "postgresql://me:hunter2@127.0.0.1:1/nowhere",
    "redis": "redis://me:hunter2@127.0.0.1:1/0",
    "cluster": "redis+cluster://me:hunter2@127.0.0.1:1",
}


@pytest.fixture(params=["garbage", "folder", "nowhere"])
def broken_file(request, tmp_path):
    """The path of a database that is none."""
    path = tmp_path / "broken.db"
    if request.param == "garbage":
        path.write_bytes(b"no database at all" * 100)
    elif request.param == "folder":
        path.mkdir()
    else:
        path = tmp_path / "nowhere" / "broken.db"
    return path


@pytest.mark.parametrize("name", COMMANDS)
def test_F02_a_broken_file_is_one_sentence(run, host, broken_file, name):
    url = f"sqlite:///{broken_file}"
    assert_refused(run(*COMMANDS[name], "--store", url), "")
    assert_refused(in_app(host("", storage=url), *COMMANDS[name]), "")


@pytest.mark.repeats("kind")
@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("kind", UNREACHABLE)
def test_F02_K08_a_server_that_does_not_answer_is_one_sentence_without_its_password(run, host, kind, name):
    for result in (
        run(*COMMANDS[name], "--store", UNREACHABLE[kind]),
        in_app(host("", storage=UNREACHABLE[kind]), *COMMANDS[name]),
    ):
        assert_refused(result, "")
        assert "hunter2" not in result.output


@pytest.mark.repeats("kind")
@pytest.mark.parametrize("kind", UNREACHABLE)
def test_F02_K08_so_it_is_where_the_sessions_were_to_go(run, tmp_path, kind):
    result = run("sessions", "move", "--from", f"sqlite:///{tmp_path}/source.db", "--to", UNREACHABLE[kind])
    assert_refused(result, "")
    assert "hunter2" not in result.output


@pytest.mark.parametrize("kind", UNREACHABLE)
def test_F02_workers_that_cannot_be_asked_for_are_one_sentence(run, kind):
    assert_refused(run("workers", "--store", UNREACHABLE[kind]), "")


@pytest.mark.repeats("kind")
@pytest.mark.parametrize("kind", UNREACHABLE)
def test_F02_K08_the_doctor_says_what_is_broken_among_all_else(run, kind):
    result = run("doctor", "--store", UNREACHABLE[kind])
    assert result.exit_code == 1
    assert "FAIL  the storage does not work: " in result.stdout
    assert "OK    SECRET_KEY has 48 bytes" in result.stdout
    assert "hunter2" not in result.output


def test_F02_users_can_be_listed_while_the_sessions_are_away(run, service):
    result = run("users", "list", "--store", UNREACHABLE["redis"])
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 1
