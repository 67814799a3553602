"""What holds for the project as a whole: its layers, its files, its wheel."""

from __future__ import annotations

import re
import shutil
import site
import subprocess
import sys
import sysconfig
import zipfile
from email import message_from_bytes
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from email.message import Message

ROOT = Path(__file__).resolve().parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
GENERATED = {".dev", ".venv", ".git", "__pycache__", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
DRIVERS = ("argon2", "limits", "psycopg", "pymysql", "redis", "sqlalchemy", "waitress")

# In pieces, so that this file does not hold what it looks for.
REGISTRIES = ("py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com", "yarn" + "pkg.com")
MACHINES = ("/ro" + "ot/", "/ho" + "me/", "/wo" + "rk/", "/opt/" + "pypi", "/opt/" + "wheels", "/tmp/" + "venv")
FORBIDDEN = re.compile(
    "|".join([*map(re.escape, REGISTRIES), *(rf"(?<![\w.}}]){re.escape(path)}" for path in MACHINES)])
)

CLOCK = re.compile(
    r"\b(mono" + r"tonic(_ns)?|perf_" + r"counter(_ns)?|process_" + r"time|thread_" + r"time|default_" + r"timer)\("
    r"|\bget" + r"rusage\b|\btime" + r"it\b|\b(time|asyncio)\.sl" + r"eep\("
)


def run(*command: object, cwd: Path = ROOT) -> str:
    """Run a command that must succeed, and return what it printed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    return done.stdout


def project_files() -> list[Path]:
    """Return what is committed or about to be; without git, all that is not generated."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if shutil.which("git"):
        done = subprocess.run(command, cwd=ROOT, check=False, text=True, capture_output=True)
        if done.returncode == 0:
            return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]
    found = (path for path in ROOT.rglob("*") if not GENERATED.intersection(path.relative_to(ROOT).parts))
    return [path for path in found if path.is_file()]


def test_imports_keep_to_the_layers():
    print(run(shutil.which("lint-imports", path=sysconfig.get_path("scripts")), "--no-cache", "--no-logo"))


def test_no_file_names_a_registry_or_a_folder_of_the_machine_it_was_written_on():
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in project_files()
        for match in FORBIDDEN.finditer(path.read_text(encoding="utf-8", errors="ignore"))
    ]
    assert found == []


def test_the_search_for_forbidden_names_finds_them():
    assert FORBIDDEN.search("see https://" + REGISTRIES[0] + "/simple")
    assert FORBIDDEN.search("open(" + repr(MACHINES[0] + "secret") + ")")


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").iterdir()), ids=lambda path: path.name)
def test_no_requirements_file_holds_an_address_or_an_index(path: Path):
    text = path.read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*(-i|-f|--(extra-)?index-url|--find-links|--trusted-host)\b", text, re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_locked_requirement_has_the_hashes_of_its_whole_release(lock: Path):
    requirements = re.split(r"^(?=\w)", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
    named = [requirement for requirement in requirements if requirement.strip()]
    assert named
    # A single hash is a single file: the lock was made from an index that holds a part of the release.
    assert [text for text in named if "==" not in text or text.count("--hash=sha256:") < 2] == []


def test_no_test_judges_by_elapsed_time_or_sleeps():
    """Else the load of the machine decides. Who waits for another process waits in tests/servers/waiting.py."""
    measuring = {path for path in (ROOT / "tests/faults").glob("*.py") if not path.name.startswith("test_")}
    kit = ROOT / "src/flask_tessera/testing"
    files = {*(ROOT / "tests").rglob("*.py"), *kit.rglob("*.py")} - measuring - {ROOT / "tests/servers/waiting.py"}
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in sorted(files)
        for match in CLOCK.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_importing_the_package_imports_neither_a_driver_nor_asyncio():
    script = f"import sys, flask_tessera; print([name for name in {(*DRIVERS, 'asyncio')} if name in sys.modules])"
    assert run(sys.executable, "-W", "error", "-c", script).strip() == "[]"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture
def metadata(wheel: Path) -> Message:
    """What the wheel says about itself."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(archive.read(name))


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {
        "flask_tessera",
        wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info",
    }
    assert "flask_tessera/py.typed" in names


def test_the_wheel_holds_every_file_of_the_package(wheel: Path):
    package = ROOT / "src" / "flask_tessera"
    kept = {path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    names = {"flask_tessera/" + path.relative_to(package).as_posix() for path in kept}
    assert names <= set(zipfile.ZipFile(wheel).namelist())


def test_the_metadata_of_the_wheel_is_complete(metadata: Message):
    assert metadata["Name"] == "flask-tessera"
    assert metadata["License-Expression"] == "MIT"
    assert metadata["License-File"] == "LICENSE"
    assert metadata["Requires-Python"] == ">=3.11"
    extras = {"accounts", "async", "mysql", "postgres", "redis", "server"}
    assert set(metadata.get_all("Provides-Extra")) == extras
    assert metadata["Summary"]
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert {"Framework :: Flask", "Typing :: Typed"} <= set(metadata.get_all("Classifier"))


@pytest.mark.slow
def test_the_installed_wheel_runs_from_a_fresh_environment(wheel: Path, tmp_path: Path):
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path)
    python = tmp_path / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel)
    places = {"base": str(tmp_path), "platbase": str(tmp_path)}
    packages = Path(sysconfig.get_path("purelib", vars=places))
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()))

    assert str(packages) in run(python, "-c", "import flask_tessera; print(flask_tessera.__file__)", cwd=tmp_path)
    assert "serve" in run(tmp_path / "bin" / "flask-tessera", "--help", cwd=tmp_path)
    script = (
        "from importlib.metadata import entry_points\n"
        "(entry,) = entry_points(group='flask.commands', name='tessera')\n"
        "print(entry.value, callable(entry.load()))"
    )
    assert run(python, "-c", script, cwd=tmp_path).strip() == "flask_tessera.cli:tessera_commands True"


def test_no_text_of_the_package_sends_anybody_to_a_name_on_an_index():
    texts = {path: path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py")}
    assert [path for path, text in texts.items() if "pip install" in text or "flask-tessera[" in text] == []
