"""An application with users of its own, who register and log in by codes, passwords and links."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field, replace

from flask import Flask

from flask_tessera import Tessera
from flask_tessera.errors import AlreadyExistsError
from flask_tessera.testing import Clock

SECRET = "hQ5vT2rB8nX0kW7yL3cM9dF6gJ1pZ4sA"
PHONE, EMAIL = "13800138000", "ada@example.com"
PASSWORD = "nine purple herons"
SITE = "https://shop.example"


@dataclass(frozen=True)
class Person:
    """A row of the application's own."""

    id: int
    phone: str = ""
    email: str = ""
    hash: str | None = None
    name: str = ""
    intro: str = ""
    disabled: bool = False


@dataclass
class People:
    """The application's table: each method is one step, as a statement is."""

    rows: dict[int, Person] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def by_id(self, user_id):
        return self.rows.get(user_id)

    def by_recipient(self, recipient):
        return next((each for each in self.rows.values() if recipient.address in (each.phone, each.email)), None)

    def recipients(self, user):
        from flask_tessera.accounts.recipients import parse_recipient

        return [parse_recipient(text) for text in (user.phone, user.email) if text]

    def password_hash(self, user):
        return self.rows[user.id].hash

    def set_password_hash(self, user, new, old):
        with self.lock:
            if self.rows[user.id].hash != old:
                return False
            self.rows[user.id] = replace(self.rows[user.id], hash=new)
            return True

    def is_disabled(self, user):
        return self.rows[user.id].disabled

    def create(self, new):
        with self.lock:
            if self.by_recipient(new.recipient):
                raise AlreadyExistsError("taken")
            number = len(self.rows) + 1
            self.rows[number] = Person(
                number, **{new.recipient.kind: new.recipient.address}, hash=new.password_hash, name=new.name
            )
            return self.rows[number]

    def update(self, user, changes):
        self.rows[user.id] = replace(self.rows[user.id], **changes)
        return self.rows[user.id]

    def bind(self, user, recipient):
        with self.lock:
            found = self.by_recipient(recipient)
            if found and found.id != user.id:
                raise AlreadyExistsError("taken")
            self.rows[user.id] = replace(self.rows[user.id], **{recipient.kind: recipient.address})
            return self.rows[user.id]


class AccountsApp:
    """The application with its people, and the file that its messages go to."""

    def __init__(self, folder, *, users=None, tessera=None, **config):
        self.people, self.clock, self.file = users or People(), Clock(), folder / "messages.jsonl"
        self.app = Flask("town")
        self.app.config.update(
            SECRET_KEY=SECRET,
            TESSERA_STORE_URL="memory:",
            TESSERA_SENDER=f"file:{self.file}",
            TESSERA_PUBLIC_URL=SITE,
            TESSERA_LOCALE="en",
        )
        self.app.config.update({f"TESSERA_{name}": value for name, value in config.items()})
        self.tessera = Tessera(user_id_type=int, clock=self.clock, users=self.people, **(tessera or {}))
        self.tessera.user_view(
            lambda user: {"id": user.id, "phone": user.phone, "email": user.email, "name": user.name}
        )
        self.tessera.init_app(self.app)
        self.app.register_blueprint(self.tessera.blueprint())

    def post(self, path, body=None, token=None, method="POST", client=None, **headers):
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return (client or self.app.test_client()).open(f"/auth{path}", method=method, json=body or {}, headers=headers)

    def messages(self):
        with self.app.app_context():
            sending = self.tessera.runtime.accounts.sending
        sending.wait_for_notices(10)
        if not self.file.exists():
            return []
        return [json.loads(line) for line in self.file.read_text("utf-8").splitlines()]

    def send(self, recipient, purpose):
        """Ask for a code; what was sent."""
        answer = self.post("/codes", {"recipient": recipient, "purpose": purpose})
        assert answer.status_code == 200, answer.text
        # A notice may arrive meanwhile.
        return [each for each in self.messages() if each["purpose"] == purpose][-1]

    def code(self, recipient, purpose):
        # So that the one before counts no longer.
        self.clock.advance(61)
        return self.send(recipient, purpose)["code"]

    def register(self, recipient=PHONE, password=PASSWORD, **more):
        """The pair of a new account."""
        body = {"recipient": recipient, "code": self.code(recipient, "register"), "password": password, **more}
        answer = self.post("/register", body)
        assert answer.status_code == 200, answer.text
        return answer.json["data"]
