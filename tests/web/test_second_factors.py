"""Second factors over HTTP: TOTP, recovery codes, trusted devices, and a step-up, by headers and by cookies."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from flask_tessera import LoginRefusedError, Tessera
from flask_tessera.sessions.model import Device
from flask_tessera.signals import session_stepped_up
from flask_tessera.tokens.access import verify
from tests.services.factors import WRONG, code_at

from .conftest import LOG_AGE, age

ROOT = Path(__file__).resolve().parents[2]
FRESH = 300
CODE_WRONG = (401, 4103, "code_wrong")
STEP_UP = (401, 4107, "step_up_required")
NOT_FOUND = (404, 4002, "not_found")
THROTTLED = (429, 4201, "too_many_requests")
HOST = "https://shop.example"
ENDPOINTS = ("refresh", "logout", "csrf", "sessions", "api-keys", "totp", "step-up", "trusted-devices")


def make_shop(new_site, **config):
    """A site with the endpoints of second factors, and a view for which one must have proved who one is just now."""
    shop = new_site(**config)
    shop.app.register_blueprint(shop.tessera.blueprint(*ENDPOINTS))

    @shop.app.get("/who")
    @shop.tessera.login_required
    def who():
        identity = shop.tessera.current_identity
        return {"amr": list(identity.amr), "auth_time": identity.authenticated_at, "scopes": sorted(identity.scopes)}

    @shop.app.post("/pay")
    @shop.tessera.login_required(fresh=True)
    def pay():
        return {"paid": True}

    return age(shop)


@pytest.fixture
def shop(new_site):
    return make_shop(new_site)


def data_of(answer):
    assert answer.status_code == 200, answer.text
    return answer.get_json()["data"]


def told(answer):
    return answer.status_code, answer.get_json()["code"], answer.get_json()["error"]


def accounts(shop):
    with shop.app.app_context():
        return shop.tessera.runtime.accounts


def set_up(shop, token):
    """A confirmed generator: its secret and the recovery codes. Its next code is that of the present time step."""
    secret = data_of(shop.post("/auth/totp", token))["secret"]
    code = code_at(secret, shop.clock() - 30)
    return secret, data_of(shop.post("/auth/totp/confirm", token, json={"code": code}))["recovery_codes"]


def names(shop, user_id="7"):
    with shop.app.app_context():
        return shop.tessera.runtime.accounts.second_factors.names_of(user_id)


# -- TOTP and recovery codes -------------------------------------------------------------------------------------------


def test_a_generator_is_set_up_confirmed_and_removed(shop):
    token = shop.login().access_token
    begun = data_of(shop.post("/auth/totp", token))
    assert re.fullmatch("[A-Z2-7]{32}", begun["secret"])
    assert begun["uri"] == f"otpauth://totp/site:7?secret={begun['secret']}&issuer=site"
    assert ET.fromstring(begun["qr"]).tag.endswith("svg")
    assert names(shop) == ()
    assert told(shop.post("/auth/totp/confirm", token, json={"code": WRONG})) == CODE_WRONG
    code = code_at(begun["secret"], shop.clock())
    answer = shop.post("/auth/totp/confirm", token, json={"code": code})
    codes = data_of(answer)["recovery_codes"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert len(set(codes)) == 10
    assert names(shop) == ("totp", "recovery")
    assert data_of(shop.request("DELETE", "/auth/totp", token)) == {}
    assert names(shop) == ()
    # Once more: it is gone already.
    assert data_of(shop.request("DELETE", "/auth/totp", token)) == {}


@pytest.mark.parametrize("more", [(), ("second-factor",)], ids=["missing", "there"])
def test_a_second_step_that_no_route_takes_is_told_once(new_site, caplog, more):
    shop = new_site()
    shop.app.register_blueprint(shop.tessera.blueprint("totp", *more))
    for _ in range(2):
        data_of(shop.post("/auth/totp", shop.login().access_token))
    assert [each.levelname for each in caplog.records if "second-factor" in each.getMessage()] == ["ERROR"] * (not more)


def test_who_has_lost_his_factors_is_helped_by_the_application(shop):
    token = shop.login().access_token
    set_up(shop, token)
    text = trust(shop)
    with shop.app.app_context():
        ended = shop.tessera.reset_factors(7)
        assert len(ended.sessions) == 1
        assert accounts(shop).recovery_codes.left("7") == 0
    assert names(shop) == ()
    assert not is_trusted(shop, text)
    assert told(shop.get("/who", token)) == (401, 4101, "session_kick")


def test_S04_a_session_that_ended_meanwhile_changes_no_factor(new_site):
    """A guard that does not ask the storage, as one that has not heard yet, lets it in."""
    shop = make_shop(new_site, TESSERA_REVOCATION="stateless")
    token, thief = shop.login().access_token, shop.login()
    secret, old = set_up(shop, token)
    waiting = data_of(shop.post("/auth/totp", thief.access_token))["secret"]
    with shop.app.app_context():
        shop.tessera.revoke_session(thief.session_id)
    over = (401, 4101, "session_kick")
    code = code_at(waiting, shop.clock())
    assert told(shop.post("/auth/totp/confirm", thief.access_token, json={"code": code})) == over
    assert told(shop.post("/auth/recovery-codes", thief.access_token)) == over
    assert told(shop.request("DELETE", "/auth/totp", thief.access_token)) == over
    services = accounts(shop)
    with shop.app.app_context():
        services.recovery_codes.use("7", old[0])
        services.totp.check("7", code_at(secret, shop.clock()))
    assert names(shop) == ("totp", "recovery")


def test_S04_a_first_factor_of_a_session_that_ended_meanwhile_is_none(new_site):
    shop = make_shop(new_site, TESSERA_REVOCATION="stateless")
    pair = shop.login()
    secret = data_of(shop.post("/auth/totp", pair.access_token))["secret"]
    with shop.app.app_context():
        shop.tessera.revoke_session(pair.session_id)
    code = code_at(secret, shop.clock())
    assert shop.post("/auth/totp/confirm", pair.access_token, json={"code": code}).status_code == 401
    assert names(shop) == ()


def test_the_issuer_is_the_host_of_links_where_one_is_set(new_site):
    shop = make_shop(new_site, TESSERA_PUBLIC_URL="https://shop.example")
    assert "otpauth://totp/shop.example:7?" in data_of(shop.post("/auth/totp", shop.login().access_token))["uri"]


def test_recovery_codes_are_made_anew_for_whoever_has_a_factor(shop):
    token = shop.login().access_token
    assert told(shop.post("/auth/recovery-codes", token)) == NOT_FOUND
    _, old = set_up(shop, token)
    new = data_of(shop.post("/auth/recovery-codes", token))["recovery_codes"]
    assert not set(new) & set(old)
    codes = accounts(shop).recovery_codes
    with shop.app.app_context():
        assert codes.left("7") == 10
        codes.use("7", new[0])
        assert codes.left("7") == 9


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/auth/totp"), ("DELETE", "/auth/totp"), ("POST", "/auth/recovery-codes")]
)
def test_S12_a_factor_is_changed_by_a_fresh_login_only(shop, method, path):
    token = shop.login().access_token
    secret, _ = set_up(shop, token)
    shop.clock.advance(FRESH + 1)
    assert told(shop.request(method, path, token)) == STEP_UP
    assert names(shop) == ("totp", "recovery")
    pair = data_of(shop.post("/auth/step-up", token, json={"totp": code_at(secret, shop.clock())}))
    assert shop.request(method, path, pair["access_token"]).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/auth/totp"),
        ("POST", "/auth/totp/confirm"),
        ("DELETE", "/auth/totp"),
        ("POST", "/auth/recovery-codes"),
        ("POST", "/auth/step-up"),
        ("GET", "/auth/trusted-devices"),
        ("DELETE", "/auth/trusted-devices/" + "A" * 22),
    ],
)
def test_A04_an_api_key_changes_no_factor(shop, method, path):
    token = shop.login().access_token
    set_up(shop, token)
    key = data_of(shop.post("/auth/api-keys", token, json={"name": "till"}))["key"]
    body = {"json": {"code": WRONG}} if method == "POST" else {}
    assert told(shop.request(method, path, key, **body)) == (401, 4101, "token_invalid")
    assert told(shop.request(method, path, **body)) == (401, 4103, "token_missing")


@pytest.mark.parametrize("body", [{}, {"code": None}, {"code": 123456}, {"code": ["x"]}, [], "x"])
def test_what_is_no_confirmation_is_refused(shop, body):
    token = shop.login().access_token
    data_of(shop.post("/auth/totp", token))
    assert shop.post("/auth/totp/confirm", token, json=body).status_code == 400


def test_L07_wrong_codes_are_counted_over_all_endpoints(shop):
    token = shop.login().access_token
    secret, _ = set_up(shop, token)
    data_of(shop.post("/auth/totp", token))
    paths = {"/auth/totp/confirm": "code", "/auth/step-up": "totp"}
    place = {"environ_base": {"REMOTE_ADDR": "198.51.100.9"}}
    asked = [(path, member) for path, member in paths.items() for _ in range(3)]
    answers = [told(shop.post(path, token, json={member: WRONG}, **place)) for path, member in asked]
    assert answers == [CODE_WRONG] * 5 + [THROTTLED]
    refused = shop.post("/auth/step-up", token, json={"totp": code_at(secret, shop.clock())}, **place)
    assert told(refused) == THROTTLED
    assert 1 <= int(refused.headers["Retry-After"]) <= 300
    # From where he has passed before the owner is not kept out (L09).
    assert shop.post("/auth/step-up", token, json={"totp": code_at(secret, shop.clock())}).status_code == 200


# -- Trusted devices ---------------------------------------------------------------------------------------------------


def trust(shop, user_id="7", name="phone"):
    with shop.app.app_context():
        return shop.tessera.runtime.accounts.trusted_devices.trust(user_id, device=Device("phone", "d1", name))


def is_trusted(shop, text, user_id="7"):
    with shop.app.app_context():
        return shop.tessera.runtime.accounts.trusted_devices.is_trusted(user_id, text)


def test_trusted_devices_are_listed_and_revoked(shop):
    token = shop.login().access_token
    assert data_of(shop.get("/auth/trusted-devices", token)) == []
    texts = [trust(shop, name=name) for name in ("phone", "desk")]
    shown = data_of(shop.get("/auth/trusted-devices", token))
    assert [each["device"]["name"] for each in shown] == ["desk", "phone"]
    assert set(shown[0]) == {"id", "device", "ip", "user_agent", "created_at", "expires_at"}
    assert shown[0]["expires_at"] - shown[0]["created_at"] == 30 * 86_400
    for text in texts:
        assert text not in shop.get("/auth/trusted-devices", token).text
    path = f"/auth/trusted-devices/{shown[0]['id']}"
    assert data_of(shop.request("DELETE", path, token)) == {}
    assert told(shop.request("DELETE", path, token)) == NOT_FOUND
    assert [is_trusted(shop, text) for text in texts] == [True, False]


def test_S09_nobody_sees_or_revokes_a_device_of_another(shop):
    text = trust(shop, "8")
    (theirs,) = data_of(shop.get("/auth/trusted-devices", shop.login(8).access_token))
    token = shop.login(7).access_token
    assert data_of(shop.get("/auth/trusted-devices", token)) == []
    for device_id in (theirs["id"], "A" * 22, "x", theirs["id"][:-1]):
        assert told(shop.request("DELETE", f"/auth/trusted-devices/{device_id}", token)) == NOT_FOUND
    assert is_trusted(shop, text, "8")


@pytest.mark.parametrize("end", ["password_change", "suspend", "remove", "user_gone"])
def test_S03_S04_a_device_is_trusted_no_longer_than_what_it_was_trusted_with(shop, end):
    token = shop.login().access_token
    set_up(shop, token)
    text, other = trust(shop), trust(shop, "8")
    if end == "remove":
        data_of(shop.request("DELETE", "/auth/totp", token))
    with shop.app.app_context():
        if end == "suspend":
            shop.tessera.suspend(7, until=shop.clock() + 60)
            shop.tessera.unsuspend(7)
        elif end != "remove":
            shop.tessera.revoke_user(7, end)
    assert not is_trusted(shop, text)
    assert is_trusted(shop, other, "8")
    assert names(shop) == (() if end in ("remove", "user_gone") else ("totp", "recovery"))


def test_L14_whatever_changes_the_password_leaves_the_second_factor(shop):
    """One who resets a password by a message has not shown the generator, and must."""
    token = shop.login().access_token
    secret, _ = set_up(shop, token)
    with shop.app.app_context():
        shop.tessera.revoke_user(7, "password_change")
    assert names(shop) == ("totp", "recovery")
    shop.clock.advance(60)
    token = shop.login().access_token
    assert step_up(shop, token, secret).status_code == 200


def test_L14_a_message_is_documented_as_a_restricted_factor():
    for name, word in (
        ("second-factors.md", "restricted authenticator"),
        ("second-factors.zh-CN.md", "受限的验证方式"),
    ):
        assert word in (ROOT / "docs" / name).read_text("utf-8")


def test_a_device_outlives_a_logout(shop):
    token = shop.login().access_token
    text = trust(shop)
    shop.post("/auth/logout", token, json={"which": "all"})
    assert is_trusted(shop, text)


@pytest.mark.parametrize("transport", ["z-token", "Authorization"])
def test_Q02_the_text_of_a_trusted_device_opens_no_route(shop, transport):
    text = trust(shop)
    headers = {transport: text if transport == "z-token" else f"Bearer {text}"}
    for path in ("/who", "/auth/trusted-devices"):
        assert told(shop.get(path, headers=headers)) == (401, 4101, "token_invalid")
    assert told(shop.post("/auth/refresh", json={"refresh_token": text})) == (401, 4101, "token_invalid")


# -- Step-up -----------------------------------------------------------------------------------------------------------


def step_up(shop, token, secret, **body):
    return shop.post("/auth/step-up", token, json={"totp": code_at(secret, shop.clock()), **body})


def test_S05_S12_a_step_up_gives_a_pair_of_the_same_session_whose_login_is_fresh(shop):
    first = shop.login(scope="a b", claims={"shop": 5})
    secret, _ = set_up(shop, first.access_token)
    shop.clock.advance(FRESH + 1)
    assert told(shop.post("/pay", first.access_token)) == STEP_UP
    heard = []
    with session_stepped_up.connected_to(lambda app, event: heard.append(event), sender=shop.app):
        pair = data_of(step_up(shop, first.access_token, secret))
    assert [(each.name, each.session.user_id) for each in heard] == [("session_stepped_up", "7")]
    assert pair["session_id"] == first.session_id
    assert pair["refresh_token"] != first.refresh_token
    assert shop.post("/pay", pair["access_token"]).status_code == 200
    assert shop.get("/who", pair["access_token"]).get_json() == {
        "amr": ["pwd", "otp", "mfa"],
        "auth_time": shop.clock(),
        "scopes": ["a", "b"],
    }
    # The token from before speaks for the session still, but not for the proof.
    assert told(shop.post("/pay", first.access_token)) == STEP_UP


def test_what_was_proved_lasts_through_refreshes_and_ages(shop):
    pair = shop.login()
    secret, _ = set_up(shop, pair.access_token)
    shop.clock.advance(FRESH + 1)
    stepped = data_of(step_up(shop, pair.access_token, secret))
    at = shop.clock()
    shop.clock.advance(FRESH)
    refreshed = data_of(shop.post("/auth/refresh", json={"refresh_token": stepped["refresh_token"]}))
    assert shop.get("/who", refreshed["access_token"]).get_json()["auth_time"] == at
    assert shop.get("/who", refreshed["access_token"]).get_json()["amr"] == ["pwd", "otp", "mfa"]
    assert shop.post("/pay", refreshed["access_token"]).status_code == 200
    shop.clock.advance(1)
    assert told(shop.post("/pay", refreshed["access_token"])) == STEP_UP


def test_a_code_of_the_app_is_a_second_factor_once(shop):
    """Also after a code by mail, which has the same word."""
    pair = shop.login(amr=("otp",))
    secret, _ = set_up(shop, pair.access_token)
    token = pair.access_token
    for _ in range(2):
        token = data_of(step_up(shop, token, secret))["access_token"]
        shop.clock.advance(60)
    assert shop.get("/who", token).get_json()["amr"] == ["otp", "mfa"]


def test_R04_after_a_lost_reply_the_old_refresh_token_buys_what_was_proved(shop):
    pair = shop.login()
    secret, _ = set_up(shop, pair.access_token)
    shop.clock.advance(FRESH + 1)
    step_up(shop, pair.access_token, secret)
    for wait in (1, 3600):
        shop.clock.advance(wait)
        again = data_of(shop.post("/auth/refresh", json={"refresh_token": pair.refresh_token}))
    # Not used before: then it would not have been lost.
    assert shop.get("/who", again["access_token"]).get_json()["amr"] == ["pwd", "otp", "mfa"]


def test_R05_a_refresh_token_from_before_a_step_up_is_a_reuse_once_the_new_pair_is_used(shop):
    pair = shop.login()
    secret, _ = set_up(shop, pair.access_token)
    stepped = data_of(step_up(shop, pair.access_token, secret))
    assert shop.get("/who", stepped["access_token"]).status_code == 200
    shop.clock.advance(60)
    stolen = shop.post("/auth/refresh", json={"refresh_token": pair.refresh_token})
    assert told(stolen) == (401, 4101, "session_reuse")
    assert told(shop.get("/who", stepped["access_token"])) == (401, 4101, "session_reuse")


def test_Q06_a_code_that_has_stepped_up_is_used(shop):
    pair = shop.login()
    secret, _ = set_up(shop, pair.access_token)
    data_of(step_up(shop, pair.access_token, secret))
    assert told(step_up(shop, pair.access_token, secret)) == CODE_WRONG


def test_a_wrong_code_and_no_generator_are_answered_alike(shop):
    token, other = shop.login().access_token, shop.login(8).access_token
    set_up(shop, token)
    wrong = shop.post("/auth/step-up", token, json={"totp": WRONG})
    nothing = shop.post("/auth/step-up", other, json={"totp": WRONG})
    assert told(wrong) == CODE_WRONG
    assert wrong.data == nothing.data


@pytest.mark.parametrize(
    "body", [{}, {"totp": None}, {"totp": 5}, {"recovery": "x"}, {"transport": "header"}, {"totp": ["1"]}, []]
)
def test_what_is_no_proof_is_refused(shop, body):
    token = shop.login().access_token
    answer = shop.post("/auth/step-up", token, json=body)
    assert told(answer)[0] == 400


@pytest.mark.parametrize(
    ("body", "member"),
    [
        ({"password": "nine purple herons"}, "password"),
        ({"recipient": "13800138000", "code": "123456"}, "code"),
        ({"password": "nine purple herons", "totp": WRONG}, "password"),
        ({}, "totp"),
    ],
)
def test_without_users_only_factors_prove_who_one_is(shop, body, member):
    answer = shop.post("/auth/step-up", shop.login().access_token, json=body)
    assert told(answer) == (400, 4103, "input_malformed")
    assert answer.get_json()["msg"].endswith(f"：{member}")


def test_S01_S03_a_session_that_is_over_does_not_step_up(shop):
    token = shop.login().access_token
    secret, _ = set_up(shop, token)
    doomed = shop.login()
    with shop.app.app_context():
        shop.tessera.revoke_session(doomed.session_id)
    assert told(step_up(shop, doomed.access_token, secret)) == (401, 4101, "session_kick")
    # The code was not taken.
    assert step_up(shop, token, secret).status_code == 200
    with shop.app.app_context():
        shop.tessera.suspend(7)
    shop.clock.advance(60)
    assert told(step_up(shop, token, secret)) == (401, 4101, "session_suspension")
    with pytest.raises(LoginRefusedError):
        shop.login()


def test_a_user_who_is_gone_does_not_step_up(shop):
    token = shop.login().access_token
    secret, _ = set_up(shop, token)
    del shop.users[7]
    assert told(step_up(shop, token, secret)) == (401, 4101, "user_gone")


def test_a_claims_loader_is_asked(new_site):
    shop = make_shop(new_site)
    shop.tessera.claims_loader(lambda user: {"name": user.name})
    pair = shop.login()
    secret, _ = set_up(shop, pair.access_token)
    stepped = data_of(step_up(shop, pair.access_token, secret))
    with shop.app.app_context():
        assert shop.tessera.verify(stepped["access_token"]).claims == {"name": "user 7"}


@pytest.mark.parametrize("form", ["sealed", "signed"])
def test_a_step_up_works_with_every_form_of_token(new_site, form):
    shop = make_shop(new_site, TESSERA_TOKEN_FORMAT=form)
    pair = shop.login()
    secret, _ = set_up(shop, pair.access_token)
    assert "otp" in shop.get("/who", data_of(step_up(shop, pair.access_token, secret))["access_token"]).text


def test_the_generation_in_the_token_is_the_new_one(shop):
    pair = shop.login()
    secret, _ = set_up(shop, pair.access_token)
    stepped = data_of(step_up(shop, pair.access_token, secret))
    with shop.app.app_context():
        ring = shop.tessera.runtime.access_reader._claims_of.keywords["ring"]
    claims = verify(stepped["access_token"], ring, at=shop.clock())
    assert (claims.gen, claims.auth_time, claims.amr) == (1, shop.clock(), ("pwd", "otp", "mfa"))


# -- Under cookies -----------------------------------------------------------------------------------------------------


@pytest.fixture
def cookie_shop(new_site):
    shop = make_shop(new_site, TESSERA_COOKIES=True)
    shop.tessera.authenticator(lambda credentials: shop.users[7])
    shop.app.register_blueprint(shop.tessera.blueprint("login", name="login"))
    return shop


def open_browser(shop, **body):
    """A browser that has logged in, and its CSRF token."""
    browser = shop.app.test_client()
    body = {"name": "x", "password": "y", "transport": "cookie", **body}
    answer = browser.post("/auth/login", json=body, base_url=HOST, headers={"Origin": HOST})
    return browser, data_of(answer)["csrf_token"]


def send(browser, csrf, path, body=None, **headers):
    sent = {"Origin": HOST, "X-CSRF-Token": csrf, **headers}
    return browser.post(path, json=body or {}, base_url=HOST, headers=sent)


@pytest.mark.parametrize("remember", [True, False])
def test_B03_a_step_up_by_cookies_stays_in_cookies(cookie_shop, remember):
    shop = cookie_shop
    browser, csrf = open_browser(shop, remember=remember)
    secret = data_of(send(browser, csrf, "/auth/totp"))["secret"]
    data_of(send(browser, csrf, "/auth/totp/confirm", {"code": code_at(secret, shop.clock() - 30)}))
    shop.clock.advance(FRESH + 1)
    assert told(send(browser, csrf, "/pay")) == STEP_UP
    code = code_at(secret, shop.clock())
    assert told(send(browser, "", "/auth/step-up", {"totp": code})) == (403, 4105, "csrf_failed")
    answer = send(browser, csrf, "/auth/step-up", {"totp": code})
    assert set(data_of(answer)) == {"expires_in", "refresh_expires_in", "session_id", "csrf_token"}
    refresh = next(each for each in answer.headers.getlist("Set-Cookie") if "refresh" in each)
    assert ("Max-Age" in refresh) is remember
    assert send(browser, csrf, "/pay").status_code == 200
    refreshed = send(browser, csrf, "/auth/refresh")
    assert refreshed.status_code == 200
    assert send(browser, csrf, "/pay").status_code == 200


def test_a_step_up_by_a_header_may_ask_for_cookies(cookie_shop):
    shop = cookie_shop
    pair = shop.login()
    secret, _ = set_up(shop, pair.access_token)
    browser = shop.app.test_client()
    answer = browser.post(
        "/auth/step-up",
        json={"totp": code_at(secret, shop.clock()), "transport": "cookie"},
        base_url=HOST,
        headers={"z-token": pair.access_token, "Origin": HOST},
    )
    assert "access_token" not in data_of(answer)
    assert browser.get("/who", base_url=HOST).get_json()["amr"] == ["pwd", "otp", "mfa"]


def test_cookies_that_can_not_be_had_take_no_code(shop):
    pair = shop.login()
    secret, _ = set_up(shop, pair.access_token)
    assert told(step_up(shop, pair.access_token, secret, transport="cookie"))[0] == 400
    assert step_up(shop, pair.access_token, secret).status_code == 200


def test_realms_have_factors_of_their_own(shop):
    staff: Tessera[int] = Tessera(shop.app, realm="staff", user_id_type=int, clock=shop.clock)
    shop.app.register_blueprint(staff.blueprint("totp", "step-up", name="staff", url_prefix="/staff"))
    secret, _ = set_up(shop, shop.login().access_token)
    with shop.app.app_context():
        token = staff.login(7).access_token
    shop.clock.advance(LOG_AGE)
    answer = shop.post("/staff/step-up", token, json={"totp": code_at(secret, shop.clock())})
    assert told(answer) == CODE_WRONG
