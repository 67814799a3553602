"""An application whose people come, sign in and keep their accounts by the pages."""

from __future__ import annotations

import json
import re

import pyotp

from tests.authenticator import Authenticator
from tests.web.people import PASSWORD, PHONE, AccountsApp

from .sites import Browser, Page

ASKED = ("login", "register", "reset", "no_account")
__all__ = ["PASSWORD", "PHONE", "PagesApp", "Visitor", "text_of"]


class PagesApp(AccountsApp):
    """The application with the pages."""

    def __init__(self, folder, *, console=None, tessera=None, **config):
        super().__init__(folder, tessera=tessera, COOKIES=True, **config)
        self.app.register_blueprint(self.tessera.console(**(console or {"account": "phone"})))

    @property
    def services(self):
        with self.app.app_context():
            return self.tessera.runtime.accounts

    def totp(self, user_id="1"):
        """Give a user a generator; its secret and the recovery codes."""
        with self.app.app_context():
            services = self.tessera.runtime.accounts
            secret = services.totp.begin(user_id, PHONE, "shop").secret
            return secret, services.totp.confirm(user_id, self.digits(secret))

    def digits(self, secret):
        # A code is good once: the next time step has another one.
        self.clock.advance(30)
        return pyotp.TOTP(secret).at(self.clock())

    def last(self):
        """The last message that somebody has asked for: notices are sent besides."""
        return [each for each in self.messages() if each["purpose"] in ASKED][-1]


class Visitor(Browser):
    """A person with a browser without scripts, who fills in what he sees."""

    def __init__(self, home, **headers):
        super().__init__(home.app, **headers)
        self.home, self.page, self.answer = home, None, None

    def open(self, path):
        """Look at a page; redirects are followed."""
        return self._take(self.get(path))

    def submit(self, action, **fields):
        """Send a form of the page that is open, with these fields filled in."""
        data = {**self.page.forms[action], **fields}
        return self._take(
            self.send("POST", action, data={name: text for name, text in data.items() if text is not None})
        )

    def _take(self, answer):
        self.path = answer.request.path
        for _ in range(5):
            if answer.status_code not in (302, 303):
                break
            self.path = answer.headers["Location"]
            answer = self.get(self.path)
        self.answer, self.page = answer, Page(answer)
        return self

    def now_at(self):
        """The path that is open, without its query."""
        return self.path.partition("?")[0]

    def login(self, **more):
        fields = {"account": PHONE, "password": PASSWORD, **more}
        return self.open("/console/sign-in?reason=session_kick").submit("/console/sign-in", **fields)

    def by_id(self, name):
        """The text of the element with an id, which holds no other element of its kind."""
        found = re.search(rf'<(\w+)[^>]* id="{name}"[^>]*>(.*?)</\1>', self.answer.text, re.DOTALL)
        return re.sub(r"<[^>]*>", "", found[2]).strip() if found else None

    @property
    def error(self):
        return self.by_id("error")

    @property
    def status(self):
        return self.answer.status_code


def text_of(credential):
    """What the script of a page puts into the field `passkey`."""
    return json.dumps(credential)


def authenticator():
    """A device for passkeys."""
    return Authenticator()
