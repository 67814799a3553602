"""The files of docs/deployment do what they are for: a Dockerfile, a unit of systemd, a configuration of nginx."""

from __future__ import annotations

import functools
import http.client
import json
import re
import shlex
import shutil
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers.certificates import write_certificates

from .conftest import end, free_port, wait_until
from .documents import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

FOLDER = ROOT / "docs" / "deployment"
DOCKERFILE = (FOLDER / "Dockerfile").read_text("utf-8")
UNREACHABLE = re.compile(
    "failed to resolve|failed to do request|no such host|i/o timeout|TLS handshake|Temporary failure"
)
"""What Docker or pip say where the base image or the packages cannot be fetched."""


@functools.cache
def why_no_docker() -> str:
    """Why no image can be built here; "" where one can."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    done = subprocess.run(["docker", "info"], check=False, capture_output=True, text=True, timeout=30)
    return "" if done.returncode == 0 else "docker has no engine here"


@pytest.mark.timeout(900)
@pytest.mark.skipif(bool(why_no_docker()), reason=why_no_docker() or "there is a Docker")
def test_the_image_is_built_and_serves():
    tag = f"tessera-test-{uuid.uuid4().hex[:8]}"
    build = ["docker", "build", "--file", "docs/deployment/Dockerfile", "--tag", tag, "."]
    built = subprocess.run(build, cwd=ROOT, check=False, text=True, capture_output=True)
    if built.returncode and UNREACHABLE.search(built.stdout + built.stderr):
        pytest.skip("the base image or the packages cannot be fetched here")
    assert built.returncode == 0, built.stderr
    port = free_port()
    try:
        run = ["docker", "run", "--detach", "--init", "--name", tag, "--publish", f"127.0.0.1:{port}:8000", tag]
        subprocess.run(run, check=True, capture_output=True)
        wait_until(lambda: is_healthy(f"http://127.0.0.1:{port}"), "it serves")
        health = subprocess.run(["docker", "exec", tag, *health_command()], check=False, capture_output=True)
        assert health.returncode == 0, health.stderr
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", tag], check=False, capture_output=True)
        subprocess.run(["docker", "rmi", tag], check=False, capture_output=True)


def is_healthy(base: str, context: ssl.SSLContext | None = None) -> bool:
    """Whether a service answers its health page."""
    try:
        with urllib.request.urlopen(f"{base}/healthz", timeout=10, context=context) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


def instruction(name: str) -> list[str]:
    """What follows an instruction of the Dockerfile, one text for each of its lines."""
    return re.findall(rf"^{name} (.*)$", DOCKERFILE.replace("\\\n", " "), re.MULTILINE)


def health_command() -> list[str]:
    """The command that Docker asks for health with."""
    (check,) = instruction("HEALTHCHECK")
    words: list[str] = json.loads(check.partition("CMD ")[2])
    return words


def test_the_image_is_made_of_files_that_there_are():
    copied = [name for line in instruction("COPY") for name in shlex.split(line)[:-1]]
    assert copied
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert "hatchling" in (ROOT / "requirements" / "demo.txt").read_text("utf-8"), "it is built without isolation"


def test_the_health_check_of_the_image_tells_a_service_from_none(demo: Any):
    program, option, script = health_command()
    assert program == "python"
    for base, expected in ((demo.base, True), (f"http://127.0.0.1:{free_port()}", False)):
        words = [sys.executable, option, script.replace("http://127.0.0.1:8000", base)]
        assert (subprocess.run(words, check=False, capture_output=True, timeout=30).returncode == 0) is expected


def test_the_command_of_the_image_serves(surroundings: dict[str, str], tmp_path: Path):
    (command,) = (json.loads(line) for line in instruction("CMD"))
    port = free_port()
    words = [str(port) if word == "8000" else "127.0.0.1" if word == "0.0.0.0" else word for word in command]
    process = subprocess.Popen(words, cwd=tmp_path, env={**surroundings, "TESSERA_DATA_DIR": str(tmp_path / "data")})
    try:
        wait_until(lambda: is_healthy(f"http://127.0.0.1:{port}"), "it serves")
    finally:
        end(process)


UNITS = sorted(path.name for path in FOLDER.glob("tessera*.*"))


def unit(name: str = "tessera.service") -> dict[str, list[str]]:
    """The lines of a unit of systemd, by their name."""
    lines = [line for line in (FOLDER / name).read_text("utf-8").splitlines() if "=" in line]
    named: dict[str, list[str]] = {}
    for key, _, value in (line.partition("=") for line in lines if not line.startswith("#")):
        named.setdefault(key, []).append(value)
    return named


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("name", UNITS)
def test_systemd_takes_the_unit(name: str, tmp_path: Path):
    for each in UNITS:
        text = re.sub(
            r"^(ExecStart=)\S+", rf"\g<1>{sys.executable}", (FOLDER / each).read_text("utf-8"), flags=re.MULTILINE
        )
        (tmp_path / each).write_text(text, "utf-8")
    verify = ["systemd-analyze", "verify", tmp_path / name]
    done = subprocess.run(verify, check=False, text=True, capture_output=True, timeout=60)

    assert (done.returncode, [line for line in done.stderr.splitlines() if "tessera" in line]) == (0, [])


def test_what_purges_is_the_user_of_the_service_in_its_folder():
    names = ("DynamicUser", "User", "StateDirectory", "StateDirectoryMode", "UMask", "EnvironmentFile")
    service, purge = unit(), unit("tessera-purge.service")
    assert [purge[name] for name in names] == [service[name] for name in names]
    assert set(purge["Environment"]) <= set(service["Environment"])


def test_the_command_that_purges_does(surroundings: dict[str, str], tmp_path: Path):
    (command,) = unit("tessera-purge.service")["ExecStart"]
    settings = {**surroundings, "TESSERA_DATA_DIR": str(tmp_path / "data")}
    program = ["flask-tessera", "users", "add", "13900139000", "--name", "Li", "--password-stdin"]
    subprocess.run(program, env=settings, check=True, input="a password of your own\n", text=True, capture_output=True)
    words = [command.split()[0].rpartition("/")[2], *command.split()[1:]]
    assert subprocess.run(words, env=settings, check=False, capture_output=True).returncode == 0


def test_what_the_unit_starts_serves(surroundings: dict[str, str], tmp_path: Path):
    port = free_port()
    _, *words = unit()["ExecStart"][0].replace(":8000", f":{port}").split()
    settings = dict(line.split("=", 1) for line in unit()["Environment"])
    assert settings["HOME"] == settings["TESSERA_DATA_DIR"], "gunicorn writes its control socket below it"
    settings["HOME"] = settings["TESSERA_DATA_DIR"] = str(tmp_path / "data")
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *words], cwd=tmp_path, env={**surroundings, **settings}
    )
    try:
        wait_until(lambda: is_healthy(f"http://127.0.0.1:{port}"), "it serves")
    finally:
        end(process)


@pytest.fixture
def nginx(demo: Any, tmp_path: Path) -> Iterator[tuple[str, ssl.SSLContext, int]]:
    """An nginx with the documented configuration before the demo service.

    Its address, whom to trust, and the port that is not encrypted.
    """
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("nginx is not installed")
    port, plain, authority, pair = free_port(), free_port(), tmp_path / "authority.pem", tmp_path / "server.pem"
    write_certificates(authority, pair)
    site = (FOLDER / "nginx.conf").read_text("utf-8").replace("127.0.0.1:8000", demo.base.removeprefix("http://"))
    site = re.sub(r"listen 443 ", f"listen 127.0.0.1:{port} ", site)
    site = re.sub(r"listen 80;", f"listen 127.0.0.1:{plain};", site)
    site = re.sub(r"(ssl_certificate(_key)?\s+)\S+;", rf"\g<1>{pair};", site)
    (tmp_path / "site.conf").write_text(site)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {tmp_path}/{kind};" for kind in kinds)
    whole = f"daemon off; master_process off; pid {tmp_path}/pid; error_log stderr; events {{}}\n"
    (tmp_path / "nginx.conf").write_text(f"{whole}http {{ access_log off; {places} include {tmp_path}/site.conf; }}\n")
    command = [program, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    checked = subprocess.run([*command, "-t"], check=False, text=True, capture_output=True, timeout=30)
    assert checked.returncode == 0, checked.stderr
    process = subprocess.Popen(command)
    context = ssl.create_default_context(cafile=str(authority))
    base = f"https://127.0.0.1:{port}"
    try:
        wait_until(lambda: is_healthy(base, context), "it serves")
        yield base, context, plain
    finally:
        end(process)


@pytest.mark.parametrize("header", [{"z-token": "nonsense"}, {"Authorization": "Bearer nonsense"}])
def test_nginx_passes_the_token_on(nginx: tuple[str, ssl.SSLContext, int], header: dict[str, str]):
    base, context, _ = nginx
    request = urllib.request.Request(f"{base}/auth/sessions", headers=header)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=20, context=context)

    assert json.load(refused.value)["error"] == "token_invalid"


def test_nginx_drops_a_header_with_an_underscore(nginx: tuple[str, ssl.SSLContext, int]):
    base, context, _ = nginx
    request = urllib.request.Request(f"{base}/auth/sessions", headers={"z_token": "nonsense"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=20, context=context)

    assert json.load(refused.value)["error"] == "token_missing"


def test_nginx_leads_from_http_to_https(nginx: tuple[str, ssl.SSLContext, int]):
    _, _, plain = nginx
    connection = http.client.HTTPConnection("127.0.0.1", plain, timeout=20)
    connection.request("GET", "/auth/sessions?a=b")
    answer = connection.getresponse()
    connection.close()

    assert (answer.status, answer.headers["Location"]) == (301, "https://auth.example.com/auth/sessions?a=b")
