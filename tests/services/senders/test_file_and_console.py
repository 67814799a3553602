"""Senders for development: a file of JSON lines, and the log."""

import json
import logging
import os
import pickle
import stat
import subprocess
import sys

import pytest

from flask_tessera.errors import ConfigError, SendingError
from flask_tessera.services.senders.from_url import open_sender
from flask_tessera.services.senders.masking import mask_recipient
from flask_tessera.services.senders.message import Message
from flask_tessera.testing import WorkerProcesses
from tests.services.senders.messages import CODE, LINK, NOTICE

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX: O_APPEND and modes of files")


def lines_of(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]


def test_a_file_holds_one_object_a_line_with_code_or_link_only_where_there_is_one(tmp_path):
    path = tmp_path / "messages.jsonl"
    sender = open_sender(f"file:{path}")
    for message in (CODE, LINK, NOTICE):
        sender.send(message)
    assert lines_of(path) == [
        {"to": "+8613800138000", "purpose": "login", "code": "493021", "text": CODE.text},
        {"to": "anna@example.com", "purpose": "reset", "link": LINK.link, "text": LINK.text},
        {"to": "anna@example.com", "purpose": "new_device", "text": NOTICE.text},
    ]
    assert "登录验证码" in path.read_text("utf-8")


@posix
def test_a_file_is_for_its_owner_alone_and_one_that_exists_keeps_its_mode(tmp_path):
    path = tmp_path / "messages.jsonl"
    before = os.umask(0)
    try:
        open_sender(f"file:{path}").send(CODE)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    open_sender(f"file:{path}").send(CODE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert len(lines_of(path)) == 2


def test_a_relative_path_is_relative_to_the_folder(tmp_path):
    open_sender("file:messages.jsonl", folder=str(tmp_path)).send(CODE)
    assert len(lines_of(tmp_path / "messages.jsonl")) == 1


@posix
def test_a_path_may_be_written_as_a_file_url(tmp_path):
    open_sender(f"file://{tmp_path}/messages.jsonl").send(CODE)
    assert len(lines_of(tmp_path / "messages.jsonl")) == 1


def test_any_text_stays_one_line(tmp_path):
    path = tmp_path / "messages.jsonl"
    hostile = 'a\n{"to": "forged"}\r\u2028\x85\0\udc80\U0001f600'
    open_sender(f"file:{path}").send(Message("x@example.com", "email", "login", "en", "", hostile))
    assert len(path.read_bytes().splitlines()) == 1
    assert json.loads(path.read_bytes())["text"] == hostile


def test_a_file_that_cannot_be_written_is_a_sending_error_without_the_code(tmp_path):
    sender = open_sender(f"file:{tmp_path}/no/such/folder")
    with pytest.raises(SendingError, match="TESSERA_SENDER") as caught:
        sender.send(CODE)
    assert "493021" not in str(caught.value)


@pytest.mark.skipif(not os.access("/dev/full", os.W_OK), reason="Linux: a device that is always full")
def test_a_full_disk_is_a_sending_error():
    with pytest.raises(SendingError):
        open_sender("file:/dev/full").send(CODE)


def writer(url):
    """Sends so many long messages, each of one letter."""
    sender = open_sender(url)

    def send(count):
        for number in range(count):
            letter = chr(ord("a") + number % 26)
            sender.send(Message("x@example.com", "email", "login", "en", "", letter * (5000 + number)))

    return send


@pytest.mark.slow
@posix
def test_lines_of_four_processes_do_not_mix(tmp_path):
    path = tmp_path / "messages.jsonl"
    with WorkerProcesses(4, writer, f"file:{path}") as processes:
        processes.race(250)
    texts = [line["text"] for line in lines_of(path)]
    assert len(texts) == 1000
    assert all(len(set(text)) == 1 for text in texts)


def test_the_console_logs_the_message_and_says_once_that_it_is_for_development(caplog):
    sender = open_sender("console:")
    with caplog.at_level(logging.INFO, "flask_tessera.sender"):
        sender.send(CODE)
        sender.send(LINK)
    assert [record.name for record in caplog.records] == ["flask_tessera.sender"] * 3
    first, code, link = [record.getMessage() for record in caplog.records]
    assert "development only" in first
    assert "+8613800138000" in code
    assert "493021" in code
    assert LINK.link in link


def test_the_console_prints_on_standard_error_where_no_logging_is_set_up():
    script = (
        "from flask_tessera.services.senders.from_url import open_sender\n"
        "from tests.services.senders.messages import CODE\n"
        "open_sender('console:').send(CODE)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, env=environment, encoding="utf-8"
    )
    assert done.stdout == ""
    assert "493021" in done.stderr


def test_the_console_lets_no_name_forge_a_line_or_steer_a_terminal(caplog):
    hostile = "hello\nlogin message to root: 1\x1b[2J\u202eabc"
    open_sender("console:").send(Message("x@example.com", "email", "login", "en", "", hostile))
    logged = caplog.records[-1].getMessage()
    assert logged.isprintable()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "console",
        "console:x",
        "file:",
        "file:folder/",
        "file://host/path",
        "file:a\0b",
        "hunter2",
        "ftp://u:hunter2@h",
    ],
)
def test_what_is_no_sender_is_refused_by_the_name_of_the_setting_without_being_repeated(url):
    with pytest.raises(ConfigError, match="TESSERA_SENDER") as caught:
        open_sender(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("to", "masked"),
    [
        ("+8613800138000", "138****8000"),
        ("+447700900123", "+447****23"),
        ("+12015550123", "+120****23"),
        ("anna@example.com", "a***@example.com"),
        ("a@example.com", "***@example.com"),
        ("@example.com", "***@example.com"),
        ('"a@b"@example.com', '"***@example.com'),
        ("anna", "***"),
        ("", "***"),
        ("a\n@b", "***"),
    ],
)
def test_a_masked_recipient_tells_its_owner_and_nobody_else(to, masked):
    assert mask_recipient(to) == masked


def test_a_repr_shows_neither_secret_nor_address():
    for message in (CODE, LINK, NOTICE):
        shown = repr(message)
        assert not any(
            secret in shown for secret in ("493021", "tst_", "13800138000", "anna", "Berlin", message.text)
        ), shown
    assert repr(CODE) == "Message(purpose='login', to='138****8000', language='zh')"


def test_a_message_can_be_pickled():
    assert pickle.loads(pickle.dumps(LINK)) == LINK
