"""Authentication events, written to a storage in the background, and read back."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest
from msgspec.structs import replace

from flask_tessera.errors import StorageUnavailableError
from flask_tessera.services import audit
from flask_tessera.services.audit import AuditWriter, history, name_before
from flask_tessera.services.audit_data import AuditEvent
from flask_tessera.storage.memory import MemoryStorage
from flask_tessera.testing.contract.base import T0

OWNER = ("", "7")
DAY = 86_400


class Values:
    """The small values of a storage that can be broken, and tells what was written to it."""

    def __init__(self):
        self.values = MemoryStorage().values
        self.is_broken, self.written, self.was_written = False, [], threading.Event()

    def put_many(self, values, *, at):
        if self.is_broken:
            raise StorageUnavailableError("broken", writing=True)
        self.values.put_many(values, at=at)
        self.written.append(len(values))
        self.was_written.set()

    def __getattr__(self, name):
        return getattr(self.values, name)


class Trail:
    """A writer, and what is read of what it has written."""

    def __init__(self, **how):
        self.values, self.now = Values(), T0
        self.writer = AuditWriter(self.values, lambda: self.now, lambda event: "7" if event.account else "", **how)

    def record(self, event="session_started", *, at=T0, last_at=None, **details):
        result = "failure" if event.endswith(("failed", "reused")) else "success"
        made = AuditEvent(event=event, at=at, result=result, **{"user_id": "7", **details})
        self.writer.record(made, last_at=last_at)
        return made

    def read(self, owner=OWNER, *, most=2000, before=b""):
        self.writer.flush()
        return [event for _, event in history(self.values, owner, most=most, at=self.now, before=before)]


@pytest.fixture
def trail():
    return Trail()


def test_events_are_read_newest_first_those_of_one_second_in_their_order(trail):
    made = [trail.record("session_started", at=T0), trail.record("login_failed", at=T0, reason="x", account="a")]
    made += [trail.record("session_ended", at=T0 + second, reason="kick", session_id="s") for second in (0, 0, 1)]
    assert trail.read() == made[::-1]
    assert trail.read(most=2) == made[:-3:-1]
    assert trail.read(before=name_before(T0 + 1)) == made[-2::-1]
    assert trail.read(before=name_before(T0)) == []


def test_events_of_one_second_stand_in_their_order_whichever_worker_has_recorded_them(trail):
    at, second = int(time.time()), Trail()
    trail.now = second.now = at
    second.writer = AuditWriter(trail.values, lambda: at, lambda _event: "7")
    made = [trail.record(at=at, session_id=str(number)) for number in range(9)]
    made += [each.record(at=at, session_id=f"worker {number}") for number in range(9) for each in (second, trail)]
    second.writer.flush()
    assert trail.read() == made[::-1]


def test_a_page_ends_where_the_next_one_begins(trail):
    made = [trail.record(at=T0 + number // 3, session_id=str(number)) for number in range(20)]
    trail.writer.flush()
    found, before = [], b""
    while page := history(trail.values, OWNER, most=3, at=T0, before=before):
        found += [event for _, event in page]
        before = page[-1][0]
    assert found == made[::-1]


def test_S09_what_is_read_is_of_one_user_of_one_realm(trail):
    mine = trail.record(session_id="mine")
    trail.record(user_id="8")
    trail.record(realm="admin")
    trail.record(user_id="", session_id="of nobody")
    assert trail.read() == [mine]
    assert len(trail.read(("", "8"))) == len(trail.read(("admin", "7"))) == 1
    assert trail.values.written == [3]


def test_an_event_of_an_account_belongs_to_its_user(trail):
    trail.record("login_failed", user_id="", account="13800138000", reason="credentials_wrong")
    (found,) = trail.read()
    assert (found.user_id, found.account) == ("7", "13800138000")


def test_failures_alike_are_one_with_a_count(trail):
    for second in (0, 5, 3599):
        trail.record("login_failed", at=T0 + second, reason="credentials_wrong", ip="192.0.2.1")
        trail.writer.flush()
    other_network = trail.record("login_failed", at=T0 + 3599, reason="credentials_wrong", ip="192.0.2.2")
    later = trail.record("login_failed", at=T0 + 3600, reason="credentials_wrong", ip="192.0.2.1")
    found = trail.read()
    assert found[:2] == [later, other_network]
    assert [(each.at, each.count, each.until) for each in found[2:]] == [(T0, 3, T0 + 3599)]


def test_what_was_refused_unseen_is_one_wherever_it_came_from(trail):
    for number in range(300):
        trail.record("login_failed", reason="too_many_requests", ip=f"192.0.2.{number % 256}")
        trail.record("login_failed", reason="credentials_wrong", ip=f"2001:db8::{number}")
    assert [each.count for each in trail.read()] == [300, 300]


def test_a_session_s_refreshes_are_kept_once_a_day(trail):
    before = 0
    for at in (T0, T0 + 900, T0 + 1800, T0 + DAY, T0 + DAY + 900):
        trail.record("session_refreshed", at=at, last_at=before)
        before = at
    assert [each.at for each in trail.read()] == [T0 + DAY, T0]


@pytest.mark.slow
def test_what_one_user_can_accumulate_is_bounded_and_failures_push_out_failures_only(trail, monkeypatch):
    monkeypatch.setattr(audit, "_TRIM_ONE_IN", 1)
    for number in range(1500):
        trail.record(at=T0 + number)
    for number in range(2000):
        trail.record("login_failed", at=T0 + 2000 + number, reason="credentials_wrong", ip=f"192.{number}.2.1"[:15])
        trail.record("refresh_failed", at=T0 + 2000 + number, reason="x", session_id=str(number))
    found = trail.read()
    failures = [each for each in found if each.result == "failure"]
    assert (len(found) - len(failures), len(failures)) == (1000, 200)
    assert (found[0].at, found[-1].at) == (T0 + 3999, T0 + 500)


def test_without_making_room_each_time_there_is_a_bound_all_the_same(trail):
    for number in range(3000):
        trail.record(at=T0 + number)
    # By chance: one event in 32 makes room.
    assert 1000 <= len(trail.read(most=9999)) < 1500


def test_an_event_is_forgotten_when_its_time_is_over(trail):
    trail.record()
    trail.writer.flush()
    trail.now = T0 + 180 * DAY - 1
    assert len(trail.read()) == 1
    trail.now += 1
    assert trail.read() == []


def test_G01_what_could_not_be_written_is_written_later(trail, caplog):
    trail.values.is_broken = True
    made = [trail.record(at=T0 + number) for number in range(3)]
    with pytest.raises(StorageUnavailableError):
        trail.writer.flush()
    assert not trail.writer._try_to_write(0)
    assert [record.getMessage() for record in caplog.records] == [
        "audit events could not be written, trying again: broken"
    ]
    trail.values.is_broken = False
    assert trail.read() == made[::-1]
    assert trail.values.written == [3]


def test_G01_the_number_of_events_that_are_lost_is_logged(trail, caplog, monkeypatch):
    monkeypatch.setattr(audit, "_MOST_WAITING", 10)
    trail.values.is_broken = True
    for number in range(17):
        trail.record(at=T0 + number)
    trail.values.is_broken = False
    assert len(trail.read()) == 10
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        "10 audit events wait to be stored; what happens until then is lost",
        "7 audit events were not stored: too many waited while the storage was away",
    ]
    trail.record(at=T0 + 99)
    assert len(trail.read()) == 11


def test_a_thread_writes_without_being_asked(trail):
    trail.record()
    assert trail.values.was_written.wait(60)


def test_many_are_written_in_chunks(trail):
    for number in range(450):
        trail.record(at=T0 + number)
    trail.writer.flush()
    assert trail.values.written == [200, 200, 50]


def test_at_once_nothing_waits():
    trail = Trail(at_once=True)
    trail.record()
    assert trail.values.written == [1]


def test_a_failure_that_was_counted_while_it_was_written_is_written_again(trail):
    first = trail.record("login_failed", reason="x")
    put_many = trail.values.put_many

    def counting(values, *, at):
        put_many(values, at=at)
        trail.values.put_many = put_many
        trail.record("login_failed", at=T0 + 1, reason="x")

    trail.values.put_many = counting
    assert trail.read() == [replace(first, count=2, until=T0 + 1)]


def test_what_is_remembered_to_be_counted_is_bounded(trail, monkeypatch):
    monkeypatch.setattr(audit, "_MOST_ALIKE", 10)
    for number in range(35):
        trail.record("login_failed", reason=str(number))
    assert len(trail.writer._alike) <= 10
    assert len(trail.read()) == 35


def test_another_release_s_event_is_an_error_and_one_with_more_members_is_none(trail):
    trail.record()
    trail.writer.flush()
    (name, event) = history(trail.values, OWNER, most=1, at=T0)[0]
    (value,) = trail.values.list("event", OWNER, at=T0)
    trail.values.put("event", value.key, value.value[:-1] + b',"new":1}', expires_at=T0 + 9, at=T0, owner=OWNER)
    assert history(trail.values, OWNER, most=1, at=T0) == [(name, event)]
    trail.values.put("event", value.key, b"[]", expires_at=T0 + 9, at=T0, owner=OWNER)
    with pytest.raises(StorageUnavailableError):
        history(trail.values, OWNER, most=1, at=T0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_X12_a_child_writes_nothing_of_its_parent(trail):
    trail.record()
    pid = os.fork()
    if not pid:
        os._exit(len(trail.writer._events))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert len(trail.read()) == 1


ENDING = """
import sys
from flask_tessera.services.audit import AuditWriter
from flask_tessera.services.audit_data import AuditEvent
from flask_tessera.storage.from_url import open_storage
storage = open_storage(sys.argv[1])
writer = AuditWriter(storage.values, lambda: 10**9, lambda event: "")
writer.record(AuditEvent(event="session_started", at=10**9, user_id="7"))
if sys.argv[2] == "lost":
    storage._database.path = "/nowhere/tessera.db"
    storage.close()
"""


@pytest.mark.parametrize(("how", "told"), [("kept", ""), ("lost", "what was recorded last (1 audit events) could not")])
def test_G01_a_process_that_ends_writes_what_waits_or_says_that_it_is_lost(tmp_path, how, told):
    command = [sys.executable, "-c", ENDING, f"sqlite:///{tmp_path}/tessera.db", how]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert done.stderr.startswith(told)
    assert bool(done.stderr) is bool(told)
