"""The service's settings, from the environment."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..config import read_environment
from ..errors import ConfigError
from .data_folder import DATA_DIR, SECRET_FILE, DataFolder, refuse_foreign
from .users import SQL, USERS_URL, scheme_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_DATABASE_FILE: Final = "tessera.db"
_OF_ONE_MACHINE: Final = {"sqlite", "memory"}
"""Schemes of storages that no other machine reaches."""
_log = logging.getLogger("flask_tessera")


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What the service runs with: Flask's configuration, and where its users live."""

    config: dict[str, Any] = field(repr=False)
    database: Path
    """The SQLite file of the data folder."""
    is_in_folder: bool
    """Whether sessions and users live in `database`, rather than on a server or elsewhere."""
    users_url: str = field(default="", repr=False)
    """Of the users' database; empty where that is `database`, and the sessions live elsewhere."""


def read_service_settings(
    environment: Mapping[str, str],
    *,
    data: str = "",
    store: str = "",
    may_create: bool = True,
    may_be_empty: bool = False,
) -> ServiceSettings:
    """Read the environment and make what is missing and needed: a secret of its own, the folder of a SQLite file.

    Args:
        environment: as `os.environ`.
        data: the data folder; by default `TESSERA_DATA_DIR`, else `./tessera-data`.
        store: the storage's URL; by default `TESSERA_STORE_URL`, else SQLite in the data folder.
        may_create: whether anything may be made.
        may_be_empty: whether at least a secret may be made in a data folder that is there.

    Raises:
        ConfigError: a value of the wrong type; or a folder or secret that cannot be used, or is missing where nothing
            may be made.
    """
    values, unknown = read_environment(
        {key: value for key, value in environment.items() if key not in {DATA_DIR, USERS_URL}}
    )
    for name in unknown:
        _log.warning("%s is set in the environment, but is not a setting", name)
    folder = DataFolder(
        _path_of(data or environment.get(DATA_DIR) or "tessera-data"), may_create=may_create, may_be_empty=may_be_empty
    )
    database = folder.path / _DATABASE_FILE
    named = store or values.get("TESSERA_STORE_URL")
    url = named or f"sqlite:///{database}"
    users = environment.get(USERS_URL, "")
    secret = _secret(environment, folder, url, database)
    _look_at_files({"TESSERA_STORE_URL": url, USERS_URL: users}, folder, database)
    fallbacks = [each.strip() for each in environment.get("SECRET_KEY_FALLBACKS", "").split(",") if each.strip()]
    values |= {"TESSERA_STORE_URL": url, "SECRET_KEY": secret, "SECRET_KEY_FALLBACKS": fallbacks}
    users_url = users or (url if scheme_of(url) in SQL else "")
    return ServiceSettings(values, database, is_in_folder=not named and not users, users_url=users_url)


def _path_of(text: str) -> Path:
    if "\0" in text:
        raise ConfigError(f"{DATA_DIR}: the name of a folder has no NUL character")
    return Path(text).absolute()


def _secret(environment: Mapping[str, str], folder: DataFolder, url: str, database: Path) -> str:
    if "SECRET_KEY" in environment:
        return environment["SECRET_KEY"]
    if database.exists() and not (folder.path / SECRET_FILE).exists():
        raise ConfigError(
            f"SECRET_KEY is not set and {folder.path} has no file {SECRET_FILE}, but the service there was made with"
            " one: set SECRET_KEY to that one (with a new one in that file everybody would have to log in again)"
        )
    secret = folder.secret()
    if url.partition(":")[0] not in _OF_ONE_MACHINE:
        _log.warning(
            "SECRET_KEY is not set, so that this machine has one of its own, in %s: on several machines"
            " set the same SECRET_KEY, or each refuses the tokens of the others",
            folder.path / SECRET_FILE,
        )
    return secret


def _look_at_files(urls: Mapping[str, str], folder: DataFolder, database: Path) -> None:
    """The SQLite files that the service is going to open."""
    for setting, url in urls.items():
        if url.startswith("sqlite:///"):
            file = Path(folder.path, url.removeprefix("sqlite:///"))
            if file.parent == folder.path:
                folder.prepare()
            refuse_foreign(file, setting)
    refuse_foreign(folder.path, DATA_DIR)
    refuse_foreign(database, DATA_DIR)
