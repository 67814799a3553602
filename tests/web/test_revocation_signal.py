"""The signal `session_revoked_here`: every worker that learns of a revocation tells its receivers."""

from __future__ import annotations

import threading
from queue import SimpleQueue

import pytest
from flask import current_app

from flask_tessera import signals
from flask_tessera.services.keys import parse_sid
from flask_tessera.services.ports import RevocationNotice
from flask_tessera.sessions.revocations import Revocation
from flask_tessera.testing import YEAR_2096
from tests.cli.stores import SERVERS, store_url
from tests.servers import wait_until

from .conftest import make_site


@pytest.fixture
def heard():
    """Connects a receiver to a site's signal; gives the queue of what it is sent."""
    connected = []

    def connect(site):
        queue = SimpleQueue()

        def receive(app, revocation):
            assert current_app._get_current_object() is app
            queue.put((revocation, threading.current_thread().name))

        connected.append((receive, site.app))
        signals.session_revoked_here.connect(receive, sender=site.app)
        return queue

    yield connect
    for receive, app in connected:
        signals.session_revoked_here.disconnect(receive, sender=app)


def next_in(queue):
    return queue.get(timeout=60)[0]


def look(site):
    """What a request, or an open socket, makes a worker do."""
    with site.app.app_context():
        site.tessera.runtime.shared.view.look(at=site.clock())


def test_G03_what_ends_is_told_in_a_thread_of_its_own(heard):
    site = make_site()
    queue = heard(site)
    pair, staying = site.login(), site.login(8)
    look(site)
    with site.app.app_context():
        site.tessera.revoke_session(pair.session_id)
        look(site)
        assert queue.get(timeout=60) == (
            RevocationNotice("kick", session_id=pair.session_id),
            "tessera-revocation-signal",
        )
        site.tessera.revoke_user(7, "user_gone")
        look(site)
        assert next_in(queue) == RevocationNotice("user_gone", user_id="7")
    with site.app.test_request_context(headers={"z-token": staying.access_token}):
        site.tessera.revoke_others("password_change")
    look(site)
    notice = next_in(queue)
    assert notice == RevocationNotice("password_change", user_id="8", except_session_id=staying.session_id)


def test_a_receiver_may_ask_what_it_likes_and_one_that_fails_keeps_none_from_the_others(heard, caplog):
    site = make_site()
    answers = SimpleQueue()

    def ask(app, revocation):
        answers.put(site.tessera.sessions(7))
        site.tessera.runtime.shared.view.look(at=site.clock())
        raise ZeroDivisionError

    signals.session_revoked_here.connect(ask, sender=site.app)
    try:
        for _ in range(3):
            with site.app.app_context():
                site.tessera.revoke_user(7)
                look(site)
            assert answers.get(timeout=60) == []
    finally:
        signals.session_revoked_here.disconnect(ask, sender=site.app)
    wait_until(lambda: caplog.text.count("a receiver of the signal session-revoked-here failed") == 3, "it is logged")


def test_what_was_announced_is_told_when_it_has_happened(heard):
    """In a cluster the log need not say so: it may have been read in between."""
    site = make_site()
    queue = heard(site)
    pair = site.login()
    with site.app.app_context():
        shared = site.tessera.runtime.shared
        shared.view.look(at=site.clock())
        of_session = Revocation(YEAR_2096 * 2, "logout", parse_sid(pair.session_id), is_intent=True)
        of_user = Revocation(YEAR_2096 * 2, "kick", realm="", user_id="8", epoch=1, is_intent=True)
        shared.view.take_ahead([of_session, of_user], at=site.clock())
        # Nobody looks at the log, so that nothing else tells of it.
        shared.storage.sessions.end(parse_sid(pair.session_id), "logout", at=site.clock())
        assert next_in(queue) == RevocationNotice("logout", session_id=pair.session_id)
        shared.storage.sessions.end_user("", "8", "kick", at=site.clock())
        assert next_in(queue) == RevocationNotice("kick", user_id="8")


@pytest.mark.slow
def test_nothing_runs_where_nobody_listens_and_what_never_happens_is_not_told(heard):
    site = make_site()
    queue = heard(make_site())
    before = {thread.name for thread in threading.enumerate()}
    with site.app.app_context():
        site.tessera.revoke_user(7)
        look(site)
    assert {thread.name for thread in threading.enumerate()} <= before | {"tessera-follower"}
    assert queue.empty()
    other = heard(site)
    with site.app.app_context():
        announced = Revocation(YEAR_2096 * 2, "kick", parse_sid(site.login(8).session_id), is_intent=True)
        written = Revocation(YEAR_2096 * 2, "kick", bytes(range(1, 17)))
        site.tessera.runtime.shared.view.take_ahead([announced, written], at=site.clock())
    assert next_in(other).session_id == "AQIDBAUGBwgJCgsMDQ4PEA"
    assert other.empty()


@pytest.mark.repeats("kind")
@pytest.mark.parametrize("kind", ["sqlite", *SERVERS])
def test_G03_every_worker_is_told_of_what_another_has_ended(kind, heard, tmp_path):
    with store_url(kind, tmp_path) as url:
        here, there = (make_site(TESSERA_STORE_URL=url) for _ in range(2))
        try:
            pair = here.login()
            queue = heard(there)
            with there.app.app_context():
                runtime = there.tessera.runtime
                follows = runtime.shared.view.needs_follower
                if follows:
                    wait_until(runtime.shared.follower.is_current, "it follows")
                else:
                    look(there)
            with here.app.app_context():
                here.tessera.revoke_session(pair.session_id)
            if not follows:
                look(there)
            notice = next_in(queue)
            while notice.session_id != pair.session_id:
                notice = next_in(queue)
            assert notice.reason == "kick"
        finally:
            for site in (here, there):
                site.tessera.close(site.app)
