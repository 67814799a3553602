"""The blueprint: one file per subject, each a function that adds its routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint

from ...config import PREFIX, Settings
from ...errors import ConfigError
from . import exchange, login, logout, me, refresh, sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flask.sansio.app import App

    from ..extension import Tessera

_ENDPOINTS: Final[dict[str, Callable[[Blueprint, Tessera[Any]], None]]] = {
    "login": login.add,
    "refresh": refresh.add,
    "logout": logout.add,
    "exchange": exchange.add,
    "me": me.add,
    "sessions": sessions.add,
}
_PREFIX_KEY: Final = f"{PREFIX}URL_PREFIX"


class _AtSetPlace(Blueprint):
    """Goes where the application's settings say, unless `register_blueprint` says otherwise."""

    def register(self, app: App, options: dict[str, Any]) -> None:
        if "url_prefix" not in options and _PREFIX_KEY in app.config:
            options = {**options, "url_prefix": Settings(URL_PREFIX=app.config[_PREFIX_KEY]).URL_PREFIX}
        super().register(app, options)


def make_blueprint(tessera: Tessera[Any], endpoints: Iterable[str], name: str, url_prefix: str | None) -> Blueprint:
    """A blueprint with the chosen endpoints.

    Raises:
        ConfigError: one of them is not known.
    """
    if url_prefix is None:
        blueprint: Blueprint = _AtSetPlace(name, __name__, url_prefix=Settings().URL_PREFIX)
    else:
        blueprint = Blueprint(name, __name__, url_prefix=url_prefix)
    for endpoint in dict.fromkeys(endpoints):
        if endpoint not in _ENDPOINTS:
            raise ConfigError(f"{endpoint!r} is not an endpoint; the endpoints are {', '.join(_ENDPOINTS)}")
        _ENDPOINTS[endpoint](blueprint, tessera)
    return blueprint
