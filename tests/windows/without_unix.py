"""Runs a program without what Windows lacks: `python without_unix.py FILE …` or `… -m MODULE …`.

Only modules of the package are kept from these names: what it builds on may know that this is Linux.
`os.name` and `sys.platform` stay.
"""

from __future__ import annotations

import builtins
import importlib
import runpy
import sys
from types import ModuleType

MISSING = {
    "os": """
        EX_USAGE F_LOCK O_ACCMODE O_ASYNC O_CLOEXEC O_DIRECT O_DIRECTORY O_DSYNC O_NOATIME O_NOCTTY O_NOFOLLOW
        O_NONBLOCK O_PATH O_SYNC O_TMPFILE POSIX_SPAWN_CLOSE PRIO_PROCESS P_ALL P_PID SEEK_DATA SEEK_HOLE WEXITSTATUS
        WIFEXITED WIFSIGNALED WNOHANG WTERMSIG chown chroot confstr copy_file_range ctermid environb eventfd fchdir
        fchmod fchown fdatasync fork forkpty fpathconf fstatvfs fwalk get_blocking getegid getenvb geteuid getgid
        getgroups getloadavg getpgid getpgrp getpriority getrandom getsid getuid getxattr killpg lchown lockf
        memfd_create mkfifo mknod nice openpty pathconf pidfd_open pipe2 posix_fadvise posix_fallocate posix_spawn
        posix_spawnp pread preadv pwrite pwritev readv register_at_fork sched_getaffinity sched_setaffinity sched_yield
        sendfile set_blocking setgid setpgid setpriority setsid setuid setxattr statvfs sync sysconf ttyname uname wait
        wait3 wait4 waitid writev
    """,
    "time": """
        CLOCK_BOOTTIME CLOCK_MONOTONIC CLOCK_MONOTONIC_RAW CLOCK_PROCESS_CPUTIME_ID CLOCK_REALTIME
        CLOCK_THREAD_CPUTIME_ID clock_getres clock_gettime clock_gettime_ns clock_settime pthread_getcpuclockid tzset
    """,
    "signal": """
        ITIMER_REAL SIGALRM SIGBUS SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGUSR1 SIGUSR2
        SIGWINCH SIG_BLOCK alarm pause pthread_kill pthread_sigmask setitimer siginterrupt sigwait
    """,
    "socket": """
        AF_NETLINK AF_UNIX MSG_DONTWAIT MSG_NOSIGNAL SCM_RIGHTS SOCK_CLOEXEC SOCK_NONBLOCK SO_PEERCRED SO_REUSEPORT
        TCP_CORK TCP_DEFER_ACCEPT TCP_INFO TCP_QUICKACK TCP_USER_TIMEOUT recv_fds send_fds socketpair_unix
    """,
    "select": "EPOLLIN POLLIN epoll poll",
    "mmap": "MADV_DONTFORK MAP_ANONYMOUS MAP_PRIVATE MAP_SHARED PROT_READ PROT_WRITE",
}
"""As CPython 3.11 to 3.13 for Windows, compared with that for Linux: what one might be tempted to use."""
NO_MODULES = {
    "crypt",
    "curses",
    "fcntl",
    "grp",
    "nis",
    "posix",
    "pty",
    "pwd",
    "readline",
    "resource",
    "syslog",
    "termios",
}
_import = builtins.__import__


def reduced(name: str) -> ModuleType:
    """A copy of a module without what Windows lacks."""
    lacking = set(MISSING[name].split())
    copy = ModuleType(name)
    vars(copy).update((key, value) for key, value in vars(importlib.import_module(name)).items() if key not in lacking)
    return copy


REDUCED = {name: reduced(name) for name in MISSING}


def import_as_on_windows(name, globals=None, locals=None, fromlist=(), level=0):  # noqa: A002 - as the original
    importer = (globals or {}).get("__name__", "")
    if level == 0 and importer.partition(".")[0] == "flask_tessera":
        if name.partition(".")[0] in NO_MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if name in REDUCED:
            return REDUCED[name]
    return _import(name, globals, locals, fromlist, level)


def main(words: list[str]) -> None:
    builtins.__import__ = import_as_on_windows
    as_module = words[0] == "-m"
    sys.argv = words[1:] if as_module else words
    run = runpy.run_module if as_module else runpy.run_path
    run(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
