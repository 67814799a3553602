"""Views without a guard, and hooks, may ask who is calling; whatever is wrong means nobody."""

from __future__ import annotations

import logging

import pytest
from flask import Flask, render_template_string

from flask_tessera import (
    ConfigError,
    OutsideRequestError,
    Tessera,
    TesseraHTTPError,
    current_identity,
    current_user,
    login_required,
)

from .conftest import age


@pytest.fixture
def shop(new_site):
    return make_shop(new_site)


def make_shop(new_site, **how):
    site = new_site(**how)

    @site.app.get("/open")
    def view():
        identity = site.tessera.identify()
        return {
            "user": current_user.id if current_user else None,
            "own": site.tessera.current_user.id if site.tessera.current_user else None,
            "identity": current_identity.user_id if current_identity else None,
            "identified": identity.user_id if identity else None,
        }

    site.app.add_url_rule("/who", "who", login_required(lambda: {"id": current_user.id}))
    return site


def expire(site, pair):
    site.clock.advance(901)


def revoke(site, pair):
    with site.app.app_context():
        site.tessera.revoke_session(pair.session_id)


PRESENTED = {
    "none": lambda site, pair: {},
    "empty": lambda site, pair: {"z-token": ""},
    "garbage": lambda site, pair: {"z-token": "garbage"},
    "bad": lambda site, pair: {"z-token": pair.access_token[:-1]},
    "refresh": lambda site, pair: {"z-token": pair.refresh_token},
    "two": lambda site, pair: {"z-token": pair.access_token, "Authorization": "Bearer other"},
    "expired": lambda site, pair: expire(site, pair) or {"z-token": pair.access_token},
    "revoked": lambda site, pair: revoke(site, pair) or {"z-token": pair.access_token},
}


@pytest.mark.parametrize("presented", PRESENTED.values(), ids=PRESENTED)
def test_nobody_is_falsy_whatever_is_wrong_with_the_token(shop, presented):
    headers = presented(shop, shop.login())
    answer = shop.get("/open", headers=headers)
    assert answer.get_json() == {"user": None, "own": None, "identity": None, "identified": None}


def test_somebody_is_the_user_of_the_token_and_loaded_once(shop):
    answer = shop.get("/open", shop.login().access_token)
    assert answer.get_json() == {"user": 7, "own": 7, "identity": 7, "identified": 7}
    assert shop.loads == [7]
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_user_who_is_gone_is_nobody(new_site):
    site = new_site()
    site.app.add_url_rule("/open", "open", lambda: {"user": bool(current_user), "identity": bool(current_identity)})
    token = site.login().access_token
    del site.users[7]
    assert site.get("/open", token).get_json() == {"user": False, "identity": False}


def test_F03_a_storage_that_is_away_means_nobody_and_is_in_the_log(new_site, broken_storage, caplog):
    site = make_shop(new_site, storage=broken_storage)
    token = site.login().access_token
    broken_storage.is_broken = True
    with caplog.at_level(logging.ERROR, "flask_tessera.storage"):
        assert site.get("/open", token).get_json()["user"] is None
    failures = [record.name for record in caplog.records if record.levelno >= logging.ERROR]
    assert failures == ["flask_tessera.storage"]
    broken_storage.is_broken = False
    assert site.get("/open", token).get_json()["user"] == 7


def test_hooks_and_templates_may_ask(new_site):
    site = make_shop(new_site)
    site.app.add_url_rule("/page", "page", lambda: render_template_string("{{ user.id if user else 'nobody' }}"))
    site.app.context_processor(lambda: {"user": current_user})

    @site.app.after_request
    def tell(answer):
        answer.headers["X-User"] = str(current_user.id) if current_user else "nobody"
        return answer

    token = site.login().access_token
    assert (site.get("/page", token).text, site.get("/page", "bad").text) == ("7", "nobody")
    assert site.get("/nowhere", token).headers["X-User"] == "7"
    assert site.get("/nowhere").headers["X-User"] == "nobody"
    assert site.get("/who", "bad").headers["X-User"] == "nobody"


@pytest.mark.parametrize(
    ("presented", "status", "slug"),
    [("none", 401, "token_missing"), ("bad", 401, "token_invalid"), ("two", 400, "token_ambiguous"),
     ("expired", 401, "token_expired"), ("revoked", 401, "session_kick")],
)  # fmt: skip
def test_H07_a_hook_that_found_nobody_opens_no_guard(new_site, presented, status, slug):
    site = make_shop(new_site)
    site.app.before_request(lambda: "somebody" if current_user else None)
    headers = PRESENTED[presented](site, site.login())
    answer = site.get("/who", headers=headers)
    assert (answer.status_code, answer.get_json()["error"]) == (status, slug)


def test_H07_a_user_whom_a_hook_found_gone_is_refused_by_the_guard(new_site):
    site = make_shop(new_site)
    site.app.before_request(lambda: "somebody" if current_user else None)
    token = site.login().access_token
    del site.users[7]
    answer = site.get("/who", token)
    assert (answer.status_code, answer.get_json()["error"]) == (401, "user_gone")


def test_F03_a_guard_behind_a_hook_still_tells_of_a_storage_that_is_away(new_site, broken_storage):
    site = make_shop(new_site, storage=broken_storage)
    site.app.before_request(lambda: "somebody" if current_user else None)
    token = site.login().access_token
    broken_storage.is_broken = True
    assert site.get("/who", token).status_code == 503


def test_a_user_whom_a_hook_has_loaded_is_not_loaded_again(new_site):
    site = make_shop(new_site)
    site.app.before_request(lambda: bool(current_user) and None)
    assert site.get("/who", site.login().access_token).get_json() == {"id": 7}
    assert site.loads == [7]


def test_of_several_realms_the_one_whose_token_it_is_is_found(new_site):
    site = make_shop(new_site)
    admin: Tessera = Tessera(realm="admin", user_id_type=int, clock=site.clock)
    admin.user_loader(site.users.get)
    admin.init_app(site.app)
    site.app.add_url_rule(
        "/realm",
        "realm",
        lambda: {
            "plain": current_identity.realm if current_identity else None,
            "admin": bool(admin.current_user),
            "user": bool(site.tessera.current_user),
        },
    )
    with site.app.app_context():
        of_admin = admin.login(8).access_token
    assert site.get("/realm", of_admin).get_json() == {"plain": "admin", "admin": True, "user": False}
    assert site.get("/realm", site.login().access_token).get_json() == {"plain": "", "admin": False, "user": True}
    assert site.get("/realm").get_json() == {"plain": None, "admin": False, "user": False}


def test_H08_an_async_view_without_a_guard_awaits_an_async_loader(new_site):
    site = new_site(loader=False)

    @site.tessera.user_loader
    async def load(user_id):
        return site.users.get(user_id)

    async def view():
        return {"id": current_user.id if current_user else None}

    site.app.add_url_rule("/async", "async", view)
    site.app.add_url_rule("/sync", "sync", lambda: {"id": current_user.id if current_user else None})
    token = site.login().access_token
    for path in ("/async", "/sync"):
        assert site.get(path, token).get_json() == {"id": 7}
        assert site.get(path).get_json() == {"id": None}


def test_outside_a_request_nobody_can_be_asked_for(site):
    for context in (site.app.app_context(), pytest.MonkeyPatch.context()):
        with context:
            assert not current_user
            assert not site.tessera.current_identity
            with pytest.raises(OutsideRequestError):
                site.tessera.identify()
            with pytest.raises(RuntimeError):
                _ = current_user.id


def test_without_a_tessera_of_the_realm_the_developer_is_told(new_site):
    app = Flask("none")
    with app.test_request_context("/"), pytest.raises(ConfigError, match=r"call tessera\.init_app"):
        Tessera().identify()
    site = new_site()
    with site.app.test_request_context("/"), pytest.raises(ConfigError, match="realm 'other'; it has those of ''"):
        Tessera(realm="other").identify()


def test_S01_a_lenient_look_does_not_outlive_its_request(shop):
    age(shop)
    pair = shop.login()
    with shop.app.app_context():
        assert shop.get("/open", pair.access_token).get_json()["user"] == 7
        shop.tessera.revoke_session(pair.session_id)
        assert shop.get("/open", pair.access_token).get_json()["user"] is None


def test_H08_a_look_at_another_realm_changes_nothing_about_the_guards_user(new_site):
    site = new_site(loader=False, tessera={"user_id_type": str})
    admin: Tessera = Tessera(site.app, realm="admin")

    @site.app.get("/both")
    @site.tessera.login_required
    def both():
        before = str(current_user)
        return f"{before} {bool(admin.current_user)} {current_user}"

    @site.app.get("/open")
    def open_page():
        return f"{bool(admin.current_user)} {current_user}"

    token = site.login("alice").access_token
    assert site.get("/both", token).text == "alice False alice"
    assert site.get("/open", token).text == "False alice"


def test_an_error_handler_that_asks_for_a_user_who_is_gone_is_called_once(new_site):
    site, calls = new_site(), []

    @site.app.errorhandler(TesseraHTTPError)
    def handler(error):
        calls.append(error.row.slug)
        return {"error": error.row.slug, "user": bool(current_user)}, error.status

    @site.app.get("/name")
    @site.tessera.login_required
    def name():
        return current_user.name

    token = site.login().access_token
    del site.users[7]
    answer = site.get("/name", token)
    assert answer.status_code == 401
    assert len(site.loads) == 1
    assert calls == ["user_gone"]
