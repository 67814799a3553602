"""Passkeys in a real browser, with a device of its own that says yes: made, found, used, and made once only."""

from __future__ import annotations

import json

import pytest

from flask_tessera.errors import CodeWrongError

from .accounts import DEVICE

LOAD = (
    "new Promise((done) => { const script = document.createElement('script');"
    " script.src = '/auth/tessera.js'; script.onload = done; document.head.append(script); })"
)
OLD = """
for (const name of ["parseCreationOptionsFromJSON", "parseRequestOptionsFromJSON"]) delete PublicKeyCredential[name];
delete PublicKeyCredential.prototype.toJSON;
"""
"""Makes a browser of before 2025."""
REGISTER = "tessera.passkey.register('my phone').then(async (answer) => [answer.status, await answer.json()])"
WHICH = pytest.mark.parametrize("browser_is", ["new", "old"])


class Person:
    """Somebody who is signed in, at a page with the script, with a device for passkeys."""

    def __init__(self, visitors, browser_is="new", **device):
        self.page = visitors.come()
        self.devtools = self.page.context.new_cdp_session(self.page)
        self.devtools.send("WebAuthn.enable")
        added = self.devtools.send("WebAuthn.addVirtualAuthenticator", {"options": {**DEVICE, **device}})
        self.device = added["authenticatorId"]
        visitors.sign_in(self.page)
        self.page.evaluate(LOAD)
        if browser_is == "old":
            self.page.evaluate(OLD)

    def register(self):
        return self.page.evaluate(REGISTER)

    def made(self):
        return self.devtools.send("WebAuthn.getCredentials", {"authenticatorId": self.device})["credentials"]


def verify(service, credential):
    """Who logs in with it at the service."""
    with service.app.test_request_context(base_url=service.url):
        return service.app.extensions["tessera"].running[""].accounts.passkeys.verify_login(credential)


@pytest.mark.repeats("browser_is")
@WHICH
def test_a_passkey_is_made_once_and_logs_in_without_a_name(visitors, service, browser_is):
    person = Person(visitors, browser_is)
    status, body = person.register()
    assert (status, body["data"]["name"]) == (200, "my phone"), body
    (made,) = person.made()
    assert (made["isResidentCredential"], made["rpId"]) == (True, "localhost")
    (user,) = service.users.all()
    assert str(user.id) not in (made["userHandle"], "")
    credential = person.page.evaluate("tessera.passkey.prove()")
    assert verify(service, credential)[:2] == (str(user.id), True)
    with pytest.raises(CodeWrongError):
        verify(service, credential)
    # The device holds one of them already (WebAuthn §6.3.2, step 3).
    refused = person.page.evaluate("tessera.passkey.register('again').catch((error) => error.name)")
    assert refused == "InvalidStateError"
    assert len(person.made()) == 1


def test_a_login_sends_what_the_device_has_signed(visitors, service):
    person = Person(visitors)
    person.register()
    visitors.expected = ("Failed to load resource: the server responded with a status of 4",)
    with person.page.expect_request("**/auth/login") as sent:
        person.page.evaluate("tessera.passkey.login({device: {name: 'tab'}}); 0")
    body = json.loads(sent.value.post_data)
    assert sorted(body) == ["device", "passkey", "transport"]
    assert sorted(body["passkey"]["response"])[:3] == ["authenticatorData", "clientDataJSON", "signature"]


@pytest.mark.repeats("browser_is")
@WHICH
def test_a_key_that_finds_no_passkey_by_itself_is_a_second_factor(visitors, service, browser_is):
    """As security keys are: the browser is told which of them to ask."""
    person = Person(
        visitors, browser_is, transport="usb", hasResidentKey=False, hasUserVerification=False, isUserVerified=False
    )
    assert person.register()[0] == 200
    (user,) = service.users.all()
    passkeys = service.app.extensions["tessera"].running[""].accounts.passkeys
    with service.app.test_request_context(base_url=service.url):
        options = passkeys.options_for(str(user.id))
    credential = person.page.evaluate("(options) => tessera.passkey.prove(options)", options)
    with service.app.test_request_context(base_url=service.url):
        assert passkeys.verify_for(str(user.id), credential) is False


def test_a_login_that_is_not_fresh_is_answered_as_by_the_server(visitors, service):
    person = Person(visitors)
    visitors.expected = ("Failed to load resource: the server responded with a status of 401",)
    service.clock.now += 400
    status, body = person.register()
    assert (status, body["error"]) == (401, "step_up_required")
    assert person.made() == []
