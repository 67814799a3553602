"""The ready service's whole path, over its commands and the wire: `python service.py [WORDS]`.

The words go between Python and `-m`: another program that is to run the service.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import stopping

PHONE, PASSWORD = "13800138000", "正确 horse battery 马"
FOLDER = "数据 文件夹 #1"
DEADLINE = 300


class Service:
    """The service in a folder with blanks and Chinese characters, told by its commands on a console in GBK."""

    def __init__(self, words: list[str], folder: Path) -> None:
        self._python = [sys.executable, *words]
        self._environment = {name: value for name, value in os.environ.items() if name != "SECRET_KEY"}
        self._environment |= {"TESSERA_DATA_DIR": str(folder / FOLDER), "PYTHONIOENCODING": "gbk"}
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}"

    def tell(self, *words: str, given: str = "", code: int = 0) -> str:
        """Run a command to its end; gives its output."""
        run = subprocess.run(
            [*self._python, "-m", "flask_tessera.cli", *words],
            input=given.encode(),
            capture_output=True,
            env=self._environment,
            timeout=DEADLINE,
            check=False,
        )
        said = (run.stdout + run.stderr).decode(errors="replace")
        assert run.returncode == code, f"{words}: exit code {run.returncode}, expected {code}: {said}"
        return said

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Serve until the process is told to stop; returns when it listens."""
        process = subprocess.Popen(
            [*self._python, *stopping.words_for("flask_tessera.cli"), "serve", "--port", str(self.port), *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self._environment,
            **stopping.OPTIONS,
        )  # fmt: skip
        assert process.stdout
        first = process.stdout.readline()
        assert self.base.encode() in first, first + (process.stdout.read() if process.poll() is not None else b"")
        return process

    def ask(self, path: str, body: object = None, *, method: str = "", token: str = "") -> tuple[int, Any]:
        """One request; its status and the answer, read as JSON."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **({"z-token": token} if token else {})}
        request = urllib.request.Request(self.base + path, data, headers, method=method or None)
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
                return answer.status, read(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, read(error.read())


def read(body: bytes) -> Any:
    return json.loads(body) if body else None


def stop(process: subprocess.Popen[bytes]) -> bytes:
    """Stop the service in good order; gives what it said."""
    stopping.stop(process)
    said, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, f"ended with {process.returncode}: {said.decode(errors='replace')}"
    return said


def log_in(service: Service) -> dict[str, str]:
    status, answer = service.ask("/auth/login", {"phone": PHONE, "password": PASSWORD})
    assert status == 200, (status, answer)
    return answer["data"]


def walk(service: Service) -> None:
    """Log in, ask who one is, renew, look at one's sessions, log out."""
    first = log_in(service)
    status, answer = service.ask("/user/detail", token=first["access_token"])
    assert (status, answer["data"]["phone"]) == (200, PHONE), (status, answer)
    status, second = service.ask("/auth/refresh", {"refresh_token": first["refresh_token"]})
    assert status == 200, (status, second)
    token = second["data"]["access_token"]
    status, listed = service.ask("/auth/sessions", token=token)
    assert status == 200, (status, listed)
    status, answer = service.ask("/auth/logout", method="POST", body={}, token=token)
    assert status in (200, 204), (status, answer)
    status, answer = service.ask("/user/detail", token=token)
    assert answer["code"] != 0, (status, answer)


def outlive(service: Service, token: str) -> None:
    """What a stopped service knew, the next one knows."""
    status, answer = service.ask("/user/detail", token=token)
    assert (status, answer["code"]) == (200, 0), (status, answer)
    said = service.tell("users", "disable", PHONE)
    assert "1 sessions ended" in said, said
    # On SQLite every worker sees a revocation with its next request.
    assert service.ask("/user/detail", token=token)[1]["code"] != 0, "a disabled user is still served"


def main(words: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        service = Service(words, Path(folder))
        service.tell("users", "add", PHONE, "--name", "小明 \N{GRINNING FACE}", "--password-stdin", given=PASSWORD)
        assert PHONE in service.tell("users", "list")
        running = service.start()
        try:
            walk(service)
            pair = log_in(service)
        finally:
            stop(running)
        running = service.start()
        try:
            outlive(service, pair["access_token"])
            assert "FAIL" not in service.tell("doctor")
            assert "schema" in service.tell("db", "upgrade")
            service.tell("serve", "--port", str(service.port), code=1)
        finally:
            stop(running)
        service.tell("users", "enable", PHONE)
        running = service.start("--demo")
        said = b""
        while b"/user/detail" not in said:
            line = running.stdout.readline()
            assert line, f"no hints for the demo user: {said.decode(errors='replace')}"
            said += line
        stop(running)
    print("the service runs")


if __name__ == "__main__":
    main(sys.argv[1:])
