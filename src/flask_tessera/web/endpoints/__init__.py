"""The blueprint: the endpoints are rows, one file for each subject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint, Response

from ...config import Settings
from ...errors import ConfigError
from ...sessions.model import Device
from ...setting_checks import PREFIX
from ..described import Described, as_set, describe, with_own_status
from ..endpoint_places import check_places
from ..http_errors import raises_http
from ..struct_types import prepare
from . import (
    api_keys,
    bind,
    codes,
    csrf,
    exchange,
    history,
    links,
    login,
    logout,
    me,
    passkeys,
    password,
    refresh,
    register,
    script,
    second_factor,
    sessions,
    step_up,
    tickets,
    totp,
    trusted_devices,
    verify,
)
from .body import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flask.sansio.app import App

    from ..extension import Tessera
    from ..host_users import HostUsers
    from .row import Endpoint

ENDPOINTS: Final[dict[str, tuple[Endpoint, ...]]] = {
    "login": login.ROWS,
    "second-factor": second_factor.ROWS,
    "codes": codes.ROWS,
    "register": register.ROWS,
    "password": password.ROWS,
    "links": links.ROWS,
    "bind": bind.ROWS,
    "refresh": refresh.ROWS,
    "logout": logout.ROWS,
    "exchange": exchange.ROWS,
    "csrf": csrf.ROWS,
    "me": me.ROWS,
    "sessions": sessions.ROWS,
    "api-keys": api_keys.ROWS,
    "passkeys": passkeys.ROWS,
    "tickets": tickets.ROWS,
    "totp": totp.ROWS,
    "step-up": step_up.ROWS,
    "trusted-devices": trusted_devices.ROWS,
    "history": history.ROWS,
    "verify": verify.ROWS,
    "script": script.ROWS,
}
"""What `Tessera.blueprint()` can be asked for."""
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_PREFIX_KEY: Final = f"{PREFIX}URL_PREFIX"


class _AtSetPlace(Blueprint):
    """Goes where the application's settings say, unless `register_blueprint` says otherwise."""

    def register(self, app: App, options: dict[str, Any]) -> None:
        if "url_prefix" not in options and _PREFIX_KEY in app.config:
            options = {**options, "url_prefix": Settings(URL_PREFIX=app.config[_PREFIX_KEY]).URL_PREFIX}
        super().register(app, options)


def make_blueprint(
    tessera: Tessera[Any], endpoints: Iterable[str], name: str, url_prefix: str | None, *, users: HostUsers | None
) -> Blueprint:
    """A blueprint with the chosen endpoints, as far as the application's users have what their routes need.

    Raises:
        ConfigError: one of them is not known, or its users lack what it needs, or `name` holds a dot, which Flask
            keeps for itself. Where it is registered: as of `check_places`.
    """
    if not name or "." in name:
        raise ConfigError(f"the name of a blueprint must be a text without dots, not {name!r}: give blueprint(name=…)")
    if url_prefix is None:
        blueprint: Blueprint = _AtSetPlace(name, __name__, url_prefix=Settings().URL_PREFIX)
    else:
        blueprint = Blueprint(name, __name__, url_prefix=url_prefix)
    for endpoint in dict.fromkeys(endpoints):
        if endpoint not in ENDPOINTS:
            raise ConfigError(f"{endpoint!r} is not an endpoint; the endpoints are {', '.join(ENDPOINTS)}")
        rows = rows_of(endpoint, users)
        if not rows:
            what = "Tessera(users=…)" if users is None else f"{ENDPOINTS[endpoint][0].needs}() of Tessera(users=…)"
            raise ConfigError(f"the endpoint {endpoint} needs {what}")
        for row in rows:
            methods = _METHODS if row.takes_any_method else (row.method,)
            blueprint.add_url_rule(row.rule, row.name, _view_of(tessera, row), methods=methods)
    # Last: it runs where the routes are there.
    blueprint.record(lambda state: check_places(state.app))
    return blueprint


def rows_of(endpoint: str, users: HostUsers | None) -> tuple[Endpoint, ...]:
    """The routes of an endpoint that can work with the application's users, or where it gives none."""
    return tuple(row for row in ENDPOINTS[endpoint] if not row.needs or (users is not None and users.has(row.needs)))


def _view_of(tessera: Tessera[Any], row: Endpoint) -> Callable[..., Any]:
    prepare(row.request or Device)

    @raises_http
    def view(**arguments: Any) -> Any:
        body = () if row.request is None else (read(row.request, may_be_empty=row.may_be_empty),)
        answer = row.handler(tessera, *body, **arguments)
        return answer if isinstance(answer, Response) else tessera.runtime.responses.success(answer)

    guarded = tessera.login_required(transports=row.transports)(view) if row.is_guarded else view
    return describe(guarded, Described(row, tessera.realm, form=with_own_status if row.keeps_status else as_set))
