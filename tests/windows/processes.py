"""Several processes renew the pairs of one SQLite file: `python processes.py [WORDS]`.

The words go between Python and this file: another program that is to run the workers.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from flask import Flask

from flask_tessera import Tessera

WORKERS = 4
SESSIONS = 10
TIMES = 5
SECRET = "9b7e40c1f3a85d26e1908c7745bb3f02d6ea914c58f7230b"
WORKER = "--worker"


def make_app(file: Path) -> tuple[Flask, Tessera[Any]]:
    app = Flask(__name__)
    app.config.update(SECRET_KEY=SECRET, TESSERA_STORE_URL=f"sqlite:///{file}")
    tessera: Tessera[Any] = Tessera(app)
    app.register_blueprint(tessera.blueprint("refresh", "logout"))
    return app, tessera


def work(file: str) -> None:
    """Renew the pairs that each line names, and name their successors."""
    app, _ = make_app(Path(file))
    client = app.test_client()
    for line in sys.stdin:
        answers = [client.post("/auth/refresh", json={"refresh_token": token}) for token in line.split()]
        said = [answer.get_json()["data"]["refresh_token"] for answer in answers]
        print(*said, flush=True)


def race(workers: list[subprocess.Popen[str]], tokens: list[str]) -> list[str]:
    """Let all workers renew all pairs at once; gives the one successor of each."""
    for worker in workers:
        worker.stdin.write(" ".join(tokens) + "\n")
        worker.stdin.flush()
    said = [worker.stdout.readline().split() for worker in workers]
    assert all(each == said[0] for each in said), said
    assert len(said[0]) == SESSIONS, said
    assert not set(said[0]) & set(tokens), said
    return said[0]


def log_in_all(file: Path) -> list[str]:
    app, tessera = make_app(file)
    with app.test_request_context():
        tokens = [tessera.login(f"user{number}").refresh_token for number in range(SESSIONS)]
        tessera.runtime.storage.close()
    return tokens


def main(words: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "几个 进程 #1.db"
        tokens = log_in_all(file)
        command = [sys.executable, *words, __file__, WORKER, str(file)]
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "encoding": "utf-8"}
        workers = [subprocess.Popen(command, **pipes) for _ in range(WORKERS)]
        for _ in range(TIMES):
            tokens = race(workers, tokens)
        for worker in workers:
            worker.communicate()
        assert not any(worker.returncode for worker in workers), [worker.returncode for worker in workers]
    print(f"{WORKERS} processes renewed {SESSIONS} sessions {TIMES} times at once: one successor each")


if __name__ == "__main__":
    work(sys.argv[2]) if sys.argv[1:2] == [WORKER] else main(sys.argv[1:])
