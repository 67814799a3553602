"""The WSGI factory of the ready service."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from flask import Flask, Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from .. import __version__
from ..accounts.hash_slots import HashSlots
from ..accounts.passwords import Passwords
from ..clocks import system_clock
from ..config import read_settings
from ..errors import InputError, TesseraError
from ..web.app_state import states_of
from ..web.endpoints import ENDPOINTS
from ..web.extension import Tessera
from ..web.outages import url_without_login
from .environment import read_service_settings
from .health import make_health
from .index import make_index
from .logs import show_audit_events
from .tutorial import make_tutorial
from .users import USERS_URL, ServiceUsers, User, open_users

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..services.ports import Clock
    from .environment import ServiceSettings
    from .users import Users


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of a running service, for its command line and its tests."""

    tessera: Tessera[User]
    users: Users
    passwords: Passwords
    data: str
    users_place: str
    """The URL of the users' database, without a password."""
    may_create: bool = True
    may_be_empty: bool = False
    """Whether a data folder without a database is a service without users, not a mistake."""


def create_app(
    *,
    environment: Mapping[str, str] | None = None,
    data: str = "",
    store: str = "",
    clock: Clock = system_clock,
) -> Flask:
    """Make the service's application.

    Args:
        environment: where settings are read; the process's own by default.
        data: the data folder, over what the environment says.
        store: the storage's URL, over what the environment says.
        clock: gives now in Unix seconds; for tests.

    Raises:
        ConfigError: a setting is weak, wrong or contradictory; nothing was started.
        StorageUnavailableError: the storage cannot be opened.
    """
    app = make_app(environment=environment, data=data, store=store, clock=clock)
    _prove_that_it_works(app)
    return app


def make_app(
    *,
    environment: Mapping[str, str] | None = None,
    data: str = "",
    store: str = "",
    clock: Clock = system_clock,
    may_create: bool = True,
    may_be_empty: bool = False,
) -> Flask:
    """As `create_app`, but the storage is not asked for anything yet: for commands that mend it, or look at it.

    Args:
        environment: as of `create_app`.
        data: as of `create_app`.
        store: as of `create_app`.
        clock: as of `create_app`.
        may_create: whether a data folder, a secret and a database may be made where they are missing.
        may_be_empty: whether a data folder that is there may be without a database, which is not made; a secret is.

    Raises:
        ConfigError: a setting is weak, wrong or contradictory.
    """
    variables = os.environ if environment is None else environment
    given = read_service_settings(variables, data=data, store=store, may_create=may_create, may_be_empty=may_be_empty)
    app = Flask("flask_tessera.server", static_folder=None, instance_path=str(given.database.parent))
    app.config.update({"TESSERA_COOKIES": True, **given.config})
    is_known_place = may_be_empty and given.is_in_folder
    service = replace(_make_service(app, given, clock, may_create), may_be_empty=is_known_place)
    app.extensions["tessera_service"] = service
    _add_routes(app, service.tessera, service.users)
    show_audit_events()
    with app.app_context():
        # Read now, so that a wrong setting is found whatever comes next; the storage is not asked yet.
        states_of(app).runtime(service.tessera.realm, owned=False)
    return app


def _make_service(app: Flask, given: ServiceSettings, clock: Clock, may_create: bool) -> Service:
    setting = "STORE_URL" if given.users_url == app.config["TESSERA_STORE_URL"] else USERS_URL
    users = open_users(given.users_url, given.database, may_create=may_create, setting=setting)
    passwords = Passwords(HashSlots(read_settings(app.config).HASH_SLOTS))
    tessera: Tessera[User] = Tessera(user_id_type=int, clock=clock, users=ServiceUsers(users), audit=True)
    tessera.user_view(User.to_view)
    tessera.scope_loader(lambda user: user.scope)
    tessera.init_app(app)
    states_of(app).passwords = passwords
    place = url_without_login(given.users_url or f"sqlite:///{given.database}")
    return Service(tessera, users, passwords, app.instance_path, place, may_create)


def _add_routes(app: Flask, tessera: Tessera[User], users: Users) -> None:
    app.register_blueprint(make_tutorial(tessera, app.config))
    app.register_blueprint(tessera.blueprint(*ENDPOINTS, url_prefix=read_settings(app.config).URL_PREFIX))
    if app.config["TESSERA_COOKIES"]:
        app.register_blueprint(tessera.console(account="phone"))
    app.register_blueprint(make_health(tessera, users))
    app.register_blueprint(make_index(tessera))
    app.register_blueprint(tessera.docs_blueprint(title="Flask-Tessera", version=__version__))
    app.register_error_handler(HTTPException, lambda error: _in_our_form(tessera, error))


def _prove_that_it_works(app: Flask) -> None:
    """Now rather than at the first request: a service that cannot work must not start."""
    service: Service = app.extensions["tessera_service"]
    with app.app_context():
        runtime = service.tessera.runtime
        runtime.storage.check()
        # Begins the log of an empty Redis: by that, commands know it from one that was named by mistake.
        runtime.storage.revocations.head(at=runtime.clock())
    for stored in service.users.some_hashes():
        service.passwords.remember(stored)


def _in_our_form(tessera: Tessera[User], error: HTTPException) -> Response:
    """Flask's own errors (unknown path, wrong method, a bug of ours) in the form of all other answers."""
    slug = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 415: "media_type_unsupported"}.get(
        error.code or 500, "internal_error" if (error.code or 500) >= 500 else "input_malformed"
    )
    if slug == "internal_error":
        answer = tessera.runtime.responses.error(TesseraError("see the log"))
    else:
        answer = tessera.runtime.responses.error(InputError(slug=slug))
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        answer.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return answer
