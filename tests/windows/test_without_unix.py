"""What Windows lacks is not needed: seen on Linux, so that no Windows is needed for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.length import shortly

pytestmark = pytest.mark.unix("such names to take away")
HERE = Path(__file__).parent
WITHOUT_UNIX = str(HERE / "without_unix.py")


def output_of(*words: str) -> str:
    run = subprocess.run(
        [sys.executable, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_names_that_windows_lacks_are_kept_from_the_package_only():
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import without_unix, builtins, os\n"
        "builtins.__import__ = without_unix.import_as_on_windows\n"
        "ours, others = {'__name__': 'flask_tessera.some'}, {'__name__': 'werkzeug'}\n"
        "exec('import os, time', ours); exec('import os, time, fcntl', others)\n"
        "print(hasattr(ours['os'], 'fork'), hasattr(ours['time'], 'clock_gettime'), hasattr(others['os'], 'fork'))\n"
        "try: exec('import fcntl', ours)\n"
        "except ImportError: print('no fcntl')\n"
    )
    assert output_of("-c", program, str(HERE)) == "False False True\nno fcntl\n"


@pytest.mark.slow
def test_every_module_can_be_imported_without_what_windows_lacks():
    assert "imported" in output_of(WITHOUT_UNIX, str(HERE / "imports.py"))


@pytest.mark.slow
@pytest.mark.parametrize("program", shortly(["processes", "service"]))
def test_the_service_and_several_processes_run_without_what_windows_lacks(program: str):
    assert output_of(str(HERE / f"{program}.py"), WITHOUT_UNIX)
