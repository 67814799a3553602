"""A real demo service, and a shell that finds this project's commands."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = {
    "python3": (),
    "flask": ("-m", "flask"),
    "flask-tessera": ("-m", "flask_tessera.cli"),
}


@dataclass(frozen=True)
class Demo:
    """A running demo service: the folder it was started in, its address, and the demo user's password."""

    folder: Path
    base: str
    password: str


def free_port() -> int:
    """A port of the loopback interface that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def listens(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0


def end(process: subprocess.Popen[str]) -> None:
    """End one server, and wait until it is gone."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the commands of this project, as they are after an installation, and with curl."""
    if os.name == "nt":
        pytest.skip("Windows has no sh")
    folder = tmp_path_factory.mktemp("bin")
    commands = {name: (sys.executable, *words) for name, words in COMMANDS.items()}
    if shutil.which("curl") is None:
        commands["curl"] = (sys.executable, str(ROOT / "tests" / "docs" / "curl.py"))
    for name, words in commands.items():
        file = folder / name
        file.write_text("#!/bin/sh\nexec " + " ".join(f"'{word}'" for word in words) + ' "$@"\n')
        file.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def surroundings(programs: Path) -> dict[str, str]:
    """The environment of a reader's shell: none of the settings of whoever runs the tests."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("TESSERA_", "FLASK_", "SECRET_KEY"))
    }
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    # Where the tests find their packages, an installation does.
    packages = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    return {**kept, "PATH": path, "PYTHONPATH": packages, "PYTHONUNBUFFERED": "1"}


@pytest.fixture(scope="session")
def demo(surroundings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo service on a free port; its folder holds the examples too."""
    folder = tmp_path_factory.mktemp("demo")
    shutil.copytree(ROOT / "examples", folder / "examples")
    process, port = _start_demo(folder, surroundings)
    try:
        password = re.search(r"the password is (\S+)", (folder / "printed").read_text())
        assert password
        yield Demo(folder, f"http://127.0.0.1:{port}", password[1])
    finally:
        end(process)


@pytest.fixture
def serve_flask(surroundings: dict[str, str], tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Runs a script whose last command is `flask … run`, in a folder with the examples; gives its address."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    running = []

    def start(script: str) -> str:
        for _ in range(5):
            port = free_port()
            # So that it is Flask, not the shell, that is ended.
            command = ["bash", "-euo", "pipefail", "-c", script.replace("\nflask ", "\nexec flask ")]
            settings = {**surroundings, "FLASK_RUN_PORT": str(port)}
            with (tmp_path / "printed").open("w") as printed:
                process = subprocess.Popen(
                    command, cwd=tmp_path, env=settings, stdout=printed, stderr=printed, text=True
                )
            running.append(process)
            wait_until(lambda: process.poll() is not None or listens(port), "it serves")  # noqa: B023
            if process.poll() is None:
                return f"http://127.0.0.1:{port}"
        raise AssertionError((tmp_path / "printed").read_text())

    yield start
    for process in running:
        end(process)


def _start_demo(folder: Path, surroundings: dict[str, str]) -> tuple[subprocess.Popen[str], int]:
    """Start the service; a free port may be lost to somebody else in between, so try again."""
    for _ in range(5):
        port = free_port()
        with (folder / "printed").open("w") as printed:
            command = ["flask-tessera", "serve", "--demo", "--port", str(port)]
            process = subprocess.Popen(command, cwd=folder, env=surroundings, stdout=printed, stderr=printed, text=True)
        wait_until(lambda: process.poll() is not None or (_says_its_password(folder) and listens(port)), "it starts")  # noqa: B023
        if process.poll() is None:
            return process, port
    raise AssertionError((folder / "printed").read_text())


def _says_its_password(folder: Path) -> bool:
    return "the password is" in (folder / "printed").read_text()
