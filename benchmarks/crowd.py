"""python -m benchmarks.crowd: many logins at once on gunicorn with threads, and how long others wait meanwhile."""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from flask_tessera.server.app import create_app
from tests.servers.server import Server
from tests.servers.supervisor import children_of

from . import peers
from .login_service import PASSWORD, cores

if TYPE_CHECKING:
    from tests.servers.supervisor import ServerJob

SECRET = "a secret of the benchmark, 32 bytes and more"
MEBIBYTE = 2**20
HASH = 19 * MEBIBYTE
ASKED_EVERY = 0.02
"""Seconds between two requests of the user who is logged in."""


class Gunicorn(Server):
    """The ready service on gunicorn's threads.

    Args:
        folder: its data.
        workers: processes.
        threads: of each.
    """

    name = "gunicorn"

    def __init__(self, folder: str, workers: int, threads: int) -> None:
        super().__init__()
        self._folder, self._workers, self._threads = folder, workers, threads

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _command(self, port: int) -> list[str]:
        settings = [f"{name}={value}" for name, value in environment().items()]
        # Nothing of this process' environment reaches a server.
        settings.append(f"PYTHONPATH={os.environ.get('PYTHONPATH', '')}")
        options = ["-k", "gthread", "-w", str(self._workers), "--threads", str(self._threads), "--backlog", "2048"]
        create = f"flask_tessera.server:create_app(data={self._folder!r})"
        return [
            "/usr/bin/env",
            *settings,
            sys.executable,
            "-m",
            "gunicorn",
            *options,
            "-b",
            f"127.0.0.1:{port}",
            create,
        ]

    def _job(self, port: int) -> ServerJob:
        return {**super()._job(port), "folder": str(peers.ROOT)}

    def _is_ready(self, port: int) -> bool:
        try:
            return asyncio.run(ask(port, "GET", "/healthz"))[0] == 200
        except OSError:
            return False

    def peak(self) -> list[int]:
        """Bytes of memory that each worker has had at most."""
        return [field_of(each, "VmHWM") for each in children_of(self.pid)]


def environment() -> dict[str, str]:
    """What the service reads."""
    return {
        "SECRET_KEY": SECRET,
        "TESSERA_HTTP_STATUS": "semantic",
        "TESSERA_TRUSTED_PROXIES": "1",
        "TESSERA_HASH_SLOTS": str(cores()),
    }


def field_of(process: int, field: str) -> int:
    """A field of /proc/PID/status, in bytes."""
    match = re.search(rf"^{field}:\s+([0-9]+) kB$", Path(f"/proc/{process}/status").read_text("ascii"), re.MULTILINE)
    return int(match[1]) * 1024 if match else 0


async def ask(
    port: int, method: str, path: str, body: object = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Send one request on a connection of its own; status, headers and body."""
    data = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", f"Content-Length: {len(data)}"]
    lines += [
        "Content-Type: application/json",
        *(f"{name.replace('_', '-')}: {text}" for name, text in headers.items()),
    ]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode() + data)
        whole = await reader.read()
    finally:
        writer.close()
    head, _, answer = whole.partition(b"\r\n\r\n")
    status, *fields = head.decode("latin-1").split("\r\n")
    named = dict(field.lower().split(": ", 1) for field in fields)
    return int(status.split()[1]), named, answer


async def log_in_again_and_again(port: int, number: int, until: float, told: collections.Counter[str]) -> None:
    """One client, which waits as long as it is told to."""
    body = {"phone": f"138{number:08}", "password": PASSWORD}
    address = f"198.18.{number // 250}.{number % 250 + 1}"
    while time.monotonic() < until:
        try:
            status, headers, answer = await ask(port, "POST", "/auth/login", body, X_Forwarded_For=address)
        except OSError as error:
            told[type(error).__name__] += 1
            await asyncio.sleep(1)
            continue
        slug = "" if status == 200 else json.loads(answer)["error"]
        told[f"{status} {slug}".strip()] += 1
        await asyncio.sleep(float(headers.get("retry-after", 0)))


async def measure(port: int, clients: int, seconds: float) -> tuple[collections.Counter[str], list[float]]:
    """Let them all log in; what they were told, and the milliseconds of each answer to somebody else."""
    login = {"phone": "138" + f"{clients:08}", "password": PASSWORD}
    _, _, answer = await ask(port, "POST", "/auth/login", login)
    token = json.loads(answer)["data"]["access_token"]
    told: collections.Counter[str] = collections.Counter()
    until, waits = time.monotonic() + seconds, []
    crowd = [asyncio.create_task(log_in_again_and_again(port, each, until, told)) for each in range(clients)]
    while time.monotonic() < until:
        began = time.monotonic()
        status, _, _ = await ask(port, "GET", "/auth/me", z_token=token)
        told[f"me: {status}"] += 1
        waits.append(1000 * (time.monotonic() - began))
        await asyncio.sleep(ASKED_EVERY)
    await asyncio.gather(*crowd)
    return told, waits


def main() -> None:
    """Print what the crowd was told, how long others waited, and the memory of the workers."""
    parser = argparse.ArgumentParser(prog="benchmarks.crowd", description=__doc__)
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=32)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        service = create_app(environment=environment(), data=folder).extensions["tessera_service"]
        stored = service.passwords.hash(PASSWORD)
        for number in range(wanted.clients + 1):
            service.users.add(f"138{number:08}", stored)
        with Gunicorn(folder, wanted.workers, wanted.threads) as server:
            before = server.peak()
            for clients in (0, wanted.clients):
                seconds = wanted.seconds if clients else min(5.0, wanted.seconds)
                told, waits = asyncio.run(measure(server.port, clients, seconds))
                p50, p99 = statistics.median(waits), statistics.quantiles(waits, n=100)[98]
                print(f"{clients} clients for {seconds:g} s on {os.cpu_count()} cores: {dict(told)}")
                print(f"  /auth/me: median {p50:.1f} ms, p99 {p99:.1f} ms, of {len(waits)}")
            grown = [(after - start) / HASH for start, after in zip(before, server.peak(), strict=True)]
            print(f"  memory added by each worker, in hashes of 19 MiB: {', '.join(f'{each:.2f}' for each in grown)}")


if __name__ == "__main__":
    main()
