"""Two users in each of two realms: what belongs to one of them is nobody else's, wherever it is sent."""

from __future__ import annotations

import re

import pytest

from flask_tessera import Tessera
from flask_tessera.errors import CodeWrongError
from tests.authenticator import Authenticator
from tests.services.factors import code_at

HOST = "https://shop.example"
ENDPOINTS = (
    *("login", "refresh", "logout", "me", "csrf", "sessions", "tickets", "api-keys", "verify"),
    *("passkeys", "totp", "step-up", "trusted-devices", "history"),
)
CASES = {"another user": ("", 7, "", 8), "another realm": ("", 7, "staff", 7), "both": ("", 7, "staff", 8)}


class Party:
    """A user of a realm, and all that belongs to one."""

    def __init__(self, town, realm, user):
        self.tessera, self.base, self.user = town.tesseras[realm], town.base(realm), user
        self.client = town.app.test_client(use_cookies=False)
        with town.app.app_context():
            pair = self.tessera.login(user)
            cookies = self.tessera.runtime.cookies
            self.csrf = cookies.csrf_token_of(pair.issued.session.sid)
            self.cookie, self.refresh_cookie = cookies.access, cookies.refresh
            self.ticket = self.tessera.issue_ticket("download", user=user)
        self.access, self.refresh, self.sid = pair.access_token, pair.refresh_token, pair.session_id
        made = self.ask("POST", "/api-keys", {"name": f"key of {user}"}).get_json()["data"]
        self.key, self.key_id = made["key"], made["id"]
        options = self.ask("POST", "/passkeys/options", {}).get_json()["data"]
        sent = {"name": f"passkey of {user}", "credential": Authenticator().make(options)}
        self.passkey_id = self.ask("POST", "/passkeys", sent).get_json()["data"]["id"]
        self.app, self.clock = town.app, town.clock
        self.secret = self.ask("POST", "/totp").get_json()["data"]["secret"]
        confirmed = self.ask("POST", "/totp/confirm", {"code": code_at(self.secret, self.clock() - 30)})
        self.recovery = confirmed.get_json()["data"]["recovery_codes"]
        with town.app.app_context():
            self.trusted = self.tessera.runtime.accounts.trusted_devices.trust(str(user))
        (device,) = self.ask("GET", "/trusted-devices").get_json()["data"]
        self.device_id = device["id"]

    def ask(self, method, path, body=None, *, token=None, headers=None, **how):
        sent = {"Authorization": f"Bearer {token or self.access}"} if headers is None else headers
        return self.client.open(self.base + path, method=method, base_url=HOST, headers=sent, json=body, **how)

    def is_whole(self):
        """Whether all that it has still works."""
        names = [each["name"] for each in self.ask("GET", "/api-keys").get_json()["data"]]
        sids = [each["session_id"] for each in self.ask("GET", "/sessions").get_json()["data"]]
        passkeys = [each["name"] for each in self.ask("GET", "/passkeys").get_json()["data"]]
        who = self.ask("GET", "/me", token=self.key).get_json()["data"]["id"]
        devices = [each["id"] for each in self.ask("GET", "/trusted-devices").get_json()["data"]]
        mine = ([f"key of {self.user}"], [f"passkey of {self.user}"], [self.sid], [self.device_id], self.user)
        return (names, passkeys, sids, devices, who) == mine and self.has_its_factor()

    def has_its_factor(self):
        """Whether its generator still proves who it is; what was shown is used, so time passes."""
        self.clock.advance(60)
        return self.ask("POST", "/step-up", {"totp": code_at(self.secret, self.clock())}).status_code == 200


class Town:
    """An application with two realms; each has its endpoints, a guarded view and one for links."""

    def __init__(self, site):
        self.app, self.clock = site.app, site.clock
        self.app.config.update(TESSERA_COOKIES=True, TESSERA_PUBLIC_URL=HOST)
        staff = Tessera(realm="staff", user_id_type=int, clock=site.clock, ticket_purposes=("download",), audit=True)
        staff.init_app(self.app)
        self.tesseras = {"": site.tessera, "staff": staff}
        for realm, tessera in self.tesseras.items():
            tessera.authenticator(lambda credentials: 7)
            tessera.user_view(lambda user: {"id": getattr(user, "id", user)})
            base, name = self.base(realm), realm or "users"
            self.app.register_blueprint(tessera.blueprint(*ENDPOINTS, url_prefix=base))
            view = tessera.login_required(lambda tessera=tessera: str(tessera.current_identity.user_id))
            link = tessera.login_required(ticket="download")(
                lambda tessera=tessera: str(tessera.current_identity.user_id)
            )
            self.app.add_url_rule(f"{base}/view", f"{name}_view", view, methods=["GET", "POST"])
            self.app.add_url_rule(f"{base}/link", f"{name}_link", link)

    @staticmethod
    def base(realm):
        return f"/{realm or 'users'}/auth"


@pytest.fixture(params=CASES)
def parties(request, new_site):
    town = Town(new_site(loader=False, tessera={"ticket_purposes": ("download",), "audit": True}, TESSERA_COOKIES=True))
    realm, user, other_realm, other_user = CASES[request.param]
    return Party(town, realm, user), Party(town, other_realm, other_user)


def test_S09_nobody_lists_names_ends_or_changes_what_belongs_to_somebody_else(parties):
    one, other = parties
    for method, path, body in (
        ("DELETE", f"/sessions/{other.sid}", None),
        ("DELETE", f"/sessions/{other.key_id}", None),
        ("PATCH", f"/api-keys/{other.key_id}", {"name": "mine"}),
        ("PATCH", f"/api-keys/{other.sid}", {"name": "mine"}),
        ("DELETE", f"/api-keys/{other.key_id}", None),
        ("POST", f"/api-keys/{other.key_id}/rotate", {"overlap": 0}),
        ("DELETE", f"/passkeys/{other.passkey_id}", None),
        ("DELETE", f"/trusted-devices/{other.device_id}", None),
    ):
        answer = one.ask(method, path, body)
        assert (answer.status_code, answer.get_json()["error"]) == (404, "not_found"), path
        unknown = one.ask(method, re.sub("[A-Za-z0-9_-]{22}", "A" * 22, path), body)
        assert unknown.data == answer.data, "what belongs to somebody else looks like what there is not"
    assert one.is_whole()
    assert other.is_whole()


def test_S09_a_factor_of_somebody_else_proves_nothing(parties):
    one, other = parties
    answer = one.ask("POST", "/step-up", {"totp": code_at(other.secret, other.clock())})
    assert (answer.status_code, answer.get_json()["error"]) == (401, "code_wrong")
    with one.app.app_context():
        services = one.tessera.runtime.accounts
        assert not services.trusted_devices.is_trusted(str(one.user), other.trusted)
        with pytest.raises(CodeWrongError):
            services.recovery_codes.use(str(one.user), other.recovery[0])
    assert one.ask("DELETE", "/totp").status_code == 200
    assert other.is_whole()


def test_S09_the_history_is_of_whoever_asks_for_it(parties):
    one, other = parties
    for party in parties:
        party.ask("POST", "/refresh", {"refresh_token": party.refresh})
    for named in ("", f"?user={other.user}&user_id={other.user}&owner={other.user}&session_id={other.sid}&realm=staff"):
        events = one.ask("GET", f"/history{named}").get_json()["data"]
        assert {"session_refreshed", "api_key_created", "session_started"} <= {each["event"] for each in events}
        assert {each["session_id"] for each in events} == {one.sid, ""}
    last = other.ask("GET", "/history?limit=1").headers["Link"].split(">")[0][1:]
    assert {each["session_id"] for each in one.ask("GET", f"/history{last}").get_json()["data"]} <= {one.sid, ""}


def test_S09_a_body_that_names_an_owner_changes_nothing(parties):
    one, other = parties
    named = {"user": other.user, "user_id": str(other.user), "owner": other.user, "session_id": other.sid}
    for path, body in (("/tickets", {"purpose": "download"}), ("/api-keys", {"name": f"key of {one.user}"})):
        assert one.ask("POST", path, {**body, **named}).status_code in (200, 400)
    assert one.ask("POST", "/logout", {"which": "others", **named}).status_code == 200
    assert other.is_whole()


def test_S09_credentials_of_another_realm_are_as_good_as_none(parties):
    one, other = parties
    if one.base == other.base:
        assert one.ask("GET", "/view", token=other.access).text == str(other.user)
        return
    for token in (other.access, other.key, other.ticket, other.refresh):
        for method, path in (
            ("GET", "/view"),
            ("GET", "/link"),
            ("GET", "/me"),
            ("GET", "/verify"),
            ("GET", "/sessions"),
        ):
            assert one.ask(method, path, token=token).status_code == 401, path
    assert one.ask("GET", f"/link?ticket={other.ticket}", headers={}).status_code == 401
    assert one.ask("POST", "/refresh", {"refresh_token": other.refresh}, headers={}).status_code == 401
    assert one.ask("POST", "/logout", {"refresh_token": other.refresh}, headers={}).status_code == 401
    assert one.ask("POST", "/logout", {}, token=other.access).status_code == 401
    planted = f"{one.cookie}={other.access}; {one.refresh_cookie}={other.refresh}"
    headers = {"Cookie": planted, "X-CSRF-Token": other.csrf}
    for path in ("/view", "/csrf"):
        assert one.ask("GET", path, headers=headers).status_code == 401, path
    for path in ("/view", "/refresh", "/logout"):
        assert one.ask("POST", path, {}, headers=headers).status_code == 401, path
    assert one.is_whole()
    assert other.is_whole()


def test_S09_cookies_of_one_with_the_csrf_token_of_another_change_nothing(parties):
    one, other = parties
    cookies = f"{one.cookie}={one.access}; {one.refresh_cookie}={one.refresh}"
    mixed = {"Cookie": cookies, "X-CSRF-Token": other.csrf}
    for path in ("/view", "/refresh", "/logout", "/tickets", "/api-keys"):
        answer = one.ask("POST", path, {"purpose": "download", "name": "x"} if path[1] in "ta" else {}, headers=mixed)
        assert (answer.status_code, answer.get_json()["error"]) == (403, "csrf_failed"), path
    assert one.is_whole()


def test_S09_a_ticket_speaks_for_its_owner_only(parties):
    one, other = parties
    answer = other.ask("GET", f"/link?ticket={other.ticket}", headers={})
    assert answer.text == str(other.user)
    again = other.ask("GET", f"/link?ticket={other.ticket}", headers={})
    assert (again.status_code, again.get_json()["error"]) == (401, "ticket_invalid")
    assert one.ask("GET", f"/link?ticket={one.ticket}", headers={}).text == str(one.user)
