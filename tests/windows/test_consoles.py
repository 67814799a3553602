"""No console ends a command, whatever it can show: GBK is the one of Windows in Chinese, cp1252 of most others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import flask_tessera

PHONE = "13800138000"
NAME = "小明 \N{GRINNING FACE}é"
COMMANDS = (
    ("users", "list"),
    ("sessions", "list", PHONE),
    ("sessions", "end-user", PHONE),
    ("users", "enable", PHONE),
    ("users", "disable", PHONE),
    ("doctor",),
    ("workers",),
    ("purge",),
    ("db", "check"),
    ("db", "upgrade"),
    ("restored", "--yes"),
    ("users", "delete", PHONE),
)
FAILING = (
    ("sessions", "list", NAME),
    ("sessions", "end-user", NAME),
    ("sessions", "list", "1", "--realm", NAME),
    ("sessions", "end", NAME),
    ("sessions", "move", "--to", f"sqlite:///{NAME}/x.db?y"),
    ("users", "enable", NAME),
)


def run(folder: Path, encoding: str, *words: str, given: str = "") -> subprocess.CompletedProcess[bytes]:
    environment = {name: value for name, value in os.environ.items() if name != "SECRET_KEY"}
    # Mode UTF-8 reads the words; only what is printed is of the console's encoding.
    environment |= {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "1", "TESSERA_DATA_DIR": str(folder / f"数据 {NAME}")}
    command = [sys.executable, "-m", "flask_tessera.cli", *words]
    return subprocess.run(command, input=given.encode(), capture_output=True, env=environment, check=False)


@pytest.mark.parametrize("encoding", ["gbk", "cp1252", "ascii"])
def test_every_command_prints_on_a_console_that_lacks_what_it_prints(tmp_path: Path, encoding: str):
    add = run(
        tmp_path, encoding, "users", "add", PHONE, "--name", NAME, "--password-stdin", given="correct horse battery"
    )
    assert add.returncode == 0, add.stderr
    # Click takes ASCII for a console that was not set up, and writes UTF-8.
    written = "utf-8" if encoding == "ascii" else encoding
    for words in COMMANDS:
        done = run(tmp_path, encoding, *words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        done.stdout.decode(written)
        if words == COMMANDS[0]:
            assert NAME.encode(written, "backslashreplace") in done.stdout
    for words in FAILING:
        done = run(tmp_path, encoding, *words)
        assert done.returncode in (1, 2), (words, done.stdout, done.stderr)
        assert b"Traceback" not in done.stderr, done.stderr
        assert done.stderr.strip(), words


@pytest.mark.parametrize("encoding", ["gbk", "cp1252", "ascii"])
def test_dev_py_and_every_help_text_print_on_any_console(tmp_path: Path, encoding: str):
    dev = Path(flask_tessera.__file__).parents[2] / "dev.py"
    shown = subprocess.run(
        [sys.executable, dev, "--help"],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": encoding},
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    dev.read_text("utf-8").encode("gbk")
    for words in (
        (),
        ("serve",),
        ("users",),
        ("users", "add"),
        ("sessions", "move"),
        ("db",),
        ("purge",),
        ("restored",),
    ):
        helped = run(tmp_path, encoding, *words, "--help")
        assert helped.returncode == 0, (words, helped.stderr)
