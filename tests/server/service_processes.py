"""The ready service in processes of its own, asked without a network: for races through HTTP."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flask_tessera.errors import StorageUnavailableError
from flask_tessera.server import administration, create_app
from flask_tessera.testing import WorkerProcesses, race

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flask import Flask

SECRET = "9b7e40c1f3a85d26e1908c7745bb3f02d6ea914c58f7230b"
PROCESSES = 4
SITE = "https://shop.example"
Asked = tuple[str, str, Any, dict[str, str]]
"""Method, path, body, headers."""


def make_shared(folder: str, url: str, **settings: str) -> Flask:
    """The service on a storage that others use too."""
    logging.getLogger("flask_tessera").addHandler(logging.NullHandler())
    logging.getLogger("flask_tessera").propagate = False
    environment = {
        "SECRET_KEY": SECRET,
        "TESSERA_SENDER": f"file:{folder}/messages.jsonl",
        "TESSERA_PUBLIC_URL": SITE,
        "TESSERA_TRUSTED_PROXIES": "1",
        "TESSERA_HASH_SLOTS": "16",
        "TESSERA_MAX_SESSIONS": "0",
        **settings,
    }
    return create_app(environment=environment, data=folder, store=url)


def ask(app: Flask, asked: Asked) -> tuple[int, Any]:
    """Send one request; status and body."""
    method, path, body, headers = asked
    client = app.test_client(use_cookies=False)
    answer = client.open(path, method=method, json=body, headers=headers, base_url=SITE)
    return answer.status_code, answer.get_json(silent=True)


def answering(folder: str, url: str, settings: dict[str, str]) -> Callable[[Any], Any]:
    """Carries out lists of requests at once, each in a thread; or does to a user, by its phone, what a command does."""
    app = make_shared(folder, url, **settings)

    def carry_out(order: Any) -> Any:
        if isinstance(order, tuple):
            return command(app, *order)
        return race(len(order), lambda number: ask(app, order[number]))

    return carry_out


def command(app: Flask, name: str, *given: str) -> Any:
    """Do what `flask-tessera users NAME` does, again where a busy machine gave no answer."""
    service = app.extensions["tessera_service"]
    while True:
        try:
            with app.app_context():
                return getattr(administration, name)(service, *given)
        except StorageUnavailableError:
            continue


@contextmanager
def service_processes(folder: Path, url: str, **settings: str) -> Iterator[WorkerProcesses]:
    """So many processes of one service; `race_requests` sends to all of them at once."""
    with WorkerProcesses(PROCESSES, answering, str(folder), url, settings) as processes:
        yield processes


def race_requests(processes: WorkerProcesses, requests: list[Asked]) -> list[tuple[int, Any]]:
    """Send all at once, dealt out among the processes; their answers in any order."""
    for number in range(PROCESSES):
        processes.send(number, requests[number::PROCESSES])
    return [answer for number in range(PROCESSES) for answer in processes.receive(number)]
