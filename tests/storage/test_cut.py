"""A connection that is cut after any message of a step, COMMIT included: nobody can say whether it was carried out."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from flask_tessera.errors import AlreadyExistsError, StorageUnavailableError
from flask_tessera.sessions.limits import Limits
from flask_tessera.storage.from_url import open_storage
from flask_tessera.storage.sql import database
from flask_tessera.testing.contract.base import T0, begin, new_session, rotate, stored
from tests.servers import fresh

LIMITS = Limits(2, 0, "evict")
MOST_MESSAGES = 60
DATABASES = ["postgres", "mariadb"]
pytestmark = pytest.mark.usefixtures("patient")


@pytest.fixture(params=DATABASES)
def url(request):
    with fresh(request.param) as url:
        yield url


@pytest.fixture
def patient(monkeypatch):
    """However busy the machine is, a step that lost its connection comes early enough to be tried again."""
    monkeypatch.setattr(database, "STEP", 60)
    monkeypatch.setattr(database, "_PATIENCE", 60)


class Relay:
    """Stands between storage and server; cuts all connections once so many messages have gone through."""

    def __init__(self, host, port):
        self._target = host, port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._open, self._cut = [], []
        self.left = None
        self.was_cut = False
        self.is_over = threading.Event()
        self.renew = lambda: None
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self._listening.accept()[0]
                server = socket.create_connection(self._target)
                self._open += [client, server]
                for source, target, counts in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._pass_on, args=(source, target, counts), daemon=True).start()

    def _pass_on(self, source, target, counts):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                # Said before the server has it: its answer may be quicker than the cut.
                is_last = counts and self._count()
                self.was_cut |= is_last
                target.sendall(data)
                if is_last:
                    self.cut()
                    self.is_over.set()
            target.shutdown(socket.SHUT_RDWR)

    def _count(self):
        if self.left is not None:
            self.left -= 1
        return self.left == 0

    def cut(self):
        # Not those that come meanwhile: a step may have begun again.
        doomed, self._open = self._open, []
        for each in doomed:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._cut += doomed

    def close(self):
        self.cut()
        self._listening.close()
        for each in self._cut:
            each.close()


@pytest.fixture
def relay(url):
    address = url.rpartition("@")[2].partition("/")[0]
    host, _, port = address.rpartition(":")
    relay = Relay(host, int(port))
    yield relay
    relay.close()


@pytest.fixture
def cuttable(relay, url):
    head, _, tail = url.rpartition("@")
    storage = open_storage(f"{head}@127.0.0.1:{relay.port}/{tail.partition('/')[2]}")

    # The next step connects anew, and is cut at that as well.
    relay.renew = storage.close
    yield storage
    storage.close()


def cut_everywhere(relay, step):
    """Carry out a step again and again, cut after one message more each time, until it comes to its end uncut."""
    for number in range(1, MOST_MESSAGES):
        relay.left, relay.was_cut = number, False
        relay.is_over.clear()
        step()
        relay.left = None
        if not relay.was_cut:
            return number
        # The answer may have been quicker than the cut, which the next step is not to meet beside its own.
        assert relay.is_over.wait(60)
        relay.renew()
    raise AssertionError("the step has no end")


@pytest.mark.repeats("url")
def test_F05_a_login_is_there_whole_or_not_at_all(relay, cuttable, store):
    """It is never repeated by itself; a client that repeats it is told, or served."""
    begin(store)
    cuttable.check()

    def step():
        session = new_session()
        try:
            cuttable.sessions.add(session, limits=LIMITS, at=T0)
        except StorageUnavailableError:
            with contextlib.suppress(AlreadyExistsError):
                store.sessions.add(session, limits=LIMITS, at=T0)
        live = store.sessions.list("", "7", at=T0)
        assert session.sid in [each.sid for each in live]
        assert len(live) <= 2

    assert cut_everywhere(relay, step) > 4
    over = {entry.sid for entry in store.revocations.after(0, at=T0).entries}
    assert not over & {each.sid for each in store.sessions.list("", "7", at=T0)}


@pytest.mark.repeats("url")
def test_F05_a_refresh_has_one_successor(relay, cuttable, store):
    """What was lost on the way is repeated by itself, and gives the same token."""
    session = begin(store)
    cuttable.check()
    state = {"gen": 0}

    def step():
        result = rotate(cuttable, session, state["gen"], T0)
        assert result.outcome in ("rotated", "same")
        state["gen"] += 1
        assert result.session.gen == stored(store, session).gen == state["gen"]

    assert cut_everywhere(relay, step) > 1


@pytest.mark.repeats("url")
def test_F05_a_replay_ends_the_session_once(relay, cuttable, store):
    cuttable.check()

    def step():
        session = begin(store)
        rotate(store, session, 0, T0)
        rotate(store, session, 1, T0)
        assert rotate(cuttable, session, 0, T0).outcome in ("reuse", "refused")
        assert stored(store, session).end_reason == "reuse"
        sids = [entry.sid for entry in store.revocations.after(0, at=T0).entries]
        assert sids.count(session.sid) == 1

    assert cut_everywhere(relay, step) > 2


@pytest.mark.repeats("url")
def test_F05_an_ending_is_noted_once(relay, cuttable, store):
    cuttable.check()

    def step():
        session = begin(store)
        assert cuttable.sessions.end(session.sid, "logout", at=T0).session.end_reason == "logout"
        sids = [entry.sid for entry in store.revocations.after(0, at=T0).entries]
        assert sids.count(session.sid) == 1

    assert cut_everywhere(relay, step) > 1


@pytest.mark.repeats("url")
def test_F05_the_end_of_all_may_be_asked_for_again(relay, cuttable, store):
    cuttable.check()

    def step():
        sessions = [begin(store, "8") for _ in range(2)]
        try:
            cuttable.sessions.end_user("", "8", "kick", at=T0)
        except StorageUnavailableError:
            # Read by one statement: the server may still be at what was cut, and commit between two.
            assert len(store.sessions.list("", "8", at=T0)) in (0, len(sessions))
            store.sessions.end_user("", "8", "kick", at=T0)
        assert [stored(store, each).end_reason for each in sessions] == ["kick", "kick"]

    assert cut_everywhere(relay, step) > 4
