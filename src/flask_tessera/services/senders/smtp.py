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
from .one_line import one_line

if TYPE_CHECKING:
    import ssl

    from .message import Message

_TIMEOUT: Final = 8
"""Seconds for each step of the conversation."""
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
            self._hand_in(mail, recipient)
        except smtplib.SMTPException as error:
            # Not its cause: the texts of servers hold addresses, and parts of the message.
            raise SendingError(f"the mail server did not take the message: {_kind_of(error)}") from None
        except OSError as error:
            raise SendingError(f"the mail server cannot be reached: {error}") from error
        except ValueError:
            raise SendingError("the message cannot be written as e-mail") from None

    def _hand_in(self, mail: EmailMessage, recipient: Address) -> None:
        server = self._server
        with closing(self._connect()) as client:
            client.ehlo_or_helo_if_needed()
            if server.protection == "starttls":
                client.starttls(context=server.context)
                client.ehlo_or_helo_if_needed()
            if server.user:
                client.login(server.user, server.password)
            client.send_message(mail, self._from.addr_spec, [recipient.addr_spec])
            # It is accepted, whatever becomes of the farewell.
            with suppress(OSError):
                client.quit()

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        if server.protection == "tls":
            return smtplib.SMTP_SSL(server.host, server.port, timeout=_TIMEOUT, context=server.context)
        return smtplib.SMTP(server.host, server.port, timeout=_TIMEOUT)


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


def _kind_of(error: smtplib.SMTPException) -> str:
    codes = [error.smtp_code] if isinstance(error, smtplib.SMTPResponseException) else []
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
    return " ".join([type(error).__name__, *map(str, codes)])
