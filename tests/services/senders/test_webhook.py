"""Messages posted to a real server."""

import dataclasses
import hashlib
import hmac
import json
import socket
import threading
import time

import pytest

from flask_tessera.errors import ConfigError, SendingError
from flask_tessera.services.senders import webhook
from flask_tessera.services.senders.from_url import open_sender
from flask_tessera.services.senders.webhook import signature_of
from tests.servers.certificates import write_certificates
from tests.services.senders.dripping import dripping
from tests.services.senders.messages import CODE, LINK, NOTICE
from tests.services.senders.receiver import receiver


@pytest.fixture
def server():
    with receiver() as running:
        yield running


def hook(server, path="/messages"):
    return open_sender(f"webhook:http://127.0.0.1:{server.port}{path}")


def test_the_whole_message_is_posted_as_json(server):
    hook(server, "/messages?tenant=1&next=%2Fa").send(CODE)
    (request,) = server.requests
    assert request.path == "/messages?tenant=1&next=%2Fa"
    assert request.headers["content-type"] == "application/json"
    assert "x-tessera-signature" not in request.headers
    assert json.loads(request.body) == {
        "to": "+8613800138000",
        "kind": "phone",
        "purpose": "login",
        "language": "zh",
        "code": "493021",
        "link": "",
        "text": CODE.text,
        "subject": CODE.subject,
    }


def test_any_text_can_be_posted(server):
    text = "a\n\u2028\0\udc80\U0001f600"
    hook(server).send(dataclasses.replace(NOTICE, text=text))
    assert json.loads(server.requests[0].body)["text"] == text


def test_a_secret_signs_time_and_body_as_documented_and_is_not_sent(server):
    before = int(time.time())
    hook(server, "/messages?secret=a+b%26c%3D&tenant=1").send(LINK)
    (request,) = server.requests
    assert request.path == "/messages?tenant=1"
    at, mac = (part.partition("=")[2] for part in request.headers["x-tessera-signature"].split(","))
    assert before <= int(at) <= int(time.time())
    expected = hmac.digest(b"a+b&c=", at.encode() + b"." + request.body, hashlib.sha256).hex()
    assert hmac.compare_digest(mac, expected)


def test_a_signature_holds_for_its_time_body_and_secret_only():
    signed = {
        signature_of(body, secret, at).partition("v1=")[2]
        for body in (b"a", b"b")
        for secret in (b"s", b"t")
        for at in (1, 2)
    }
    assert len(signed) == 8


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 400, 401, 404, 429, 500, 503])
def test_any_answer_but_success_is_a_sending_error_and_no_redirect_is_followed(server, status):
    location = f"http://127.0.0.1:{server.port}/elsewhere"
    server.answer = lambda _: (status, {"Location": location}, b'{"text": "493021"}')
    with pytest.raises(SendingError, match=f"answered {status}") as caught:
        hook(server).send(CODE)
    assert "493021" not in str(caught.value)
    # It may be sent by a gateway that fails after that, but not by one that refuses it.
    assert caught.value.may_have_arrived == (not 400 <= status <= 499)
    assert [request.path for request in server.requests] == ["/messages"]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_success_is_one(server, status):
    server.answer = lambda _: (status, {}, b"")
    hook(server).send(CODE)


def test_proxies_of_the_environment_see_nothing(server, monkeypatch):
    with receiver() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        hook(server).send(CODE)
    assert len(server.requests) == 1
    assert proxy.requests == []


def test_https_with_an_authority_of_ones_own(tmp_path):
    write_certificates(tmp_path / "authority.pem", tmp_path / "server.pem")
    with receiver(tmp_path / "server.pem") as server:
        url = f"webhook:https://127.0.0.1:{server.port}/?ca={tmp_path}/authority.pem"
        open_sender(url).send(CODE)
        with pytest.raises(SendingError, match="CERTIFICATE_VERIFY_FAILED"):
            open_sender(f"webhook:https://127.0.0.1:{server.port}/").send(CODE)
        with pytest.raises(SendingError, match="CERTIFICATE_VERIFY_FAILED"):
            open_sender(url.replace("127.0.0.1", "localhost")).send(CODE)
    assert [request.path for request in server.requests] == ["/"]


def test_nobody_listens():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(SendingError, match="cannot be reached") as caught:
            open_sender(f"webhook:http://127.0.0.1:{bound.getsockname()[1]}/").send(CODE)
    assert not caught.value.may_have_arrived


@pytest.mark.parametrize("answer", [b"220 mail.example ESMTP\r\n", b"", b"HTTP/1.1 200\x00OK\r\n" + b"a: b\r\n" * 200])
def test_a_server_that_speaks_something_else(answer):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(SendingError) as caught:
            open_sender(f"webhook:http://127.0.0.1:{listener.getsockname()[1]}/").send(CODE)
        thread.join(30)
    assert caught.value.may_have_arrived


@pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 200 OK\r\nX-A: "])
def test_an_answer_that_drips_is_given_up_in_time(monkeypatch, beginning):
    monkeypatch.setattr(webhook, "_TIMEOUT", 0.3)
    with dripping(beginning) as port, pytest.raises(SendingError, match="within") as caught:
        open_sender(f"webhook:http://127.0.0.1:{port}/").send(CODE)
    assert caught.value.may_have_arrived


@pytest.mark.parametrize(
    "url",
    [
        "webhook:",
        "webhook:https://",
        "webhook:sms.example/path",
        "webhook:ftp://sms.example/",
        "webhook:https://user:hunter2@sms.example/",
        "webhook:https://hunter2@sms.example/",
        "webhook:https://sms.example/?secret=",
        "webhook:https://sms.example:hunter2/",
        "webhook:https://sms.example/#hunter2",
        "webhook:https://sms.example/a b?secret=hunter2",
        "webhook:https://sms.example/\r\nHost: evil?secret=hunter2",
        "webhook:https://sms.example/短信?secret=hunter2",
        "webhook:https://[::1/?secret=hunter2",
        "webhook:https://sms.example/?secret=hunter2&ca=/no/such/file",
    ],
)
def test_a_malformed_url_is_refused_and_not_repeated(url):
    with pytest.raises(ConfigError, match="TESSERA_SENDER") as caught:
        open_sender(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None or "hunter2" not in str(caught.value.__cause__)
