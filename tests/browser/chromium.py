"""A Chromium for the tests: where its program is, and how it is started so that nothing leaves this machine."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.servers import NoServerError

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE = "TESSERA_TEST_BROWSER"
"""The environment variable that names another Chromium: the path of its program."""
PROGRAMS = ("chromium-headless-shell", "chromium", "google-chrome", "chromium-browser")
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    # As root it starts without only, and elsewhere not everybody may make the namespaces of a sandbox; all that it
    # opens are pages of the tests.
    "--no-sandbox",
    # Whatever a page names is looked for on this machine.
    "--host-resolver-rules=MAP * 127.0.0.1",
)
_DOWNLOADED = Path(__file__).resolve().parents[2] / ".dev" / "chromium"
"""Where dev.py has put Debian's packages."""
_FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>/usr/share/fonts</dir><dir>{fonts}</dir><cachedir>{cache}</cachedir></fontconfig>
"""


def program() -> Path:
    """Chromium's program.

    Raises:
        NoServerError: there is none, or nothing to drive it with.
    """
    if find_spec("playwright") is None:
        raise NoServerError("browser: there is no playwright for this system")
    if told := os.environ.get(VARIABLE):
        return Path(told)
    path = os.pathsep.join(("/usr/bin", os.environ.get("PATH", os.defpath)))
    found = next(filter(None, (shutil.which(name, path=path) for name in PROGRAMS)), None)
    fetched = _DOWNLOADED / "usr" / "lib" / "chromium" / "chromium-headless-shell"
    if found is None and not fetched.is_file():
        raise NoServerError(f"browser: no Chromium is installed or was fetched by `dev.py test`; set {VARIABLE}")
    return Path(found) if found else fetched


def surroundings(home: Path) -> dict[str, str]:
    """What the environment of the program must hold besides: libraries and fonts, where they were fetched with it.

    Args:
        home: a folder to write into.
    """
    if not _DOWNLOADED.is_dir():
        return {}
    # Some packages have their libraries in /lib still.
    folders = {each.parent for place in ("usr/lib", "lib") for each in _DOWNLOADED.glob(f"{place}/*-linux-*/**/*.so*")}
    fonts = home / "fonts.conf"
    fonts.write_text(_FONTS.format(fonts=_DOWNLOADED / "usr" / "share" / "fonts", cache=home / "fonts"))
    return {"LD_LIBRARY_PATH": os.pathsep.join(map(str, sorted(folders))), "FONTCONFIG_FILE": str(fonts)}


@contextmanager
def running(home: Path) -> Iterator[Any]:
    """A browser, to be used in the thread that asks for it; it ends with the block.

    Raises:
        NoServerError: there is none.
    """
    path, more = program(), surroundings(home)
    from playwright.sync_api import sync_playwright

    manager = sync_playwright()
    with _environment(more):
        # The driver is a program too, which needs one of the libraries.
        playwright = manager.start()
    try:
        environment: dict[str, str | float | bool] = {**os.environ, **more}
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS, env=environment)
        try:
            yield browser
        finally:
            browser.close()
    finally:
        playwright.stop()


@contextmanager
def _environment(more: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in more}
    os.environ.update(more)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
