"""Which storage an application uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..setting_checks import PREFIX
from ..storage.from_url import is_in_memory, open_engine, open_storage, refuse_other, url_of

if TYPE_CHECKING:
    from flask import Flask

    from ..config import Settings
    from ..storage.engine import Storage

_HOW = (
    "no storage: set TESSERA_STORE_URL = 'sqlite:///tessera.db' in the configuration,"
    " or write Tessera(app, storage='sqlite:///tessera.db')"
)


def check_choice(app: Flask, settings: Settings, given: Any) -> None:
    """Refuse what cannot be opened, as far as can be told without a connection.

    Args:
        app: the application.
        settings: of it.
        given: what `Tessera(storage=…)` was given, or None.

    Raises:
        ConfigError: there is no storage, or none of that kind.
    """
    url = _url_of(app, settings, given)
    if url is not None:
        _refuse_slow(open_storage(url, folder=app.instance_path), settings)
    elif hasattr(given, "revocations"):
        _refuse_slow(given, settings)
    else:
        refuse_other(given)


def place_of(app: Flask, settings: Settings, given: Any) -> str:
    """Where the storage is, for the log; within the application's context. It may hold a password."""
    url = _url_of(app, settings, given)
    if url is None and not hasattr(given, "revocations"):
        url = url_of(given).render_as_string(hide_password=True)
    return url or f"of {type(given).__name__}"


def open_choice(app: Flask, settings: Settings, given: Any) -> Storage:
    """The storage; it connects at first use. An in-memory database under TESTING means the memory storage.

    Raises:
        ConfigError: as of `check_choice`, the database of an engine is not supported, or its bound is longer than
            `REVOCATION_BOUND`.
    """
    url = _url_of(app, settings, given)
    if url is not None:
        storage = open_storage(url, folder=app.instance_path, make_folder=True)
    elif hasattr(given, "revocations"):
        storage = given
    elif app.testing and is_in_memory(given):
        storage = open_storage("memory:")
    else:
        storage = open_engine(given)
    _refuse_slow(storage, settings)
    return storage


def _url_of(app: Flask, settings: Settings, given: Any) -> str | None:
    """The URL that decides; None where an engine, a `db` or a storage of the host's own does.

    Under TESTING a URL in the configuration takes the place of what `Tessera` was given.
    """
    if settings.STORE_URL and (given is None or app.testing):
        return settings.STORE_URL
    if settings.STORE_URL:
        raise ConfigError(f"{PREFIX}STORE_URL and Tessera(storage=…) name two storages: keep one of them")
    if given is not None:
        return given if isinstance(given, str) else None
    if app.testing:
        return "memory:"
    raise ConfigError(_HOW)


def _refuse_slow(storage: Storage, settings: Settings) -> None:
    bound = storage.revocations.bound
    if bound > settings.REVOCATION_BOUND:
        raise ConfigError(f"{PREFIX}REVOCATION_BOUND must be at least {bound}: this storage is no faster")
