"""Confirmations and last-seen times, written in chunks."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref

import pytest

from flask_tessera.errors import StorageUnavailableError
from flask_tessera.services.activity import ActivityWriter
from flask_tessera.services.keys import sid_text
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing import Clock, race
from flask_tessera.testing.contract.base import LEEWAY, T0, begin, new_session, rotate, stored


class Sessions:
    """A session storage that can be broken, and tells when it was written to."""

    def __init__(self, sessions):
        self.sessions = sessions
        self.is_broken, self.breaks_after = False, -1
        self.marked, self.was_marked = [], threading.Event()
        self.times = []

    def confirm(self, marks, *, at):
        if self.is_broken or len(self.marked) == self.breaks_after:
            raise StorageUnavailableError("broken", writing=True)
        self.marked.append(list(marks))
        ended = self.sessions.confirm(marks, at=at)
        self.was_marked.set()
        return ended

    def touch(self, times, *, at):
        if self.is_broken:
            raise StorageUnavailableError("broken", writing=True)
        self.times.append(dict(times))
        self.sessions.touch(self.times[-1].items(), at=at)


class Written:
    """A writer, its storage, and what its listener heard."""

    def __init__(self, storage, clock):
        self.storage = storage
        self.sessions = Sessions(storage.sessions)
        self.events = []
        self.writer = ActivityWriter(self.sessions, clock, lambda event: self.events.append(event.name))

    def note(self, session, gen, at):
        self.writer.record(sid_text(session.sid), gen, at)


@pytest.fixture
def written(bench):
    return Written(bench.storage, steady)


def steady():
    """A clock that no test moves, so that the thread has what is collected for two seconds."""
    return T0


def test_a_used_generation_is_confirmed_by_the_next_flush(written):
    session = begin(written.storage)
    rotate(written.storage, session, 0, T0)
    written.note(session, 1, T0)
    written.writer.flush()
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
        written.writer.flush()
    assert written.sessions.marked == [[(session.sid, 0)]]
    assert [times[session.sid] for times in written.sessions.times] == [minute, minute + 60, minute + 120]
    written.note(session, 1, minute + 179)
    written.writer.flush()
    assert written.sessions.marked[1:] == [[(session.sid, 1)]]


def test_nothing_is_written_where_nothing_was_noted(written):
    written.writer.flush()
    assert (written.sessions.marked, written.sessions.times) == ([], [])


def test_F02_what_could_not_be_written_is_tried_again(written):
    session = begin(written.storage)
    rotate(written.storage, session, 0, T0)
    written.note(session, 1, T0 + 5)
    written.sessions.is_broken = True
    for _ in range(2):
        with pytest.raises(StorageUnavailableError):
            written.writer.flush()
    written.note(session, 1, T0 + 65)
    written.sessions.is_broken = False
    written.writer.flush()
    new = stored(written.storage, session)
    assert (new.confirmed, new.last_seen_at) == (True, T0 + 65)


def test_F02_the_thread_outlives_a_storage_that_is_away_for_a_while(written, caplog):
    session = begin(written.storage)
    written.sessions.is_broken = True
    written.note(session, 0, T0)
    with pytest.raises(StorageUnavailableError):
        written.writer.flush()
    written.sessions.is_broken = False
    assert written.sessions.was_marked.wait(60)
    assert stored(written.storage, session).confirmed


def test_R05_a_superseded_generation_in_use_ends_the_session_and_is_told(written):
    session = begin(written.storage)
    rotate(written.storage, session, 0, T0)
    rotate(written.storage, session, 0, T0 + LEEWAY + 1)
    written.note(session, 1, T0 + 60)
    written.writer.flush()
    assert stored(written.storage, session).end_reason == "reuse"
    assert written.events == ["token_reused", "session_ended"]


def test_a_listener_that_raises_keeps_nothing_from_being_written(bench):
    def raising(event):
        raise RuntimeError(event.name)

    sessions = Sessions(bench.storage.sessions)
    writer = ActivityWriter(sessions, steady, raising)
    superseded, other = begin(bench.storage), begin(bench.storage)
    rotate(bench.storage, superseded, 0, T0)
    rotate(bench.storage, superseded, 0, T0 + LEEWAY + 1)
    writer.record(sid_text(superseded.sid), 1, T0 + 60)
    writer.record(sid_text(other.sid), 0, T0 + 60)
    with pytest.raises(RuntimeError):
        writer.flush()
    new = stored(bench.storage, other)
    assert (new.confirmed, new.last_seen_at) == (True, T0 + 60)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_a_listener_has_ended_is_followed_by_another(bench):
    def raising(event):
        raise RuntimeError(event.name)

    sessions = Sessions(bench.storage.sessions)
    writer = ActivityWriter(sessions, steady, raising)
    superseded, other = begin(bench.storage), begin(bench.storage)
    rotate(bench.storage, superseded, 0, T0)
    rotate(bench.storage, superseded, 0, T0 + LEEWAY + 1)
    writer.record(sid_text(superseded.sid), 1, T0 + 60)
    first = writer._thread
    first.join(60)
    assert not first.is_alive()
    sessions.was_marked.clear()
    writer.record(sid_text(other.sid), 0, T0 + 60)
    assert sessions.was_marked.wait(60)
    assert stored(bench.storage, other).confirmed


def test_X12_a_thread_ends_when_nobody_holds_its_writer_and_writes_what_was_noted_first(bench):
    sessions = Sessions(bench.storage.sessions)
    writer = ActivityWriter(sessions, steady, print)
    session = begin(bench.storage)
    writer.record(sid_text(session.sid), 0, T0)
    thread = writer._thread
    del writer
    thread.join(60)
    assert not thread.is_alive()
    assert stored(bench.storage, session).confirmed


def test_many_threads_may_note_at_once(written):
    sessions = [begin(written.storage, str(number)) for number in range(8)]

    def note(number):
        for second in range(200):
            written.note(sessions[number], 0, T0 + second * 60)

    race(8, note)
    written.writer.flush()
    assert [stored(written.storage, each).last_seen_at for each in sessions] == [T0 + 199 * 60] * 8


def test_what_is_known_of_sessions_is_bounded(written, monkeypatch):
    monkeypatch.setattr("flask_tessera.services.activity._MOST_KNOWN", 10)
    for number in range(35):
        written.note(begin(written.storage, str(number)), 0, T0)
    assert len(written.writer._known) <= 10
    written.writer.flush()
    assert sum(len(marks) for marks in written.sessions.marked) == 35


def test_F02_a_chunk_that_was_written_is_written_once_whatever_happens_to_the_next(written, monkeypatch):
    monkeypatch.setattr("flask_tessera.services.activity._CHUNK", 10)
    sessions = [begin(written.storage, str(number)) for number in range(35)]
    for session in sessions:
        written.note(session, 0, T0)
    written.sessions.breaks_after = 2
    with pytest.raises(StorageUnavailableError):
        written.writer.flush()
    assert [len(marks) for marks in written.sessions.marked] == [10, 10]
    written.sessions.breaks_after = -1
    written.writer.flush()
    assert [sid for marks in written.sessions.marked for sid, _ in marks] == [each.sid for each in sessions]
    assert [len(times) for times in written.sessions.times] == [10, 10, 10, 5]
    written.writer.flush()
    assert len(written.sessions.marked) == 4


def test_F02_what_waits_is_bounded_which_is_logged_once_and_recorded_again_later(written, monkeypatch, caplog):
    monkeypatch.setattr("flask_tessera.services.activity._MOST_WAITING", 10)
    sessions = [begin(written.storage, str(number)) for number in range(14)]
    written.sessions.is_broken = True
    for session in sessions:
        written.note(session, 0, T0)
    assert [record.getMessage() for record in caplog.records] == [
        "activity of 10 sessions waits to be written; no more is recorded until then"
    ]
    written.sessions.is_broken = False
    written.writer.flush()
    for session in sessions:
        written.note(session, 0, T0)
    written.writer.flush()
    assert [sid for marks in written.sessions.marked for sid, _ in marks] == [each.sid for each in sessions]


def test_under_a_clock_that_a_test_moves_all_is_written_at_once(bench, caplog):
    sessions = Sessions(bench.storage.sessions)
    writer = ActivityWriter(sessions, Clock(), print)
    session, other = begin(bench.storage), begin(bench.storage)
    writer.record(sid_text(session.sid), 0, T0)
    assert stored(bench.storage, session).confirmed
    sessions.is_broken = True
    writer.record(sid_text(other.sid), 0, T0)
    assert [record.getMessage() for record in caplog.records] == [
        "activity of sessions could not be written, trying again: broken"
    ]
    sessions.is_broken = False
    writer.record(sid_text(session.sid), 0, T0 + 60)
    assert stored(bench.storage, other).confirmed


def test_a_stopped_writer_has_written_all_and_has_no_thread(written):
    session = begin(written.storage)
    written.note(session, 0, T0)
    thread = written.writer._thread
    written.writer.stop()
    assert stored(written.storage, session).confirmed
    thread.join(10)
    assert not thread.is_alive()
    written.note(session, 1, T0)
    assert written.writer._thread is not thread


def test_X12_nothing_keeps_a_writer_that_its_application_has_dropped(bench):
    writer = weakref.ref(ActivityWriter(bench.storage.sessions, steady, print))
    gc.collect()
    assert writer() is None


ENDING = """
import sys
from flask_tessera.services.activity import ActivityWriter
from flask_tessera.services.keys import sid_text
from flask_tessera.storage.from_url import open_storage
storage = open_storage(sys.argv[1])
writer = ActivityWriter(storage.sessions, lambda: int(sys.argv[3]), print)
writer.record(sid_text(bytes.fromhex(sys.argv[2])), 0, int(sys.argv[3]) + 1)
if sys.argv[4] == "lost":
    storage._database.path = "/nowhere/tessera.db"
    storage.close()
"""


def test_X12_a_process_that_ends_writes_what_waits(tmp_path):
    url = f"sqlite:///{tmp_path}/tessera.db"
    storage = open_storage(url)
    session = begin(storage)
    command = [sys.executable, "-c", ENDING, url, session.sid.hex(), str(T0)]
    done = subprocess.run([*command, "kept"], check=True, capture_output=True, text=True, timeout=60)
    new = stored(storage, session)
    storage.close()
    assert (new.confirmed, new.last_seen_at, done.stderr) == (True, T0 + 1, "")


def test_F02_a_process_that_ends_while_the_storage_is_away_says_what_is_lost(tmp_path):
    url = f"sqlite:///{tmp_path}/tessera.db"
    storage = open_storage(url)
    session = begin(storage)
    storage.close()
    command = [sys.executable, "-c", ENDING, url, session.sid.hex(), str(T0), "lost"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert "could not be written and is lost" in done.stderr


def test_a_last_seen_time_is_shown_to_the_minute_and_never_before_the_session_began():
    minute = T0 // 60 * 60
    assert new_session(created_at=minute + 30, last_seen_at=minute + 30).last_seen_shown == minute + 30
    assert new_session(created_at=minute + 30, last_seen_at=minute + 95).last_seen_shown == minute + 60
