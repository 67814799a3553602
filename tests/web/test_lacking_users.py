"""Which endpoints there are where the application keeps its users to itself, or gives some that can do less."""

from __future__ import annotations

import pytest

from flask_tessera import ConfigError
from flask_tessera.web.endpoints import ENDPOINTS

from .people import EMAIL, PASSWORD, PHONE, AccountsApp, People, Person

OF_USERS = ("codes", "register", "password", "links", "bind")
BODY = {
    "recipient": PHONE,
    "phone": PHONE,
    "code": "123456",
    "password": PASSWORD,
    "name": "x",
    "old": "x",
    "new": "y",
    "ticket": "x",
    "refresh_token": "x",
    "credential": {},
    "totp": "123456",
}
"""Holds what any request may hold."""


class Readers(People):
    """Users of an application in which nobody registers, or changes himself."""

    create = update = bind = recipients = None


@pytest.fixture
def town(tmp_path):
    return AccountsApp(tmp_path, users=Readers())


def statuses_of(app, token):
    """By method and rule of our routes: what they answer to whoever sends anything that they may ask for."""
    found = {}
    for rule in app.url_map.iter_rules():
        if rule.endpoint != "static":
            path = rule.rule.replace("<", "").replace(">", "")
            for method in rule.methods - {"HEAD", "OPTIONS"}:
                for purpose in ("login", "register", "reset", "bind", "confirm"):
                    body = {**BODY, "purpose": purpose}
                    answer = app.test_client().open(path, method=method, json=body, headers={"z-token": token})
                    found[method, rule.rule, purpose] = answer.status_code
    return found


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_without_users_no_route_fails_for_the_lack_of_them(new_site, endpoint):
    site = new_site(tessera={"audit": True, "ticket_purposes": ["x"]})
    site.tessera.authenticator(lambda credentials: site.users[7])
    site.tessera.user_view(lambda user: {"id": user.id})
    if endpoint in OF_USERS:
        with pytest.raises(ConfigError, match=rf"the endpoint {endpoint} needs Tessera\(users=…\)"):
            site.tessera.blueprint(endpoint)
        return
    site.app.register_blueprint(site.tessera.blueprint(endpoint))
    statuses = statuses_of(site.app, site.login().access_token)
    assert {each: status for each, status in statuses.items() if status >= 500} == {}


def test_users_who_can_do_less_have_fewer_routes_and_none_that_fails(town):
    statuses = statuses_of(town.app, log_in(town)["access_token"])
    assert {each: status for each, status in statuses.items() if status >= 500} == {}
    rules = {(method, rule) for method, rule, _ in statuses}
    assert ("GET", "/auth/me") in rules
    assert not rules & {("PATCH", "/auth/me"), ("POST", "/auth/register"), ("POST", "/auth/bind")}


@pytest.mark.parametrize(("endpoint", "method"), [("register", "create"), ("bind", "bind")])
def test_an_endpoint_that_is_chosen_names_the_method_that_it_needs(town, endpoint, method):
    with pytest.raises(ConfigError, match=rf"the endpoint {endpoint} needs {method}\(\) of Tessera\(users=…\)"):
        town.tessera.blueprint(endpoint)
    assert town.tessera.blueprint("codes", name="chosen").name == "chosen"


def test_users_who_do_not_tell_their_recipients_step_up_by_code(town):
    pair = log_in(town)
    body = {"recipient": PHONE, "code": code_for(town, PHONE)}
    assert town.post("/step-up", body, pair["access_token"]).status_code == 200
    foreign = {"recipient": EMAIL, "code": "123456"}
    assert town.post("/step-up", foreign, pair["access_token"]).json["error"] == "code_wrong"


def test_users_who_are_given_no_other_recipient_confirm_what_they_have(town):
    token = log_in(town)["access_token"]
    for recipient in (PHONE, EMAIL):
        assert town.post("/links", {"recipient": recipient, "purpose": "confirm"}, token).status_code == 200
    own, foreign = town.messages()[-2:]
    assert "link" not in foreign
    ticket = own["link"].rpartition("/")[2]
    assert town.post("/links/redeem", {"ticket": ticket}).json["data"] == {"confirmed": "+8613800138000"}


def code_for(town, recipient):
    town.clock.advance(60)
    town.post("/codes", {"recipient": recipient, "purpose": "login"})
    return town.messages()[-1]["code"]


def log_in(town):
    """The pair of somebody whom the application knows already."""
    town.people.rows[7] = Person(7, phone="+8613800138000")
    return town.post("/login", {"recipient": PHONE, "code": code_for(town, PHONE)}).json["data"]
