"""The services wired together as the extension does it, with a clock that goes by hand."""

from __future__ import annotations

import secrets

from flask_tessera.services.access import AccessPolicy, AccessTokens
from flask_tessera.services.activity import ActivityWriter
from flask_tessera.services.keys import Keys
from flask_tessera.services.login_data import Login, SessionPolicy
from flask_tessera.services.revocation import RevocationView
from flask_tessera.services.sessions import SessionService
from flask_tessera.sessions.limits import Limits
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing import Clock

DAY = 86_400
LEEWAY = 15
SECRET = "a secret of the tests that is long enough 0123456789"


class Bench:
    """One worker: `service`, `view` and `activity` over one storage; `events` is what the listener heard."""

    def __init__(self, storage=None, *, realm="", clock=None, **policy):
        self.clock = clock or Clock()
        self.storage = storage or open_storage("memory:")
        self.keys = Keys.from_secret(SECRET, realm=realm)
        self.access = AccessTokens(self.keys, AccessPolicy(), secrets.token_bytes)
        self.events = []
        settings = {"idle": 30 * DAY, "lifetime": 90 * DAY, "access_lifetime": 900, "leeway": LEEWAY}
        self.policy = SessionPolicy(**({"limits": Limits(10, 0, "evict")} | settings | policy))
        self.view = RevocationView(self.storage.revocations)
        self.activity = ActivityWriter(self.storage.sessions, self.clock, self.events.append)
        self.service = SessionService(
            self.storage,
            self.keys,
            self.access,
            self.policy,
            view=self.view,
            realm=realm,
            clock=self.clock,
            random_bytes=secrets.token_bytes,
            listener=self.events.append,
        )

    def log_in(self, user_id="7", **fields):
        return self.service.log_in(Login(user_id, **fields))

    def refresh(self, text):
        from flask_tessera.services.ports import ClientInfo

        return self.service.refresh(text, ClientInfo("203.0.113.9", "test"))

    def claims(self, issued):
        return self.access.verify(issued.access_token, at=self.clock())

    def use(self, issued):
        """Accept an access token as a request does; an error, or the reason for which it is refused."""
        claims = self.claims(issued)
        reason = self.view.refusal(claims, at=self.clock())
        if not reason:
            self.activity.record(claims.sid, claims.gen, self.clock())
        return reason

    def heard(self):
        """The names of events since the last call."""
        names = [event.name for event in self.events]
        self.events.clear()
        return names
