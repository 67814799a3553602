"""What the tests of the commands share: the service, an application of one's own, and every storage."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask

from flask_tessera import Tessera
from flask_tessera.cli import main
from flask_tessera.server import create_app

from .calling import RUNNER, SECRET, add, close
from .stores import STORES, store_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Result]:
    """Runs `flask-tessera WORDS` on a data folder of its own, with none of the settings of whoever runs the tests."""

    def run(*words: str, env: dict[str, str] | None = None, **more: Any) -> Result:
        ours = dict.fromkeys(name for name in os.environ if name.startswith(("TESSERA_", "SECRET_KEY")))
        settings = {**ours, "SECRET_KEY": SECRET, "TESSERA_DATA_DIR": str(tmp_path), **(env or {})}
        return RUNNER.invoke(main, words, prog_name="flask-tessera", env=settings, **more)

    return run


@pytest.fixture
def service(run: Callable[..., Result], tmp_path: Path) -> Iterator[Flask]:
    """The service that the commands look after, with one user."""
    add(run)
    app = create_app(environment={"SECRET_KEY": SECRET}, data=str(tmp_path))
    yield app
    close(app)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Callable[..., Flask]]:
    """Makes an application of one's own, with a Tessera for each realm; asked for after `url`, which ends last then."""
    made = []

    def make(*realms: str, storage: Any = None, **config: Any) -> Flask:
        app = Flask(__name__, instance_path=str(tmp_path))
        app.config.update({"SECRET_KEY": SECRET, **config})
        for realm in realms:
            Tessera[Any](app, realm=realm, storage=storage or "sqlite:///host.db")
        made.append(app)
        return app

    yield make
    for app in made:
        close(app)


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Of a storage of each kind that more than one process can use, in which there is nothing yet."""
    with store_url(request.param, tmp_path) as url:
        yield url


@pytest.fixture
def run_without(tmp_path: Path) -> Callable[..., str]:
    """Runs `flask-tessera WORDS` where a module is not installed; gives what was said on standard error."""

    def run(module: str, *words: str) -> str:
        program = (
            f"import sys; sys.modules[{module!r}] = None; from flask_tessera.cli import main; main({list(words)!r})"
        )
        kept = {name: text for name, text in os.environ.items() if not name.startswith("TESSERA_")}
        settings = {**kept, "SECRET_KEY": SECRET, "TESSERA_DATA_DIR": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", program], env=settings, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        return done.stderr

    return run
