"""S04, R09: a person's logins are ended while their refreshes are on the way; nothing that these give is good."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flask_tessera.accounts.hash_slots import HashSlots
from flask_tessera.accounts.passwords import Passwords
from tests.server.service_processes import PROCESSES, ask, make_shared, service_processes
from tests.server.test_account_races import CODE, PASSWORD, keep

from .places import fresh
from .tally import Tally

ENDINGS = ("disable", "change", "reset", "delete")
DEVICES = 6
"""Sessions whose refreshes race with the ending."""


def end_amid_refreshes(name: str, rounds: int, _seed: int = 0) -> Tally:
    """So many endings by one process, each while three others refresh the person's sessions."""
    tally = Tally(context=name)
    with fresh(name) as url, TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        strict = {"TESSERA_REVOCATION": "strict"}
        app = make_shared(folder, url, **strict)
        password_hash = Passwords(HashSlots(1)).hash(PASSWORD)
        with service_processes(Path(folder), url, **strict) as processes:
            for number in range(rounds):
                user = app.extensions["tessera_service"].users.add(f"137{number:08}", password_hash)
                _round(tally, app, processes, user, ENDINGS[number % len(ENDINGS)])
    return tally


def _round(tally: Tally, app: Any, processes: Any, user: Any, ending: str) -> None:
    tessera = app.extensions["tessera_service"].tessera
    with app.app_context():
        mine, *others = [tessera.login(user) for _ in range(DEVICES)]
    refreshes = [("POST", "/auth/refresh", {"refresh_token": each.refresh_token}, {}) for each in others]
    for number in range(1, PROCESSES):
        processes.send(number, refreshes)
    is_ended = _end(app, processes, user, ending, mine.access_token)
    answers = [answer for number in range(1, PROCESSES) for answer in processes.receive(number)]
    tally.faults_injected += is_ended
    tally.refreshes_raced += len(answers)
    tally.unavailable += sum(status == 503 for status, _ in answers)
    if strange := {status for status, _ in answers} - {200, 401, 503}:
        tally.fail("answers_outside_the_contract", f"{ending}: a refresh was answered with {strange}")
    pairs = [body["data"] for status, body in answers if status == 200]
    for pair in pairs if is_ended else ():
        _must_be_dead(tally, app, ending, ("GET", "/auth/me", None, {"z-token": pair["access_token"]}))
        _must_be_dead(tally, app, ending, ("POST", "/auth/refresh", {"refresh_token": pair["refresh_token"]}, {}))


def _end(app: Any, processes: Any, user: Any, ending: str, token: str) -> bool:
    """Whether it is certain that all has ended."""
    new = "nine purple herons"
    if ending == "change":
        request = ("POST", "/auth/password", {"old": PASSWORD, "new": new}, {"z-token": token})
    elif ending == "reset":
        keep(app, "reset", user.phone)
        body = {"recipient": user.phone, "code": CODE, "password": new}
        request = ("POST", "/auth/password/reset", body, {})
    else:
        processes.call(0, (ending, user.phone))
        return True
    ((status, _),) = processes.call(0, [request])
    return bool(status == 200)


def _must_be_dead(tally: Tally, app: Any, ending: str, asked: Any) -> None:
    status, body = ask(app, asked)
    while status == 503:
        status, body = ask(app, asked)
    if status == 200:
        tally.fail("revoked_accepted", f"{ending}: {asked[1]} after it")
    elif status != 401:
        tally.fail("answers_outside_the_contract", f"{ending}: {asked[1]}: {status} {body}")
