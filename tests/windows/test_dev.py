"""dev.py on any system: two set-ups at once wait for each other."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

import flask_tessera

DEV = Path(flask_tessera.__file__).parents[2] / "dev.py"
HOLDING = """
import runpy, sys
dev = runpy.run_path(sys.argv[1])
with open(sys.argv[2], "a") as lock:
    dev["wait_for"](lock)
    print("held", flush=True)
    sys.stdin.read()
"""


def take_at_once(lock: IO[str]) -> None:
    """Take the lock of a file as any program would, or raise OSError."""
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_set_up_holds_its_lock_until_its_process_is_gone(tmp_path: Path):
    file = tmp_path / "lock"
    spec = importlib.util.spec_from_file_location("dev", DEV)
    dev = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(dev)
    command = [sys.executable, "-c", HOLDING, str(DEV), str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with file.open("a") as lock, pytest.raises(OSError):
            take_at_once(lock)
        holder.kill()
    with file.open("a") as lock:
        dev.wait_for(lock)
        with file.open("a") as another, pytest.raises(OSError):
            take_at_once(another)
