"""Guards on a storage whose revocation log has to be followed: bounded, strict, stateless, and cut off."""

from __future__ import annotations

import threading

import pytest

from flask_tessera import ConfigError, login_required
from tests.servers import wait_until

from .conftest import BrokenStorage, age


def until(condition):
    """Wait for what a thread does."""
    wait_until(condition, "a thread has done it")


@pytest.fixture
def far_storage():
    """A storage whose log says that it needs two seconds."""
    storage = BrokenStorage()
    storage.be_far()
    yield storage
    storage.is_broken = False


def make(new_site, storage, **config):
    site = new_site(storage=storage, **config)
    site.app.add_url_rule("/who", "who", login_required(lambda: "in"))
    site.app.add_url_rule("/strict", "strict", login_required(strict=True)(lambda: "in"))
    return age(site)


def follower_of(site):
    with site.app.app_context():
        return site.tessera.runtime.shared.follower


def test_S01_a_revocation_reaches_the_follower_and_told_with_its_bound(new_site, far_storage):
    site = make(new_site, far_storage)
    pair = site.login()
    until(follower_of(site).is_current)
    assert site.get("/who", pair.access_token).status_code == 200
    with site.app.app_context():
        assert site.tessera.revoke_session(pair.session_id).effective_by == site.clock() + 2
    until(lambda: site.get("/who", pair.access_token).status_code == 401)
    assert site.get("/who", pair.access_token).get_json()["error"] == "session_kick"


def test_S01_a_longer_bound_may_be_chosen_and_is_told(new_site, far_storage):
    site = make(new_site, far_storage, TESSERA_REVOCATION_BOUND=10)
    pair = site.login()
    with site.app.app_context():
        assert site.tessera.revoke_session(pair.session_id).effective_by == site.clock() + 10


def test_S01_a_bound_that_the_storage_cannot_keep_is_refused(new_site, far_storage):
    with pytest.raises(ConfigError, match="TESSERA_REVOCATION_BOUND must be at least 2"):
        new_site(storage=far_storage, TESSERA_REVOCATION_BOUND=1)


def test_F03_a_worker_that_cannot_follow_asks_the_storage_on_each_request(new_site, far_storage):
    site = make(new_site, far_storage)
    pair = site.login()
    until(follower_of(site).is_current)
    # The log is away, the sessions are there.
    far_storage.is_broken, far_storage.works = True, ("find", "end", "mark", "seen")
    until(lambda: not follower_of(site).is_current())
    assert site.get("/who", pair.access_token).status_code == 200
    with site.app.app_context():
        site.tessera.revoke_session(pair.session_id)
    assert site.get("/who", pair.access_token).get_json()["error"] == "session_kick"


def test_F03_a_worker_that_can_neither_follow_nor_ask_refuses_politely_and_recovers(new_site, far_storage):
    site = make(new_site, far_storage)
    pair = site.login()
    until(follower_of(site).is_current)
    far_storage.is_broken = True
    until(lambda: site.get("/who", pair.access_token).status_code == 503)
    answer = site.get("/who", pair.access_token)
    assert (answer.get_json()["error"], answer.headers["Retry-After"]) == ("storage_read_failed", "1")
    far_storage.is_broken = False
    until(lambda: site.get("/who", pair.access_token).status_code == 200)
    until(follower_of(site).is_current)


@pytest.mark.parametrize(("path", "config"), [("/who", {"TESSERA_REVOCATION": "strict"}), ("/strict", {})])
def test_S01_in_strict_mode_the_very_next_request_is_refused(new_site, far_storage, path, config):
    site = make(new_site, far_storage, **config)
    pair = site.login()
    assert site.get(path, pair.access_token).status_code == 200
    with site.app.app_context():
        result = site.tessera.revoke_session(pair.session_id)
    assert site.get(path, pair.access_token).get_json()["error"] == "session_kick"
    assert result.effective_by == site.clock() + (0 if config else 2)


def test_a_stateless_worker_has_no_thread(new_site, far_storage):
    before = set(threading.enumerate())
    site = make(new_site, far_storage, TESSERA_REVOCATION="stateless", TESSERA_ACCESS_LIFETIME=900)
    pair = site.login()
    assert site.get("/who", pair.access_token).status_code == 200
    assert "tessera-follower" not in {each.name for each in set(threading.enumerate()) - before}


@pytest.mark.slow
@pytest.mark.parametrize("bound", [0, 2])
def test_F04_after_a_restored_backup_all_who_were_logged_in_are_out(new_site, bound):
    far_storage = BrokenStorage()
    if bound:
        far_storage.be_far(bound)
    site = make(new_site, far_storage)
    pair = site.login()
    assert site.get("/who", pair.access_token).status_code == 200
    site.clock.advance(1)
    far_storage.revocations.restart(at=site.clock(), valid_from=site.clock())
    # A worker that could not follow asks the storage, and may then hear an older answer of the log once more.
    until(lambda: (site.get("/who", pair.access_token).get_json(silent=True) or {}).get("error") == "session_expiry")
    assert site.get("/strict", pair.access_token).get_json()["error"] == "session_expiry"
    with site.app.app_context():
        assert site.tessera.sessions(7) == []
        with pytest.raises(Exception, match="expiry"):
            site.tessera.refresh(pair.refresh_token)
    again = site.login()
    assert site.get("/who", again.access_token).status_code == 200
    with site.app.app_context():
        assert [each.sid for each in site.tessera.sessions(7)] == [again.issued.session.sid]
