"""How alike refusals are in time: who asks for an account must not see whether there is one (requirement L06)."""

from __future__ import annotations

import hashlib
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask_tessera.server import administration

from .login_service import PASSWORD, open_service
from .results import Goal, Result
from .timing import SHORT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .login_service import LoginService
    from .timing import Effort

UNKNOWN = "unknown"
PER_ACCOUNT = 4
"""Passwords and as many codes, so that no limit is reached: of ten guesses, and five of a code."""
SHARE, MILLISECONDS = 0.10, 5.0
"""By so much a median may differ, whichever is more."""
COLUMNS = ("what", "kind of account", "ms median", "ms beside an unknown one", "% beside it")
_CHARACTERS = "./0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class _Kind:
    """Accounts that are alike; `accounts` is none where each attempt may have one of its own."""

    name: str
    accounts: list[str]


def run(effort: Effort) -> Result:
    """Be refused by turns, at accounts of every kind: by a password, a code, a reset; and ask for codes and links."""
    return measure(8 if effort == SHORT else 200)


def measure(count: int) -> Result:
    """The same for so many requests of each kind."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        messages = {"SENDER": f"file:{folder}/messages.jsonl", "PUBLIC_URL": "https://shop.example"}
        service = open_service(Path(folder), slots=2, users=0, **messages)
        kinds = _make_accounts(service, -(-count // PER_ACCOUNT))
        attempts: dict[str, Callable[[str], Any]] = {
            "login": lambda phone: {"phone": phone, "password": "a wrong password"},
            "login by code": lambda phone: {"recipient": phone, "code": "000000"},
        }
        times = {name: _by_turns(service, "/auth/login", kinds, make, count) for name, make in attempts.items()}
        times["throttled login"] = _throttled(service, kinds, count)
        two = [_Kind(name, [f"{prefix}{number:08}" for number in range(2 * count)]) for name, prefix in _FOR_CODES]
        for phone in two[1].accounts:
            service.app.extensions["tessera_service"].users.add(phone, "")
        for what, path, purpose, some in _messages(two, count):
            times[what] = _by_turns(
                service, path, some, lambda phone, of=purpose: {"recipient": phone, "purpose": of}, count
            )
        times["reset by code"] = _by_turns(
            service,
            "/auth/password/reset",
            two,
            lambda phone: {"recipient": phone, "code": "000000", "password": "nine purple herons"},
            count,
        )
    rows = list(_rows(times))
    return Result("alike", "refusals beside those of unknown accounts", COLUMNS, rows, _goals(rows), _NOTES)


def _messages(kinds: list[_Kind], count: int) -> Iterator[tuple[str, str, str, list[_Kind]]]:
    """What can be asked for, its path, its purpose, and for whom: one gets one message of each purpose a minute."""
    for purpose in ("login", "reset"):
        codes = [_Kind(kind.name, kind.accounts[:count]) for kind in kinds]
        links = [_Kind(kind.name, kind.accounts[count:]) for kind in kinds]
        yield f"a code for a {purpose}", "/auth/codes", purpose, codes
        yield f"a link for a {purpose}", "/auth/links", purpose, links


_FOR_CODES = ((UNKNOWN, "151"), ("known", "152"))
_NOTES = ["Wall time of whole requests, by turns; sessions, users and counters in SQLite, messages to a file."]


def _make_accounts(service: LoginService, each: int) -> list[_Kind]:
    """So many accounts of each kind, all in one table."""
    running = service.app.extensions["tessera_service"]
    hashes: dict[str, str] = {"known": running.passwords.hash(PASSWORD), "without a password": "", **_legacy_hashes()}
    kinds = [_Kind(UNKNOWN, [f"150{number:08}" for number in range(each)])]
    for place, (name, stored) in enumerate({**hashes, "disabled": hashes["known"]}.items()):
        kinds.append(_Kind(name, [f"13{place}{number:08}" for number in range(each)]))
        for phone in kinds[-1].accounts:
            running.users.add(phone, stored)
            running.passwords.remember(stored)
    with service.app.app_context():
        for phone in kinds[-1].accounts:
            administration.disable(running, phone)
    return kinds


def _legacy_hashes() -> dict[str, str]:
    """As Werkzeug, Django and bcrypt store them."""
    import base64

    import bcrypt

    secret, salt = PASSWORD.encode(), b"saltsaltsaltsalt"
    scrypt = hashlib.scrypt(secret, salt=salt, n=16_384, r=8, p=1).hex()
    pbkdf2 = base64.b64encode(hashlib.pbkdf2_hmac("sha256", secret, salt, 50_000)).decode()
    return {
        "hash of Werkzeug": f"scrypt:16384:8:1${salt.decode()}${scrypt}",
        "hash of Django": f"pbkdf2_sha256$50000${salt.decode()}${pbkdf2}",
        "hash of bcrypt": bcrypt.hashpw(secret, bcrypt.gensalt(8)).decode(),
    }


def _by_turns(
    service: LoginService, path: str, kinds: list[_Kind], body: Callable[[str], Any], count: int
) -> dict[str, list[float]]:
    """Milliseconds of so many requests for each kind; who begins changes from turn to turn."""
    times: dict[str, list[float]] = {kind.name: [] for kind in kinds}
    # One turn to warm up; another account each time, from another address.
    for turn in range(count + 1):
        for place in range(len(kinds)):
            kind = kinds[(turn + place) % len(kinds)]
            taken = service.milliseconds(path, body(kind.accounts[turn % len(kind.accounts)]), turn)
            if turn:
                times[kind.name].append(taken)
    return times


def _throttled(service: LoginService, kinds: list[_Kind], count: int) -> dict[str, list[float]]:
    """The same once the accounts have used up their guesses."""
    few = [_Kind(kind.name, kind.accounts[:1]) for kind in kinds]

    def guess(phone: str) -> Any:
        return {"phone": phone, "password": "a wrong password"}

    for kind in few:
        while service.status("/auth/login", guess(kind.accounts[0])) != 429:
            continue
    return _by_turns(service, "/auth/login", few, guess, count)


def _rows(times: dict[str, dict[str, list[float]]]) -> Iterator[tuple[Any, ...]]:
    for what, kinds in times.items():
        unknown = statistics.median(kinds[UNKNOWN])
        for name, values in kinds.items():
            median = statistics.median(values)
            yield what, name, median, median - unknown, 100 * (median / unknown - 1)


def _goals(rows: list[tuple[Any, ...]]) -> list[Goal]:
    """How far the farthest kind is from an unknown account, in what is allowed."""
    goals = []
    for what in dict.fromkeys(row[0] for row in rows):
        far = max(min(abs(row[3]) / MILLISECONDS, abs(row[4]) / (100 * SHARE)) for row in rows if row[0] == what)
        goals.append(Goal(f"{what}: farthest median, in 5 ms or 10 %", 1, False, far))
    return goals
