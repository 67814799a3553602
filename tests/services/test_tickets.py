"""Tickets: one purpose, one audience, so many uses on every storage, and no longer than their owner."""

from __future__ import annotations

from functools import partial

import msgspec
import pytest

from flask_tessera.errors import LoginRefusedError, SessionEndedError, StorageUnavailableError, TicketInvalidError
from flask_tessera.services.keys import sid_text
from flask_tessera.services.tickets import Ticket, checked_purpose
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing import WorkerProcesses, race
from tests.cli.stores import STORES, store_url

from .redeeming import is_redeemed, redeemer, tickets_over

TICKET = Ticket("download", user_id="7")
NOBODY_S = Ticket("download")


@pytest.fixture
def tickets(bench):
    return tickets_over(bench.storage, bench.clock, valid_from=bench.service.valid_from)


def of_session(issued, **more):
    session = issued.session
    return Ticket("download", user_id=session.user_id, session_id=sid_text(session.sid), **more)


def rows(storage):
    return [value for value in storage.values.read("", most=100).values if value.kind == "ticket"]


# -- what it is good for -----------------------------------------------------------------------------------------------


def test_Q01_a_ticket_is_good_once_and_tells_what_it_was_issued_with(bench, tickets):
    wanted = Ticket(
        "download", "/files", "7", data={"file": [1, None, "é"]}, scope="a b", amr=("pwd", "otp"), auth_time=5
    )
    text = tickets.issue(wanted, expires_in=60)
    ticket = tickets.redeem(text, "download", lambda audience: audience == "/files")
    assert (ticket.data, ticket.user_id, ticket.scope, ticket.amr) == (
        {"file": [1, None, "é"]},
        "7",
        "a b",
        ("pwd", "otp"),
    )
    assert (ticket.auth_time, ticket.issued_at, ticket.expires_at) == (5, bench.clock(), bench.clock() + 60)
    assert rows(bench.storage) == []
    assert not is_redeemed(tickets, text)


def test_Q01_a_wrong_purpose_or_audience_is_refused_and_uses_nothing_up(tickets):
    text = tickets.issue(Ticket("download", "/files", "7"), expires_in=60)
    for purpose in ("upload", "Download", "download ", ""):
        assert not is_redeemed(tickets, text, purpose)
    with pytest.raises(TicketInvalidError):
        tickets.redeem(text, "download", lambda audience: audience == "/file")
    assert is_redeemed(tickets, text)


def test_Q01_a_ticket_is_gone_in_the_second_that_it_expires(bench, tickets):
    first, second = (tickets.issue(TICKET, expires_in=60) for _ in range(2))
    bench.clock.advance(59)
    assert is_redeemed(tickets, first)
    bench.clock.advance(1)
    assert not is_redeemed(tickets, second)


def test_Q01_a_ticket_of_several_uses_is_good_so_often(tickets):
    text = tickets.issue(Ticket("download", user_id="7", uses=3), expires_in=60)
    assert [is_redeemed(tickets, text) for _ in range(5)] == [True, True, True, False, False]


@pytest.mark.parametrize("user_id", ["", "7"])
def test_Q04_for_nobody_and_for_who_is_suspended_a_ticket_is_kept_that_is_good_for_nothing(bench, tickets, user_id):
    bench.service.suspend("7", until=bench.clock() + 1000)
    assert tickets.issue_alike(Ticket("download", user_id=user_id), expires_in=60) is None
    (kept,) = rows(bench.storage)
    assert msgspec.json.decode(kept.value)["purpose"] == "tessera:nothing"


def test_Q04_for_anybody_else_it_is_a_ticket_as_any_other(tickets):
    assert is_redeemed(tickets, tickets.issue_alike(TICKET, expires_in=60))


def test_garbage_reaches_no_storage():
    tickets = tickets_over(None)
    text = tickets_over(open_storage("memory:")).issue(NOBODY_S, expires_in=60)
    foreign = tickets_over(open_storage("memory:"), realm="admin").issue(NOBODY_S, expires_in=60)
    for garbage in ("", "tst_", text[:-1], text[:-1] + "!", "tst_" + "A" * 58, foreign, None, 7):
        with pytest.raises(TicketInvalidError):
            tickets.redeem(garbage, "download", lambda audience: True)


def test_R02_nothing_that_is_stored_is_a_ticket(bench, tickets):
    text = tickets.issue(Ticket("download", user_id="7", data="x"), expires_in=60)
    (row,) = rows(bench.storage)
    assert text[4:].encode() not in row.key + row.value
    other = tickets.issue(Ticket("download", user_id="7", data="x"), expires_in=60)
    assert text != other
    assert row.key[:2] == rows(bench.storage)[1].key[:2] != rows(bench.storage)[1].key[2:4]


@pytest.mark.parametrize("data", [{1: object()}, object(), "x" * 2047, ["\ud800"], {"a": "é" * 1100}])
def test_data_that_json_does_not_hold_or_too_much_of_it_is_refused(bench, tickets, data):
    with pytest.raises(ValueError, match="the data of a ticket"):
        tickets.issue(Ticket("download", data=data), expires_in=60)
    assert rows(bench.storage) == []


def test_data_may_be_as_large_as_is_said(tickets):
    data = "x" * 2046
    assert (
        tickets.redeem(tickets.issue(Ticket("download", data=data), expires_in=60), "download", bool_of_nothing).data
        == data
    )


def bool_of_nothing(audience):
    return not audience


@pytest.mark.parametrize("purpose", ["", "x" * 65, "a\nb", "\ud800", "tessera:reset", None, 7, b"download"])
def test_what_is_no_purpose_is_refused(purpose):
    with pytest.raises(ValueError, match="a purpose has 1 to 64 printable characters"):
        checked_purpose(purpose)


@pytest.mark.parametrize("purpose", ["x", "x" * 64, "下载", "a b:c/d"])
def test_what_is_a_purpose_is_taken(purpose):
    assert checked_purpose(purpose) == purpose


# -- how long its owner lets it live -----------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["logout", "kick", "reuse"])
def test_Q01_a_ticket_dies_with_its_session(bench, tickets, reason):
    issued, other = bench.log_in(), bench.log_in()
    text, left = (tickets.issue(of_session(each), expires_in=60) for each in (issued, other))
    bench.service.end(issued.session.sid, reason)
    assert not is_redeemed(tickets, text)
    assert is_redeemed(tickets, left)


def test_Q01_a_ticket_dies_when_its_session_expires(bench, tickets):
    issued = bench.log_in()
    bench.clock.advance(30 * 86_400 - 30)
    text = tickets.issue(of_session(issued), expires_in=60)
    bench.clock.advance(30)
    assert not is_redeemed(tickets, text)
    with pytest.raises(SessionEndedError):
        tickets.issue(of_session(issued), expires_in=60)


def test_S04_a_password_change_ends_all_of_a_user_s_tickets_those_of_the_session_that_stays_too(bench, tickets):
    staying, other = bench.log_in(), bench.log_in()
    stranger = tickets.issue(Ticket("download", user_id="8"), expires_in=60)
    texts = [tickets.issue(each, expires_in=60) for each in (of_session(staying), of_session(other), TICKET)]
    bench.service.end_user("7", "password_change", except_sid=staying.session.sid)
    assert [is_redeemed(tickets, text) for text in texts] == [False] * 3
    assert is_redeemed(tickets, stranger)
    assert is_redeemed(tickets, tickets.issue(of_session(staying), expires_in=60))


def test_S03_a_suspension_ends_the_tickets_and_its_end_revives_none(bench, tickets):
    issued = bench.log_in()
    texts = [tickets.issue(each, expires_in=3600) for each in (of_session(issued), TICKET)]
    bench.service.suspend("7", until=bench.clock() + 100)
    assert [is_redeemed(tickets, text) for text in texts] == [False, False]
    with pytest.raises(LoginRefusedError):
        tickets.issue(TICKET, expires_in=60)
    with pytest.raises(SessionEndedError):
        tickets.issue(of_session(issued), expires_in=60)
    bench.service.unsuspend("7")
    assert [is_redeemed(tickets, text) for text in texts] == [False, False]
    assert is_redeemed(tickets, tickets.issue(TICKET, expires_in=60))


def test_Q01_a_ticket_refused_for_its_owner_is_not_used_up(bench, tickets):
    text = tickets.issue(of_session(issued := bench.log_in()), expires_in=60)
    bench.service.end(issued.session.sid, "kick")
    assert not is_redeemed(tickets, text)
    assert len(rows(bench.storage)) == 1


@pytest.mark.parametrize("user_id", ["8", "07"])
def test_a_ticket_of_another_user_s_session_is_not_issued(bench, tickets, user_id):
    issued = bench.log_in()
    with pytest.raises(SessionEndedError):
        tickets.issue(Ticket("download", user_id=user_id, session_id=sid_text(issued.session.sid)), expires_in=60)


def test_nothing_from_before_a_restore_is_good(bench, tickets):
    texts = [tickets.issue(each, expires_in=600) for each in (TICKET, NOBODY_S, of_session(bench.log_in()))]
    bench.clock.advance(10)
    bench.storage.revocations.restart(at=bench.clock(), valid_from=bench.clock())
    assert [is_redeemed(tickets, text) for text in texts] == [False] * 3
    assert is_redeemed(tickets, tickets.issue(NOBODY_S, expires_in=60))


def test_what_belongs_to_a_user_goes_with_all_that_does(bench, tickets):
    text = tickets.issue(TICKET, expires_in=60)
    bench.storage.values.delete_owner(("", "7"))
    assert not is_redeemed(tickets, text)


# -- races -------------------------------------------------------------------------------------------------------------


def race_of(kind, folder, uses):
    """How often 20 threads of one process, and then 20 of four, redeem a ticket of so many uses."""
    with store_url(kind, folder) as url:
        storage = open_storage(url)
        try:
            storage.check()
            tickets = tickets_over(storage)
            issue = partial(tickets.issue, Ticket("download", user_id="7", uses=uses), expires_in=600)
            of_threads = certain(issue, lambda text: race(20, lambda _number: is_redeemed(tickets, text)))
            with WorkerProcesses(4, redeemer, url) as processes:
                of_processes = [certain(issue, lambda text: processes.race((text, 5))) for _ in range(3)]
        finally:
            storage.close()
    return of_threads, of_processes


def certain(issue, redeem_all):
    """The sum of what `redeem_all` gives for a new ticket; of another one where a busy machine leaves one unknown."""
    while True:
        try:
            return sum(redeem_all(issue()))
        except StorageUnavailableError:
            continue


@pytest.mark.repeats("kind")
@pytest.mark.parametrize("kind", STORES)
def test_Q01_of_20_parallel_redemptions_of_a_single_use_ticket_one_succeeds(kind, tmp_path):
    assert race_of(kind, tmp_path, 1) == (1, [1, 1, 1])


@pytest.mark.repeats("kind")
@pytest.mark.parametrize("kind", STORES)
def test_Q01_of_20_parallel_redemptions_as_many_succeed_as_there_are_uses(kind, tmp_path):
    assert race_of(kind, tmp_path, 7) == (7, [7, 7, 7])


@pytest.mark.repeats("uses")
@pytest.mark.parametrize("uses", [1, 7])
def test_Q01_in_memory_too(uses):
    tickets = tickets_over(open_storage("memory:"))
    for _ in range(50):
        text = tickets.issue(Ticket("download", uses=uses), expires_in=60)
        assert sum(race(20, lambda _number, text=text: is_redeemed(tickets, text))) == uses
