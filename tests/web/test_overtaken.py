"""What happens while a login is under way, and what was set otherwise when a session began."""

from __future__ import annotations

import pytest

from flask_tessera import CredentialsError, SessionEndedError, TokenExpiredError
from flask_tessera.services.keys import parse_sid
from flask_tessera.testing import Clock
from flask_tessera.web import signals


@pytest.mark.parametrize("how", ["kick_user", "suspend"])
def test_S04_a_login_that_was_checked_before_all_sessions_were_ended_begins_none(site, how):
    tessera = site.tessera
    with site.app.app_context():
        since = tessera.position()
        getattr(tessera, how)(7)
        if how == "suspend":
            tessera.unsuspend(7)
        with pytest.raises(CredentialsError):
            tessera.login(7, since=since)
        with pytest.raises(CredentialsError):
            tessera.create_token(7, since=since)
        assert not tessera.sessions(7)


def test_S04_what_was_ended_before_the_check_or_of_somebody_else_refuses_nobody(site):
    tessera = site.tessera
    with site.app.app_context():
        tessera.kick_user(7)
        since = tessera.position()
        tessera.kick_user(8)
        tessera.kick(tessera.login(7).session_id)
        assert tessera.verify(tessera.login(7, since=since).access_token)


def test_S04_the_login_route_is_refused_when_the_password_is_changed_while_it_is_checked(new_site):
    site = new_site()

    @site.tessera.authenticator
    def slow(credentials):
        site.tessera.kick_user(7, "password_change")
        return 7

    site.app.register_blueprint(site.tessera.blueprint())
    answer = site.post("/auth/login", json={"phone": "1", "password": "old"})
    assert (answer.status_code, answer.get_json()["error"]) == (401, "credentials_wrong")


def test_S01_a_longer_life_that_is_set_later_does_not_outlive_the_memory_of_an_ending(tmp_path, new_site):
    clock = Clock()

    def start(**config):
        return new_site(tessera={"clock": clock}, TESSERA_STORE_URL=f"sqlite:///{tmp_path / 'tessera.db'}", **config)

    before = start()
    refresh_token = before.login(7).refresh_token
    after = start(TESSERA_ACCESS_LIFETIME=86_400)
    with after.app.app_context():
        pair = after.tessera.refresh(refresh_token)
        assert 0 < pair.access_expires_in <= 900
        after.tessera.kick(pair.session_id)
        for _ in range(20):
            clock.advance(100)
            after.tessera.kick(after.tessera.login(8).session_id)
            with pytest.raises((SessionEndedError, TokenExpiredError)):
                after.tessera.verify(pair.access_token)


def test_G03_a_session_that_made_room_for_a_refused_login_is_told_of(new_site):
    site = new_site(TESSERA_MAX_SESSIONS=1)
    told = []

    def note(_sender, event):
        told.append((event.session.sid, event.reason))

    with site.app.app_context(), signals.session_ended.connected_to(note, site.app):
        since = site.tessera.position()
        site.tessera.kick_user(7)
        evicted = site.tessera.login(7).session_id
        with pytest.raises(CredentialsError):
            site.tessera.login(7, since=since)
    assert told == [(parse_sid(evicted), "limit")]
