"""The service's settings: from the environment, with a data folder that is made when it is missing."""

from __future__ import annotations

import logging
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..config import read_environment
from ..errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

DATA_DIR: Final = "TESSERA_DATA_DIR"
_SECRET_FILE: Final = "secret-key"
_DATABASE_FILE: Final = "tessera.db"
_OF_ONE_MACHINE: Final = {"sqlite", "memory"}
"""Schemes of storages that no other machine reaches."""
_log = logging.getLogger("flask_tessera")


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What the service runs with: Flask's configuration, and the file of its users where that is their place."""

    config: dict[str, Any]
    database: Path


def read_service_settings(environment: Mapping[str, str], *, data: str = "", store: str = "") -> ServiceSettings:
    """Read the environment and make what is missing: the data folder and a secret of its own.

    Args:
        environment: as `os.environ`.
        data: the data folder; by default `TESSERA_DATA_DIR`, else `./tessera-data`.
        store: the storage's URL; by default `TESSERA_STORE_URL`, else SQLite in the data folder.

    Raises:
        ConfigError: a value of the wrong type, or a folder or secret that cannot be used.
    """
    values, unknown = read_environment({key: value for key, value in environment.items() if key != DATA_DIR})
    for name in unknown:
        _log.warning("%s is set in the environment, but is not a setting", name)
    folder = _make_folder(Path(data or environment.get(DATA_DIR) or "tessera-data").absolute())
    database = folder / _DATABASE_FILE
    values["TESSERA_STORE_URL"] = store or values.get("TESSERA_STORE_URL") or f"sqlite:///{database}"
    values["SECRET_KEY"] = environment["SECRET_KEY"] if "SECRET_KEY" in environment else _own_secret(folder)
    if "SECRET_KEY" not in environment:
        _warn_of_other_machines(values["TESSERA_STORE_URL"], folder)
    fallbacks = environment.get("SECRET_KEY_FALLBACKS", "")
    values["SECRET_KEY_FALLBACKS"] = [each.strip() for each in fallbacks.split(",") if each.strip()]
    return ServiceSettings(values, database)


def _make_folder(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{DATA_DIR}: the folder {folder} cannot be made: {error.strerror}") from error
    return folder


def _own_secret(folder: Path) -> str:
    """The secret in the data folder; made at first start, seen whole or not at all by workers that start together."""
    path = folder / _SECRET_FILE
    try:
        if not path.exists():
            _create_secret(path)
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ConfigError(f"SECRET_KEY: others can read {path}; make it private with chmod 600")
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"SECRET_KEY: the file {path} cannot be used: {error}") from error


def _warn_of_other_machines(store_url: str, folder: Path) -> None:
    """A storage that other machines can reach, and a secret that they do not have."""
    if store_url.partition(":")[0] not in _OF_ONE_MACHINE:
        _log.warning(
            "SECRET_KEY is not set, so that this machine has one of its own, in %s: on several machines"
            " set the same SECRET_KEY, or each refuses the tokens of the others",
            folder / _SECRET_FILE,
        )


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
