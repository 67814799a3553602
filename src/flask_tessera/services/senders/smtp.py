"""Sends messages as e-mail."""

from __future__ import annotations

import re
import smtplib
from contextlib import closing, suppress
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import localtime, make_msgid
from typing import TYPE_CHECKING, Final

from ...errors import SendingError
from .deadline import Deadline
from .one_line import one_line

if TYPE_CHECKING:
    import socket
    import ssl

    from .message import Message

_TIMEOUT: Final = 8
"""Seconds for the whole conversation."""
# 7bit: whatever the server can do, lines are short and ASCII.
_POLICY: Final = SMTP.clone(cte_type="7bit")
# RFC 5322 §3.2.3 (dot-atom), with the characters of RFC 6532 §3.2. No quoted local part, no address literal.
_ATOM: Final = r"(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]|[^\x00-\x9f\s])+"
_LABEL: Final = r"(?:[A-Za-z0-9-]|[^\x00-\x9f\s])+"
_ADDRESS: Final = re.compile(rf"(?P<local>{_ATOM}(?:\.{_ATOM})*)@(?P<domain>{_LABEL}(?:\.{_LABEL})*)")
_LONGEST: Final = 254
"""RFC 5321 §4.5.3.1.3: a path has 256 octets, its brackets included."""
_LANGUAGES: Final = {"zh": "zh-CN", "en": "en"}


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed in.

    Attributes:
        host: its name, which its certificate must bear.
        port: its port.
        user: whom to log in as; empty for not at all.
        password: of this user.
        protection: "tls" from the first byte, "starttls", or "none".
        context: for TLS.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    protection: str
    context: ssl.SSLContext


class SmtpSender:
    """Hands mail in at a server, with one connection for each message.

    Addresses with other letters than ASCII need a server with SMTPUTF8 (RFC 6531) where they stand before the `@`;
    domains are written in IDNA.

    Args:
        server: where.
        sender: whom the mail is from.
    """

    def __init__(self, server: SmtpServer, sender: Address) -> None:
        self._server = server
        self._from = sender

    def send(self, message: Message) -> None:
        """Hand it in."""
        recipient = _recipient_of(message)
        try:
            mail = _mail_of(message, self._from, recipient)
        except ValueError:
            raise SendingError("the message cannot be written as e-mail") from None
        step = _Step()
        try:
            self._hand_in(mail, recipient, step)
        except smtplib.SMTPException as error:
            # Not its cause: the texts of servers hold addresses, and parts of the message.
            text = f"the mail server did not take the message: {_kind_of(error)}"
            raise SendingError(text, may_have_arrived=step.is_last and not _is_refusal(error)) from None
        except OSError as error:
            raise SendingError(f"the mail server cannot be reached: {error}", may_have_arrived=step.is_last) from error
        except ValueError:
            raise SendingError("the message cannot be written as e-mail") from None

    def _hand_in(self, mail: EmailMessage, recipient: Address, step: _Step) -> None:
        server = self._server
        with Deadline(_TIMEOUT) as deadline, closing(_Client(server, deadline)) as client:
            client.ehlo_or_helo_if_needed()
            if server.protection == "starttls":
                client.starttls(context=server.context)
                client.ehlo_or_helo_if_needed()
            if server.user:
                client.login(server.user, server.password)
            step.is_last = True
            client.send_message(mail, self._from.addr_spec, [recipient.addr_spec])
            # It is accepted, whatever becomes of the farewell.
            with suppress(OSError):
                client.quit()


class _Step:
    """How far a conversation has come: `is_last` from the message itself on."""

    is_last = False


class _Client(smtplib.SMTP):
    """Has been greeted by the server, over a connection that ends in time."""

    def __init__(self, server: SmtpServer, deadline: Deadline) -> None:
        self._server = server
        self._deadline = deadline
        super().__init__(server.host, server.port)

    def _get_socket(self, host: str, port: int, _timeout: float) -> socket.socket:
        """As smtplib calls it, and as its class for TLS overrides it."""
        plain = self._deadline.connect(host, port)
        if self._server.protection != "tls":
            return plain
        return self._server.context.wrap_socket(plain, server_hostname=host)


def parse_address(text: str, name: str = "") -> Address | None:
    """An address that can stand in a header and an envelope; None for what is none, or one of an unusual form.

    Args:
        text: `local@domain`; the domain becomes IDNA.
        name: to be displayed.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None:
        return None
    domain = match["domain"]
    try:
        domain = domain if domain.isascii() else domain.encode("idna").decode()
        address = Address(name, match["local"], domain)
        is_too_long = len(address.addr_spec.encode()) > _LONGEST
    except ValueError:
        return None
    return None if is_too_long else address


def _recipient_of(message: Message) -> Address:
    if message.kind != "email":
        raise SendingError("TESSERA_SENDER is a mail server, which sends no text messages to phones")
    recipient = parse_address(message.to)
    if recipient is None:
        raise SendingError("the recipient's address cannot be written to a mail server")
    return recipient


def _mail_of(message: Message, sender: Address, recipient: Address) -> EmailMessage:
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = sender
    mail["To"] = recipient
    mail["Subject"] = one_line(message.subject)
    mail["Date"] = localtime()
    mail["Message-ID"] = make_msgid(domain=sender.domain)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: no vacation notice answers
    mail.set_content(message.text)
    if message.html:
        mail.add_alternative(message.html, subtype="html")
    # Last: what is set as content takes the headers of content before it away.
    mail["Content-Language"] = _LANGUAGES.get(message.language, message.language)
    return mail


def _is_refusal(error: smtplib.SMTPException) -> bool:
    """Whether the server has said that it does not take the message (RFC 5321 §4.2.1), or was not asked to."""
    if isinstance(error, smtplib.SMTPResponseException):
        return 400 <= error.smtp_code <= 599
    return not isinstance(error, smtplib.SMTPServerDisconnected)


def _kind_of(error: smtplib.SMTPException) -> str:
    codes = [error.smtp_code] if isinstance(error, smtplib.SMTPResponseException) else []
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
    return " ".join([type(error).__name__, *map(str, codes)])
