"""A real mail server on the loopback interface (aiosmtpd), in a thread of its own."""

from __future__ import annotations

import asyncio
import email
import email.policy
import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import SMTP, AuthResult

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage
    from pathlib import Path


@dataclass
class MailServer:
    """What it has received, and how it answers.

    Attributes:
        port: of 127.0.0.1.
        mails: the messages, parsed.
        raw: the messages as they came.
        envelopes: sender and recipients of each.
        was_encrypted: of each, whether it came over TLS.
        users: who has logged in.
        answer: to the recipients of a message; None: they are taken.
        data_answer: to a message.
        quit_answer: to the farewell.
    """

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    envelopes: list[tuple[str, list[str]]] = field(default_factory=list)
    was_encrypted: list[bool] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    answer: str | None = None
    data_answer: str = "250 OK"
    quit_answer: str = "221 Bye"

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        """Take or refuse a recipient."""
        if self.answer:
            return self.answer.format(address)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:
        """Take a message."""
        self.raw.append(envelope.content)
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        self.envelopes.append((envelope.mail_from, envelope.rcpt_tos))
        self.was_encrypted.append(session.ssl is not None)
        return self.data_answer

    async def handle_QUIT(self, _server: Any, _session: Any, _envelope: Any) -> str:
        """Say good-bye."""
        return self.quit_answer

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        """One user is known."""
        self.users.append(data.login.decode())
        return AuthResult(success=(data.login, data.password) == (b"shop", b"s3cr:t/?"), handled=False)


@contextmanager
def mail_server(
    certificate: Path | None = None, *, tls_at_once: bool = False, login: bool = False, utf8: bool = False
) -> Iterator[MailServer]:
    """Run one.

    Args:
        certificate: with its key; without one there is no TLS.
        tls_at_once: TLS from the first byte, not by STARTTLS.
        login: whether one has to log in.
        utf8: whether it knows SMTPUTF8.
    """
    server = MailServer()
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    loop = asyncio.new_event_loop()

    def make() -> SMTP:
        return SMTP(
            server,
            hostname="127.0.0.1",
            loop=loop,
            tls_context=None if tls_at_once else context,
            require_starttls=bool(context) and not tls_at_once,
            authenticator=server.authenticate,
            # It warns of a login without its own TLS, not knowing of that below.
            auth_required=login and not tls_at_once,
            auth_require_tls=not tls_at_once,
            enable_SMTPUTF8=utf8,
        )

    listening = loop.run_until_complete(loop.create_server(make, "127.0.0.1", 0, ssl=context if tls_at_once else None))
    server.port = listening.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(listening.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
