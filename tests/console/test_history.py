"""The page that tells what has happened to an account."""

from __future__ import annotations

import pytest

from flask_tessera.console.event_words import EVENT_WORDS, event_label
from flask_tessera.services.audit_data import EVENTS

from .accounts import PASSWORD, PagesApp, Visitor

HISTORY = "/console/history"
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def home(tmp_path):
    return PagesApp(tmp_path, tessera={"audit": True})


def test_every_event_has_words_in_both_languages():
    assert EVENT_WORDS.keys() == EVENTS.keys()
    assert event_label("sneezed", "en") == "sneezed"


def test_what_has_happened_is_told_newest_first_and_does_nothing(ada, home):
    home.post("/login", {"phone": "13800138000", "password": PASSWORD, "device": {"name": HOSTILE}})
    home.clock.advance(60)
    Visitor(home).login(password="wrong")
    ada.open(HISTORY)
    assert ada.status == 200
    assert not ada.page.all("img")
    text = " ".join(ada.page.text.split())
    assert HOSTILE in text
    text = text.partition("change your password.")[2]
    assert text.index("Sign-in refused Wrong account or password.") < text.index("Signed in")


def test_there_are_pages_of_it(ada):
    ada.open(f"{HISTORY}?limit=1")
    (first,) = ada.page.all("time")
    (link,) = ada.page.all("a", id="earlier")
    ada.open(HISTORY + link["href"])
    assert ada.status == 200
    assert ada.page.all("time")
    assert ada.open(f"{HISTORY}?limit=x").status == 400
    assert first["datetime"].endswith("Z")


def test_an_application_that_keeps_none_has_no_such_page(tmp_path):
    (tmp_path / "silent").mkdir()
    home = PagesApp(tmp_path / "silent")
    home.register()
    visitor = Visitor(home).login()
    assert not visitor.page.all("a", href=HISTORY)
    assert visitor.open(HISTORY).status == 404
    assert Visitor(home).open(HISTORY).now_at() == "/console/sign-in"
