"""What dev.py fetches for the tests by the system's own package manager."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.unix("apt-get")

ROOT = Path(__file__).resolve().parent.parent
APT_GET = """#!/bin/sh
echo "$@" >> "$CALLS"
case "$*" in
*--simulate*) test -z "$KNOWS_NOTHING" || case "$*" in *Dir::State=*) ;; *) exit 100 ;; esac
    echo "Inst lib-new (1 Debian)"; echo "Inst lib-old [1] (2 Debian)"; echo "Inst server (1 Debian)" ;;
*download*) test -z "$OFFLINE" || { echo "no network" >&2; exit 100; }; touch server.deb ;;
esac
"""
DPKG = '#!/bin/sh\nmkdir -p "$3/usr/sbin" && touch "$3/usr/sbin/mariadbd"\n'


@pytest.fixture
def dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """dev.py, with a .dev/ and a package manager of the test's own."""
    spec = importlib.util.spec_from_file_location("dev_of_the_test", ROOT / "dev.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "DEV", tmp_path / ".dev")
    monkeypatch.setattr(module, "SYSTEM_PATH", str(tmp_path))
    for name in ("TESSERA_TEST_MARIADB", "TESSERA_TEST_BROWSER"):
        monkeypatch.delenv(name, raising=False)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, script in (("apt-get", APT_GET), ("dpkg", DPKG)):
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return module


@pytest.fixture
def calls(tmp_path: Path) -> Callable[[], list[str]]:
    """The last word of every call of apt-get so far."""
    file = tmp_path / "calls"
    return lambda: [line.rpartition(" -o ")[2].split(" ", 1)[1] for line in file.read_text().splitlines()]


def test_mariadb_is_fetched_once_with_what_the_system_lacks(dev: Any, calls: Callable[[], list[str]]):
    dev.fetch_mariadb()
    dev.fetch_mariadb()
    assert (dev.DEV / "mariadb" / "usr" / "sbin" / "mariadbd").is_file()
    assert calls() == ["--simulate install mariadb-server-core", "download lib-new server"]


def test_lists_of_packages_are_fetched_where_the_system_has_none(
    dev: Any, calls: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("KNOWS_NOTHING", "1")
    dev.fetch_mariadb()
    plan = "--simulate install mariadb-server-core"
    assert calls() == [plan, "update", plan, "download lib-new server"]


def test_what_cannot_be_fetched_is_said_and_tried_again_the_next_time(
    dev: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("OFFLINE", "1")
    dev.fetch_mariadb()
    assert "no MariaDB, so its tests are skipped: no network" in capsys.readouterr().err
    monkeypatch.delenv("OFFLINE")
    dev.fetch_mariadb()
    assert dev.is_stamped(dev.DEV / "mariadb", "")


@pytest.mark.parametrize("place", ["variable", "system"])
def test_nothing_is_fetched_where_there_is_a_mariadb(
    place: str, dev: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    if place == "variable":
        monkeypatch.setenv("TESSERA_TEST_MARIADB", "/somewhere")
    else:
        (tmp_path / "mariadbd").touch(mode=0o755)
    dev.fetch_mariadb()
    assert not dev.DEV.exists()


def test_a_browser_is_fetched_once_where_there_is_none(dev: Any, calls: Callable[[], list[str]]):
    dev.fetch_chromium()
    dev.fetch_chromium()
    assert calls() == [
        "--simulate install chromium-headless-shell fonts-wqy-microhei libatomic1",
        "download lib-new server",
    ]
    assert dev.is_stamped(dev.DEV / "chromium", "")


@pytest.mark.parametrize("place", ["variable", "chromium-headless-shell", "chromium", "google-chrome"])
def test_none_is_fetched_where_there_is_one(place: str, dev: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    if place == "variable":
        monkeypatch.setenv("TESSERA_TEST_BROWSER", "/somewhere")
    else:
        (tmp_path / place).touch(mode=0o755)
    dev.fetch_chromium()
    assert not dev.DEV.exists()
