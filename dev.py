#!/usr/bin/env python3
"""Set up and run this project from a clean clone, with nothing but Python and pip.

python3 dev.py demo [ARGUMENTS]       the ready service on SQLite, with one demo user
python3 dev.py test [ARGUMENTS]       the tests but the slow ones; arguments go to pytest
                    --slow            all that continuous integration runs, every kind on every storage
                    --all             the long ones too
                    --coverage        all tests, and how many branches they reach
                    --lowest          with the lowest versions of what the package needs that it allows
                    --latest          with the newest ones, pre-releases too
                    --python VERSION  with another Python of this machine, such as 3.13
                    --windows         the service and unit tests under CPython for Windows, by Wine
python3 dev.py lint                   ruff, mypy, import-linter, and the numbers of the house style
python3 dev.py bench [NAMES]          the benchmarks, beside other libraries
python3 dev.py faults [ARGUMENTS]     crashes, races and broken dependencies, for longer than the tests
python3 dev.py build                  the wheel, into .dev/dist
python3 dev.py lock [--upgrade]       make the lock files in requirements/ anew

Everything it makes lies in .dev/ and may be deleted at any time.
"""

# An old Python must get as far as the sentence below: no newer syntax than 3.6 in this file.
import argparse
import ast
import contextlib
import errno
import hashlib
import importlib.util
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NoReturn

if sys.version_info < (3, 11):  # noqa: UP036 (people do start it with an old one)
    sys.exit(f"dev.py needs Python 3.11 or newer; this is {sys.version.split()[0]} ({sys.executable}).")

ROOT = Path(__file__).resolve().parent
DEV = ROOT / ".dev"
REQUIREMENTS = ROOT / "requirements"
GROUPS = ("test", "demo", "lint", "bench")  # the others are held to what "test" was locked to
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
BRANCH_COVERAGE = 98
WANTED_EARLY = ("Flask>=3.1a0", "Werkzeug>=3.1a0", "SQLAlchemy>=2.0a0", "redis>=6a0", "psycopg[binary]>=3.2a0")
NEEDED_THROUGH_FLASK = ("Werkzeug>=3.1", "click>=8.1.3")  # imported by the package; the bounds are those of Flask 3.1
EXTRA_SOURCES = {"UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"}

MARIADB = ("mariadb-server-core",)  # the program alone: no service, no user, no data
# A browser without windows, a font with Chinese, and what the driver of playwright needs.
CHROMIUM = ("chromium-headless-shell", "fonts-wqy-microhei", "libatomic1")
CHROMIUM_PROGRAMS = ("chromium-headless-shell", "chromium", "google-chrome", "chromium-browser")
SYSTEM_PATH = os.pathsep.join(("/usr/sbin", "/usr/libexec", os.environ.get("PATH", os.defpath)))
APT = ("--no-install-recommends", "-o", "Acquire::http::Timeout=15", "-o", "Acquire::Retries=1")


def fail(message: str) -> NoReturn:
    """End with one sentence that names the remedy."""
    sys.exit(f"dev.py: {message}")


def run(*command: object, folder: Path | None = None, settings: dict[str, str] | None = None) -> str:
    """Run a command to its end, its errors shown; a failure ends this program."""
    words = [str(word) for word in command]
    # close_fds: if this program is killed, the command that it started goes on to hold the lock of .dev/.
    done = subprocess.run(
        words,
        check=False,
        cwd=folder,
        env=settings,
        close_fds=False,
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",  # a program may write UTF-8 where the console is in GBK
    )
    if done.returncode:
        print(done.stdout, end="", file=sys.stderr)
        fail(f"this command failed, see above: {' '.join(words)}")
    return done.stdout


def hand_over(*command: object, folder: Path | None = None) -> NoReturn:
    """Become this command, so that its signals and its exit code are its own."""
    words = [str(word) for word in command]
    if folder:
        os.chdir(folder)
    if os.name == "nt":
        # The console tells both of them to stop; this one waits until the other has stopped in good order.
        for each in (signal.SIGINT, signal.SIGBREAK):
            signal.signal(each, signal.SIG_IGN)
        sys.exit(subprocess.run(words, check=False).returncode)
    os.execv(words[0], words)


def keep_compiled_modules() -> None:
    """Let what is started from here keep compiled modules below .dev/, also where the environment forbids to write any.

    The tests start several hundred processes, each of which would compile what it imports.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.setdefault("PYTHONPYCACHEPREFIX", str(DEV / "pycache"))


def pip_settings() -> dict[str, str]:
    """Return what pip is configured to use: its files, overridden by its environment variables."""
    if importlib.util.find_spec("pip") is None:
        fail("pip is missing; install the system package python3-pip (apt-get install python3-pip), then try again.")
    listing = run(sys.executable, "-m", "pip", "config", "list")
    ranks = ("global", "install", ":env:")
    found = []
    for line in listing.splitlines():
        scope, _, rest = line.partition(".")
        key, _, value = rest.lstrip(".").partition("=")
        if scope in ranks:
            found.append((ranks.index(scope), key, str(ast.literal_eval(value))))
    return {key: value for _, key, value in sorted(found)}


def is_reachable(location: str) -> bool:
    """Tell whether a package location is remote, or a local one that exists."""
    address = urllib.parse.urlsplit(location)
    if address.scheme in ("", "file"):
        return Path(urllib.request.url2pathname(address.path)).exists()
    return True


def uv_environment() -> dict[str, str]:
    """Return the environment for uv, which ignores pip's configuration unless it is handed on.

    Local indexes that do not exist are left out, as pip does. All indexes count alike, also as with pip; the
    hashes of the lock keep another package of the same name out. The system's certificates, where there are
    any, go before those in uv: a company may have added its own.
    """
    pip = pip_settings()
    extra = [location for location in pip.get("extra-index-url", "").split() if is_reachable(location)]
    links = [location for location in pip.get("find-links", "").split() if is_reachable(location)]
    handed_on = {
        "UV_DEFAULT_INDEX": pip.get("index-url", ""),
        "UV_INDEX": " ".join(extra),
        "UV_FIND_LINKS": ",".join(links),
        "UV_INSECURE_HOST": pip.get("trusted-host", ""),
        "UV_NO_INDEX": pip.get("no-index", ""),
        "SSL_CERT_FILE": pip.get("cert", ""),
        "UV_SYSTEM_CERTS": "true" if any(ssl.get_default_verify_paths()[:2]) else "",
        "ALL_PROXY": pip.get("proxy", ""),
        "UV_HTTP_TIMEOUT": pip.get("timeout", pip.get("default-timeout", "")),
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_PYTHON_DOWNLOADS": "never",
        # Nothing is left outside of .dev/.
        "UV_CACHE_DIR": str(DEV / "cache"),
    }
    return {**{name: value for name, value in handed_on.items() if value}, **os.environ}


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Hold the lock of .dev/, which the system releases even after a crash."""
    DEV.mkdir(exist_ok=True)
    with (DEV / "lock").open("a") as lock:
        wait_for(lock)
        yield


def wait_for(lock: IO[str]) -> None:
    """Wait until no other process holds the lock of this file, and hold it until the file is closed."""
    if os.name != "nt":
        import fcntl

        os.set_inheritable(lock.fileno(), True)
        fcntl.flock(lock, fcntl.LOCK_EX)
        return
    import msvcrt

    while True:
        try:
            # Gives up after ten seconds. Of the one byte that is locked, none need be there.
            msvcrt.locking(lock.fileno(), msvcrt.LK_LOCK, 1)
        except OSError as error:
            if error.errno != errno.EDEADLOCK:
                raise
        else:
            return


def stamp_of(*files: Path) -> str:
    """Return a text that changes with these files, and with where this folder lies."""
    digest = hashlib.sha256(str(ROOT).encode())
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def is_stamped(folder: Path, stamp: str) -> bool:
    """Tell whether a set-up of this folder was finished with this stamp."""
    file = folder / "stamp"
    return file.exists() and file.read_text() == stamp


def uv_program() -> str | None:
    """Return the path of uv, fetched by pip if need be. Call it with the lock held."""
    folder, lock = DEV / "uv", REQUIREMENTS / "uv.txt"
    stamp = stamp_of(lock)
    if not is_stamped(folder, stamp):
        shutil.rmtree(folder, ignore_errors=True)
        pip = (
            sys.executable,
            "-m",
            "pip",
            "--quiet",
            "--disable-pip-version-check",
            "--no-cache-dir",
            "install",
            "--no-user",
        )
        pip_environment = {**os.environ, "PIP_REQUIRE_VIRTUALENV": "0", "PIP_ROOT_USER_ACTION": "ignore"}
        only_wheels = ("--only-binary=:all:", "--no-deps", "--require-hashes")
        run(*pip, *only_wheels, "--target", folder, "--requirement", lock, settings=pip_environment)
        (folder / "stamp").write_text(stamp)
    return shutil.which("uv", path=str(folder / "bin"))


def environment(group: str, *, base: str = sys.executable, version: str = VERSION, lane: str = "") -> Path:
    """Return the Python of a group's environment, made from its lock file if need be.

    Args:
        group: whose lock file.
        base: the Python that it is made with.
        version: of that Python.
        lane: "lowest" or "latest": not as locked, but with these versions of what the package needs.
    """
    folder, lock = DEV / f"{lane or group}-{version}", REQUIREMENTS / f"{group}.txt"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = stamp_of(lock, ROOT / "pyproject.toml")
    # The newest are others tomorrow.
    is_kept = lane != "latest"
    if is_kept and is_stamped(folder, stamp) and python.exists():
        return python
    with one_at_a_time():
        if not is_kept or not is_stamped(folder, stamp) or not python.exists():
            print(f"dev.py: setting up {folder}, which may take a minute", file=sys.stderr, flush=True)
            make_environment(folder, python, base, [*versions_of(lane, lock)])
            (folder / "stamp").write_text(stamp)
    return python


def make_environment(folder: Path, python: Path, base: str, versions: list[object]) -> None:
    """Make an environment from nothing: an interrupted one is not worth repairing."""
    settings = uv_environment()
    uv = uv_program()
    shutil.rmtree(folder, ignore_errors=True)
    run(uv, "venv", "--quiet", "--python", base, folder, settings=settings)
    install = (uv, "pip", "install", "--quiet", "--python", python)
    run(*install, *versions, folder=ROOT, settings=settings)
    run(*install, "--no-deps", "--no-build-isolation", "--editable", ROOT, settings=settings)


def versions_of(lane: str, lock: Path) -> Iterator[object]:
    """Yield what tells uv which versions to install."""
    if not lane:
        yield from ("--no-deps", "--require-hashes", "--requirement", lock)
        return
    yield from ("--requirement", "pyproject.toml", "--all-extras", "--requirement", lock.with_suffix(".in"))
    if lane == "latest":
        yield from ("--upgrade", "--prerelease", "if-necessary-or-explicit", *WANTED_EARLY)
    else:
        # The tools themselves are wanted as they are locked, but what they ask of the package's needs lifts no bound.
        (DEV / "tools.txt").write_text("\n".join(pinned(lock)))
        (DEV / "bounds.txt").write_text("\n".join(bounds()))
        yield from ("--resolution", "lowest-direct", *NEEDED_THROUGH_FLASK)
        yield from ("--constraints", DEV / "tools.txt", "--overrides", DEV / "bounds.txt")


def bounds() -> Iterator[str]:
    """Yield what the package needs, with all its extras."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for needs in (project["dependencies"], *project["optional-dependencies"].values(), NEEDED_THROUGH_FLASK):
        yield from (need for need in needs if not need.startswith(project["name"]))


def pinned(lock: Path) -> Iterator[str]:
    """Yield name and version of what a lock file locks by its own wish, and not by the package's."""
    source = lock.with_suffix(".in").read_text(encoding="utf-8")
    names = {re.split(r"[\[;=<>~ ]", line)[0].lower() for line in source.splitlines() if not line.startswith("#")}
    for line in lock.read_text(encoding="utf-8").splitlines():
        name, equals, rest = line.partition("==")
        if equals and name.lower() in names:
            yield f"{name}=={rest.rstrip(chr(92)).strip()}"


def demo(*arguments: str) -> None:
    """Become the ready service; what it keeps lies in .dev/, unless another folder is named."""
    python = environment("demo")
    is_named = os.environ.get("TESSERA_DATA_DIR") or any(word.startswith("--data") for word in arguments)
    where = () if is_named else ("--data", str(DEV / "demo-data"))
    hand_over(python, "-m", "flask_tessera.cli", "serve", "--demo", *where, *arguments)


def test(*arguments: str) -> None:
    """Become pytest in the environment that is asked for, or measure its coverage."""
    parser = argparse.ArgumentParser(prog="dev.py test", add_help=False, allow_abbrev=False)
    parser.add_argument("--coverage", action="store_true")
    parser.add_argument("--python", metavar="VERSION")
    lanes = parser.add_mutually_exclusive_group()
    for lane in ("lowest", "latest"):
        lanes.add_argument(f"--{lane}", dest="lane", action="store_const", const=lane, default="")
    parser.add_argument("--windows", action="store_true")
    chosen, rest = parser.parse_known_args(arguments)
    if chosen.windows:
        hand_over(sys.executable, ROOT / "tools" / "windows.py", *rest)
    base, version = other_python(chosen.python) if chosen.python else (sys.executable, VERSION)
    python = environment("test", base=base, version=version, lane=chosen.lane)
    with one_at_a_time(), compiling_tests(python):
        fetch_mariadb()
        fetch_chromium()
    # Two more than there are cores: many tests wait for a server that hangs.
    # Each process has a part of its own, so that few of them prepare the same, and who is done takes over from others.
    pytest = ("-m", "pytest", "-n", str(min(8, (os.cpu_count() or 1) + 2)), "--dist", "worksteal", *rest)
    if not chosen.coverage:
        hand_over(python, *pytest, folder=ROOT)
    measure_coverage(python, (*pytest, "--all"))


@contextlib.contextmanager
def compiling_tests(python: Path) -> Iterator[None]:
    """Compile the tests meanwhile, if none is compiled yet: each process of pytest would compile all of them."""
    compiled = Path(os.environ["PYTHONPYCACHEPREFIX"], *ROOT.parts[1:], "tests")
    folders = sorted(str(each) for each in (ROOT / "tests").iterdir() if each.is_dir())
    parts = () if compiled.exists() else (folders[::2], folders[1::2])
    collect = (str(python), "-m", "pytest", "--collect-only", "--quiet", "-p", "no:cacheprovider")
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = [subprocess.Popen([*collect, *part], cwd=ROOT, **silent) for part in parts]
    try:
        yield
    finally:
        for each in started:
            each.wait()


def other_python(version: str) -> tuple[str, str]:
    """Return the Python of this machine that has such a version, and that version as VERSION has it."""
    script = "import sys; print(sys.executable, '%d.%d' % sys.version_info[:2], sep='\\n')"
    # Where pyenv manages several, the one on the path may refuse to run.
    managed = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    programs = [shutil.which(f"python{version}"), *managed.glob(f"{version}*/bin/python{version}")]
    for program in filter(None, programs):
        words = [str(program), "-c", script]
        found = subprocess.run(words, check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        path, _, other = found.strip().partition("\n")
        if other:
            return path, other
    fail(f"there is no python{version} on this machine that runs; install it, then try again.")


def fetch_mariadb() -> None:
    """Put MariaDB's server into .dev/mariadb, for the tests: on Debian and its like, where none is installed."""
    if not (os.environ.get("TESSERA_TEST_MARIADB") or shutil.which("mariadbd", path=SYSTEM_PATH)):
        fetch("MariaDB", DEV / "mariadb", MARIADB)


def fetch_chromium() -> None:
    """Put a Chromium into .dev/chromium, for the tests: on Debian and its like, where no browser is installed."""
    programs = (shutil.which(name, path=SYSTEM_PATH) for name in CHROMIUM_PROGRAMS)
    if not (os.environ.get("TESSERA_TEST_BROWSER") or any(programs)):
        fetch("Chromium", DEV / "chromium", CHROMIUM)


def fetch(name: str, folder: Path, packages: tuple[str, ...]) -> None:
    """Put packages of Debian into a folder, without installing them.

    Without them, their tests are skipped, as are faults and benchmarks: whatever fails here is said, and no more.
    """
    if is_stamped(folder, "") or not (shutil.which("apt-get") and shutil.which("dpkg")):
        return
    print(f"dev.py: fetching {name} for the tests", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    downloads = folder / "packages"
    downloads.mkdir(parents=True)
    try:
        download_debian(packages, downloads)
        for package in downloads.glob("*.deb"):
            quietly("dpkg", "-x", package, folder)
    except (OSError, subprocess.SubprocessError) as error:
        why = getattr(error, "stderr", None) or str(error)
        print(f"dev.py: no {name}, so its tests are skipped: {why.strip()[-300:]}", file=sys.stderr, flush=True)
    else:
        shutil.rmtree(downloads)
        (folder / "stamp").write_text("")


def download_debian(packages: tuple[str, ...], folder: Path) -> None:
    """Download packages, with what they need and this system has not; nothing is installed, so any user may do it.

    Raises:
        subprocess.SubprocessError: apt-get failed, or took too long.
    """
    options: tuple[object, ...] = APT
    try:
        plan = quietly("apt-get", *options, "--simulate", "install", *packages)
    except subprocess.CalledProcessError:
        # The system knows no packages, as in most containers: get its lists, but not in its place.
        options = (*APT, *own_lists())
        quietly("apt-get", *options, "update")
        plan = quietly("apt-get", *options, "--simulate", "install", *packages)
    # "Inst name (version ...)"; an upgrade of what is there has the old version before that, in brackets.
    names = re.findall(r"^Inst (\S+) \(", plan, re.MULTILINE)
    quietly("apt-get", *options, "download", *names, folder=folder)


def own_lists() -> tuple[object, ...]:
    """Return the options by which apt-get keeps its lists below .dev/; they serve both of what is fetched."""
    state, cache = DEV / "apt" / "state", DEV / "apt" / "cache"
    state.mkdir(parents=True, exist_ok=True)
    return ("-o", f"Dir::State={state}", "-o", f"Dir::State::lists={state}/lists", "-o", f"Dir::Cache={cache}")


def quietly(*command: object, folder: Path | None = None) -> str:
    """Run a command that may fail, and return what it printed.

    Raises:
        subprocess.SubprocessError: it failed, or took too long.
    """
    words = [str(word) for word in command]
    settings = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(
        words, check=True, cwd=folder, env=settings, capture_output=True, text=True, errors="replace", timeout=180
    ).stdout


def measure_coverage(python: Path, pytest: tuple[str, ...]) -> NoReturn:
    """Run the tests under coverage, subprocesses included; too little of it is a failure."""
    folder = DEV / "coverage"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    coverage = (str(python), "-m", "coverage")
    settings = {**os.environ, "COVERAGE_FILE": str(folder / "data")}
    tests = subprocess.run((*coverage, "run", *pytest), check=False, cwd=ROOT, env=settings).returncode
    run(*coverage, "combine", "--quiet", folder=ROOT, settings=settings)
    report = (*coverage, "report", "--fail-under", str(BRANCH_COVERAGE))
    enough = subprocess.run(report, check=False, cwd=ROOT, env=settings).returncode
    sys.exit(tests or enough)


def lint() -> None:
    """Run every check, then say which failed."""
    python = environment("lint")
    checks = (
        ("ruff check", (python, "-m", "ruff", "check", ".")),
        ("ruff format", (python, "-m", "ruff", "format", "--check", ".")),
        ("mypy", (python, "-m", "mypy", "--strict", "src")),
        ("types for users: mypy", (python, "-m", "mypy", "--strict", "typing_tests", "examples/minimal")),
        ("types for users: pyright", (python, "-m", "pyright", "-p", "typing_tests", "--pythonpath", python)),
        ("import-linter", (shutil.which("lint-imports", path=str(python.parent)), "--no-cache", "--no-logo")),
        ("house style", (python, "tools/style_numbers.py")),
    )
    failed = []
    for name, command in checks:
        print(f"== {name}", flush=True)
        if subprocess.run([str(word) for word in command], check=False, cwd=ROOT).returncode:
            failed.append(name)
    sys.exit(f"dev.py: failed: {', '.join(failed)}" if failed else 0)


def bench(*names: str) -> None:
    """Become the benchmarks."""
    python = environment("bench")
    fetch_older_peers(python)
    with one_at_a_time():
        fetch_mariadb()
    hand_over(python, "-m", "benchmarks", *names, folder=ROOT)


def fetch_older_peers(python: Path) -> None:
    """Put the peers that are measured in two versions beside the environment, which can hold only one."""
    folder, lock = DEV / "bench-older", REQUIREMENTS / "bench-older.txt"
    stamp = stamp_of(lock)
    with one_at_a_time():
        if not is_stamped(folder, stamp):
            shutil.rmtree(folder, ignore_errors=True)
            install = (uv_program(), "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--python", python)
            run(*install, "--target", folder, "--requirement", lock, settings=uv_environment())
            (folder / "stamp").write_text(stamp)


def faults(*arguments: str) -> None:
    """Become the fault injection, which the tests run in a shorter form."""
    python = environment("test")
    with one_at_a_time():
        fetch_mariadb()
    hand_over(python, "-m", "tests.faults", *arguments, folder=ROOT)


def build() -> None:
    """Build the wheel."""
    wheel = ("-m", "hatchling", "build", "--target", "wheel", "--directory", DEV / "dist")
    hand_over(environment("demo"), *wheel, folder=ROOT)


def lock(*arguments: str) -> None:
    """Resolve the lock files: for every platform, with hashes, without the address of any index."""
    options = ("--universal", "--generate-hashes", "--python-version", "3.11", "--quiet")
    without = ("--no-emit-index-url", "--no-emit-find-links", "--no-header", "--no-annotate")
    with one_at_a_time():
        # An extra index may hold only some files of a release, and then the lock would not know the others' hashes.
        settings = {name: value for name, value in uv_environment().items() if name not in EXTRA_SOURCES}
        compile_ = (uv_program(), "pip", "compile", *options, *without, *arguments)
        run(*compile_, "requirements/uv.in", "--output-file", "requirements/uv.txt", folder=ROOT, settings=settings)
        for group in GROUPS:
            sources = ("pyproject.toml", "--all-extras", f"requirements/{group}.in")
            held = () if group == GROUPS[0] else ("--constraints", "requirements/test.txt")
            target = ("--output-file", f"requirements/{group}.txt")
            run(*compile_, *sources, *held, *target, folder=ROOT, settings=settings)


COMMANDS = {"demo": demo, "test": test, "lint": lint, "bench": bench, "faults": faults, "build": build, "lock": lock}


def main(words: list[str]) -> None:
    """Run one command; without one, say which there are."""
    if not words or words[0] not in COMMANDS:
        print(__doc__)
        sys.exit(0 if words[:1] in (["-h"], ["--help"]) else 2)
    keep_compiled_modules()
    try:
        COMMANDS[words[0]](*words[1:])
    except OSError as error:
        fail(f"{error}; if another user made .dev/, delete it.")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main(sys.argv[1:])
