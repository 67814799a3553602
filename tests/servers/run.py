"""The run that shared servers belong to: its first process, and its folder, which is removed when that has ended."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .supervisor import Job, ServerJob

VARIABLE = "TEST_RUN_OF_TESSERA"
"""The environment variable that tells a run's other processes, those of xdist, tests and services, of its first.

It does not begin with `TESSERA_`: the service would take it for a misspelt setting.
"""


@dataclass(frozen=True)
class Owner:
    """A process, and when it started: its number alone may be given out again."""

    process: int
    started: int

    @classmethod
    def this(cls) -> Owner:
        """The calling process."""
        return cls(os.getpid(), supervisor.start_time(os.getpid()))

    def is_alive(self) -> bool:
        """Tell whether it still runs."""
        return self.started == supervisor.start_time(self.process)


def join() -> Owner:
    """The first process of this run: the one that was told of, if it lives, otherwise the calling one."""
    process, _, started = os.environ.get(VARIABLE, "").partition(".")
    if process.isdecimal() and started.isdecimal() and (told := Owner(int(process), int(started))).is_alive():
        return told
    own = Owner.this()
    os.environ[VARIABLE] = f"{own.process}.{own.started}"
    return own


def folder() -> Path:
    """The run's folder: a short path that every user can enter.

    Raises:
        PermissionError: Somebody else made it.
    """
    owner = join()
    path = Path(tempfile.gettempdir()) / f"tessera-{owner.process}-{owner.started}"
    with contextlib.suppress(FileExistsError):
        path.mkdir()
        path.chmod(0o755)
        leave(supervise(None, owner=owner, remove=path))
    if path.stat().st_uid != os.geteuid():
        raise PermissionError(f"{path} belongs to another user; delete it")
    return path


def supervise(
    server: ServerJob | None, *, owner: Owner | None = None, remove: Path | None = None
) -> subprocess.Popen[str]:
    """Start a supervisor, in a session of its own, so that Ctrl-C ends it through its owner only.

    It ends when its owner does. Without one, that is the calling process, and it ends also when its standard
    input is written to.
    """
    pipe, owner = owner is None, owner or Owner.this()
    job: Job = {
        "owner": owner.process,
        "started": owner.started,
        "pipe": pipe,
        "server": server,
        "remove": str(remove or ""),
    }
    return subprocess.Popen(
        [sys.executable, "-I", "-S", supervisor.__file__, json.dumps(job)],
        stdin=subprocess.PIPE if pipe else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )


def leave(process: subprocess.Popen[str]) -> None:
    """Leave a supervisor to its owner: the calling process may end before."""
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()
    process.returncode = 0  # or Popen would warn that it still runs


@contextlib.contextmanager
def one_at_a_time(name: str) -> Iterator[None]:
    """Hold a lock among all processes and threads of this run."""
    import fcntl  # of Unix, where the servers are

    with (folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
