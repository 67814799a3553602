"""Mail, handed in at a real server: plain, by STARTTLS and over TLS, with and without a login."""

import dataclasses
import socket
import threading

import pytest

from flask_tessera.errors import ConfigError, SendingError
from flask_tessera.services.senders import smtp
from flask_tessera.services.senders.from_url import open_sender
from flask_tessera.services.senders.message import Message
from flask_tessera.testing import race
from tests.servers.certificates import write_certificates
from tests.services.senders.dripping import dripping
from tests.services.senders.mail_server import mail_server
from tests.services.senders.messages import CODE, LINK, NOTICE


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """An authority, and a server's certificate of it."""
    folder = tmp_path_factory.mktemp("certificates")
    write_certificates(folder / "authority.pem", folder / "server.pem")
    return folder


@pytest.fixture
def plain():
    with mail_server() as server:
        yield server


def sender_to(server, options="", *, user="", scheme="smtp"):
    return open_sender(f"{scheme}://{user}127.0.0.1:{server.port}?from=Shop%20<shop@example.com>{options}")


def body_of(mail, subtype):
    return mail.get_body((subtype,)).get_content().replace("\r\n", "\n").strip()


def test_a_mail_has_both_bodies_and_the_headers_of_an_automatic_message(plain):
    sender_to(plain).send(LINK)
    (mail,) = plain.mails
    assert plain.envelopes == [("shop@example.com", ["anna@example.com"])]
    assert mail["From"] == "Shop <shop@example.com>"
    assert mail["To"] == "anna@example.com"
    assert mail["Subject"] == "Reset your password – 重置密码"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Content-Language"] == "en"
    assert mail["Message-ID"].endswith("@example.com>")
    assert mail["Date"].datetime is not None
    assert body_of(mail, "plain") == LINK.text.strip()
    assert body_of(mail, "html") == LINK.html


def test_a_mail_without_html_is_plain_text_alone(plain):
    sender_to(plain).send(NOTICE)
    (mail,) = plain.mails
    assert mail.get_content_type() == "text/plain"
    assert body_of(mail, "plain") == NOTICE.text


def test_a_short_text_in_chinese_is_ascii_on_the_wire(plain):
    sender_to(plain).send(dataclasses.replace(NOTICE, text="登录验证码 493021"))
    assert plain.raw[0].isascii()
    assert body_of(plain.mails[0], "plain") == "登录验证码 493021"


def test_whatever_the_language_the_message_is_short_lines_of_ascii(plain):
    text = "验证码 493021，请勿告诉他人。" * 200 + "\n.\nQUIT\n" + "x" * 3000
    message = dataclasses.replace(LINK, subject="登录验证码" * 40, text=text, html=f"<p>{'é' * 2000}</p>")
    sender_to(plain).send(message)
    (mail,), (raw,) = plain.mails, plain.raw
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert mail["Subject"] == "登录验证码" * 40
    assert body_of(mail, "plain") == text


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\0", "\u2028", "\x85", "\x0b"])
def test_a_subject_injects_no_header(plain, end):
    sender_to(plain).send(dataclasses.replace(NOTICE, subject=f"Hello{end}Bcc: mallory@example.com{end}{end}body"))
    (mail,) = plain.mails
    assert mail["Bcc"] is None
    assert body_of(mail, "plain") == NOTICE.text
    assert mail["Subject"] == "Hello Bcc: mallory@example.com body"
    assert plain.envelopes[0][1] == ["anna@example.com"]


@pytest.mark.parametrize(
    "to",
    [
        "anna@example.com\r\nRCPT TO:<mallory@example.com>",
        "anna@example.com\nBcc: mallory@example.com",
        "anna@example.com>,<mallory@example.com",
        "anna@example.com,mallory@example.com",
        "anna@example.com mallory@example.com",
        "Anna <anna@example.com>",
        '"anna"@example.com',
        "anna@[127.0.0.1]",
        "anna@@example.com",
        "anna.@example.com",
        "anna@example..com",
        "@example.com",
        "anna@",
        "anna",
        "",
        "a\0@example.com",
        "\udc80@example.com",
        "a@" + "é" * 80 + ".com",
        "a" * 250 + "@example.com",
    ],
)
def test_what_is_no_plain_address_never_reaches_the_server(plain, to):
    with pytest.raises(SendingError) as caught:
        sender_to(plain).send(dataclasses.replace(LINK, to=to))
    assert "mallory" not in str(caught.value)
    assert plain.mails == []


def test_a_domain_with_other_letters_is_written_in_idna(plain):
    sender_to(plain).send(dataclasses.replace(NOTICE, to="anna@bücher.example"))
    assert plain.envelopes[0][1] == ["anna@xn--bcher-kva.example"]


def test_an_address_with_other_letters_needs_a_server_that_knows_smtputf8(plain):
    message = dataclasses.replace(NOTICE, to="用户@example.com")
    with pytest.raises(SendingError, match="SMTPNotSupportedError"):
        sender_to(plain).send(message)
    with mail_server(utf8=True) as server:
        sender_to(server).send(message)
    assert server.envelopes[0][1] == ["用户@example.com"]
    assert server.mails[0]["To"] == "用户@example.com"


def test_a_phone_cannot_get_mail(plain):
    with pytest.raises(SendingError, match="phone"):
        sender_to(plain).send(CODE)


def test_starttls_and_a_login_with_an_authority_of_ones_own(certificates):
    with mail_server(certificates / "server.pem", login=True) as server:
        options = f"&starttls=1&ca={certificates}/authority.pem"
        sender_to(server, options, user="shop:s3cr%3At%2F%3F@").send(LINK)
    assert server.was_encrypted == [True]
    assert server.users == ["shop"]


def test_tls_from_the_first_byte_and_a_login(certificates):
    with mail_server(certificates / "server.pem", tls_at_once=True, login=True) as server:
        sender = sender_to(server, f"&ca={certificates}/authority.pem", user="shop:s3cr%3At%2F%3F@", scheme="smtps")
        sender.send(LINK)
    assert len(server.mails) == 1
    assert server.users == ["shop"]


@pytest.mark.parametrize(("scheme", "options"), [("smtp", "&starttls=1"), ("smtps", "")])
def test_a_certificate_of_an_unknown_authority_gets_no_message(certificates, scheme, options):
    with mail_server(certificates / "server.pem", tls_at_once=scheme == "smtps") as server:
        sender = sender_to(server, options, scheme=scheme)
        with pytest.raises(SendingError, match="CERTIFICATE_VERIFY_FAILED"):
            sender.send(LINK)
    assert server.mails == []


def test_a_certificate_of_another_host_gets_no_message(certificates):
    with mail_server(certificates / "server.pem") as server:
        url = f"smtp://localhost:{server.port}?from=a@example.com&starttls=1&ca={certificates}/authority.pem"
        with pytest.raises(SendingError, match="CERTIFICATE_VERIFY_FAILED"):
            open_sender(url).send(LINK)
    assert server.mails == []


def test_a_server_that_hides_its_starttls_gets_no_message(plain):
    with pytest.raises(SendingError, match="SMTPNotSupportedError"):
        sender_to(plain, "&starttls=1").send(LINK)
    assert plain.mails == []


def test_starttls_is_required_of_every_host_but_the_loopback_ones():
    with mail_server() as server:
        sender = open_sender(f"smtp://mail.example.com:{server.port}?from=a@example.com")
        assert sender._server.protection == "starttls"
        open_sender(f"smtp://localhost:{server.port}?from=a@example.com").send(NOTICE)
    assert len(server.mails) == 1


def test_a_wrong_password_is_a_sending_error_that_does_not_repeat_it(certificates):
    with mail_server(certificates / "server.pem", login=True) as server:
        sender = sender_to(server, f"&starttls=1&ca={certificates}/authority.pem", user="shop:hunter2@")
        with pytest.raises(SendingError, match="SMTPAuthenticationError 535") as caught:
            sender.send(LINK)
    assert "hunter2" not in str(caught.value) + repr(sender._server)


def test_a_refusal_names_its_code_and_repeats_neither_address_nor_message(plain):
    plain.answer = "550 <{}> unknown, " + LINK.link
    with pytest.raises(SendingError, match="SMTPRecipientsRefused 550") as refused:
        sender_to(plain).send(LINK)
    plain.answer, plain.data_answer = None, "554 spam: " + LINK.link
    with pytest.raises(SendingError, match="SMTPDataError 554") as spam:
        sender_to(plain).send(LINK)
    for caught in (refused, spam):
        assert caught.value.__suppress_context__
        assert not any(secret in str(caught.value) for secret in ("tst_", "anna"))


def test_a_message_that_was_accepted_is_sent_whatever_the_server_says_to_the_farewell(plain):
    plain.quit_answer = "451 not now"
    sender_to(plain).send(NOTICE)
    assert len(plain.mails) == 1


@pytest.mark.parametrize("beginning", [b"", b"220 mail.example ESMTP\r\n"])
def test_a_server_that_drips_is_given_up_in_time(monkeypatch, beginning):
    monkeypatch.setattr(smtp, "_TIMEOUT", 0.3)
    with dripping(beginning) as port, pytest.raises(SendingError, match="within") as caught:
        open_sender(f"smtp://127.0.0.1:{port}?from=shop@example.com").send(LINK)
    assert not caught.value.may_have_arrived


def test_a_server_that_goes_away_with_the_message_may_have_taken_it(plain):
    plain.data_answer = "421 not now"
    with pytest.raises(SendingError) as caught:
        sender_to(plain).send(LINK)
    assert not caught.value.may_have_arrived
    plain.data_answer = "what?"
    with pytest.raises(SendingError) as caught:
        sender_to(plain).send(LINK)
    assert caught.value.may_have_arrived


def test_nobody_listens():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"smtp://127.0.0.1:{bound.getsockname()[1]}?from=a@example.com"
        with pytest.raises(SendingError, match="cannot be reached"):
            open_sender(url).send(LINK)


def test_a_server_that_speaks_something_else():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(SendingError):
            open_sender(f"smtp://127.0.0.1:{listener.getsockname()[1]}?from=a@example.com").send(LINK)
        thread.join(30)


def test_several_threads_send_by_one_sender(plain):
    sender = sender_to(plain)
    messages = [dataclasses.replace(NOTICE, to=f"user{number}@example.com") for number in range(12)]
    race(12, lambda number: sender.send(messages[number]))
    assert sorted(to for _, (to,) in plain.envelopes) == sorted(message.to for message in messages)


@pytest.mark.parametrize(
    "url",
    [
        "smtp:",
        "smtp://",
        "smtp://host",
        "smtp://host?from=shop",
        "smtp://host?from=a@example.com%0aBcc:b@example.com",
        "smtp://host?from=a@example.com,b@example.com",
        "smtp://host?from=a@example.com&timeout=3",
        "smtp://host?from=a@example.com&starttls=yes",
        "smtps://host?from=a@example.com&starttls=0",
        "smtp://shop:hunter2@host?from=a@example.com&starttls=0",
        "smtp://shop@host?from=a@example.com",
        "smtp://:hunter2@host?from=a@example.com",
        "smtp://shop:hunter2é@host?from=a@example.com",
        "smtp://shop:hunter2%C3%A9@host?from=a@example.com",
        "smtp://shop:hunter2@host:port?from=a@example.com",
        "smtp://shop:hunter2#@host?from=a@example.com",
        "smtp://shop:hunter2?@host?from=a@example.com",
        "smtp://shop:hunter2/@host?from=a@example.com",
        "smtp://[::1?from=a@example.com",
        "smtp://host/path?from=a@example.com",
        "smtp://host?from=a@example.com#hunter2",
        "smtp://host?from=a@example.com&ca=/no/such/file",
        "smtp://ho st?from=a@example.com",
        "smtp://host\n?from=a@example.com",
    ],
)
def test_a_malformed_url_is_refused_and_not_repeated(url):
    with pytest.raises(ConfigError, match="TESSERA_SENDER") as caught:
        open_sender(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None or "hunter2" not in str(caught.value.__cause__)


def test_without_from_the_mail_is_from_the_user():
    assert open_sender("smtp://shop%40example.com:x@host")._from.addr_spec == "shop@example.com"


def test_the_ports_are_those_of_submission():
    assert open_sender("smtp://host?from=a@example.com")._server.port == 587
    assert open_sender("smtps://host?from=a@example.com")._server.port == 465


def test_an_address_with_a_plus_sign_keeps_it():
    sender = open_sender("smtp://host?from=shop+login@example.com")
    assert sender._from.addr_spec == "shop+login@example.com"


def test_a_message_that_utf8_cannot_hold_is_a_sending_error(plain):
    with pytest.raises(SendingError):
        sender_to(plain).send(Message("a@example.com", "email", "login", "en", "", "\udc80"))
