"""The application of the faults for gunicorn: `tests.faults.wsgi:create({...})`."""

from __future__ import annotations

from typing import Any

from .application import make_application


def create(given: dict[str, Any]) -> Any:
    """An application; where it is preloaded, one that has used its storage before the workers were forked."""
    app, tessera = make_application(given["url"], given["secret"], **given["settings"])
    if given["preload"]:
        with app.app_context():
            tessera.verify(tessera.login("before the fork").access_token)
    return app
