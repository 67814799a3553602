"""Posts messages as JSON to a service that delivers them."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Final

from ...errors import SendingError
from .deadline import Deadline

if TYPE_CHECKING:
    import ssl

    from .message import Message

_TIMEOUT: Final = 8
"""Seconds for all."""
SIGNATURE: Final = "X-Tessera-Signature"
"""The header with the time and the MAC: `t=1700000000,v1=<64 hexadecimal digits>`."""


class WebhookSender:
    """Posts messages as JSON; any answer but 2xx is a failure, a redirect too. Proxies of the environment are not used.

    With a secret the header `X-Tessera-Signature` holds the Unix second `t` and in `v1` the HMAC-SHA256, with this
    secret, of `t` in digits, a full stop and the body.

    Args:
        host: of the service.
        port: of the service; None for the usual one.
        target: path and query.
        secret: to sign with; empty for no signature.
        context: for TLS; None for plain HTTP.
    """

    def __init__(
        self, host: str, port: int | None, target: str, *, secret: str, context: ssl.SSLContext | None
    ) -> None:
        self._host = host
        self._port = port
        self._target = target
        self._secret = secret.encode()
        self._context = context

    def send(self, message: Message) -> None:
        """Post it."""
        body = json.dumps(_members_of(message)).encode()
        connection = self._connection()
        is_posted = False
        try:
            with closing(connection), Deadline(_TIMEOUT) as deadline:
                self._connect(connection, deadline)
                is_posted = True
                connection.request("POST", self._target, body, self._headers(body))
                status = connection.getresponse().status
        except OSError as error:
            raise SendingError(f"the webhook cannot be reached: {error}", may_have_arrived=is_posted) from error
        except HTTPException as error:
            text = f"the webhook does not answer in HTTP: {type(error).__name__}"
            raise SendingError(text, may_have_arrived=True) from None
        if not 200 <= status <= 299:
            # Only an error of ours tells for sure that nothing came of it.
            raise SendingError(f"the webhook answered {status}", may_have_arrived=not 400 <= status <= 499)

    def _connection(self) -> HTTPConnection:
        if self._context is None:
            return HTTPConnection(self._host, self._port)
        return HTTPSConnection(self._host, self._port, context=self._context)

    def _connect(self, connection: HTTPConnection, deadline: Deadline) -> None:
        connection.sock = deadline.connect(self._host, connection.port)
        if self._context:
            connection.sock = self._context.wrap_socket(connection.sock, server_hostname=self._host)

    def _headers(self, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "User-Agent": "flask-tessera", "Connection": "close"}
        if self._secret:
            headers[SIGNATURE] = signature_of(body, self._secret, int(time.time()))
        return headers


def signature_of(body: bytes, secret: bytes, at: int) -> str:
    """The value of the header for a body that is sent at Unix second `at`."""
    mac = hmac.new(secret, b"%d." % at + body, hashlib.sha256)
    return f"t={at},v1={mac.hexdigest()}"


def _members_of(message: Message) -> dict[str, str]:
    names = ("to", "kind", "purpose", "language", "code", "link", "text", "subject")
    return {name: getattr(message, name) for name in names}
