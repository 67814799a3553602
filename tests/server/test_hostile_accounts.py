"""H04, Q03: whatever is sent to what logs people in is answered as documented, and no secret of it is logged."""

from __future__ import annotations

import itertools
import logging
import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pyotp
import pytest

from flask_tessera.accounts.recipients import parse_recipient
from flask_tessera.services.tickets import Ticket
from flask_tessera.web.second_step import PURPOSE
from tests.authenticator import Authenticator

from .hostile_requests import JSON, MARK, TYPES, Request, hostile_names, hostile_requests

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flask import Flask

    Body = Callable[["Target"], dict[str, Any] | None]


SITE = "https://shop.example"
PHONE, PASSWORD, CODE = "13800138000", "correct horse battery", "703614"
WITH_FACTORS, NEW = "13900139000", "13700137000"
DEVICE = {"type": "phone", "id": "id-1", "name": "Ada's"}
COUNTED = ("tries", "failures", "sends", "logins", "known")


class Target:
    """The ready service with two users; the second one has every second factor."""

    def __init__(self, app: Flask, folder: Path, password_hash: str) -> None:
        self.app, self.folder = app, folder
        self.service = app.extensions["tessera_service"]
        self.client = app.test_client(use_cookies=False)
        self.ada = self.service.users.add(PHONE, password_hash, name="Ada")
        self.bob = self.service.users.add(WITH_FACTORS, password_hash, name="Bob")
        self.tokens: dict[str, str] = {}
        self.secrets: set[str] = {PASSWORD, CODE, MARK}
        with self.app.test_request_context(base_url=SITE):
            self._arm()
        document = self.client.get("/openapi.json").get_json()
        self.documented = {
            (path, method.upper()): {
                (int(status), slug) for status, answer in operation["responses"].items() for slug in slugs_of(answer)
            }
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
        }

    def _arm(self) -> None:
        user_id, factors = str(self.bob.id), self.accounts.totp
        self.totp = pyotp.TOTP(factors.begin(user_id, "bob", "shop").secret)
        self.recovery = factors.confirm(user_id, self.totp.now())
        self.authenticator = Authenticator()
        options = self.accounts.passkeys.registration_options(user_id, "bob", "Bob", session_id="A" * 22)
        made = self.authenticator.make(options, origin=SITE)
        self.accounts.passkeys.register(user_id, "key", made, session_id="A" * 22)
        self.secrets |= {self.totp.secret, *self.recovery}

    @property
    def accounts(self) -> Any:
        return self.service.tessera.runtime.accounts

    def prepared(self, body: Body) -> dict[str, Any] | None:
        """A good body, made anew: codes and tickets are good once."""
        with self.app.test_request_context(base_url=SITE):
            return body(self)

    def token(self, owner: str) -> str:
        """The access token of a session, until one was refused."""
        if owner not in self.tokens:
            with self.app.test_request_context():
                pair = self.service.tessera.login(getattr(self, owner))
            self.secrets |= {pair.access_token, pair.refresh_token}
            self.tokens[owner] = pair.access_token
        return self.tokens[owner]

    def forget_counters(self) -> None:
        """So that what is sent next is looked at, too."""
        with closing(sqlite3.connect(self.folder / "tessera.db", timeout=60)) as database, database:
            marks = ",".join("?" * len(COUNTED))
            database.execute(f"DELETE FROM tessera_values WHERE kind IN ({marks})", COUNTED)

    def code(self, purpose: str, recipient: str) -> str:
        """A code that was sent just now."""
        self.accounts.codes.keep(purpose, parse_recipient(recipient), CODE)
        return CODE

    def ticket(self, purpose: str, user: Any, data: dict[str, Any]) -> str:
        wanted = Ticket(purpose, user_id=str(user.id), user_stamp=self.service.tessera.stamp_of(user), data=data)
        text: str = self.service.tessera.runtime.tickets.issue(wanted, expires_in=300)
        self.secrets.add(text)
        return text

    def link(self, purpose: str) -> str:
        return self.ticket(f"tessera:link-{purpose}", self.ada, {"recipient": "+86" + PHONE})

    def second_step(self) -> str:
        return self.ticket(PURPOSE, self.bob, {"amr": ["pwd"], "device": DEVICE})

    def passkey_use(self) -> dict[str, Any]:
        options = self.accounts.passkeys.login_options()
        return self.authenticator.made[0].use(options, origin=SITE)


def slugs_of(answer: dict[str, Any]) -> list[str]:
    parts = answer.get("content", {}).get("application/json", {}).get("schema", {}).get("allOf", [{}])
    return [slug for part in parts for slug in part.get("properties", {}).get("error", {}).get("enum", ())]


@pytest.fixture(scope="module")
def target(tmp_path_factory, make_service, password_hash):
    folder = tmp_path_factory.mktemp("hostile")
    settings = {
        "TESSERA_SENDER": f"file:{folder}/messages.jsonl",
        "TESSERA_PUBLIC_URL": SITE,
        "TESSERA_LOCALE": "en",
    }
    return Target(make_service(folder, **settings), folder, password_hash)


@pytest.fixture
def logged():
    """All that is logged meanwhile, from the lowest level on."""
    records: list[logging.LogRecord] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    loggers = [logging.getLogger(), *map(logging.getLogger, ("flask_tessera", "flask_tessera.audit", "werkzeug"))]
    handler, levels = Keeping(0), [each.level for each in loggers]
    for each in loggers:
        each.addHandler(handler)
        each.setLevel(logging.DEBUG)
    yield records
    for each, level in zip(loggers, levels, strict=True):
        each.removeHandler(handler)
        each.setLevel(level)


ENDPOINTS: dict[str, tuple[str, str, str, Body]] = {
    # What it is: method, path, whose token it needs ("" for none), a good body.
    "code": ("POST", "/auth/codes", "", lambda _: {"recipient": PHONE, "purpose": "login"}),
    "bind": ("POST", "/auth/codes", "ada", lambda _: {"recipient": "ada@example.com", "purpose": "bind"}),
    "register": (
        *("POST", "/auth/register", ""),
        lambda on: {
            "recipient": NEW,
            "code": on.code("register", NEW),
            "name": "New",
            "device": DEVICE,
            "transport": "header",
        },
    ),
    "register with a password": (
        *("POST", "/auth/register", ""),
        lambda _: {"recipient": NEW, "code": "000000", "password": "nine purple herons"},
    ),
    "login by password": (
        *("POST", "/auth/login", ""),
        lambda _: {"phone": PHONE, "password": f"{MARK} wrong", "trust_token": MARK},
    ),
    "login by code": (
        *("POST", "/auth/login", ""),
        lambda on: {
            "recipient": PHONE,
            "code": on.code("login", PHONE),
            "device": DEVICE,
            "transport": "cookie",
            "remember": False,
        },
    ),
    "login by passkey": ("POST", "/auth/login", "", lambda on: {"passkey": on.passkey_use(), "device": DEVICE}),
    "passkey login options": ("POST", "/auth/login/passkey/options", "", lambda _: {}),
    "second factor": (
        *("POST", "/auth/second-factor", ""),
        lambda on: {"ticket": on.second_step(), "totp": "000000", "trust": True, "transport": "header"},
    ),
    "second factor by recovery": (
        *("POST", "/auth/second-factor", ""),
        lambda on: {"ticket": on.second_step(), "recovery": f"{MARK}", "trust": False},
    ),
    "second factor by passkey": (
        *("POST", "/auth/second-factor", ""),
        lambda on: {"ticket": on.second_step(), "passkey": on.passkey_use()},
    ),
    "password": (
        *("POST", "/auth/password", "ada"),
        lambda _: {"old": f"{MARK} wrong", "new": f"{MARK} nine purple herons"},
    ),
    "reset by code": (
        *("POST", "/auth/password/reset", ""),
        lambda _: {"recipient": PHONE, "code": "000000", "password": f"{MARK} nine purple herons"},
    ),
    "reset by link": (
        *("POST", "/auth/password/reset", ""),
        lambda on: {"ticket": on.link("reset"), "password": "12345678"},
    ),
    "link": ("POST", "/auth/links", "ada", lambda _: {"recipient": PHONE, "purpose": "login"}),
    "redeem": (
        *("POST", "/auth/links/redeem", ""),
        lambda on: {"ticket": on.link("login"), "device": DEVICE, "transport": "cookie", "remember": True},
    ),
    "change me": ("PATCH", "/auth/me", "ada", lambda _: {"name": "Ada", "head_portrait": "", "intro": "Hello"}),
    "begin TOTP": ("POST", "/auth/totp", "ada", lambda _: None),
    "confirm TOTP": ("POST", "/auth/totp/confirm", "ada", lambda _: {"code": "000000"}),
    "remove TOTP": ("DELETE", "/auth/totp", "ada", lambda _: None),
    "recovery codes": ("POST", "/auth/recovery-codes", "bob", lambda _: None),
    "passkey options": ("POST", "/auth/passkeys/options", "bob", lambda _: {}),
    "passkey": (
        *("POST", "/auth/passkeys", "ada"),
        lambda on: {"name": "key", "credential": {**on.passkey_use(), "type": "public-key"}},
    ),
    "passkeys": ("GET", "/auth/passkeys", "bob", lambda _: None),
    "step up by password": ("POST", "/auth/step-up", "ada", lambda _: {"password": f"{MARK} wrong"}),
    "step up by code": (
        *("POST", "/auth/step-up", "ada"),
        lambda on: {"recipient": PHONE, "code": on.code("login", PHONE), "transport": "header", "remember": True},
    ),
    "step up by TOTP": ("POST", "/auth/step-up", "bob", lambda _: {"totp": "000000"}),
    "step up by passkey": ("POST", "/auth/step-up", "bob", lambda on: {"passkey": on.passkey_use()}),
    "trusted devices": ("GET", "/auth/trusted-devices", "bob", lambda _: None),
}
NAMED = {
    "/auth/passkeys/": ("DELETE", "/auth/passkeys/{passkey_id}"),
    "/auth/trusted-devices/": ("DELETE", "/auth/trusted-devices/{device_id}"),
}
QUICK = ("code", "redeem", "confirm TOTP")
SLOW = ("register", "login by password", "second factor", "reset by link", "step up by code")
CASES = [
    *QUICK,
    *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW),
    *(pytest.param(name, marks=pytest.mark.long) for name in ENDPOINTS if name not in {*QUICK, *SLOW}),
]
FORMS = (
    *(b"", b"password=", b"password=a&password=b", b"password=" + MARK.encode(), b"%=%&&&==", b"password=%00%ff"),
    b"x" * 17_000,
)


@pytest.mark.parametrize("name", CASES)
def test_H04_Q03_a_hundred_hostile_requests_get_documented_answers_and_leave_no_secret_in_the_log(target, logged, name):
    method, path, owner, body = ENDPOINTS[name]
    target.forget_counters()
    changes = list(hostile_requests(target.prepared(body)))
    assert len(changes) >= 100
    for change in changes:
        request = change(target.prepared(body))
        check(target, (path, method), send(target, method, path, request, owner), request)
    assert_discreet(target, logged)


@pytest.mark.parametrize("prefix", NAMED)
def test_H04_Q03_hostile_names_in_a_path_get_documented_answers(target, logged, prefix):
    method, path = NAMED[prefix]
    for name, raw in itertools.product(hostile_names(), (b"", b"{}", b"\xff", b"x" * 17_000)):
        request = Request({"data": raw, "content_type": JSON})
        answer = send(target, method, prefix + name, request, "ada")
        # A name with a slash in it is one of another route, or of none.
        if (answer.status_code, answer.get_json()["error"]) not in ((404, "not_found"), (405, "method_not_allowed")):
            check(target, (path, method), answer, request)
    assert_discreet(target, logged)


@pytest.mark.parametrize("purpose", [None, "login", "reset", "confirm"])
def test_H04_Q03_the_page_of_a_link_stands_whatever_is_sent_to_it(target, logged, purpose):
    """Also with a genuine ticket, which is not shown, and not logged."""
    names = list(hostile_names()) if purpose is None else [""]
    for hostile, form, content_type in itertools.product(names, FORMS, (TYPES[3], None, JSON, TYPES[4])):
        name = hostile or target.prepared(lambda on: {"ticket": on.link(purpose)})["ticket"]
        request = Request({"data": form, "content_type": content_type})
        for method in ("GET", "POST"):
            answer = send(target, method, f"/auth/links/{name}", request, "")
            assert answer.status_code < 500, (answer.text, request)
            assert not re.search(f"{MARK}|tst_[0-9A-Za-z]", answer.text), answer.text
    assert_discreet(target, logged)


def send(target: Target, method: str, path: str, request: Request, owner: str) -> Any:
    """The answer, by a limit only where that is not for what was sent before."""
    headers = dict(request.options.get("headers", {}))
    if owner and request.has_token:
        headers = {"z-token": target.token(owner), **headers}
    options = {**request.options, "headers": headers}
    for _ in range(2):
        answer = target.client.open(path, method=method, base_url=SITE, **options)
        if answer.status_code != 429:
            break
        target.forget_counters()
    if answer.status_code == 401:
        target.tokens.clear()
    return answer


def check(target: Target, operation: tuple[str, str], answer: Any, request: object) -> None:
    told = answer.get_json(silent=True)
    assert answer.status_code < 500, (operation, answer.status_code, answer.text, request)
    assert answer.mimetype == "application/json" or not answer.data, (operation, answer.text)
    if answer.status_code >= 400:
        assert (answer.status_code, told["error"]) in target.documented[operation], (operation, answer.text, request)
    assert MARK not in answer.text, (operation, answer.text)


def assert_discreet(target: Target, logged: list[logging.LogRecord]) -> None:
    texts = []
    for record in logged:
        assert record.exc_info is None, record
        texts.append(f"{record.getMessage()} {record.args} {sorted(map(str, vars(record).values()))}")
    text = "\n".join(texts)
    for secret in target.secrets:
        # A code of six digits may be part of a longer number.
        assert secret not in text or not re.search(rf"(?<!\w){re.escape(secret)}(?!\w)", text), secret
