"""Programs of the package, forked from a process that has imported what they need.

Python takes a second to import Flask, SQLAlchemy and the package, and the tests start some hundred programs. That they
start from nothing as well is tested by tests/server/test_start.py, tests/docs and tests/windows.

Started as a program (with the number of a socket), this file is that process. It forks for each message, and ends with
the other end of the socket.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tests.windows import stopping

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

IMPORTED = (
    "flask_tessera.cli.service",
    "flask_tessera.cli.application",
    "flask_tessera.server.app",
    "flask_tessera.storage.from_url",
    "waitress",
)
ROOT = Path(__file__).parents[2]
NUMBER = 8
"""Bytes of a number: how long a message is, of a process, an exit code."""


def start(module: str, words: Sequence[str], env: Mapping[str, str], stderr: IO[Any]) -> Any:
    """Start `python -m module words…` with pipes for its input and output; a `Popen`, or what is used as one."""
    if hasattr(os, "fork"):
        return Program(module, words, env, stderr)
    command = [sys.executable, *stopping.words_for(module), *words]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": stderr}
    return subprocess.Popen(command, env=env, text=True, **pipes, **stopping.OPTIONS)


def run(module: str, words: Sequence[str], env: Mapping[str, str], sent: str = "") -> str:
    """Run `python -m module words…`, with this input, to a good end; gives what it has printed."""
    with tempfile.TemporaryFile() as errors:
        program = start(module, words, env, errors)
        program.stdin.write(sent)
        printed, _ = program.communicate(timeout=60)
        errors.seek(0)
        assert program.returncode == 0, errors.read().decode()
    return str(printed)


class Program:
    """`python -m module words…`: what the tests need of `subprocess.Popen`, its input and output pipes of text."""

    def __init__(self, module: str, words: Sequence[str], env: Mapping[str, str], stderr: IO[Any]) -> None:
        (theirs_in, ours_in), (ours_out, theirs_out), (ours_code, theirs_code) = os.pipe(), os.pipe(), os.pipe()
        self.args = [module, *words]
        self.stdin: IO[str] | None = open(ours_in, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - the number of a pipe
        self.stdout: IO[str] | None = open(ours_out, encoding="utf-8")  # noqa: SIM115, PTH123 - the number of a pipe
        self.returncode: int | None = None
        self._code = ours_code
        program = {"module": module, "words": list(words), "env": dict(env), "folder": str(Path.cwd())}
        message, asking = json.dumps(program).encode(), _forking()
        streams = [theirs_in, theirs_out, stderr.fileno(), theirs_code]
        socket.send_fds(asking, [len(message).to_bytes(NUMBER)], streams)
        asking.sendall(message)
        for number in (theirs_in, theirs_out, theirs_code):
            os.close(number)
        self.pid = int.from_bytes(asking.recv(NUMBER), signed=True)

    def poll(self) -> int | None:
        """Its exit code, as `subprocess.Popen` has it; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended.

        Raises:
            subprocess.TimeoutExpired: it has not, after so many seconds.
        """
        if self.returncode is None:
            if not select.select([self._code], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = int.from_bytes(os.read(self._code, NUMBER), signed=True)
            os.close(self._code)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """Close its input, wait until it has ended, and give what it has printed."""
        if self.stdin is not None:
            self.stdin.close()
        self.wait(timeout)
        assert self.stdout is not None
        with self.stdout as printed:
            return printed.read(), None

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        # It may have ended, and its code be on the way.
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


@functools.cache
def _forking() -> socket.socket:
    """The socket of the process that forks, one for each process that asks; it lives as long as that one."""
    ours, theirs = socket.socketpair()
    with theirs:
        command = [sys.executable, "-m", __name__, str(theirs.fileno())]
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd=ROOT)
    process.returncode = 0  # or Popen would warn that it still runs
    return ours


def main(asked: socket.socket) -> None:
    """Fork for each message that comes; a child becomes its program."""
    for name in IMPORTED:
        importlib.import_module(name)
    running: dict[int, int] = {}
    woken, waking = socket.socketpair()
    waking.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waking.fileno())
    forked = None
    while forked is None:
        ready, _, _ = select.select([asked, woken], [], [])
        if woken in ready:
            woken.recv(4096)
            _report_the_dead(running)
        if asked in ready:
            forked = _fork(asked, running)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for each in (asked, woken, waking):
        each.close()
    _become(*forked)


def _fork(asked: socket.socket, running: dict[int, int]) -> tuple[dict[str, Any], list[int]] | None:
    """Fork for a message. In the child, this is the program, and its streams; in the parent there is none."""
    length, numbers, *_ = socket.recv_fds(asked, NUMBER, 4)
    if not length:
        for each in running:
            os.kill(each, signal.SIGKILL)
        sys.exit()
    message = asked.recv(int.from_bytes(length), socket.MSG_WAITALL)
    *streams, code = numbers
    child = os.fork()
    if not child:
        for number in (*running.values(), code):
            os.close(number)
        return json.loads(message), streams
    running[child] = code
    for number in streams:
        os.close(number)
    asked.send(child.to_bytes(NUMBER, signed=True))
    return None


def _report_the_dead(running: dict[int, int]) -> None:
    while running:
        child, status = os.waitpid(-1, os.WNOHANG)
        if not child:
            return
        code = running.pop(child)
        # Whoever asked may be gone.
        with contextlib.suppress(BrokenPipeError):
            os.write(code, os.waitstatus_to_exitcode(status).to_bytes(NUMBER, signed=True))
        os.close(code)


def _become(program: dict[str, Any], streams: list[int]) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # Those that there are know what the numbers meant before.
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(program["env"])
    os.chdir(program["folder"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = [program["module"], *program["words"]]
    runpy.run_module(program["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
