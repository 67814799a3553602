"""What servers of all kinds have in common: a folder, a port, a process under a supervisor, and its ends."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from . import binaries, run
from .ports import free_port
from .supervisor import children_of, signal_all
from .waiting import wait_until

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from .run import Owner
    from .supervisor import ServerJob

ATTEMPTS = 5
"""How many ports are tried: another process may take one before the server does."""
PORT_LOST = ("address already in use", "could not bind")
SIGKILL: signal.Signals = getattr(signal, "SIGKILL", signal.SIGTERM)
"""Windows has none; no server is started there, but the tests import this."""
_numbers = itertools.count()


class ServerError(RuntimeError):
    """A server did not start, or ended; the text holds the end of its log."""


class _PortLostError(ServerError):
    """Another process has its port."""


class Server(ABC):
    """A server on 127.0.0.1, for one caller; a context manager that starts it and closes it.

    It ends with its owner, by default the process that made it, however that ends. Its port stays the same as
    long as it lives, and so does its data.

    Args:
        folder: for its data and its log; by default one of its own, which `close` removes.
        owner: whose end is its own, in place of the calling process.

    Raises:
        NoServerError: It cannot be started here.
    """

    name: str
    ending: ClassVar[signal.Signals] = SIGKILL
    """The signal that ends it fast and in such good order as its data deserve."""

    def __init__(self, folder: Path | None = None, *, owner: Owner | None = None) -> None:
        binaries.refuse_elsewhere()
        self._is_folder_own = folder is None
        self.folder = folder or run.folder() / f"{self.name}-{os.getpid()}-{next(_numbers)}"
        self._owner = owner
        self._supervisor: subprocess.Popen[str] | None = None
        self.choose_port = free_port
        self.port = 0
        self.pid = 0
        """The process of the server; 0 before `start`."""

    @property
    @abstractmethod
    def url(self) -> str:
        """Where a storage finds it."""

    def start(self) -> Self:
        """Start it, and return when it answers: on its port, or the first time on any that is free.

        Raises:
            ServerError: It has ended again.
            TimeoutError: It does not answer.
        """
        with contextlib.ExitStack() as undoing:
            undoing.callback(self.close)
            self.folder.mkdir(exist_ok=True, parents=True)
            self._prepare()
            self._start()
            undoing.pop_all()
        return self

    def stop(self) -> None:
        """Stop it (SIGSTOP), with what it has started: it holds its connections, and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)
        signal_all(children_of(self.pid), signal.SIGSTOP)

    def cont(self) -> None:
        """Let it go on (SIGCONT) after `stop`."""
        signal_all([*children_of(self.pid), self.pid], signal.SIGCONT)

    def kill(self, by: signal.Signals = SIGKILL) -> None:
        """End it by a signal, and return when it and all that it has started are gone."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, by)
        self._wait_for_end()

    def restart(self) -> None:
        """Start it again, on the same port and data; if it still runs, it is killed first.

        Raises:
            ServerError: It has ended again.
            TimeoutError: It does not answer.
        """
        self.kill()
        self.start()

    def close(self) -> None:
        """End it for good; its own folder is removed."""
        if self._supervisor and self._supervisor.stdin and self.is_alive():
            with contextlib.suppress(BrokenPipeError):
                self._supervisor.stdin.write("\n")
                self._supervisor.stdin.flush()
        elif self.is_alive():
            self.cont()
            signal_all([self.pid], self.ending)
        self._wait_for_end()
        self._clean_up()

    def leave(self) -> None:
        """Leave it to its owner, which must be given: the calling process may end before."""
        if self._supervisor:
            run.leave(self._supervisor)
            self._supervisor = None

    def is_alive(self) -> bool:
        """Tell whether its process is there, even if it answers nothing."""
        return self._supervisor is not None and self._supervisor.poll() is None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def _command(self, port: int) -> list[str]:
        """The program and its arguments."""

    @abstractmethod
    def _is_ready(self, port: int) -> bool:
        """Tell whether this very process answers."""

    def _prepare(self) -> None:  # noqa: B027 (most make their data by themselves)
        """Make the data, if there are none yet."""

    def _job(self, port: int) -> ServerJob:
        return {
            "command": self._command(port),
            "folder": str(self.folder),
            "user": None,
            "log": str(self._log),
            "ending": self.ending,
            "shared_memory": "",
        }

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    def _log_tail(self) -> str:
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        return "\n".join(text.splitlines()[-20:])

    def _start(self) -> None:
        if self.port:
            self._launch(self.port)
            return
        for _ in range(ATTEMPTS):
            port = self.choose_port()
            self._log.unlink(missing_ok=True)
            with contextlib.suppress(_PortLostError):
                self._launch(port)
                self.port = port
                return
        raise ServerError(f"{self.name} has lost {ATTEMPTS} ports:\n{self._log_tail()}")

    def _launch(self, port: int) -> None:
        self._supervisor = run.supervise(self._job(port), owner=self._owner)
        if not self._supervisor.stdout or not (line := self._supervisor.stdout.readline()):
            raise ServerError(f"the supervisor of {self.name} has ended: is its owner gone, or the system no Linux?")
        self.pid = int(line)
        wait_until(lambda: self._is_ready(port) or not self.is_alive(), f"{self.name} answers")
        if not self.is_alive():
            self._wait_for_end()
            text = self._log_tail()
            lost = any(sign in text.lower() for sign in PORT_LOST)
            raise (_PortLostError if lost else ServerError)(f"{self.name} has ended:\n{text}")

    def _wait_for_end(self) -> None:
        if self._supervisor:
            self._supervisor.wait(timeout=30)
            for pipe in (self._supervisor.stdin, self._supervisor.stdout):
                if pipe:
                    pipe.close()

    def _clean_up(self) -> None:
        if self._is_folder_own:
            shutil.rmtree(self.folder, ignore_errors=True)
