"""What is asked of the storage for somebody who may have an account is the same for somebody who has none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from .people import AccountsApp
from .watched import WatchedStorage

WHO = {"known": "13800138000", "disabled": "13800138001", "suspended": "13800138002", "unknown": "13800138003"}
ASKED = [
    *(("/links", purpose) for purpose in ("login", "reset", "confirm")),
    *(("/codes", purpose) for purpose in ("login", "reset")),
]
IN_THE_BACKGROUND = ("event", "event_failed")
"""Kinds of values that a thread writes, a second or two later; under the clock of a test, at once."""


def kinds_of(given):
    """The kinds of the values that a call is about: the first argument, or one of each of its elements."""
    first = given[0] if given else ""
    if isinstance(first, str):
        return [first]
    return [each[0] if isinstance(each, tuple) else each.kind for each in first] if isinstance(first, list) else []


def noted(name, given):
    """What is called, and with which kinds of values: on a server each call is a round trip."""
    kinds = kinds_of(given)
    return None if set(kinds) & set(IN_THE_BACKGROUND) else (name, *kinds)


@pytest.fixture
def storage():
    return WatchedStorage(noted)


@pytest.fixture
def town(tmp_path, storage):
    made = AccountsApp(tmp_path, tessera={"storage": storage}, STORE_URL="")
    for number, who in enumerate(("known", "disabled", "suspended"), 1):
        made.register(WHO[who])
        made.people.rows[number] = replace(made.people.rows[number], disabled=who == "disabled")
    with made.app.app_context():
        made.tessera.suspend(3)
    return made


@pytest.mark.parametrize(("path", "purpose"), ASKED)
def test_L05_Q04_L15_a_link_or_a_code_costs_the_same_calls_whether_or_not_there_is_an_account(
    town, storage, path, purpose
):
    works = {}
    for who, phone in WHO.items():
        town.clock.advance(61)
        del storage.calls[:]
        assert town.post(path, {"recipient": phone, "purpose": purpose}).status_code == 200
        works[who] = list(storage.calls)
    assert ("put", "ticket" if path == "/links" else "code") in works["unknown"]
    assert all(work == works["unknown"] for work in works.values()), works
