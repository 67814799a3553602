"""The blueprint: one file per subject, each a function that adds its routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint

from ...errors import ConfigError
from . import exchange, login, logout, me, refresh, sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..extension import Tessera

_ENDPOINTS: Final[dict[str, Callable[[Blueprint, Tessera[Any]], None]]] = {
    "login": login.add,
    "refresh": refresh.add,
    "logout": logout.add,
    "exchange": exchange.add,
    "me": me.add,
    "sessions": sessions.add,
}


def make_blueprint(tessera: Tessera[Any], endpoints: Iterable[str], name: str, url_prefix: str) -> Blueprint:
    """A blueprint with the chosen endpoints.

    Raises:
        ConfigError: one of them is not known.
    """
    blueprint = Blueprint(name, __name__, url_prefix=url_prefix)
    for endpoint in dict.fromkeys(endpoints):
        if endpoint not in _ENDPOINTS:
            raise ConfigError(f"{endpoint!r} is not an endpoint; the endpoints are {', '.join(_ENDPOINTS)}")
        _ENDPOINTS[endpoint](blueprint, tessera)
    return blueprint
