"""API keys on every storage, in several processes and applications (A05, S01)."""

from __future__ import annotations

import pytest
from flask import Flask

from flask_tessera import StorageUnavailableError, Tessera, TokenInvalidError
from flask_tessera.errors import InputError, NotFoundError
from flask_tessera.testing import WorkerProcesses
from tests.cli.stores import STORES, store_url
from tests.servers import wait_until

from .conftest import SECRET

BOUND = 2


def make(url):
    app = Flask("worker")
    app.config.update(SECRET_KEY=SECRET, TESSERA_STORE_URL=url)
    tessera = Tessera(app, user_id_type=int)
    app.add_url_rule("/who", "who", tessera.login_required(lambda: {"id": tessera.current_identity.user_id}))
    return app, tessera


def status(app, key):
    """What a request with this key is answered; one that could not be answered in time is sent again."""
    answer = 503
    while answer == 503:
        answer = app.test_client().get("/who", headers={"z-token": key}).status_code
    return answer


def insist(function, *given, **named):
    """Call until it is answered: under the load of a race that may take more than one time."""
    while True:
        try:
            return function(*given, **named)
        except StorageUnavailableError:
            pass


def worker(url):
    """A process of its own; its orders are pairs of what and with what."""
    app, tessera = make(url)

    def carry_out(order):
        what, *given = order
        with app.app_context():
            return ACTIONS[what](app, tessera.api_keys, *given)

    return carry_out


def rotate_some(_, keys, key_id, times, overlap):
    """The texts; None for one that may have been written, and was not answered."""
    texts = []
    for _ in range(times):
        try:
            texts.append(keys.rotate(7, key_id, overlap=overlap).key)
        except StorageUnavailableError:
            texts.append(None)
    return texts


def create_some(_, keys, times):
    made = 0
    for number in range(times):
        try:
            insist(keys.create, 7, name=f"number {number}")
        except InputError:
            continue
        made += 1
    return made


def revoke_once(_, keys, key_id):
    try:
        insist(keys.revoke, 7, key_id)
    except NotFoundError:
        return False
    return True


ACTIONS = {
    "status": lambda app, _, key: status(app, key),
    "revoke": revoke_once,
    "rotate": rotate_some,
    "create": create_some,
}


@pytest.fixture(params=STORES)
def url(request, tmp_path):
    with store_url(request.param, tmp_path) as url:
        app, tessera = make(url)
        tessera.check(app)
        tessera.close(app)
        yield url


@pytest.fixture
def app_of(url):
    """Makes applications over the storage, and closes them."""
    made = []

    def another():
        made.append(make(url))
        return made[-1]

    yield another
    for app, tessera in made:
        tessera.close(app)


@pytest.mark.slow
def test_S01_a_key_made_in_one_process_is_used_in_another_and_ends_there(url, app_of):
    app, tessera = app_of()
    with WorkerProcesses(2, worker, url) as processes, app.app_context():
        made = insist(tessera.api_keys.create, 7, name="till")
        assert processes.race(("status", made.key)) == [200, 200]
        assert status(app, made.key) == 200
        assert processes.call(0, ("revoke", made.id)) is True
        assert processes.call(0, ("status", made.key)) == 401
        wait_until(lambda: processes.call(1, ("status", made.key)) == 401, "the other process refuses the key")
        wait_until(lambda: status(app, made.key) == 401, "this process refuses the key")
        assert insist(tessera.api_keys.list, 7) == []


@pytest.mark.repeats("url")
def test_S01_another_application_that_has_seen_a_key_hears_of_its_rotation_and_its_end(url, app_of):
    (one, tessera), (other, _) = app_of(), app_of()
    with one.app_context():
        made = insist(tessera.api_keys.create, 7, name="till")
        wait_until(lambda: [status(other, made.key) for _ in range(3)] == [200] * 3, "the key works")
        again = insist(tessera.api_keys.rotate, 7, made.id)
        wait_until(lambda: status(other, made.key) == 401, "the old secret is refused")
        assert status(other, again.key) == 200
        insist(tessera.api_keys.revoke, 7, made.id)
        wait_until(lambda: status(other, again.key) == 401, "the key is refused")


@pytest.mark.repeats("url")
@pytest.mark.parametrize("end", ["suspend", "password_change"])
def test_A05_an_ended_owner_ends_the_keys_in_every_application(url, app_of, end):
    (one, tessera), (other, _) = app_of(), app_of()
    with one.app_context():
        keys = [insist(tessera.api_keys.create, user, name="till").key for user in (7, 7, 8)]
        assert [status(other, key) for key in keys] == [200] * 3
        if end == "suspend":
            insist(tessera.suspend, 7)
        else:
            insist(tessera.revoke_user, 7, end)
        wait_until(lambda: [status(other, key) for key in keys] == [401, 401, 200], "the keys of the user are refused")
        assert insist(tessera.api_keys.list, 7) == []


@pytest.mark.repeats("url")
@pytest.mark.parametrize("overlap", [0, 600])
def test_of_20_parallel_rotations_of_4_processes_none_is_lost_and_one_is_the_newest(url, app_of, overlap):
    app, tessera = app_of()
    with app.app_context():
        made = insist(tessera.api_keys.create, 7, name="till")
        with WorkerProcesses(4, worker, url) as processes:
            answers = [text for each in processes.race(("rotate", made.id, 5, overlap)) for text in each]
        texts = [text for text in answers if text is not None]
        assert len(set(texts)) == len(texts)
        good = [text for text in (made.key, *texts) if is_good(tessera, text)]
        # With an overlap the four before the newest work on; one of them may have gone unanswered.
        wanted = 5 if overlap else 1
        assert wanted - answers.count(None) <= len(good) <= wanted
        newest = insist(tessera.api_keys.rotate, 7, made.id, overlap=0).key
        assert [text for text in (made.key, *texts, newest) if is_good(tessera, text)] == [newest]
        (key,) = insist(tessera.api_keys.list, 7)
        assert (key.id, key.name) == (made.id, "till")


@pytest.mark.repeats("url")
def test_racing_processes_never_make_more_keys_than_a_user_may_have(url, app_of):
    app, tessera = app_of()
    with app.app_context():
        for number in range(45):
            insist(tessera.api_keys.create, 7, name=f"before {number}")
        with WorkerProcesses(4, worker, url) as processes:
            made = sum(processes.race(("create", 4)))
        # A creation that was not answered was taken back, unless that was not answered either.
        there = len(insist(tessera.api_keys.list, 7))
        assert 45 + made <= there <= 50


@pytest.mark.repeats("url")
def test_of_racing_revocations_all_leave_the_key_ended(url, app_of):
    app, tessera = app_of()
    with app.app_context():
        made = insist(tessera.api_keys.create, 7, name="till")
        with WorkerProcesses(4, worker, url) as processes:
            assert any(processes.race(("revoke", made.id)))
        assert not is_good(tessera, made.key)
        assert insist(tessera.api_keys.list, 7) == []


def is_good(tessera, key):
    """Whether the storage itself says so now."""
    try:
        insist(tessera.verify, key, strict=True)
    except TokenInvalidError:
        return False
    return True
