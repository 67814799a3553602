"""Sending in bounded time: slow, hanging, failing and foreign senders, several threads, forks and greenlets."""

import contextvars
import dataclasses
import json
import logging
import os
import socket
import subprocess
import sys
import threading

import pytest

from flask_tessera.errors import ConfigError, SendingError
from flask_tessera.services.senders.from_url import open_sender
from flask_tessera.services.sending import MOST_REQUESTS, THREADS, Sending
from flask_tessera.testing import race
from tests.servers.waiting import wait_until
from tests.services.senders.messages import CODE, LINK, NOTICE

SHORT = 0.1
"""Seconds after which a test's request gives up."""


class Hanging:
    """A sender that finishes a message when it is told to.

    Attributes:
        begun: those that it was given, in their order.
        sent: those that it has finished.
        gate: set to let all pass.
    """

    def __init__(self):
        self.begun, self.sent = [], []
        self.gate = threading.Event()

    def send(self, message):
        self.begun.append(message)
        self.gate.wait()
        self.sent.append(message)


class Failing:
    """A sender that raises what it is given, or takes the message where that is None."""

    def __init__(self, *errors):
        self.errors = list(errors)

    def send(self, message):
        if error := self.errors.pop(0):
            raise error


@pytest.fixture
def hanging():
    sender = Hanging()
    yield sender
    sender.gate.set()


def numbered(number, message=CODE):
    return dataclasses.replace(message, to=f"+86138{number:08}")


def failure(sending, message=CODE) -> SendingError:
    with pytest.raises(SendingError) as caught:
        sending.send(message)
    return caught.value


def fails(sending, message=CODE) -> str:
    return str(failure(sending, message))


def logged(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "flask_tessera"]


def test_a_message_is_handed_over_before_send_returns(tmp_path):
    path = tmp_path / "messages.jsonl"
    Sending(open_sender(f"file:{path}")).send(CODE)
    assert json.loads(path.read_text("utf-8"))["code"] == "493021"


def test_a_sender_that_hangs_holds_a_request_for_its_time_only(hanging):
    assert fails(Sending(hanging, seconds=SHORT)) == "the sender did not finish within 0.1 s"
    assert hanging.sent == []


@pytest.mark.parametrize(
    ("url", "message"),
    [("smtp://127.0.0.1:{}?from=a@example.com", LINK), ("webhook:http://127.0.0.1:{}/", CODE)],
    ids=["smtp", "webhook"],
)
def test_a_server_that_never_answers_holds_a_request_for_its_time_only(url, message):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sending = Sending(open_sender(url.format(silent.getsockname()[1])), seconds=SHORT)
        assert "did not finish" in fails(sending, message)


def test_while_one_message_hangs_the_others_are_sent():
    released = threading.Event()
    sent = []

    class Sender:
        def send(self, message):
            if message is LINK:
                released.wait()
            sent.append(message)

    sending = Sending(Sender(), seconds=SHORT)
    fails(sending, LINK)
    for number in range(20):
        sending.send(numbered(number))
    assert len(sent) == 20
    released.set()


def test_when_all_threads_hang_a_further_message_fails_at_once_and_never_begins(hanging):
    sending = Sending(hanging, seconds=SHORT)
    for number in range(THREADS):
        fails(sending, numbered(number))
    # With the time of a day: it would wait that long.
    sending._seconds = 86_400
    assert fails(sending, LINK) == "all 8 threads are held by messages that the sender does not finish"
    hanging.gate.set()
    wait_until(lambda: len(hanging.sent) == THREADS, "they are finished after all")
    wait_until(lambda: not sending._running, "the threads are free")
    sending.send(LINK)
    assert hanging.sent[-1] is LINK


def test_of_requests_beyond_those_that_may_wait_each_fails_at_once_and_its_message_never_begins(hanging):
    # With the time of a day: who waits, waits that long.
    sending = Sending(hanging, seconds=86_400)
    threads = [threading.Thread(target=sending.send, args=(numbered(number),)) for number in range(MOST_REQUESTS)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(hanging.begun) + len(sending._codes) == MOST_REQUESTS, "all wait")
    assert fails(sending, LINK) == "64 requests wait for the sender"
    assert not failure(sending, LINK).may_have_arrived
    hanging.gate.set()
    for thread in threads:
        thread.join(60)
    sending.send(LINK)
    assert hanging.sent.count(LINK) == 1


def test_a_message_that_did_not_begin_in_time_is_not_sent_later(hanging):
    sending = Sending(hanging, seconds=SHORT)
    outcomes = race(THREADS + 4, lambda number: fails(sending, numbered(number)))
    assert len(outcomes) == THREADS + 4
    hanging.gate.set()
    wait_until(lambda: not sending._threads, "all threads have ended")
    assert len(hanging.begun) <= THREADS


def test_what_has_begun_or_was_raised_by_a_stranger_may_have_arrived_and_nothing_else(hanging):
    assert failure(Sending(Failing(RuntimeError("broken")))).may_have_arrived
    assert not failure(Sending(Failing(SendingError("refused")))).may_have_arrived
    sending = Sending(hanging, seconds=SHORT)
    assert all(failure(sending, numbered(number)).may_have_arrived for number in range(THREADS))
    assert not failure(sending).may_have_arrived
    assert CODE not in hanging.begun


def test_no_more_than_eight_threads_call_the_sender(hanging):
    sending = Sending(hanging)
    threads = [threading.Thread(target=sending.send, args=(numbered(number),)) for number in range(30)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(hanging.begun) == THREADS and len(sending._codes) == 30 - THREADS, "all wait")
    names = [thread.name for thread in threading.enumerate() if thread.name == "tessera-sending"]
    assert len(names) >= THREADS
    assert sending._threads == THREADS
    hanging.gate.set()
    for thread in threads:
        thread.join(60)
    assert len(hanging.sent) == 30


def test_threads_end_when_there_is_nothing_to_send_and_begin_again(tmp_path):
    sending = Sending(open_sender(f"file:{tmp_path}/m"))
    for number in range(3):
        sending.send(numbered(number))
        wait_until(lambda: sending._threads == 0, "the thread has ended")
    race(40, lambda number: sending.send(numbered(number)))
    assert len((tmp_path / "m").read_bytes().splitlines()) == 43


def test_the_first_failure_of_a_series_is_logged_with_its_cause_and_the_end_of_the_series(caplog):
    down = SendingError("the webhook answered 503")
    sending = Sending(Failing(down, down, None, None, down))
    fails(sending), fails(sending)
    sending.send(CODE), sending.send(CODE)
    fails(sending)
    first, back, again = logged(caplog)
    assert "a login message to 138****8000 could not be sent" in first
    assert "the webhook answered 503" in first
    assert back == "messages are sent again"
    assert again == first


def test_each_cause_of_a_series_is_logged_once(caplog):
    wrong = [SendingError(f"550 no mailbox (id 4f{number:04}) after {number + 1000} ms") for number in range(3)]
    down, other = SendingError("the webhook answered 503"), SendingError("the webhook answered 429")
    sending = Sending(Failing(*wrong, down, wrong[0], down, other, None, down))
    for _ in range(7):
        fails(sending)
    sending.send(CODE)
    fails(sending)
    ends = [line.partition(" is sent")[2] or line for line in logged(caplog)]
    assert ends == [
        *("): 550 no mailbox (id 4f0000) after 1000 ms", "): the webhook answered 503", "): the webhook answered 429"),
        *("messages are sent again", "): the webhook answered 503"),
    ]


def test_a_sender_whose_every_error_is_another_one_does_not_fill_the_log(caplog):
    sending = Sending(Failing(*(SendingError("x" * number) for number in range(1, 100))))
    for _ in range(99):
        fails(sending)
    assert len(logged(caplog)) == 32


def test_whatever_a_foreign_sender_raises_is_a_sending_error(caplog):
    for error in (RuntimeError("broken"), KeyError("x"), SystemExit(3), KeyboardInterrupt()):
        assert type(error).__name__ in fails(Sending(Failing(error)))
    assert "Traceback" in logged(caplog)[0]
    assert "RuntimeError: broken" in logged(caplog)[0]


@pytest.mark.parametrize("message", [CODE, LINK, numbered(7), dataclasses.replace(CODE, to="+85291234567")])
def test_neither_log_nor_error_repeats_a_secret_or_a_whole_address_that_a_sender_has_raised(caplog, message):
    ticket = message.link.rpartition("/")[2]
    local = message.to[3:] if message.kind == "phone" else message.to
    said = f"cannot send {message.text} {message.code} {message.link} {ticket} to {message.to} ({local})"
    for error in (ValueError(said), SendingError(said)):
        text = fails(Sending(Failing(error)), message)
        shown = "".join(logged(caplog)) + (text if isinstance(error, ValueError) else "")
        assert "cannot send" in shown
        assert not [secret for secret in (message.code, ticket, message.to, local) if secret and secret in shown]


def test_a_sender_finds_the_context_of_whoever_sends():
    where = contextvars.ContextVar("where")
    found = []

    class Sender:
        def send(self, _):
            found.append(where.get("nowhere"))

    sending = Sending(Sender())
    where.set("a request")
    sending.send(CODE)
    sending.send_later(NOTICE)
    sending.wait_for_notices(60)
    assert found == ["a request"] * 2


class Async:
    async def send(self, message):
        """Would never run."""


@pytest.mark.parametrize("sender", [None, object(), Async(), "console:"])
def test_what_cannot_send_is_refused_when_it_is_given(sender):
    with pytest.raises(ConfigError, match="send"):
        Sending(sender)


def test_notices_are_sent_later_and_nobody_waits(hanging):
    sending = Sending(hanging)
    for number in range(5):
        sending.send_later(numbered(number, NOTICE))
    wait_until(lambda: len(hanging.begun) == 2, "two are on their way")
    hanging.gate.set()
    sending.wait_for_notices(60)
    assert sorted(message.to for message in hanging.sent) == [numbered(number).to for number in range(5)]


def test_notices_that_hang_leave_threads_for_codes(hanging):
    held = []

    class Sender:
        def send(self, message):
            if message.purpose == "new_device":
                hanging.send(message)
            else:
                held.append(message)

    sending = Sending(Sender())
    for _ in range(50):
        sending.send_later(NOTICE)
    wait_until(lambda: len(hanging.begun) == 2, "two hang")
    for number in range(20):
        sending.send(numbered(number))
    assert len(held) == 20
    assert len(hanging.begun) == 2


def test_beyond_a_thousand_waiting_notices_are_dropped_which_is_logged_once(hanging, caplog):
    sending = Sending(hanging)
    for _ in range(2):
        sending.send_later(NOTICE)
    wait_until(lambda: len(hanging.begun) == 2, "two are on their way")
    for _ in range(1010):
        sending.send_later(NOTICE)
    (said,) = logged(caplog)
    assert "1000 notices wait" in said
    assert "a***@example.com" in said
    hanging.gate.set()
    sending.wait_for_notices(60)
    assert len(hanging.sent) == 1002
    hanging.gate.clear()
    for _ in range(1010):
        sending.send_later(NOTICE)
    assert logged(caplog) == [said, said]


def test_a_notice_that_fails_is_logged_and_the_next_is_sent(caplog):
    sending = Sending(Failing(SendingError("down"), None))
    for _ in range(2):
        sending.send_later(NOTICE)
        sending.wait_for_notices(60)
        wait_until(lambda: sending._threads == 0, "it is logged")
    first, back = logged(caplog)
    assert "new_device" in first
    assert "again" in back


def test_at_once_a_notice_is_sent_before_send_later_returns(tmp_path):
    path = tmp_path / "messages.jsonl"
    Sending(open_sender(f"file:{path}"), at_once=True).send_later(NOTICE)
    assert json.loads(path.read_text())["purpose"] == "new_device"
    Sending(Failing(SendingError("down")), at_once=True).send_later(NOTICE)


def run_python(script, *arguments) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=True, env=environment, text=True, timeout=150).stdout


PREAMBLE = """
import os, signal, sys, threading
from flask_tessera.errors import SendingError
from flask_tessera.services.senders.from_url import open_sender
from flask_tessera.services.sending import Sending
from tests.services.senders.messages import CODE, NOTICE
"""


def test_a_process_that_ends_sends_its_notices_first(tmp_path):
    path = tmp_path / "messages.jsonl"
    script = """
sending = Sending(open_sender("file:" + sys.argv[1]))
for _ in range(20):
    sending.send_later(NOTICE)
"""
    run_python(PREAMBLE + script, path)
    assert len(path.read_bytes().splitlines()) == 20


def test_a_sender_that_hangs_does_not_keep_a_process_from_ending():
    script = """
class Hanging:
    def send(self, message):
        threading.Event().wait()

try:
    Sending(Hanging(), seconds=0.1).send(CODE)
except SendingError as error:
    print(error)
"""
    assert run_python(PREAMBLE + script).strip() == "the sender did not finish within 0.1 s"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_child_process_sends_though_all_threads_of_its_parent_hang(tmp_path):
    script = """
import warnings
warnings.simplefilter("ignore")  # of forking beside threads, which is what this is about
gate, file = threading.Event(), open_sender("file:" + sys.argv[1])

class Sender:
    def send(self, message):
        if os.getpid() == parent:
            gate.wait()
        file.send(message)

parent = os.getpid()
sending = Sending(Sender(), seconds=0.1)
for _ in range(8):
    try:
        sending.send(CODE)
    except SendingError:
        pass
sending.send_later(NOTICE)
sending._lock.acquire()
child = os.fork()
if child == 0:
    signal.alarm(120)  # no process is left that waits for ever
    sending.send(CODE)
    sending.send_later(CODE)
    sending.wait_for_notices(60)
    os._exit(0)
print(os.waitpid(child, 0)[1])
sending._lock.release()
os._exit(0)
"""
    path = tmp_path / "messages.jsonl"
    assert run_python(PREAMBLE + script, path).strip() == "0"
    assert [json.loads(line)["purpose"] for line in path.read_text("utf-8").splitlines()] == ["login"] * 2


@pytest.mark.slow
def test_under_gevent_a_sender_that_waits_lets_others_run(tmp_path):
    pytest.importorskip("gevent")
    script = """
import gevent, gevent.event
from tests.services.senders.receiver import receiver
begun, gate = gevent.event.Event(), gevent.event.Event()

def answer(request):
    begun.set()
    gate.wait()
    return 204, {}, b""

with receiver() as server:
    server.answer = answer
    sending = Sending(open_sender(f"webhook:http://127.0.0.1:{server.port}/"))
    requests = [gevent.spawn(sending.send, CODE) for _ in range(12)]
    begun.wait()
    print(sum(request.ready() for request in requests), sending._threads)
    gate.set()
    gevent.joinall(requests, raise_error=True)
    sending.send_later(NOTICE)
    sending.wait_for_notices(60)
    print(len(server.requests))
    server.answer = lambda request: gevent.event.Event().wait()
    sending = Sending(open_sender(f"webhook:http://127.0.0.1:{server.port}/"), seconds=0.1)
    try:
        sending.send(CODE)
    except SendingError as error:
        print(error)
    os._exit(sys.stdout.flush() or 0)
"""
    printed = run_python("from gevent import monkey; monkey.patch_all()\n" + PREAMBLE + script)
    assert printed.splitlines() == ["0 8", "13", "the sender did not finish within 0.1 s"]


def test_logging_of_failures_survives_a_series_in_many_threads(caplog):
    with caplog.at_level(logging.WARNING):
        sending = Sending(Failing(*[SendingError("down")] * 64))
        race(64, lambda _: fails(sending))
    assert len(logged(caplog)) == 1
