"""What is true of every command of the service: where its data are, what stops it, and its help."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from flask_tessera import __version__
from flask_tessera.cli import tessera_commands

from .calling import PHONE, SECRET, add, assert_refused
from .stores import store_url

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
        ({"TESSERA_DATA_DIR": os.devnull}, "TESSERA_DATA_DIR"),
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


def test_the_commands_can_be_started_as_a_module(run, tmp_path):
    add(run)
    done = subprocess.run(
        [sys.executable, "-m", "flask_tessera.cli", "--data", str(tmp_path), "users", "list"],
        env={
            **{name: text for name, text in os.environ.items() if not name.startswith("TESSERA_")},
            "SECRET_KEY": SECRET,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    number, _, rest = done.stdout.partition("\t")
    assert (done.returncode, rest, done.stderr) == (0, f"{PHONE}\tenabled\t0\t-\t-\n", "")
    assert number.isdecimal()


@pytest.mark.parametrize(("module", "words"), [("waitress", ["serve"]), ("argon2", ["users", "list"])])
def test_what_is_not_installed_is_named_with_the_extra_that_brings_it(run_without, module, words):
    (line,) = run_without(module, *words).splitlines()
    assert line.startswith(f"Error: the service needs {module}")
    assert ": add the extra [server] " in line


# -- What makes nothing ------------------------------------------------------------------------------------------------

LOOKING = [
    ("users", "list"),
    ("users", "disable", PHONE),
    ("users", "enable", PHONE),
    ("users", "delete", PHONE),
    ("users", "passwd", PHONE),
    ("sessions", "list", PHONE),
    ("sessions", "end-user", PHONE),
    ("sessions", "end", "AAAAAAAAAAAAAAAAAAAAAA"),
    ("purge",),
    ("restored", "--yes"),
    ("workers",),
    ("doctor",),
]


@pytest.mark.parametrize("secret", [SECRET, None], ids=["with a secret", "without"])
@pytest.mark.parametrize("words", LOOKING, ids=" ".join)
def test_a_command_for_a_service_that_is_not_there_makes_none(run, tmp_path, words, secret):
    nowhere = tmp_path / "nowhere"
    result = run(*words, env={"TESSERA_DATA_DIR": str(nowhere), "SECRET_KEY": secret})
    assert_refused(result, "there is no service in")
    assert "--data" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.repeats("kind")
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@pytest.mark.parametrize("words", LOOKING, ids=" ".join)
def test_a_command_for_a_storage_without_tables_makes_none(run, tmp_path, words, kind):
    (tmp_path / "stores").mkdir()
    with store_url(kind, tmp_path / "stores") as url:
        assert_refused(run(*words, "--store", url), "no tables yet")
        assert "no tables yet" in run("db", "check", "--store", url).stdout
        assert list((tmp_path / "stores").iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["redis8", "redis8-cluster"])
def test_a_command_for_an_empty_redis_leaves_it_empty(run, kind, tmp_path):
    with store_url(kind, tmp_path) as url:
        for words in LOOKING:
            assert_refused(run(*words, "--store", url), "this Redis is empty")
        add(run, PHONE, "--store", url)
        assert PHONE in run("users", "list", "--store", url).stdout
        assert run("users", "disable", PHONE, "--store", url).exit_code == 0
        assert run("doctor", "--store", url).exit_code == 0


@pytest.mark.parametrize(("secret", "left"), [(None, ["secret-key"]), (SECRET, [])], ids=["without", "with a secret"])
def test_in_an_empty_folder_that_is_named_by_hand_there_are_no_users(run, tmp_path, secret, left):
    """The first start in a volume: the secret is there afterwards, a database is not."""
    folder = tmp_path / "empty"
    folder.mkdir()
    for _ in range(2):
        result = run("users", "list", "--data", str(folder), env={"SECRET_KEY": secret})
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no users\n")
        assert [path.name for path in folder.iterdir()] == left


@pytest.mark.parametrize("words", [("users", "list"), *LOOKING[1:]], ids=" ".join)
def test_an_empty_folder_is_refused_where_it_was_not_named_or_not_only_users_are_listed(run, tmp_path, words):
    named = ("--data", str(tmp_path)) if words != ("users", "list") else ()
    for secret in (SECRET, None):
        result = run(*words, *named, env={"TESSERA_DATA_DIR": str(tmp_path), "SECRET_KEY": secret})
        assert_refused(result, "no tables yet" if secret else "there is no service in")
        assert list(tmp_path.iterdir()) == []


def test_users_are_listed_of_no_other_store_that_is_empty(run, tmp_path):
    (tmp_path / "stores").mkdir()
    url = f"sqlite:///{tmp_path}/stores/other.db"
    assert_refused(run("users", "list", "--data", str(tmp_path), "--store", url), "no tables yet")
    assert list((tmp_path / "stores").iterdir()) == []


def test_a_command_for_users_who_are_not_there_makes_no_file_of_users(run, tmp_path):
    for act in ("disable", "enable", "delete"):
        assert_refused(run("users", act, PHONE, "--store", "memory:", "--data", str(tmp_path / "nowhere")), "")
    assert list(tmp_path.iterdir()) == []
