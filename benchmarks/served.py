"""The application that a web server of P6 loads: `create`, told by the environment which one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from flask_tessera import Tessera, login_required

from . import peers
from .guarded_apps import BARE, JWT_EXTENDED, JWT_EXTENDED_OLDER, LIFETIME, app_with, new_app

if TYPE_CHECKING:
    from flask import Flask

WHICH = "BENCH_APP"
"""The environment variable that names it: a peer, or ours if there is a storage."""
STORE = "BENCH_STORE"
"""The environment variable with the URL of our storage."""
PATH = "/orders/7"


def create() -> Flask:
    """The application of `WHICH`."""
    which, app = os.environ.get(WHICH, BARE), new_app()
    if url := os.environ.get(STORE):
        Tessera(app, storage=url)
        return app_with(app, login_required)
    if which == BARE:
        return app_with(app, lambda view: view)
    library = jwt_library(which)
    return app_with(app, with_jwt(app, library).jwt_required())


def jwt_library(which: str) -> Any:
    """Flask-JWT-Extended, on the PyJWT of that name; None where it is not installed."""
    return {
        JWT_EXTENDED: lambda: peers.module_of("flask_jwt_extended"),
        JWT_EXTENDED_OLDER: lambda: peers.on_older_pyjwt("flask_jwt_extended"),
    }[which]()


def with_jwt(app: Flask, library: Any) -> Any:
    """The library, at work in this application."""
    app.config["JWT_ACCESS_TOKEN_EXPIRES"] = LIFETIME
    library.JWTManager(app)
    return library


def jwt_tokens(which: str, count: int) -> list[str]:
    """Tokens that such an application takes."""
    library, app = jwt_library(which), new_app()
    with_jwt(app, library)
    with app.app_context():
        return [library.create_access_token(identity=f"user-{number}") for number in range(count)]
