"""Servers of databases, which refuse to run as root: then they run as `nobody`."""

from __future__ import annotations

import os
import shutil
import subprocess
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from . import binaries
from .server import Server, ServerError
from .users import unprivileged_user

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .run import Owner
    from .supervisor import ServerJob


class UnprivilegedServer(Server):
    """A server of a database.

    Args:
        folder: for its data and its log; by default one of its own, which `close` removes. As root, it must be one
            that every user can enter; else the data lie in a folder of their own.
        fsync: whether what is committed is on the disk, as in production.
        settings: of the server, over those of its class.
        owner: whose end is its own, in place of the calling process.
    """

    settings: ClassVar[Mapping[str, str]]
    unsafe: ClassVar[Mapping[str, str]]
    """Settings with which what is committed is not on the disk at once."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        fsync: bool = False,
        settings: Mapping[str, str] | None = None,
        owner: Owner | None = None,
    ) -> None:
        binaries.refuse_elsewhere()
        usable = folder if folder and (os.geteuid() or binaries.can_everybody_enter(folder.parent)) else None
        super().__init__(usable, owner=owner)
        self._settings = {**self.settings, **({} if fsync else self.unsafe), **(settings or {})}
        self._home = self._find_home()
        self._data = self.folder / "data"

    @abstractmethod
    def _find_home(self) -> Path:
        """Where its programs are, such that `nobody` may run them where this process is root's.

        Raises:
            NoServerError: there are none.
        """

    def _make_data(self, words: Sequence[str | Path], text: str | None = None) -> None:
        """Make the folder of the data, and run a program that fills it.

        Args:
            words: of the program's command line.
            text: what the program reads.

        Raises:
            ServerError: the program failed.
        """
        self._data.mkdir(mode=0o700, exist_ok=True)
        user = unprivileged_user()
        if user:
            self.folder.chmod(0o755)
            shutil.chown(self._data, *user)
        done = subprocess.run(
            words,
            input=text,
            cwd=self.folder,
            env={"LC_ALL": "C", "PATH": os.defpath, "TZ": "UTC"},
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            user=user and user[0],
            group=user and user[1],
            extra_groups=user and [],
        )
        if done.returncode:
            raise ServerError(f"the data of {self.name} cannot be made:\n{done.stdout}")

    def _job(self, port: int) -> ServerJob:
        return {**super()._job(port), "user": unprivileged_user()}
