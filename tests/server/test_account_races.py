"""Races through HTTP between four processes of the service: guesses are counted, and what is good once is used once."""

from __future__ import annotations

import itertools
import secrets
from typing import TYPE_CHECKING, Any

import pyotp
import pytest

from flask_tessera.accounts.recipients import parse_recipient
from flask_tessera.services.tickets import Ticket
from flask_tessera.web.second_step import PURPOSE
from tests.authenticator import Authenticator
from tests.cli.stores import store_url
from tests.length import shortly

from .service_processes import SITE, ask, make_shared, race_requests, service_processes

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

LIMIT, TRIES = 10, 5
USES = 20
CODE = "703614"
PASSWORD = "correct horse battery"
STORES = shortly(("sqlite", "redis8", "postgres", "mariadb", "redis8-cluster"), always=2)
addresses = (f"198.18.{number // 250}.{number % 250 + 1}" for number in itertools.count())
phones = (f"138{number:08}" for number in itertools.count(13_800_000))
SPELLINGS: tuple[Callable[[str], str], ...] = (
    str,
    lambda phone: f"+86{phone}",
    lambda phone: f"0086 {phone}",
    lambda phone: f"+86 {phone[:3]} {phone[3:7]} {phone[7:]}",
    lambda phone: f"{phone[:3]}-{phone[3:7]}-{phone[7:]}",
    lambda phone: f"(0086) {phone[:3]}.{phone[3:]}",
)


def from_anywhere() -> dict[str, str]:
    return {"X-Forwarded-For": next(addresses)}


def guess(phone: str, number: int, *, by_code: bool) -> Any:
    """A wrong guess from an address of its own, in one of the spellings."""
    typed = SPELLINGS[number % len(SPELLINGS)](phone)
    body = {"recipient": typed, "code": "000000"} if by_code else {"phone": typed, "password": f"guess number {number}"}
    return "POST", "/auth/login", body, from_anywhere()


@pytest.mark.slow
@pytest.mark.parametrize("kind", STORES)
def test_L07_L09_of_100_guesses_at_once_from_as_many_addresses_ten_passwords_and_five_codes_are_checked(
    kind, tmp_path, password_hash
):
    with store_url(kind, tmp_path) as url, service_processes(tmp_path, url) as processes:
        app = make_shared(str(tmp_path), url)
        assert checked(app, processes, password_hash, by_code=False) == (LIMIT, 0)
        assert checked(app, processes, password_hash, by_code=True) == (LIMIT, TRIES)


def checked(app: Flask, processes: Any, password_hash: str, *, by_code: bool) -> tuple[int, int]:
    """How many passwords and codes of 100 guesses at once, and of those after them, were checked.

    Every third one is by code, if any.
    """
    while True:
        phone = next(phones)
        app.extensions["tessera_service"].users.add(phone, password_hash)
        keep(app, "login", phone)
        guesses = [guess(phone, number, by_code=by_code and number % 3 == 0) for number in range(100)]
        answers = race_requests(processes, guesses)
        # One that had no place to be hashed was given back, so the limit may not be reached yet.
        for number in range(2 * LIMIT):
            answers.append(ask(app, guess(phone, number, by_code=False)))
        told = [status for status, _ in answers]
        assert set(told) <= {401, 429, 503}, set(told)
        # What had no answer from a busy machine may have been counted.
        if 503 not in told:
            assert told[-1] == 429
            codes = sum(answer["error"] == "code_wrong" for _, answer in answers)
            return told.count(401) - codes, codes


def keep(app: Flask, purpose: str, phone: str) -> None:
    with app.app_context():
        accounts = app.extensions["tessera_service"].tessera.runtime.accounts
        accounts.codes.keep(purpose, parse_recipient(phone), CODE)


def ticket(app: Flask, purpose: str, user: Any, data: dict[str, Any]) -> str:
    tessera = app.extensions["tessera_service"].tessera
    with app.app_context():
        wanted = Ticket(purpose, user_id=str(user.id), user_stamp=tessera.stamp_of(user), data=data)
        text: str = tessera.runtime.tickets.issue(wanted, expires_in=300)
    return text


def second_step(app: Flask, user: Any) -> str:
    return ticket(app, PURPOSE, user, {"amr": ["pwd"], "device": {"type": "", "id": "", "name": ""}})


def link(app: Flask, user: Any, purpose: str) -> str:
    return ticket(app, f"tessera:link-{purpose}", user, {"recipient": f"+86{user.phone}"})


# -- one success each: what makes the requests, of an application and a new user ---------------------------------------


def one_login_code(app: Flask, user: Any) -> list[Any]:
    keep(app, "login", user.phone)
    body = {"recipient": user.phone, "code": CODE}
    return [("POST", "/auth/login", body, from_anywhere()) for _ in range(USES)]


def one_registration(app: Flask, _user: Any) -> list[Any]:
    phone = next(phones)
    keep(app, "register", phone)
    return [("POST", "/auth/register", {"recipient": phone, "code": CODE}, from_anywhere()) for _ in range(USES)]


def one_reset(app: Flask, user: Any) -> list[Any]:
    keep(app, "reset", user.phone)
    body = {"recipient": user.phone, "code": CODE, "password": "nine purple herons"}
    return [("POST", "/auth/password/reset", body, from_anywhere()) for _ in range(USES)]


def one_login_link(app: Flask, user: Any) -> list[Any]:
    body = {"ticket": link(app, user, "login")}
    return [("POST", "/auth/links/redeem", body, from_anywhere()) for _ in range(USES)]


def one_reset_link(app: Flask, user: Any) -> list[Any]:
    body = {"ticket": link(app, user, "reset"), "password": "nine purple herons"}
    return [("POST", "/auth/password/reset", body, from_anywhere()) for _ in range(USES)]


def generator_of(app: Flask, user: Any) -> tuple[pyotp.TOTP, tuple[str, ...]]:
    with app.app_context():
        factors = app.extensions["tessera_service"].tessera.runtime.accounts.totp
        totp = pyotp.TOTP(factors.begin(str(user.id), user.phone, "shop").secret)
        # Its code of the step before, so that the one of now is good still.
        return totp, factors.confirm(str(user.id), totp.at(factors._clock() - 30))


def one_totp_code(app: Flask, user: Any) -> list[Any]:
    totp, _ = generator_of(app, user)
    tickets = [second_step(app, user) for _ in range(USES)]
    code = totp.now()
    return [("POST", "/auth/second-factor", {"ticket": each, "totp": code}, from_anywhere()) for each in tickets]


def one_recovery_code(app: Flask, user: Any) -> list[Any]:
    _, codes = generator_of(app, user)
    tickets = [second_step(app, user) for _ in range(USES)]
    return [
        ("POST", "/auth/second-factor", {"ticket": each, "recovery": codes[0]}, from_anywhere()) for each in tickets
    ]


def one_ticket(app: Flask, user: Any) -> list[Any]:
    """Of one login, with as many right factors as there are."""
    _, codes = generator_of(app, user)
    text = second_step(app, user)
    return [
        ("POST", "/auth/second-factor", {"ticket": text, "recovery": code}, from_anywhere())
        for code in itertools.islice(itertools.cycle(codes), USES)
    ]


def one_passkey_answer(app: Flask, user: Any) -> list[Any]:
    authenticator, session_id = Authenticator(), secrets.token_urlsafe(16)
    with app.test_request_context(base_url=SITE):
        passkeys = app.extensions["tessera_service"].tessera.runtime.accounts.passkeys
        options = passkeys.registration_options(str(user.id), user.phone, "", session_id=session_id)
        made = authenticator.make(options, origin=SITE)
        passkeys.register(str(user.id), "key", made, session_id=session_id)
        used = authenticator.made[0].use(passkeys.login_options(), origin=SITE)
    return [("POST", "/auth/login", {"passkey": used}, from_anywhere()) for _ in range(USES)]


GOOD_ONCE = (
    *(one_login_code, one_registration, one_reset, one_login_link, one_reset_link),
    *(one_totp_code, one_recovery_code, one_ticket, one_passkey_answer),
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Four processes of one service on SQLite, and the same service here."""
    folder = tmp_path_factory.mktemp("races")
    url = f"sqlite:///{folder}/tessera.db"
    app = make_shared(str(folder), url)
    with service_processes(folder, url) as processes:
        yield app, processes


@pytest.mark.repeats("uses")
@pytest.mark.parametrize("uses", GOOD_ONCE, ids=lambda uses: uses.__name__)
def test_Q06_L11_what_is_good_once_and_used_20_times_at_once_by_four_processes_succeeds_once(
    shared, password_hash, uses
):
    app, processes = shared
    while True:
        user = app.extensions["tessera_service"].users.add(next(phones), password_hash)
        answers = race_requests(processes, uses(app, user))
        told = [status for status, _ in answers]
        assert set(told) <= {200, 401, 409, 429, 503}, answers
        if 503 not in told:
            break
    assert told.count(200) == 1, answers
