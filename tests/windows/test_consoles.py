"""No console ends a command, whatever it can show: GBK is the one of Windows in Chinese, cp1252 of most others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import flask_tessera
from tests.length import shortly

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).resolve().parent
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


def run(folder: Path, encoding: str, *program: str, given: str = "") -> subprocess.CompletedProcess[bytes]:
    environment = {name: value for name, value in os.environ.items() if name != "SECRET_KEY"}
    # Mode UTF-8 reads the words; only what is printed is of the console's encoding.
    environment |= {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "1", "TESSERA_DATA_DIR": str(folder / f"数据 {NAME}")}
    return subprocess.run(
        [sys.executable, *program], input=given.encode(), capture_output=True, env=environment, check=False
    )


def run_all(folder: Path, encoding: str, commands: Sequence[Sequence[str]]) -> Iterator[tuple[int, bytes, bytes]]:
    """Exit code, output and errors of each command, all in one process."""
    codes = folder / "codes.json"
    done = run(folder, encoding, str(HERE / "console.py"), str(codes), json.dumps(commands))
    assert done.returncode == 0, done.stderr
    written = (stream.split(b"\0")[:-1] for stream in (done.stdout, done.stderr))
    return zip(json.loads(codes.read_text("utf-8")), *written, strict=True)


@pytest.mark.slow
@pytest.mark.timeout(900)  # twenty processes, one after the other
@pytest.mark.parametrize("encoding", shortly(["gbk", "cp1252", "ascii"]))
def test_every_command_prints_on_a_console_that_lacks_what_it_prints(tmp_path: Path, encoding: str):
    words = ("-m", "flask_tessera.cli", "users", "add", PHONE, "--name", NAME, "--password-stdin")
    add = run(tmp_path, encoding, *words, given="correct horse battery")
    assert add.returncode == 0, add.stderr
    # Click takes ASCII for a console that was not set up, and writes UTF-8.
    written = "utf-8" if encoding == "ascii" else encoding
    commands = (*FAILING, *COMMANDS)
    done = dict(zip(commands, run_all(tmp_path, encoding, commands), strict=True))
    for words in COMMANDS:
        code, output, errors = done[words]
        assert code == 0, (words, output, errors)
        output.decode(written)
    assert NAME.encode(written, "backslashreplace") in done["users", "list"][1]
    for words in FAILING:
        code, output, errors = done[words]
        assert code in (1, 2), (words, output, errors)
        assert b"Traceback" not in errors, errors
        assert errors.strip(), words


@pytest.mark.timeout(900)
@pytest.mark.parametrize("encoding", shortly(["gbk", "cp1252", "ascii"]))
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
    groups = ("", "serve", "users", "users add", "sessions move", "db", "purge", "restored")
    for code, output, errors in run_all(tmp_path, encoding, [[*words.split(), "--help"] for words in groups]):
        assert code == 0, errors
        assert output
