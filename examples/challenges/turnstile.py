"""Cloudflare Turnstile before codes and logins: its widget gives a token, and `siteverify` says whether it is good.

Everything but this file is the standard library.
"""

from __future__ import annotations

import json
import logging
import time
import urllib.request
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import urlencode

SITEVERIFY = "https://challenges.cloudflare.com/turnstile/v0/siteverify"
HEADER = "X-Turnstile"
SECONDS = 3
LARGEST = 65_536
LONGEST_TOKEN = 2048
log = logging.getLogger(__name__)


class Turnstile:
    """Asks Cloudflare about tokens.

    Args:
        secret: the secret key of the widget.
        hostname: on which the widget must have been solved; empty for any that the widget is made for.
        opens_for: actions that go on where Cloudflare does not answer. Logins do, since wrong passwords are counted
            anyhow, and nobody could work; what is sent costs money, so it does not.
        url: their service.
    """

    def __init__(self, secret, *, hostname="", opens_for=("login",), url=SITEVERIFY):
        self._secret = secret
        self._hostname = hostname
        self._opens_for = frozenset(opens_for)
        self._url = url

    def is_passed(self, action, token, ip=""):
        """Whether a token is good for "code", "link", "register" or "login", the `data-action` of its widget."""
        if not token or len(token) > LONGEST_TOKEN:
            return False
        try:
            answer = self._ask({"secret": self._secret, "response": token, **({"remoteip": ip} if ip else {})})
        except (OSError, HTTPException, ValueError) as error:
            # An answer to what was sent is no outage: else a token that they choke on would open the login.
            is_open = action in self._opens_for and not (isinstance(error, HTTPError) and error.code < 500)
            outcome = "let in" if is_open else "refused"
            log.warning("Turnstile gives no answer that can be read (%s): %s %s", error, action, outcome)
            return is_open
        if answer.get("success") is not True:
            # A wrong secret is refused too, and only the log tells.
            log.info("Turnstile refused a token: %s", answer.get("error-codes"))
            return False
        return answer.get("action") == action and self._hostname in ("", answer.get("hostname"))

    def _ask(self, form):
        deadline = time.monotonic() + SECONDS
        request = urllib.request.Request(self._url, urlencode(form).encode())
        with urllib.request.urlopen(request, timeout=SECONDS) as response:
            body = b""
            # The time limit above is for each step: a server that sends byte by byte must not hold a worker.
            while chunk := response.read1(LARGEST):
                body += chunk
                if len(body) > LARGEST or time.monotonic() > deadline:
                    raise ValueError("too long")
        answer = json.loads(body)
        return answer if isinstance(answer, dict) else {}
