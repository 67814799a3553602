"""Marks and last-seen times, written in batches."""

from __future__ import annotations

import threading

import pytest

from flask_tessera.errors import StorageUnavailableError
from flask_tessera.services.keys import sid_text
from flask_tessera.services.recorder import Recorder
from flask_tessera.testing import race
from flask_tessera.testing.contract.base import LEEWAY, T0, begin, rotate, stored


class Sessions:
    """A session storage that can be broken, and tells when it was written to."""

    def __init__(self, sessions):
        self.sessions = sessions
        self.is_broken = False
        self.marked, self.was_marked = [], threading.Event()
        self.times = []

    def mark(self, marks, *, at):
        if self.is_broken:
            raise StorageUnavailableError("broken", writing=True)
        self.marked.append(list(marks))
        ended = self.sessions.mark(marks, at=at)
        self.was_marked.set()
        return ended

    def seen(self, times):
        if self.is_broken:
            raise StorageUnavailableError("broken", writing=True)
        self.times.append(dict(times))
        self.sessions.seen(self.times[-1].items())


class Written:
    """A recorder, its storage, and what its listener heard."""

    def __init__(self, storage, clock):
        self.storage = storage
        self.sessions = Sessions(storage.sessions)
        self.events = []
        self.recorder = Recorder(self.sessions, clock, lambda event: self.events.append(event.name))

    def note(self, session, gen, at):
        self.recorder.note(sid_text(session.sid), session.sid, gen, at)


@pytest.fixture
def written(bench):
    return Written(bench.storage, bench.clock)


def test_a_used_generation_is_confirmed_by_the_next_flush(written):
    session = begin(written.storage)
    rotate(written.storage, session, 0, T0)
    written.note(session, 1, T0)
    written.recorder.flush()
    assert stored(written.storage, session).confirmed


def test_a_thread_writes_without_being_asked(written):
    session = begin(written.storage)
    written.note(session, 0, T0)
    assert written.sessions.was_marked.wait(60)
    assert stored(written.storage, session).confirmed


def test_a_generation_is_marked_once_and_seen_once_a_minute(written):
    session = begin(written.storage)
    minute = T0 // 60 * 60
    for second in range(180):
        written.note(session, 0, minute + second)
        written.recorder.flush()
    assert written.sessions.marked == [[(session.sid, 0)]]
    assert [times[session.sid] for times in written.sessions.times] == [minute, minute + 60, minute + 120]
    written.note(session, 1, minute + 179)
    written.recorder.flush()
    assert written.sessions.marked[1:] == [[(session.sid, 1)]]


def test_nothing_is_written_where_nothing_was_noted(written):
    written.recorder.flush()
    assert (written.sessions.marked, written.sessions.times) == ([], [])


def test_F02_what_could_not_be_written_is_tried_again(written):
    session = begin(written.storage)
    rotate(written.storage, session, 0, T0)
    written.note(session, 1, T0 + 5)
    written.sessions.is_broken = True
    for _ in range(2):
        with pytest.raises(StorageUnavailableError):
            written.recorder.flush()
    written.note(session, 1, T0 + 65)
    written.sessions.is_broken = False
    written.recorder.flush()
    new = stored(written.storage, session)
    assert (new.confirmed, new.last_seen_at) == (True, T0 + 65)


def test_F02_the_thread_outlives_a_storage_that_is_away_for_a_while(written, caplog):
    session = begin(written.storage)
    written.sessions.is_broken = True
    written.note(session, 0, T0)
    with pytest.raises(StorageUnavailableError):
        written.recorder.flush()
    written.sessions.is_broken = False
    assert written.sessions.was_marked.wait(60)
    assert stored(written.storage, session).confirmed


def test_R05_a_burnt_generation_in_use_ends_the_session_and_is_told(written):
    session = begin(written.storage)
    rotate(written.storage, session, 0, T0)
    rotate(written.storage, session, 0, T0 + LEEWAY + 1)
    written.note(session, 1, T0 + 60)
    written.recorder.flush()
    assert stored(written.storage, session).end_reason == "reuse"
    assert written.events == ["token_reused", "session_ended"]


def test_a_listener_that_raises_keeps_nothing_from_being_written(bench):
    def raising(event):
        raise RuntimeError(event.name)

    sessions = Sessions(bench.storage.sessions)
    recorder = Recorder(sessions, bench.clock, raising)
    burnt, other = begin(bench.storage), begin(bench.storage)
    rotate(bench.storage, burnt, 0, T0)
    rotate(bench.storage, burnt, 0, T0 + LEEWAY + 1)
    recorder.note("burnt", burnt.sid, 1, T0 + 60)
    recorder.note("other", other.sid, 0, T0 + 60)
    with pytest.raises(RuntimeError):
        recorder.flush()
    new = stored(bench.storage, other)
    assert (new.confirmed, new.last_seen_at) == (True, T0 + 60)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_a_listener_has_ended_is_followed_by_another(bench):
    def raising(event):
        raise RuntimeError(event.name)

    sessions = Sessions(bench.storage.sessions)
    recorder = Recorder(sessions, bench.clock, raising)
    burnt, other = begin(bench.storage), begin(bench.storage)
    rotate(bench.storage, burnt, 0, T0)
    rotate(bench.storage, burnt, 0, T0 + LEEWAY + 1)
    recorder.note("burnt", burnt.sid, 1, T0 + 60)
    first = recorder._thread
    first.join(60)
    assert not first.is_alive()
    sessions.was_marked.clear()
    recorder.note("other", other.sid, 0, T0 + 60)
    assert sessions.was_marked.wait(60)
    assert stored(bench.storage, other).confirmed


def test_X12_a_thread_ends_when_nobody_holds_its_recorder_and_writes_what_was_noted_first(bench):
    sessions = Sessions(bench.storage.sessions)
    recorder = Recorder(sessions, bench.clock, print)
    session = begin(bench.storage)
    recorder.note("name", session.sid, 0, T0)
    thread = recorder._thread
    del recorder
    thread.join(60)
    assert not thread.is_alive()
    assert stored(bench.storage, session).confirmed


def test_many_threads_may_note_at_once(written):
    sessions = [begin(written.storage, str(number)) for number in range(8)]

    def note(number):
        for second in range(200):
            written.note(sessions[number], 0, T0 + second * 60)

    race(8, note)
    written.recorder.flush()
    assert [stored(written.storage, each).last_seen_at for each in sessions] == [T0 + 199 * 60] * 8


def test_what_is_known_of_sessions_is_bounded(written, monkeypatch):
    monkeypatch.setattr("flask_tessera.services.recorder._MOST_KNOWN", 10)
    for number in range(35):
        written.note(begin(written.storage, str(number)), 0, T0)
    assert len(written.recorder._known) <= 10
    written.recorder.flush()
    assert sum(len(marks) for marks in written.sessions.marked) == 35
