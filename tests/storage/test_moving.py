"""Moves to any storage that are out of the ordinary."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from flask_tessera.services.moving import move
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing.contract.base import T0, begin, rotate
from tests.servers import fresh, fresh_url


@pytest.fixture(params=["memory", "sqlite", "postgres", "mariadb", "redis8"])
def target(request, url):
    """A storage to move to."""
    if request.param in ("postgres", "mariadb"):
        with fresh(request.param) as own:
            storage = open_storage(own)
            yield storage
            storage.close()
        return
    urls = {"memory": "memory:", "sqlite": url}
    storage = open_storage(urls.get(request.param) or fresh_url(request.param))
    yield storage
    storage.close()


def test_S02_who_logged_the_others_out_between_two_moves_stays_logged_in(target):
    source = open_storage("memory:")
    kept, other = begin(source), begin(source)
    move(source, target, at=T0, batch=10)
    source.sessions.end_user("", "7", "password_change", at=T0 + 1, except_sid=kept.sid)
    move(source, target, at=T0 + 2, batch=10)
    assert rotate(target, kept, 0, T0 + 3).outcome == "rotated"
    assert rotate(target, other, 0, T0 + 3).reason == "password_change"
    # What went on where it is now is not turned back.
    move(source, target, at=T0 + 4, batch=10)
    assert rotate(target, kept, 1, T0 + 5).outcome == "rotated"


def test_S01_all_endings_of_a_log_that_is_read_in_pages_are_moved(target, monkeypatch):
    source = open_storage("memory:")
    ended = [begin(source, str(number)) for number in range(5)]
    for session in ended:
        source.sessions.end(session.sid, "logout", at=T0)
    after = source.revocations.after

    def one_by_one(cursor, *, at):
        page = after(cursor, at=at)
        return replace(page, entries=page.entries[:1], cursor=cursor + 1, is_whole=len(page.entries) == 1)

    monkeypatch.setattr(source.revocations, "after", one_by_one)
    assert move(source, target, at=T0 + 1, batch=10).endings == 5
    assert {entry.sid for entry in target.revocations.after(0, at=T0 + 1).entries} == {each.sid for each in ended}
