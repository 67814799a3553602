"""A small process that runs one server, and ends it when its owner is gone, even by kill -9.

Run as a script with one JSON argument, a `Job`. An owner is watched through a descriptor of its process, so that
neither what it forked nor who started this script matters. Linux only.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
from pathlib import Path
from typing import TypedDict

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
IPC_RMID = 0
PATIENCE = 5_000
"""Milliseconds that a server has to end in good order."""


class ServerJob(TypedDict):
    """What to run, and how to end it."""

    command: list[str]
    folder: str
    user: tuple[int, int] | None
    """User and group to run as; `None`: the same."""
    log: str
    ending: int
    """The signal that ends it in good order."""
    shared_memory: str
    """A file that names a System V segment, which outlives a killed PostgreSQL; empty: none."""


class Job(TypedDict):
    """What to do for whom."""

    owner: int
    started: int
    """`start_time` of the owner: a process number alone may be given out again."""
    pipe: bool
    """Whether a byte on standard input, or its end, also ends it."""
    server: ServerJob | None
    """`None`: only to remove the folder."""
    remove: str
    """A folder to remove in the end; empty: none."""


def start_time(process: int) -> int:
    """When a process started, in clock ticks since the machine did; 0 if there is none."""
    fields = _fields(process)
    return int(fields[19]) if fields else 0


def children_of(process: int) -> list[int]:
    """The numbers of the processes that this one started, or has inherited."""
    numbers = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
    return [number for number in numbers if _fields(number)[1:2] == [str(process)]]


def _fields(process: int) -> list[str]:
    """The fields of proc_pid_stat(5) from the third on: the second may hold spaces and brackets."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def signal_all(processes: list[int], number: int) -> None:
    """Send a signal to those that are still there."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def run(job: Job) -> None:
    """Start the server, print its process number, wait for whoever ends first, and leave nothing behind."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        owner = os.pidfd_open(job["owner"])
    except ProcessLookupError:
        return
    if start_time(job["owner"]) != job["started"]:
        return
    watched = [owner, 0] if job["pipe"] else [owner]
    if server := job["server"]:
        number = _start(server, libc)
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        process = os.pidfd_open(number)
        _wait([*watched, process])
        _end(number, process, server["ending"])
        _release_shared_memory(server["shared_memory"], libc)
    else:
        _wait(watched)
    if job["remove"]:
        _remove(job["remove"])


def _start(job: ServerJob, libc: ctypes.CDLL) -> int:
    process = os.fork()
    if process:
        return process
    try:
        os.setsid()
        log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        for target, source in ((0, os.open(os.devnull, os.O_RDONLY)), (1, log), (2, log)):
            os.dup2(source, target)
        if job["user"]:
            user, group = job["user"]
            os.setgroups([])
            os.setresgid(group, group, group)
            os.setresuid(user, user, user)
        # After the change of user, which forgets it. `_end` is gentler.
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.chdir(job["folder"])
        os.execve(job["command"][0], job["command"], {"LC_ALL": "C", "PATH": os.defpath, "TZ": "UTC"})
    except OSError as error:
        os.write(2, f"{error}\n".encode())
    finally:
        os._exit(127)


def _wait(descriptors: list[int], milliseconds: int | None = None) -> bool:
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(milliseconds))


def _end(server: int, process: int, ending: int) -> None:
    signal_all([*children_of(server), server], signal.SIGCONT)
    with contextlib.suppress(ProcessLookupError):
        os.kill(server, ending)
    if not _wait([process], PATIENCE):
        os.kill(server, signal.SIGKILL)
    # What it started is ours now.
    while True:
        signal_all([child for child in children_of(os.getpid()) if child != server], signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _release_shared_memory(file: str, libc: ctypes.CDLL) -> None:
    path = Path(file)
    if file and path.exists():
        words = path.read_text(errors="replace").splitlines()[6:7]
        if words and words[0].split():
            libc.shmctl(int(words[0].split()[1]), IPC_RMID, None)


def _remove(folder: str) -> None:
    import shutil

    for _ in range(200):  # the supervisors of the servers in it also need their moment
        shutil.rmtree(folder, ignore_errors=True)
        if not Path(folder).exists():
            return
        _wait([], 50)


if __name__ == "__main__":
    run(json.loads(sys.argv[1]))
