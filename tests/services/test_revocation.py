"""The view that each worker keeps of the revocation log."""

from __future__ import annotations

import threading

import pytest
from msgspec.structs import replace

from flask_tessera.errors import SessionEndedError, StorageUnavailableError
from flask_tessera.services.revocation import RevocationView, UndecidedError
from flask_tessera.sessions.revocations import RETENTION_MARGIN, Revocation
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing import race
from tests.far import make_far
from tests.services.bench import DAY, Bench


@pytest.fixture(params=["memory", "sqlite"])
def workers(request, tmp_path):
    """Two workers that share a storage."""
    if request.param == "memory":
        one = Bench()
        yield one, Bench(one.storage, clock=one.clock)
        return
    url = f"sqlite:///{tmp_path / 'tessera.db'}"
    one = Bench(open_storage(url))
    other = Bench(open_storage(url), clock=one.clock)
    yield one, other
    one.storage.close()
    other.storage.close()


def test_S01_an_ending_in_one_worker_is_known_to_the_next_request_of_another(workers):
    one, other = workers
    for _ in range(5):
        issued = one.log_in()
        assert [worker.use(issued) for worker in workers] == ["", ""]
        other.service.end(issued.session.sid, "logout")
        assert [worker.use(issued) for worker in workers] == ["logout", "logout"]


def test_S02_an_epoch_ends_older_tokens_only(workers):
    one, other = workers
    old = one.log_in()
    other.service.end_user("7", "kick")
    new = one.log_in()
    stranger = one.log_in("8")
    for worker in workers:
        assert [worker.use(each) for each in (old, new, stranger)] == ["kick", "", ""]


def test_S02_each_of_two_who_log_the_others_out_is_told_apart(workers):
    one, other = workers
    first, second = one.log_in(), one.log_in()
    other.service.end_user("7", "logout", except_sid=first.session.sid)
    assert [one.use(each) for each in (first, second)] == ["", "logout"]
    third = one.log_in()
    one.service.end_user("7", "password_change", except_sid=third.session.sid)
    assert [other.use(each) for each in (first, third)] == ["password_change", ""]


def test_R06_a_worker_that_starts_later_knows_what_was_ended(workers):
    one, other = workers
    issued = one.log_in()
    one.service.end(issued.session.sid, "kick")
    fresh = RevocationView(other.storage.revocations)
    assert fresh.refusal(one.claims(issued), at=one.clock()) == "kick"


def test_F04_tokens_from_before_the_beginning_of_the_log_are_not_vouched_for(workers):
    one, _ = workers
    issued = one.log_in()
    one.clock.advance(100)
    assert one.use(issued) == ""
    assert one.claims(issued).iat <= one.view.created_at


def test_F07_the_beginning_of_the_log_allows_for_clocks_that_differ(workers):
    one, _ = workers
    one.use(one.log_in())
    assert one.view.created_at >= one.clock() + 25


def test_what_no_token_can_contradict_any_more_is_forgotten(workers):
    one, _ = workers
    for number in range(3):
        one.service.end(one.log_in().session.sid, "logout")
        one.service.end_user(str(number), "kick")
    one.use(one.log_in("9"))
    assert len(one.view._open.sessions) == 3
    assert len(one.view._open.users) == 3
    # What falls due within one minute is dropped after it.
    one.clock.advance(900 + RETENTION_MARGIN + 60)
    one.service.end(one.log_in("9").session.sid, "logout")
    one.use(one.log_in("9"))
    assert len(one.view._open.sessions) == 1
    assert one.view._open.users == {}


@pytest.mark.parametrize("step", [30, DAY, 10 * 365 * DAY])
def test_F07_a_clock_that_runs_ahead_and_comes_back_revives_nothing(workers, step):
    one = workers[0]
    victim, other_user = one.log_in(), one.log_in("8")
    one.service.end(victim.session.sid, "logout")
    one.service.end_user("8", "kick")
    assert [worker.use(victim) for worker in workers] == ["logout", "logout"]
    one.clock.advance(step)
    bystander = one.log_in("9")
    one.service.end(bystander.session.sid, "logout")
    for worker in workers:
        worker.view.refusal(worker.claims(bystander), at=worker.clock())
    one.clock.advance(-step)
    for worker in workers:
        assert [worker.use(victim), worker.use(other_user)] == ["logout", "kick"]


def test_F07_a_clock_that_ran_ahead_while_another_thread_read_the_log_revives_nothing(bench):
    make_far(bench.storage)
    worker = Bench(bench.storage, clock=bench.clock)
    victim = worker.log_in()
    worker.service.end(victim.session.sid, "logout")
    worker.view.catch_up(worker.clock() + 10 * 365 * DAY)
    assert worker.view.refusal(worker.claims(victim), at=worker.clock()) == "logout"


@pytest.mark.parametrize("step", [30, 3600, DAY])
def test_F07_a_clock_that_falls_back_and_catches_up_revives_nothing(workers, step):
    one, other = workers
    victim = one.log_in()
    one.clock.advance(-step)
    one.service.end(victim.session.sid, "logout")
    other.view.refusal(other.access.verify(victim.access_token, at=one.clock() + step), at=one.clock())
    one.clock.advance(step + 60)
    one.service.end(one.log_in("9").session.sid, "logout")
    assert [worker.use(victim) for worker in workers] == ["logout", "logout"]


class FakeLog:
    """A log of another make: what it says is set by the test."""

    bound = 0

    def __init__(self, log):
        self.log = log
        self.is_broken = False
        self.reads = 0
        self.salt = 0

    def stamp(self):
        return self.salt, self.log.stamp()

    def after(self, cursor, *, at):
        if self.is_broken:
            raise StorageUnavailableError("broken")
        self.reads += 1
        return self.log.after(cursor, at=at)

    def head(self, *, at):
        return self.log.head(at=at)


def test_F03_a_log_that_has_changed_and_cannot_be_read_refuses_everybody(bench):
    log = FakeLog(bench.storage.revocations)
    view, issued = RevocationView(log), bench.log_in()
    claims = bench.claims(issued)
    assert view.refusal(claims, at=bench.clock()) == ""
    bench.service.end(issued.session.sid, "logout")
    log.is_broken = True
    for _ in range(2):
        with pytest.raises(StorageUnavailableError):
            view.refusal(claims, at=bench.clock())
    log.is_broken = False
    assert view.refusal(claims, at=bench.clock()) == "logout"


def test_S07_nothing_is_read_while_nothing_has_changed(bench):
    log = FakeLog(bench.storage.revocations)
    view, claims = RevocationView(log), bench.claims(bench.log_in())
    view.refusal(claims, at=bench.clock())
    before = log.reads
    for _ in range(5):
        bench.clock.advance(100)
        view.refusal(claims, at=bench.clock())
    assert log.reads == before


def test_S07_threads_that_find_a_change_at_once_read_it_once(bench):
    log = FakeLog(bench.storage.revocations)
    view, issued = RevocationView(log), bench.log_in()
    claims = bench.claims(issued)
    view.refusal(claims, at=bench.clock())
    before = log.reads
    bench.service.end(issued.session.sid, "logout")
    assert race(8, lambda _number: view.refusal(claims, at=bench.clock())) == ["logout"] * 8
    assert log.reads == before + 1


def test_X9_another_log_is_read_from_its_beginning_and_what_was_known_stays_known(bench):
    log = FakeLog(bench.storage.revocations)
    view, issued = RevocationView(log), bench.log_in()
    bench.service.end(issued.session.sid, "logout")
    assert view.refusal(bench.claims(issued), at=bench.clock()) == "logout"
    bench.clock.advance(50)
    other = Bench(clock=bench.clock)
    theirs = other.log_in()
    other.service.end(theirs.session.sid, "kick")
    log.log, log.salt = other.storage.revocations, 1
    assert view.refusal(other.claims(theirs), at=bench.clock()) == "kick"
    assert view.refusal(bench.claims(issued), at=bench.clock()) == "logout"
    # Of others from before its beginning the storage is asked.
    assert bench.claims(issued).iat <= view.created_at


def test_F04_a_worker_that_only_refreshes_hears_of_a_restored_backup(bench, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("flask_tessera.services.revocation.boot_clock", lambda: now[0])
    # A log with a bound, which nobody here listens to.
    make_far(bench.storage)
    worker = Bench(bench.storage, clock=bench.clock)
    issued = worker.log_in()
    bench.clock.advance(1)
    bench.storage.revocations.restart(at=bench.clock(), valid_from=bench.clock())
    now[0] += 1.0
    with pytest.raises(SessionEndedError):
        worker.refresh(issued.refresh_token)
    worker.refresh(worker.log_in().refresh_token)


def test_F03_what_is_known_of_a_restore_has_to_do_while_the_log_cannot_be_read(bench, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("flask_tessera.services.revocation.boot_clock", lambda: now[0])
    make_far(bench.storage)
    worker = Bench(bench.storage, clock=bench.clock)
    issued = worker.log_in()
    tries = []

    def broken(*, at):
        tries.append(at)
        raise StorageUnavailableError("broken")

    monkeypatch.setattr(bench.storage.revocations, "head", broken)
    now[0] += 1.0
    for _ in range(3):
        issued = worker.refresh(issued.refresh_token)
    assert len(tries) == 1


def test_F03_who_waited_in_vain_for_the_log_does_not_wait_for_the_session_as_well(bench, monkeypatch):
    """Each may take two seconds where a server hangs, and a request is answered within three."""
    now = [0.0]
    monkeypatch.setattr("flask_tessera.services.revocation.boot_clock", lambda: now[0])
    make_far(bench.storage)
    worker = Bench(bench.storage, clock=bench.clock)
    issued = worker.log_in()

    def hanging(*, at):
        now[0] += 2.0
        raise StorageUnavailableError("no answer")

    monkeypatch.setattr(bench.storage.revocations, "head", hanging)
    now[0] += 1.0
    with pytest.raises(StorageUnavailableError):
        worker.refresh(issued.refresh_token)
    # The next one asks the session alone: nothing has been written.
    assert worker.refresh(issued.refresh_token).refresh_token


def test_S01_what_is_heard_ahead_is_refused_before_the_log_is_read(bench):
    make_far(bench.storage)
    view, issued = RevocationView(bench.storage.revocations), bench.log_in()
    view.catch_up(bench.clock())
    view.take_ahead([Revocation(bench.clock() + 900, "kick", issued.session.sid)], at=bench.clock())
    assert view.refusal(bench.claims(issued), at=bench.clock()) == "kick"
    view.catch_up(bench.clock())
    assert view.refusal(bench.claims(issued), at=bench.clock()) == "kick"


def test_S07_a_request_that_finds_another_reading_asks_the_storage(bench):
    log = SlowLog(bench.storage.revocations)
    view, issued = RevocationView(log), bench.log_in()
    claims = bench.claims(issued)
    view.refusal(claims, at=bench.clock())
    bench.service.end(bench.log_in("8").session.sid, "logout")
    log.is_slow = True
    reader = threading.Thread(target=view.refusal, args=(claims,), kwargs={"at": bench.clock()})
    reader.start()
    assert log.has_begun.wait(60)
    with pytest.raises(UndecidedError):
        view.refusal(claims, at=bench.clock())
    log.may_end.set()
    reader.join(60)
    assert view.refusal(claims, at=bench.clock()) == ""


class SlowLog(FakeLog):
    """A log of which a read takes until the test says so, once it `is_slow`."""

    is_slow = False

    def __init__(self, log):
        super().__init__(log)
        self.has_begun, self.may_end = threading.Event(), threading.Event()

    def after(self, cursor, *, at):
        if self.is_slow:
            self.has_begun.set()
            self.may_end.wait(60)
        return super().after(cursor, at=at)


class PagedLog(FakeLog):
    """A log that gives three entries at a time."""

    def after(self, cursor, *, at):
        page = super().after(cursor, at=at)
        some = page.entries[:3]
        return replace(page, entries=some, cursor=min(cursor + 3, page.cursor), is_whole=len(some) == len(page.entries))


def test_S01_a_log_is_read_page_by_page_to_its_end(bench):
    log = PagedLog(bench.storage.revocations)
    sessions = [bench.log_in(str(number)) for number in range(16)]
    for issued in sessions[:8]:
        bench.service.end(issued.session.sid, "logout")
    view = RevocationView(log)
    view.catch_up(bench.clock())
    for issued in sessions[8:]:
        bench.service.end(issued.session.sid, "kick")
    view.catch_up(bench.clock())
    said = [view.refusal(bench.claims(issued), at=bench.clock()) for issued in sessions]
    assert said == ["logout"] * 8 + ["kick"] * 8
    assert view.cursor == 16


def test_X9_a_log_that_becomes_another_one_between_two_pages_is_read_anew(bench):
    log = PagedLog(bench.storage.revocations)
    sessions = [bench.log_in(str(number)) for number in range(8)]
    for issued in sessions:
        bench.service.end(issued.session.sid, "logout")
    view, real = RevocationView(log), log.after
    calls = []

    def after(cursor, *, at):
        calls.append(cursor)
        if len(calls) == 3:
            bench.storage.revocations.restart(at=at, valid_from=at)
        return real(cursor, at=at)

    log.after = after
    view.catch_up(bench.clock())
    assert calls[0] == 0
    assert 0 in calls[1:]
    said = [view.refusal(bench.claims(issued), at=bench.clock()) for issued in sessions]
    assert said == ["logout"] * 8


# -- Listeners ---------------------------------------------------------------------------------------------------------


class Told(list):
    """What the view of a worker tells; it has read the log before."""

    def __init__(self, worker):
        worker.view.look(at=worker.clock())
        worker.view.listen(self.hear)

    def hear(self, entries):
        self.append(entries)


def test_Q05_listeners_are_given_what_ends_elsewhere(workers):
    one, other = workers
    issued = one.log_in()
    one.use(issued)
    told, heard = Told(one), one.view.heard
    other.service.end(issued.session.sid, "kick")
    one.view.look(at=one.clock())
    other.service.end_user("7", "password_change")
    one.view.look(at=one.clock())
    (session,), (user,) = told
    assert (session.sid, session.reason) == (issued.session.sid, "kick")
    assert (user.realm, user.user_id, user.reason) == (issued.session.realm, "7", "password_change")
    assert one.view.heard == heard + 2


def test_Q05_of_another_log_listeners_are_given_nothing_and_then_what_is_new(workers):
    one, _ = workers
    issued = one.log_in()
    one.use(issued)
    told = Told(one)
    one.storage.revocations.restart(at=one.clock(), valid_from=0)
    one.service.end(issued.session.sid, "kick")
    one.view.look(at=one.clock())
    assert [[each.sid for each in entries] for entries in told] == [[], [issued.session.sid]]
