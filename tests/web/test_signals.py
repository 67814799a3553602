"""Receivers of signals: plain or async, and none of them makes a request fail that has done its work."""

from __future__ import annotations

import logging

import pytest

from flask_tessera import signals
from flask_tessera.errors import TokenInvalidError
from flask_tessera.storage.memory import MemoryStorage


@pytest.fixture
def shop(new_site):
    site = new_site()
    site.app.add_url_rule("/signin", "signin", lambda: site.tessera.login(7).to_response(), methods=["POST"])

    @site.app.post("/async")
    async def signin_async():
        return site.tessera.login(7).to_response()

    return site


@pytest.mark.parametrize("path", ["/signin", "/async"])
def test_an_async_receiver_is_awaited(shop, path):
    heard = []

    async def hear(sender, event):
        heard.append((sender, event.name, event.session.user_id))

    with signals.session_started.connected_to(hear, sender=shop.app):
        assert shop.post(path).status_code == 200
    assert heard == [(shop.app, "session_started", "7")]


@pytest.mark.parametrize("path", ["/signin", "/async"])
@pytest.mark.parametrize("is_async", [False, True])
def test_an_error_in_a_receiver_is_logged_and_the_others_are_told(shop, caplog, path, is_async):
    heard = []

    def fail(sender, event):
        raise ZeroDivisionError("the receiver's own")

    async def fail_async(sender, event):
        raise ZeroDivisionError("the receiver's own")

    def hear(sender, event):
        heard.append(event.name)

    failing = fail_async if is_async else fail
    started = signals.session_started
    with (
        caplog.at_level(logging.ERROR, "flask_tessera"),
        started.connected_to(failing, sender=shop.app),
        started.connected_to(hear, sender=shop.app),
    ):
        assert shop.post(path).status_code == 200
    assert heard == ["session_started"]
    (record,) = [each for each in caplog.records if "session-started failed" in each.getMessage()]
    assert "the receiver's own" in record.exc_text
    with shop.app.app_context():
        assert len(shop.tessera.sessions(7)) == 1


def test_a_receiver_of_login_failed_that_fails_changes_no_answer(shop, caplog):
    shop.tessera.authenticator(lambda credentials: None)
    shop.app.register_blueprint(shop.tessera.blueprint("login"))

    def fail(sender, **said):
        raise ZeroDivisionError

    with signals.login_failed.connected_to(fail, sender=shop.app):
        statuses = [shop.post("/auth/login", json={"name": "x"}).status_code for _ in range(11)]
    assert statuses == [401] * 10 + [429]
    assert sum("login-failed failed" in each.getMessage() for each in caplog.records) == 10


def test_a_receiver_outside_a_request_has_an_application_context(shop):
    from flask import current_app

    heard = []

    def hear(sender, event):
        heard.append(current_app._get_current_object())

    with signals.session_started.connected_to(hear, sender=shop.app):
        shop.login()
    assert heard == [shop.app]


def test_a_reuse_is_told_though_the_application_is_of_another_audience(new_site):
    """Its storage has ended the session: whoever refuses the token, the owner's alarm must ring."""
    storage, heard = MemoryStorage(), []
    home, other = new_site(storage=storage), new_site(storage=storage, TESSERA_AUDIENCE="other")
    spent = home.login().refresh_token
    with home.app.app_context():
        home.tessera.refresh(home.tessera.refresh(spent).refresh_token)

    def hear(sender, event):
        heard.append(event.name)

    with (
        signals.token_reused.connected_to(hear, sender=other.app),
        signals.session_ended.connected_to(hear, sender=other.app),
        other.app.app_context(),
        pytest.raises(TokenInvalidError),
    ):
        other.tessera.refresh(spent)
    assert heard == ["token_reused", "session_ended"]
