"""What the doctor finds, and what it must not print."""

from __future__ import annotations

import time
from typing import Any

import pytest
from flask import Flask

from flask_tessera import Tessera
from flask_tessera.doctor import examine
from flask_tessera.errors import StorageUnavailableError
from flask_tessera.storage.memory import MemoryStorage
from flask_tessera.storage.model import Description
from tests.far import make_far

SECRET = "9b7e40c1f3a85d26e1908c7745bb3f02d6ea914c58f7230b"
OLD_SECRET = "0d7be65f8c21a94370e5d8f1b6c392aa47e01d9853bc6f24"
NOW = int(time.time())


class HostsOwn(MemoryStorage):
    """A storage that a host wrote, on another machine, with settings that could be better."""

    def __init__(self, *, is_broken: bool = False) -> None:
        super().__init__()
        make_far(self)
        self._is_broken = is_broken

    def describe(self) -> Description:
        if self._is_broken:
            raise StorageUnavailableError("it does not say what it is")
        return Description("Abacus 3", "two machines; a commit outlives one of them", ("beads are loose", "it is dark"))


def report(*, debug: bool = False, storage: Any = None, **config: Any) -> dict[str, list[str]]:
    """The doctor's findings of an application with these settings, by level."""
    app = Flask(__name__)
    app.debug = debug
    app.config.update({"SECRET_KEY": SECRET, **config})
    if storage is None:
        app.config.setdefault("TESSERA_STORE_URL", "memory:")
    tessera: Tessera[Any] = Tessera(app, storage=storage)
    found: dict[str, list[str]] = {"SET": [], "OK": [], "HINT": [], "WARN": [], "FAIL": []}
    with app.app_context():
        for finding in examine(app, tessera.runtime):
            found[finding.level].append(finding.text)
    return found


def test_a_sound_configuration_has_no_weak_spots(tmp_path):
    found = report(TESSERA_STORE_URL=f"sqlite:///{tmp_path}/doctor.db")
    assert found["WARN"] == found["FAIL"] == []
    secret, works, storage, ending = found["OK"]
    assert secret == f"SECRET_KEY has {len(SECRET)} bytes"
    assert works == "the storage can be read and written"
    assert storage.startswith("SQLite ")
    assert storage.endswith("a commit outlives its process and a power cut")
    assert ending == "an ending is known to every worker with its next request"


def test_F04_what_the_storage_promises_is_said_and_what_it_warns_of():
    found = report(storage=HostsOwn())
    assert "Abacus 3: two machines; a commit outlives one of them" in found["OK"]
    assert found["WARN"] == ["Abacus 3: beads are loose", "Abacus 3: it is dark"]


@pytest.mark.parametrize(
    ("config", "ending"),
    [
        ({}, ["an ending is known to every worker within 2 s"]),
        ({"TESSERA_REVOCATION_BOUND": 30}, ["an ending is known to every worker within 30 s"]),
        ({"TESSERA_REVOCATION": "strict"}, []),
        ({"TESSERA_REVOCATION": "stateless"}, []),
    ],
)
def test_S01_the_bound_is_said_where_there_is_one(config, ending):
    assert [text for text in report(storage=HostsOwn(), **config)["OK"] if text.startswith("an ending ")] == ending


def test_a_storage_that_does_not_say_what_it_is_is_a_failure():
    assert report(storage=HostsOwn(is_broken=True))["FAIL"] == ["the storage does not work: it does not say what it is"]


def test_every_setting_is_shown_as_it_is():
    shown = report(TESSERA_ACCESS_LIFETIME=600)["SET"]
    assert "TESSERA_ACCESS_LIFETIME = 600" in shown
    assert "TESSERA_SESSION_LIFETIME = 7776000" in shown
    assert "TESSERA_LEGACY = 'off'" in shown


@pytest.mark.parametrize(
    ("config", "begins"),
    [
        ({"TESSERA_STORE_URL": "memory:"}, "memory: forgets"),
        ({"TESSERA_REVOCATION": "stateless"}, "TESSERA_REVOCATION stateless"),
        ({"TESSERA_HTTP_STATUS": "always_200"}, "TESSERA_HTTP_STATUS always_200"),
        ({"TESSERA_MAX_SESSIONS": 0}, "TESSERA_MAX_SESSIONS 0"),
        ({"SECRET_KEY": SECRET[:20]}, "SECRET_KEY has 20 bytes, 32 are recommended"),
        ({"SECRET_KEY_FALLBACKS": [OLD_SECRET[:20]]}, "SECRET_KEY_FALLBACKS[0] has 20 bytes"),
        (
            {"TESSERA_LEGACY": {"secret": OLD_SECRET, "until": NOW - 1, "since": NOW}},
            "TESSERA_LEGACY: its window has closed",
        ),
        (
            {"TESSERA_LEGACY": {"secret": SECRET, "until": NOW + 1000, "since": NOW}},
            "TESSERA_LEGACY: the old secret is still SECRET_KEY",
        ),
        (
            {"TESSERA_LEGACY": {"secret": SECRET.encode(), "until": NOW + 1, "since": NOW}},
            "TESSERA_LEGACY: the old secret is still",
        ),
        ({"TESSERA_LEGACY": {"secret": OLD_SECRET, "until": NOW + 1}}, "TESSERA_LEGACY has no 'since'"),
        (
            {"TESSERA_LEGACY": {"secret": "dev", "until": NOW + 1, "since": NOW, "accept_weak_secret": True}},
            "TESSERA_LEGACY['secret'] has 3 bytes",
        ),
    ],
)
def test_a_weak_spot_is_warned_about(config, begins):
    assert [text for text in report(**config)["WARN"] if text.startswith(begins)]


@pytest.mark.parametrize(
    ("config", "hints"),
    [
        ({}, ["TESSERA_TRUSTED_PROXIES 0", "TESSERA_ISSUER and TESSERA_AUDIENCE"]),
        ({"TESSERA_TRUSTED_PROXIES": 1, "TESSERA_AUDIENCE": "shop"}, []),
        ({"TESSERA_TRUSTED_PROXIES": 1, "TESSERA_ISSUER": "https://shop.example"}, []),
        ({"TESSERA_TRUSTED_PROXIES": 1, "TESSERA_REVOCATION": "strict"}, []),
        ({"TESSERA_TRUSTED_PROXIES": 1, "TESSERA_REVOCATION": "stateless"}, ["TESSERA_ISSUER and TESSERA_AUDIENCE"]),
    ],
)
def test_what_only_the_operator_can_judge_is_a_hint_and_no_failure(config, hints):
    found = report(**config)
    assert [text[: len(hint)] for text, hint in zip(found["HINT"], hints, strict=True)] == hints
    assert found["FAIL"] == []


def test_debug_mode_is_warned_about():
    assert [text for text in report(debug=True)["WARN"] if text.startswith("debug mode")]


@pytest.mark.parametrize("name", ["SECRET_KEY", "SECRET_KEY_FALLBACKS"])
def test_K01_a_weak_secret_that_debug_mode_lets_pass_is_a_failure(name):
    weak = "changeme"
    found = report(debug=True, **{name: weak if name == "SECRET_KEY" else [OLD_SECRET, weak]})
    assert [text for text in found["FAIL"] if text.startswith(name)]


def test_what_is_well_is_said_too():
    found = report(TESSERA_TRUSTED_PROXIES=2, TESSERA_LEGACY={"secret": OLD_SECRET, "until": NOW + 10 * 86_400 + 3600})
    assert "2 proxies are believed about client addresses" in found["OK"]
    assert "TESSERA_LEGACY: old tokens are accepted for 10 more days" in found["OK"]


def test_a_storage_that_does_not_work_is_a_failure(tmp_path):
    found = report(TESSERA_STORE_URL=f"sqlite:///{tmp_path}/nowhere/doctor.db")
    assert [text for text in found["FAIL"] if text.startswith("the storage does not work: ")]


def test_K08_the_secret_that_signs_is_the_one_that_is_looked_at():
    found = report(SECRET_KEY=None, TESSERA_SECRET_KEY=SECRET[:20], TESSERA_SECRET_KEY_FALLBACKS=[OLD_SECRET[:21]])
    assert found["WARN"][:2] == [
        "TESSERA_SECRET_KEY has 20 bytes, 32 are recommended",
        "TESSERA_SECRET_KEY_FALLBACKS[0] has 21 bytes, 32 are recommended",
    ]
    assert SECRET[:20] not in str(found)
    assert OLD_SECRET[:21] not in str(found)


def test_K08_no_secret_is_printed():
    found = report(
        SECRET_KEY_FALLBACKS=[OLD_SECRET], TESSERA_LEGACY={"secret": "the old hunter2 secret", "until": NOW + 1000}
    )
    everything = "\n".join(text for texts in found.values() for text in texts)
    assert not [secret for secret in (SECRET, OLD_SECRET, "hunter2") if secret in everything]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"SENDER": "console:"}, ["TESSERA_SENDER console: writes codes"]),
        ({"SENDER": "file:m.jsonl"}, ["TESSERA_SENDER file: writes codes"]),
        ({"SENDER": "webhook:http://sms.example/?secret=hush"}, ["TESSERA_SENDER webhook: goes to another machine"]),
        ({"SENDER": "smtp://mail.example?from=a@b.example&starttls=0"}, ["TESSERA_SENDER smtp: goes to another"]),
        ({"SENDER": "webhook:https://sms.example/?secret=hush"}, []),
        ({"SENDER": "webhook:http://127.0.0.1:8000/"}, []),
        ({"SENDER": "smtp://mail.example?from=a@b.example"}, []),
        ({"SENDER": "smtps://mail.example?from=a@b.example"}, []),
        ({"PUBLIC_URL": "http://shop.example"}, ["TESSERA_PUBLIC_URL is http://"]),
        ({"PUBLIC_URL": "http://localhost:5000"}, []),
        ({"PUBLIC_URL": "https://shop.example"}, []),
    ],
)
def test_what_is_weak_about_messages_is_said(tmp_path, config, said):
    settings = {f"TESSERA_{name}": value for name, value in config.items()}
    found = report(TESSERA_STORE_URL=f"sqlite:///{tmp_path}/doctor.db", **settings)
    assert len(found["WARN"]) == len(said)
    assert all(text.startswith(begin) for text, begin in zip(found["WARN"], said, strict=True))
    assert "hush" not in str(found)


def test_a_sender_for_development_is_fine_in_debug_mode():
    assert "SENDER" not in str(report(debug=True, TESSERA_SENDER="console:")["WARN"])


@pytest.mark.parametrize("sender", ["", "webhook:https://sms.example/"])
def test_endpoints_that_send_need_a_sender(tmp_path, sender):
    from tests.web.people import AccountsApp

    town = AccountsApp(tmp_path, SENDER=sender)
    with town.app.app_context():
        found = [each.text for each in examine(town.app, town.tessera.runtime) if "can send nothing" in each.text]
    assert found == (
        []
        if sender
        else ["tessera.codes, tessera.links can send nothing: set TESSERA_SENDER, or give Tessera(sender=…)"]
    )
