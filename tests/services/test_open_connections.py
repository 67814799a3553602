"""What watches open connections: whom it asks about, when, and what it does when it cannot hear (Q05)."""

from __future__ import annotations

import threading

import pytest

from flask_tessera.errors import SessionEndedError, StorageUnavailableError
from flask_tessera.services.follower import RevocationFollower
from flask_tessera.services.keys import sid_text
from flask_tessera.services.open_connections import Connection, OpenConnections
from flask_tessera.services.revocation import RevocationView
from flask_tessera.sessions.revocations import Revocation
from flask_tessera.storage.from_url import open_storage
from tests.far import far_storage
from tests.servers import wait_until

from .bench import Bench

FOR_EVER = 2**40


class Line:
    """A connection of somebody, which a test ends by hand; `asked` counts how often it was asked about."""

    def __init__(self, name=b"n" * 16, owner=("", "7"), until=FOR_EVER):
        self.until = until
        self.error = None
        self.asked = 0
        self.closed = []
        self.is_there = True
        self.is_stubborn = False
        self.connection = Connection(name, owner, check=self.check, close=self.close, is_open=lambda: self.is_there)

    def check(self):
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.until

    def close(self, slug):
        self.closed.append(slug)
        self.is_there = self.is_stubborn


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def connections(bench):
    made = over(bench.storage, bench.clock)
    # The first look reads all of the log, and has all of them asked about.
    made.view.look(at=bench.clock())
    yield made
    made.stop()


def over(storage, clock):
    view = RevocationView(storage.revocations)
    made = OpenConnections(view, RevocationFollower(storage, view, clock, patience=1), clock)
    made.view = view
    return made


def test_what_is_over_already_is_not_opened(connections):
    line = Line()
    line.error = SessionEndedError("kick")
    with pytest.raises(SessionEndedError):
        connections.open(line.connection)
    assert (len(connections), connections.thread) == (0, None)


def test_an_entry_of_the_log_has_just_those_asked_about_that_it_is_about(connections):
    session, other, user, excepted = (
        Line(b"a" * 16),
        Line(b"b" * 16),
        Line(b"c" * 16, ("", "8")),
        Line(b"d" * 16, ("", "8")),
    )
    for line in (session, other, user, excepted):
        connections.open(line.connection)
    connections.hear(
        [
            Revocation(FOR_EVER, "kick", b"a" * 16),
            Revocation(FOR_EVER, "kick", realm="", user_id="8", epoch=1, except_sid=b"d" * 16),
            Revocation(FOR_EVER, "kick", realm="admin", user_id="7", epoch=1),
        ]
    )
    wait_until(lambda: session.asked == user.asked == 2, "they were asked about")
    connections.hear([Revocation(FOR_EVER, "kick", b"a" * 16)])
    wait_until(lambda: session.asked == 3, "it was asked about once more")
    assert (other.asked, excepted.asked) == (1, 1)


def test_a_log_that_was_read_anew_has_all_of_them_asked_about(connections):
    lines = [Line(bytes([number]) * 16) for number in range(3)]
    for line in lines:
        connections.open(line.connection)
    connections.hear([])
    wait_until(lambda: all(line.asked == 2 for line in lines), "all were asked about")


def test_nobody_is_closed_on_the_word_of_the_log_alone(bench, connections):
    line = Line()
    connections.open(line.connection)
    connections.hear([Revocation(FOR_EVER, "kick", line.connection.name)])
    wait_until(lambda: line.asked == 2, "it was asked about")
    assert line.closed == []


@pytest.mark.slow
def test_of_an_announced_ending_the_storage_is_asked_until_the_log_says_what_became_of_it(bench, connections):
    for name, entry in (
        (b"a" * 16, Revocation(FOR_EVER, "kick", b"a" * 16, is_intent=True)),
        (b"", Revocation(FOR_EVER, "kick", realm="", user_id="9", epoch=1, is_intent=True)),
    ):
        line = Line(name, ("", "9"))
        connections.open(line.connection)
        connections.view.take_ahead([entry], at=bench.clock())
        wait_until(lambda line=line: line.asked >= 4, "it is asked about again and again")
        line.error = SessionEndedError("kick")
        wait_until(lambda line=line: line.closed == ["session_kick"], "it is closed")


def test_a_connection_is_closed_again_until_it_is_gone(connections):
    line = Line()
    line.is_stubborn = True
    connections.open(line.connection)
    line.error = SessionEndedError("logout")
    connections.hear([])
    wait_until(lambda: len(line.closed) == 2, "it was closed twice")
    line.is_there = False
    wait_until(lambda: connections.thread is None, "the thread has ended")


def test_one_that_cannot_be_closed_holds_up_no_other(connections, caplog):
    held, broken, line = Line(b"a" * 16), Line(b"b" * 16), Line(b"c" * 16)
    gate = threading.Event()
    held.connection.close = lambda slug: gate.wait()
    broken.connection.close = lambda slug: 1 / 0
    for each in (held, broken, line):
        connections.open(each.connection)
        each.error = SessionEndedError("kick")
    connections.hear([])
    wait_until(lambda: line.closed, "it is closed")
    wait_until(lambda: "could not be closed" in caplog.text, "the other is in the log")
    gate.set()


def test_one_that_cannot_be_asked_about_is_logged_and_the_others_are_watched_on(connections, caplog):
    broken, line = Line(b"a" * 16), Line(b"b" * 16)
    for each in (broken, line):
        connections.open(each.connection)
    broken.error = ZeroDivisionError()
    connections.hear([Revocation(FOR_EVER, "kick", b"a" * 16)])
    wait_until(lambda: "could not be looked at" in caplog.text, "it is in the log")
    line.error = SessionEndedError("kick")
    connections.hear([Revocation(FOR_EVER, "kick", b"b" * 16)])
    wait_until(lambda: line.closed, "the other is closed")


def test_a_storage_that_is_away_is_asked_once_a_turn_and_all_are_closed(connections):
    lines = [Line(bytes([number]) * 16) for number in range(5)]
    for each in lines:
        connections.open(each.connection)
        each.error = StorageUnavailableError("away")
    connections.hear([])
    wait_until(lambda: all(each.closed == ["storage_read_failed"] for each in lines), "all are closed")
    assert sum(each.asked for each in lines) == 6


def test_a_session_that_may_have_expired_is_asked_about_then(bench, connections):
    line = Line(until=bench.clock() + 100)
    connections.open(line.connection)
    bench.clock.advance(99)
    line.until = bench.clock() + 100
    bench.clock.advance(1)
    wait_until(lambda: line.asked == 2, "it was asked about")
    line.error = SessionEndedError("expiry")
    bench.clock.advance(99)
    wait_until(lambda: line.closed == ["session_expiry"], "it is closed")


def test_the_log_is_looked_at_though_no_request_comes(bench, connections):
    issued = bench.log_in()
    sid = issued.session.sid
    line = Line(sid)
    line.connection.check = lambda: bench.service.live_until(sid, "7")
    connections.open(line.connection)
    bench.service.end(sid, "logout")
    wait_until(lambda: line.closed == ["session_logout"], "it is closed")


def test_live_until_tells_when_a_session_is_over(bench):
    session = bench.log_in().session
    assert bench.service.live_until(session.sid, "7") == bench.clock() + 30 * 86_400
    for sid, user_id in ((session.sid, "8"), (b"", "7"), (bytes(16), "7")):
        with pytest.raises(SessionEndedError):
            bench.service.live_until(sid, user_id)
    bench.service.end(session.sid, "kick")
    with pytest.raises(SessionEndedError, match="kick"):
        bench.service.live_until(session.sid, "7")


class DeafLog:
    """A log that cannot be read while `is_away`."""

    def __init__(self, log):
        self._log = log
        self.is_away = False
        if log.bound == 0:
            self.stamp = lambda: self._log.stamp() if not self.is_away else self._refuse()

    def _refuse(self):
        raise StorageUnavailableError("away")

    def __getattr__(self, name):
        if self.is_away and name in ("after", "head", "wait"):
            self._refuse()
        return getattr(self._log, name)


@pytest.mark.slow
@pytest.mark.parametrize("make", [far_storage, lambda: open_storage("memory:")])
def test_a_worker_that_cannot_hear_asks_the_storage_about_each(bench, make):
    storage = make()
    storage.revocations = log = DeafLog(storage.revocations)
    connections = over(storage, bench.clock)
    line = Line()
    connections.open(line.connection)
    wait_until(connections._hears, "it hears")
    log.is_away = True
    asked = line.asked
    wait_until(lambda: line.asked > asked + 2, "it is asked about")
    assert line.closed == []
    line.error = SessionEndedError("kick")
    wait_until(lambda: line.closed == ["session_kick"], "it is closed")
    connections.stop()
    log.is_away = False


def test_the_thread_ends_with_the_last_connection_and_starts_with_the_next(connections):
    for _ in range(3):
        line = Line()
        connections.open(line.connection)
        thread = connections.thread
        assert thread.daemon
        assert len(connections) == 1
        connections.leave(line.connection)
        thread.join(60)
        assert connections.thread is None
    assert connections._by_name == {}


def test_a_sid_is_what_the_log_calls_a_session(bench, connections):
    sid = bench.log_in().session.sid
    line = Line(sid)
    connections.open(line.connection)
    bench.service.end(sid, "kick")
    connections.view.look(at=bench.clock())
    wait_until(lambda: line.asked == 2, sid_text(sid))
