"""The service's data folder: made when something must be written there, refused if somebody else has made it."""

from __future__ import annotations

import logging
import os
import secrets
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ..errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DATA_DIR: Final = "TESSERA_DATA_DIR"
SECRET_FILE: Final = "secret-key"
_ROOT: Final = 0
_log = logging.getLogger("flask_tessera")


class DataFolder:
    """A folder for the service's secret and its SQLite file.

    Whoever could put a secret or a table of users there before the service starts could log in as anybody: folder and
    files must belong to the user that the service runs as, or to root. Windows keeps others out by the rights of the
    user's profile; owners are not compared there.

    Args:
        path: of the folder; nothing is made yet.
        may_create: whether what is missing may be made.
        may_be_empty: whether at least a secret may be made in a folder that is there.
    """

    def __init__(self, path: Path, *, may_create: bool, may_be_empty: bool = False) -> None:
        self.path = path
        self._may_create = may_create
        self._may_be_empty = may_be_empty

    def prepare(self) -> None:
        """Make the folder where it is missing.

        Raises:
            ConfigError: it cannot be made, or must not be, or belongs to somebody else.
        """
        if not self.path.is_dir():
            self.refuse_to_create()
            try:
                self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigError(f"{DATA_DIR}: the folder {self.path} cannot be made: {error.strerror}") from error
        refuse_foreign(self.path, DATA_DIR)

    def refuse_to_create(self) -> None:
        """For a command that must not make anything.

        Raises:
            ConfigError: this is one.
        """
        if not self._may_create:
            raise ConfigError(
                f"{DATA_DIR}: there is no service in {self.path} yet, and only `serve` and `users add` make one; name"
                f" its folder with --data or {DATA_DIR}, or its storage with --store or TESSERA_STORE_URL, and then its"
                " SECRET_KEY too, which is kept in its folder otherwise"
            )

    def secret(self) -> str:
        """The secret that is kept there; made at the first start, and complete when any other worker sees it.

        Raises:
            ConfigError: it cannot be read or made, is open to everybody, or belongs to somebody else.
        """
        self.prepare()
        path = self.path / SECRET_FILE
        try:
            if not path.exists():
                if not self._may_be_empty:
                    self.refuse_to_create()
                _create_secret(path)
            with path.open("rb") as file:
                _judge(os.fstat(file.fileno()), path)
                refuse_foreign(path, "SECRET_KEY")
                return file.read().decode("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"SECRET_KEY: the file {path} cannot be used: {error}") from error


def refuse_foreign(path: Path, setting: str) -> None:
    """Refuse what another user of this machine has put there, or can; a link counts as well as what it leads to.

    Args:
        path: of a file or folder; what is not there is nobody's.
        setting: begins the sentence.

    Raises:
        ConfigError: so it is.
    """
    for owner in _owners(path):
        if owner not in (os.geteuid(), _ROOT):
            raise ConfigError(
                f"{setting}: {path} belongs to the user with the id {owner}, who may have put it there; give it to the"
                " user that this service runs as (chown), run this command as that user, or name another data folder"
            )
    if _can_everybody_write(path):
        raise ConfigError(
            f"{setting}: everybody on this machine can write to {path}, and so put a secret and users there; take that"
            " right away (chmod o-w), or name another data folder, which may be a new one within it"
        )


def _owners(path: Path) -> Iterator[int]:
    if not hasattr(os, "geteuid"):
        return
    with suppress(OSError):
        yield path.lstat().st_uid
        yield path.stat().st_uid


def _can_everybody_write(path: Path) -> bool:
    """Whether so it is; in a sticky folder, such as /tmp, nobody can replace what others own."""
    if os.name != "posix":
        return False
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    is_protected = stat.S_ISDIR(mode) and mode & stat.S_ISVTX
    return bool(mode & stat.S_IWOTH and not is_protected)


def _judge(status: os.stat_result, path: Path) -> None:
    if os.name != "posix":
        return
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o007:
        raise ConfigError(f"SECRET_KEY: everybody on this machine has access to {path}; make it private with chmod 600")
    if mode & 0o070:
        # Kubernetes gives the files of a volume to its fsGroup, at each mount.
        _log.warning("SECRET_KEY: the group with the id %d has access to %s", status.st_gid, path)


def _create_secret(path: Path) -> None:
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        # Another worker was first: its secret holds.
        return
    finally:
        draft.unlink()
