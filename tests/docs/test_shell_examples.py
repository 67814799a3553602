"""Every shell example in the documents runs, against a real service, and prints what the documents show."""

from __future__ import annotations

import importlib.util
import itertools
import json
import re
import shlex
import subprocess
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from .documents import ALL, ROOT, Block, blocks_of, documents_with, name_of, write_files

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

LANGUAGES = {
    "bash": "run here, in one shell for each document and server",
    "sh": "set-up and servers: looked at here, word by word",
    "json": "what the block before it prints",
    "text": "what the demo prints when it starts",
    "console": "an example of what a command prints, with times and addresses of its own; as tests/cli/test_audit.py",
    "regex": "the form of an API key, in test_generated.py",
    "python": "run by test_python_examples.py",
    "diff": "compared by test_generated.py",
    "dockerfile": "read, and built where there is a Docker, by test_deployment.py",
    "ini": "read by systemd, and started, in test_deployment.py",
    "html": "shows what a page loads",
    "js": "read by Node.js, in tests/frontends",
    "nginx": "read by nginx, and started, in test_deployment.py",
}
END_OF_BLOCK = "\x1e"
DEMO = "http://127.0.0.1:8000"
MINIMAL = "http://127.0.0.1:5000"
REMEMBERED = {
    "THE_ACCESS_TOKEN": r's/.*"access_token": *"\([^"]*\)".*/\1/p',
    "THE_REFRESH_TOKEN": r's/.*"refresh_token": *"\([^"]*\)".*/\1/p',
    "THE_TOKEN": r's/.*"data": *"\([^"]*\)".*/\1/p',
    "THE_SECRET": r's/.*"secret": *"\([^"]*\)".*/\1/p',
    "THE_RECOVERY_CODE": r's/.*"recovery_codes": *\["\([^"]*\)".*/\1/p',
    "THE_TICKET": r's/.*"ticket": *"\([^"]*\)".*/\1/p',
    "THE_TRUST_TOKEN": r's/.*"trust_token": *"\([^"]*\)".*/\1/p',
    "THE_SENT_CODE": r's/.*"code": *"\([^"]*\)".*/\1/p',
    "THE_LINK_TICKET": r's|.*/links/\([A-Za-z0-9_-]*\)", .*|\1|p',
}
"""What a reader copies from an answer into a later line, and how sed finds it in the answer."""
CHANGING = {"expires_in", "refresh_expires_in", "created_at", "last_seen_at", "expires_at", "effective_by"}
"""Members whose number depends on when an example is run."""
PRINTED_CODE = r"""'"$(sed -n 's/^[a-z]* message to .* \([0-9]\{6\}\).*/\1/p' printed | tail -n 1)"'"""
"""The last code that the demo has printed, in the middle of a text in single quotes."""
DONE: set[tuple[str, ...]] = set()
SERVES = re.compile(r"^flask .* run$", re.MULTILINE)
pytestmark = pytest.mark.timeout(900)
"""A document's commands are many processes, and the machine may be busy with others."""


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_every_block_is_of_a_language_that_is_run(path: Path):
    assert {block.language for block in blocks_of(path)} <= LANGUAGES.keys()
    assert path.read_text("utf-8").count("\n```") == 2 * len(blocks_of(path))


@pytest.mark.repeats("path")
@pytest.mark.parametrize("path", documents_with("bash"), ids=name_of)
def test_every_shell_block_does_what_the_document_shows(path: Path, demo: Any, surroundings: dict[str, str]):
    blocks = [block for block in blocks_of(path) if block.language == "bash" and not SERVES.search(block.text)]
    write_files(path, demo.folder)
    run_blocks([block for block in blocks if MINIMAL not in block.text], demo.folder, surroundings, demo)


def run_blocks(blocks: list[Block], folder: Path, surroundings: dict[str, str], demo: Any = None) -> None:
    """Run the blocks of a document one after another, and compare what they print with what it shows.

    As a reader does, put what an answer holds into the lines that follow it.
    """
    put_in = (f"found=$(sed -n '{find}' answer); {name}=${{found:-${{{name}:-}}}}" for name, find in REMEMBERED.items())
    after = "\ncat answer\n" + "\n".join(put_in)
    script = "".join(f"{{\n{block.text}\n}} > answer{after}\nprintf '{END_OF_BLOCK}'\n" for block in blocks)
    for name in REMEMBERED:
        script = re.sub(rf"(?<=[ \"/]){name}(?=['\"])", f"'\"${name}\"'", script)
    if demo:
        for name, text in {"THE_PASSWORD": demo.password, DEMO: demo.base, "THE_CODE": PRINTED_CODE}.items():
            script = script.replace(name, text)
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=folder, env=surroundings, check=False, text=True, capture_output=True)

    assert done.returncode == 0, done.stdout + done.stderr
    for block, printed in zip(blocks, done.stdout.split(END_OF_BLOCK), strict=False):
        if block.shown:
            assert alike(values_of(block.shown), values_of(printed)), f"{block.text}\nprinted:\n{printed}"


@pytest.mark.parametrize("path", documents_with("text"), ids=name_of)
def test_the_demo_prints_what_the_document_shows(path: Path, demo: Any):
    printed = (demo.folder / "printed").read_text("utf-8").replace(demo.base, DEMO)
    for block in blocks_of(path):
        if block.language == "text":
            shown = ".*".join(map(re.escape, block.text.split("…")))
            assert re.search(shown, printed), printed


def values_of(text: str) -> list[Any]:
    """The JSON values that stand in a text, one after another."""
    decoder, values, place = json.JSONDecoder(), [], 0
    while text[place:].strip():
        place += len(text[place:]) - len(text[place:].lstrip())
        value, place = decoder.raw_decode(text, place)
        values.append(value)
    return values


def alike(shown: Any, printed: Any, name: str = "") -> bool:
    """Whether a document shows what was printed; … stands for any text, and times change."""
    if isinstance(shown, dict) and isinstance(printed, dict):
        return shown.keys() == printed.keys() and all(alike(shown[key], printed[key], key) for key in shown)
    if isinstance(shown, list) and isinstance(printed, list):
        return len(shown) == len(printed) and all(map(alike, shown, printed))
    if isinstance(shown, str) and isinstance(printed, str):
        return re.fullmatch(".+".join(map(re.escape, shown.split("…"))), printed, re.DOTALL) is not None
    return type(shown) is type(printed) and (name in CHANGING or shown == printed)


@pytest.mark.parametrize(
    ("shown", "printed", "expected"),
    [
        ({"code": 0, "data": "eyJ…"}, {"code": 0, "data": "eyJhb"}, True),
        ({"code": 0, "data": "eyJ…"}, {"code": 0, "data": "tsr_"}, False),
        ({"code": 0}, {"code": 4101}, False),
        ({"code": 0}, {"code": 0, "data": 1}, False),
        ({"expires_in": 861}, {"expires_in": 812}, True),
        ({"expires_in": 861}, {"expires_in": "812"}, False),
        ([1], [1, 2], False),
    ],
)
def test_the_comparison_sees_what_differs(shown: Any, printed: Any, expected: bool):
    assert alike(shown, printed) is expected


def test_the_stand_in_for_curl_does_what_the_documents_need(demo: Any, surroundings: dict[str, str]):
    script = ROOT / "tests" / "docs" / "curl.py"
    header = ("-H", "Content-Type: application/json")
    commands = {
        ("-s", f"{demo.base}/user/detail"): {"code": 4103, "msg": "缺少参数token", "error": "token_missing"},
        ("-s", "-X", "POST", f"{demo.base}/auth/logout", "-H", "z-token: nonsense"): {
            "code": 4101,
            "msg": "登录已过期",
            "error": "token_invalid",
        },
        ("-s", f"{demo.base}/auth/refresh", *header, "-d", "{}"): {
            "code": 4103,
            "msg": "缺少参数token",
            "error": "token_missing",
        },
    }
    for words, answer in commands.items():
        done = subprocess.run(["python3", script, *words], env=surroundings, check=True, capture_output=True)
        assert json.loads(done.stdout) == answer


@pytest.mark.repeats("path")
@pytest.mark.parametrize("path", [path for path in documents_with("bash") if SERVES.search(path.read_text("utf-8"))])
def test_an_example_that_serves_answers_as_the_document_shows(
    path: Path, serve_flask: Any, surroundings: dict[str, str], tmp_path: Path
):
    blocks = [block for block in blocks_of(path) if block.language == "bash"]
    (script,) = (block.text for block in blocks if SERVES.search(block.text))
    base = serve_flask(script)
    asking = [
        block._replace(text=block.text.replace(MINIMAL, base))
        for block in blocks
        if MINIMAL in block.text and not SERVES.search(block.text)
    ]
    run_blocks(asking, tmp_path, surroundings)


@pytest.fixture
def dev() -> ModuleType:
    """The module dev.py."""
    spec = importlib.util.spec_from_file_location("dev", ROOT / "dev.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.repeats("path")
@pytest.mark.parametrize("path", documents_with("sh"), ids=name_of)
def test_every_command_of_set_up_exists(path: Path, dev: ModuleType, surroundings: dict[str, str], tmp_path: Path):
    for words in commands_of(path):
        match words:
            case ["python3", "dev.py", name, *_]:
                assert name in dev.COMMANDS
            case ["pip", "install", wheel]:
                check_wheel(wheel)
            case ["gunicorn" | "granian", *_]:
                check_server(words, surroundings, tmp_path)
            case ["docker", *_]:
                check_docker(words, surroundings)
            case ["python3", "-c", _]:
                run(words, surroundings)
            case ["flask-tessera", *_]:
                run([*words, "--help"], surroundings)
            case _:
                check_machine(words, surroundings)


def commands_of(path: Path) -> list[list[str]]:
    """The words of each command in the blocks of set-up, without what it sets in its environment."""
    lines = "".join(block.text for block in blocks_of(path) if block.language == "sh").replace("\\\n", " ")
    commands = [shlex.split(line, comments=True) for line in lines.splitlines()]
    return [list(itertools.dropwhile(re.compile("[A-Z_]+=").match, words)) for words in commands if words]


def run(words: list[str], surroundings: dict[str, str]) -> None:
    """Run a command that must succeed, once for all documents."""
    if tuple(words) not in DONE:
        subprocess.run(words, env=surroundings, check=True, capture_output=True)
        DONE.add(tuple(words))


def check_server(words: list[str], surroundings: dict[str, str], folder: Path) -> None:
    """Options that the server has (granian is not installed here), and a factory that works."""
    if words[0] == "granian":
        check_factory(words[-1] + "()", surroundings, folder)
    else:
        from gunicorn.config import Config  # of Unix, as the shell

        Config().parser().parse_args(words[1:])
        check_factory(words[1], surroundings, folder)


def check_docker(words: list[str], surroundings: dict[str, str]) -> None:
    """A file to build that there is, a command to run in the container that there is."""
    match words:
        case ["docker", "build", "--file", file, *_]:
            assert (ROOT / file).is_file()
        case ["docker", "exec", *_]:
            run([*words[words.index("tessera") + 1 :], "--help"], surroundings)
        case _:
            assert words[1] == "run"


def check_machine(words: list[str], surroundings: dict[str, str]) -> None:
    """What is not ours: a virtual environment, and a command of ours within systemd."""
    match words:
        case ["python3", "-m", "venv", ".venv"] | [".", ".venv/bin/activate"]:
            pass
        case ["systemd-run", *options]:
            check_systemd_run(options, surroundings)
        case _:
            pytest.fail(f"nothing here looks at: {words}")


def check_systemd_run(words: list[str], surroundings: dict[str, str]) -> None:
    """Settings that the unit has too, and a command of ours."""
    unit = (ROOT / "docs" / "deployment" / "tessera.service").read_text("utf-8").splitlines()
    place = words.index("/opt/tessera/bin/flask-tessera")
    assert words[0] == "--pty"
    for flag, setting in zip(words[1:place:2], words[2:place:2], strict=True):
        assert {"-p": "", "-E": "Environment="}[flag] + setting in unit
    run(["flask-tessera", *words[place + 1 :], "--help"], surroundings)


def check_wheel(name: str) -> None:
    """A wheel as dev.py builds it (test_project.py installs it), with extras that there are."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wheel, _, extras = name.partition("[")
    assert wheel == f".dev/dist/flask_tessera-{project['version']}-py3-none-any.whl"
    assert set(extras.strip("]").split(",")) <= project["optional-dependencies"].keys()


def check_factory(factory: str, surroundings: dict[str, str], folder: Path) -> None:
    """A server that is not installed here would call this, and be given an application that works."""
    module, _, call = factory.partition(":")
    if module == "app":  # the reader's own
        return
    script = f"import {module} as module; client = module.{call}.test_client()"
    # The first answers may come too late on a busy machine.
    script += "; print(any(client.get('/healthz').status_code == 200 for _ in range(20)))"
    done = subprocess.run(
        ["python3", "-c", script], cwd=folder, env=surroundings, check=True, text=True, capture_output=True
    )
    assert done.stdout == "True\n"
