"""A login in two steps: who has a second factor begins no session without it, by whichever way he came."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pyotp
import pytest
from flask import Flask, request

from flask_tessera import Tessera
from flask_tessera.services.keys import sid_text
from flask_tessera.testing import Clock, race
from tests.authenticator import Authenticator

from .people import EMAIL, PASSWORD, PHONE, SITE, AccountsApp

BY_PASSWORD = {"phone": PHONE, "password": PASSWORD}


class Generator:
    """The app on a person's phone."""

    def __init__(self, town, user_id="1"):
        self.town = town
        with town.app.app_context():
            services = town.tessera.runtime.accounts
            self.secret = services.totp.begin(user_id, PHONE, "shop").secret
            self.recovery_codes = services.totp.confirm(user_id, self.code())

    def code(self):
        # A code is good once: the next time step has another one.
        self.town.clock.advance(30)
        return pyotp.TOTP(self.secret).at(self.town.clock())


def add_own_login(town):
    """A login of the application's own, which has checked the credentials; by `amr` it says how."""

    @town.app.post("/signin/<shape>")
    def signin(shape):
        asked = request.get_json()
        with town.tessera.login_attempt(PHONE) as attempt:
            user = town.people.by_id(1) if asked.get("by") == "object" else 1
            if shape == "token":
                return {"token": attempt.create_token(user)}
            how = {"amr": asked["amr"]} if "amr" in asked else {}
            return attempt.login(user, trust_token=asked.get("trust_token"), **how).to_response()


@pytest.fixture
def town(tmp_path):
    made = AccountsApp(tmp_path)
    add_own_login(made)
    made.register()
    return made


@pytest.fixture
def generator(town):
    return Generator(town)


def error_of(answer):
    return answer.status_code, answer.json.get("error")


def first_step(town, body=BY_PASSWORD, **more):
    answer = town.post("/login", {**body, **more})
    assert error_of(answer) == (401, "second_factor_required"), answer.text
    return answer.json


def test_the_first_step_tells_what_is_next_and_begins_no_session(town, generator):
    answer = first_step(town)
    assert answer["code"] == 4107
    assert answer["next"].keys() == {"ticket", "expires_in", "factors"}
    assert (answer["next"]["expires_in"], answer["next"]["factors"]) == (300, ["totp", "recovery"])
    with town.app.app_context():
        assert len(town.tessera.sessions(1)) == 1  # that of the registration


@pytest.mark.parametrize("way", ["password", "code"])
def test_the_second_step_begins_the_session_of_both(town, generator, way):
    body = BY_PASSWORD if way == "password" else {"recipient": PHONE, "code": town.code(PHONE, "login")}
    ticket = first_step(town, body, device={"name": "Ada's phone"})["next"]["ticket"]
    answer = town.post("/second-factor", {"ticket": ticket, "totp": generator.code()})
    assert answer.status_code == 200, answer.text
    with town.app.app_context():
        identity = town.tessera.verify(answer.json["data"]["access_token"])
        session = town.tessera.sessions(1)[-1]
    assert identity.amr == (("pwd" if way == "password" else "sms"), "otp", "mfa")
    assert session.device_name == "Ada's phone"


def test_a_wrong_code_leaves_the_ticket_good_and_a_right_one_uses_it_up(town, generator):
    ticket = first_step(town)["next"]["ticket"]
    assert error_of(town.post("/second-factor", {"ticket": ticket, "totp": "000000"})) == (401, "code_wrong")
    assert town.post("/second-factor", {"ticket": ticket, "totp": generator.code()}).status_code == 200
    again = town.post("/second-factor", {"ticket": ticket, "totp": generator.code()})
    assert error_of(again) == (401, "ticket_invalid")


def test_a_recovery_code_stands_in_once(town, generator):
    code = generator.recovery_codes[0]
    used = [
        town.post("/second-factor", {"ticket": first_step(town)["next"]["ticket"], "recovery": code}) for _ in range(2)
    ]
    assert [error_of(each) for each in used] == [(200, None), (401, "code_wrong")]


def test_of_20_parallel_second_steps_one_begins_a_session(town, generator):
    body = {"ticket": first_step(town)["next"]["ticket"], "totp": generator.code()}
    answers = race(20, lambda _number: town.post("/second-factor", body).status_code)
    assert answers.count(200) == 1
    with town.app.app_context():
        assert len(town.tessera.sessions(1)) == 2


def test_the_ticket_is_over_after_five_minutes_and_is_no_other_ticket(town, generator):
    ticket = first_step(town)["next"]["ticket"]
    assert error_of(town.post("/links/redeem", {"ticket": ticket})) == (401, "ticket_invalid")
    assert error_of(town.post("/me", method="GET", token=ticket)) == (401, "token_invalid")
    town.clock.advance(300)
    late = town.post("/second-factor", {"ticket": ticket, "totp": generator.code()})
    assert error_of(late) == (401, "ticket_invalid")


def test_S04_a_password_change_between_the_steps_ends_the_login(town, generator):
    ticket = first_step(town)["next"]["ticket"]
    body = {"recipient": PHONE, "code": town.code(PHONE, "reset"), "password": "eleven green otters"}
    assert town.post("/password/reset", body).status_code == 200
    answer = town.post("/second-factor", {"ticket": ticket, "totp": generator.code()})
    assert error_of(answer) == (401, "ticket_invalid")


def test_L14_a_reset_by_a_code_leaves_the_second_factor(town, generator):
    body = {"recipient": PHONE, "code": town.code(PHONE, "reset"), "password": "eleven green otters"}
    assert town.post("/password/reset", body).status_code == 200
    first_step(town, {"phone": PHONE, "password": "eleven green otters"})


def test_who_is_disabled_between_the_steps_is_refused(town, generator):
    ticket = first_step(town)["next"]["ticket"]
    town.people.update(town.people.rows[1], {"disabled": True})
    answer = town.post("/second-factor", {"ticket": ticket, "totp": generator.code()})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "shown", [{}, {"totp": "000000", "recovery": "x"}, {"totp": 1}, {"totp": None}, {"passkey": "text"}]
)
def test_L18_one_factor_is_needed_and_of_its_kind(town, generator, shown):
    ticket = first_step(town)["next"]["ticket"]
    assert error_of(town.post("/second-factor", {"ticket": ticket, **shown})) == (400, "input_malformed")


def test_L09_wrong_factors_are_counted_for_the_user_whatever_the_ticket(town, generator):
    told = []
    for _ in range(6):
        body = {"ticket": first_step(town)["next"]["ticket"], "totp": "000000"}
        told.append(error_of(town.post("/second-factor", body, **{"X-Forwarded-For": "192.0.2.1"})))
    assert told[-1] == (429, "too_many_requests")


def test_a_trusted_device_needs_the_first_factor_alone_until_the_password_is_changed(town, generator):
    ticket = first_step(town)["next"]["ticket"]
    answer = town.post("/second-factor", {"ticket": ticket, "totp": generator.code(), "trust": True})
    trusted = answer.json["data"]["trust_token"]
    assert town.post("/login", {**BY_PASSWORD, "trust_token": trusted}).status_code == 200
    for other in ("", "x", 7, ["a"], trusted[:-1], answer.json["data"]["refresh_token"]):
        first_step(town, trust_token=other)
    body = {"old": PASSWORD, "new": "eleven green otters"}
    assert town.post("/password", body, token=answer.json["data"]["access_token"]).status_code == 200
    first_step(town, {"phone": PHONE, "password": "eleven green otters"}, trust_token=trusted)


def test_a_browser_keeps_that_it_is_trusted_in_a_cookie(tmp_path):
    town = AccountsApp(tmp_path, COOKIES=True)
    town.register()
    generator = Generator(town)
    client = town.app.test_client()
    how = {"base_url": "https://shop.example"}

    def post(path, body):
        return client.post(f"/auth{path}", json={**body, "transport": "cookie"}, **how)

    ticket = post("/login", BY_PASSWORD).json["next"]["ticket"]
    answer = post("/second-factor", {"ticket": ticket, "totp": generator.code(), "trust": True})
    assert answer.json["data"].keys() == {"expires_in", "refresh_expires_in", "session_id", "csrf_token"}
    cookie = next(each for each in answer.headers.getlist("Set-Cookie") if "trusted" in each)
    assert cookie.startswith("__Host-tessera-trusted=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax", "Max-Age=2592000"} <= set(cookie.split("; "))
    assert post("/login", BY_PASSWORD).status_code == 200


# -- passkeys ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def passkey(town):
    """A registered passkey of the first user, and his access token."""
    authenticator = Authenticator()
    body = {"recipient": PHONE, "code": town.code(PHONE, "login")}
    token = town.post("/login", body).json["data"]["access_token"]
    options = town.post("/passkeys/options", token=token).json["data"]
    credential = authenticator.make(options, origin=SITE)
    answer = town.post("/passkeys", {"name": "key", "credential": credential}, token=token)
    assert answer.status_code == 200, answer.text
    return authenticator.made[0]


def test_a_passkey_that_has_verified_its_user_logs_in_alone_and_once(town, passkey):
    options = town.post("/login/passkey/options").json["data"]
    used = passkey.use(options, origin=SITE)
    answer = town.post("/login", {"passkey": used})
    assert answer.status_code == 200, answer.text
    with town.app.app_context():
        assert town.tessera.verify(answer.json["data"]["access_token"]).amr == ("hwk", "user")
    assert error_of(town.post("/login", {"passkey": used})) == (401, "code_wrong")


def test_a_passkey_is_a_second_factor_after_a_password(town, passkey):
    told = first_step(town)["next"]
    assert told["factors"] == ["passkey"]
    used = passkey.use(told["passkey"], origin=SITE)
    assert town.post("/second-factor", {"ticket": told["ticket"], "passkey": used}).status_code == 200


def test_who_is_disabled_does_not_log_in_with_a_passkey(town, passkey):
    town.people.update(town.people.rows[1], {"disabled": True})
    used = passkey.use(town.post("/login/passkey/options").json["data"], origin=SITE)
    assert error_of(town.post("/login", {"passkey": used})) == (401, "code_wrong")


@pytest.mark.parametrize("sent", [None, 7, "text", [], {}, {"id": 7}, {"id": "x"}, {"id": "x" * 9000}])
def test_L18_what_is_no_passkey_is_refused(town, sent):
    assert town.post("/login", {"passkey": sent}).status_code in (400, 401)


# -- proving again who one is, within a session ------------------------------------------------------------------------


def step_up(town, pair, **proof):
    return town.post("/step-up", proof, token=pair["access_token"])


@pytest.fixture
def pair(tmp_path):
    """Of a login that is not fresh any more, and its town."""
    town = AccountsApp(tmp_path)
    pair = town.register()
    town.clock.advance(400)
    return town, pair


@pytest.mark.parametrize("way", ["password", "code"])
def test_S12_a_session_goes_on_fresh_after_a_step_up(pair, way):
    town, held = pair
    proof = {"password": PASSWORD} if way == "password" else {"recipient": PHONE}
    if way == "code":
        proof["code"] = town.code(PHONE, "login")
    assert error_of(town.post("/totp", token=held["access_token"])) == (401, "step_up_required")
    answer = step_up(town, held, **proof)
    assert answer.status_code == 200, answer.text
    fresh = answer.json["data"]
    assert fresh["session_id"] == held["session_id"]
    assert town.post("/totp", token=fresh["access_token"]).status_code == 200
    with town.app.app_context():
        identity = town.tessera.verify(fresh["access_token"])
    assert identity.authenticated_at == town.clock()
    assert set(identity.amr) >= {"sms"}


def test_S12_a_wrong_proof_or_that_of_somebody_else_is_refused_and_counted(pair):
    town, held = pair
    assert error_of(step_up(town, held, password="wrong")) == (401, "credentials_wrong")
    town.register("13900139000")
    foreign = {"recipient": "13900139000", "code": town.code("13900139000", "login")}
    assert error_of(step_up(town, held, **foreign)) == (401, "code_wrong")
    assert [error_of(step_up(town, held, password="wrong"))[0] for _ in range(4)] == [401, 401, 401, 429]


@pytest.mark.parametrize("proof", [{}, {"password": PASSWORD, "totp": "123456"}, {"recipient": PHONE}, {"code": "1"}])
def test_S12_one_proof_is_needed(pair, proof):
    town, held = pair
    assert step_up(town, held, **proof).status_code == 400


@pytest.fixture
def own_login(town):
    return lambda shape, **body: town.app.test_client().post(f"/signin/{shape}", json=body)


@pytest.mark.parametrize("by", ["object", "id"])
@pytest.mark.parametrize("shape", ["session", "token"])
def test_a_login_of_the_applications_own_asks_for_the_second_factor_too(town, own_login, shape, by):
    assert own_login(shape, by=by).status_code == 200
    generator = Generator(town)
    answer = own_login(shape, by=by)
    assert error_of(answer) == (401, "second_factor_required")
    shown = {"ticket": answer.json["next"]["ticket"], "totp": generator.code()}
    assert town.post("/second-factor", shown).status_code == 200


@pytest.mark.parametrize(
    ("amr", "is_asked"), [(["pwd"], True), ("pwd", True), (["hwk"], True), (["pwd", "otp", "mfa"], False)]
)
def test_an_own_login_that_says_it_was_shown_two_factors_is_asked_for_none(town, generator, own_login, amr, is_asked):
    assert (own_login("session", amr=amr).status_code == 401) is is_asked


def test_an_own_login_at_a_trusted_device_is_asked_for_no_second_factor(town, generator, own_login):
    ticket = first_step(town)["next"]["ticket"]
    body = {"ticket": ticket, "totp": generator.code(), "trust": True}
    trusted = town.post("/second-factor", body).json["data"]["trust_token"]
    assert own_login("session", trust_token=trusted).status_code == 200
    assert own_login("session", trust_token=[trusted]).status_code == 401


@pytest.mark.parametrize("shape", ["session", "token"])
@pytest.mark.parametrize("by", ["object", "id"])
def test_an_own_login_refuses_who_is_disabled(town, own_login, shape, by):
    town.people.rows[1] = replace(town.people.rows[1], disabled=True)
    assert error_of(own_login(shape, by=by)) == (403, "login_refused")


def test_an_own_login_of_an_id_that_nobody_has_is_that_of_who_is_gone(town, own_login):
    del town.people.rows[1]
    assert error_of(own_login("session", by="id")) == (401, "user_gone")


def test_Q06_after_five_wrong_codes_the_login_begins_anew(tmp_path):
    """Also where they are not counted against its owner, whose network has counters of its own."""
    town = AccountsApp(tmp_path, TRUSTED_PROXIES=1)
    town.register()
    generator = Generator(town)
    home, elsewhere = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "198.51.100.7"}

    def step(ticket, code, where):
        return error_of(town.post("/second-factor", {"ticket": ticket, "totp": code}, **where))

    def begin():
        return town.post("/login", BY_PASSWORD, **home).json["next"]["ticket"]

    assert step(begin(), generator.code(), home) == (200, None)
    ticket = begin()
    assert {step(ticket, "000000", elsewhere) for _ in range(4)} == {(401, "code_wrong")}
    assert step(ticket, generator.code(), home) == (200, None)
    ticket = begin()
    assert {step(ticket, "000000", home) for _ in range(5)} == {(401, "code_wrong")}
    assert step(ticket, "000000", elsewhere) == (401, "ticket_invalid")


def test_Q06_the_session_is_that_of_the_device_that_began_the_login_whatever_sends_the_second_step(tmp_path):
    town = AccountsApp(tmp_path, TRUSTED_PROXIES=1)
    town.register()
    generator = Generator(town)
    device = {"type": "phone", "id": "d-1", "name": "Ada's phone"}
    begun = {**BY_PASSWORD, "device": device}
    ticket = town.post("/login", begun, **{"X-Forwarded-For": "192.0.2.1"}).json["next"]["ticket"]
    other = {"type": "web", "id": "d-2", "name": "another"}
    body = {"ticket": ticket, "totp": generator.code(), "trust": True, "device": other}
    pair = town.post("/second-factor", body, **{"X-Forwarded-For": "198.51.100.7"}).json["data"]
    with town.app.app_context():
        session = next(each for each in town.tessera.sessions(1) if sid_text(each.sid) == pair["session_id"])
    assert (session.device_type, session.device_id, session.device_name) == ("phone", "d-1", "Ada's phone")
    (trusted,) = town.post("/trusted-devices", method="GET", token=pair["access_token"]).json["data"]
    assert trusted["device"] == device


def test_new_recovery_codes_are_told(town, generator):
    ticket = first_step(town)["next"]["ticket"]
    token = town.post("/second-factor", {"ticket": ticket, "totp": generator.code()}).json["data"]["access_token"]
    assert town.post("/recovery-codes", token=token).status_code == 200
    told = town.messages()[-1]
    assert (told["purpose"], "new recovery codes" in told["text"]) == ("factor_added", True)


def test_G01_a_code_of_an_app_after_one_by_mail_is_a_second_factor(tmp_path):
    town = AccountsApp(tmp_path)
    token = town.register(EMAIL)["access_token"]
    generator = Generator(town)
    pair = town.post("/step-up", {"totp": generator.code()}, token=token).json["data"]
    with town.app.app_context():
        assert "mfa" in town.tessera.verify(pair["access_token"]).amr


def test_what_an_own_login_gives_its_session_is_kept_over_the_second_step(tmp_path):
    town = AccountsApp(tmp_path)

    @town.app.post("/kiosk")
    def kiosk():
        with town.tessera.login_attempt(PHONE) as attempt:
            return attempt.login(1, scope=request.get_json()["scope"], claims={"kiosk": True}).to_response()

    town.tessera.scope_loader(lambda user: "orders:write")
    town.register()
    generator = Generator(town)
    for scope in ("orders:read", ""):
        ticket = town.app.test_client().post("/kiosk", json={"scope": scope}).json["next"]["ticket"]
        answer = town.post("/second-factor", {"ticket": ticket, "totp": generator.code()})
        with town.app.app_context():
            identity = town.tessera.verify(answer.json["data"]["access_token"])
        assert (" ".join(identity.scopes), identity.claims["kiosk"]) == (scope, True)


def test_a_single_token_that_needed_a_second_step_gives_no_more_than_was_asked_for(tmp_path):
    town = AccountsApp(tmp_path)
    town.tessera.scope_loader(lambda user: "orders:write")

    @town.app.post("/job")
    def job():
        with town.tessera.login_attempt(PHONE) as attempt:
            return {"token": attempt.create_token(1, expires_in=600)}

    town.register()
    generator = Generator(town)
    ticket = town.app.test_client().post("/job").json["next"]["ticket"]
    pair = town.post("/second-factor", {"ticket": ticket, "totp": generator.code()}).json["data"]
    assert (pair["expires_in"], pair["refresh_expires_in"]) == (600, 600)
    with town.app.app_context():
        identity = town.tessera.verify(pair["access_token"])
    assert (identity.expires_at, identity.scopes) == (town.clock() + 600, frozenset())
    town.clock.advance(599)
    assert town.post("/me", method="GET", token=pair["access_token"]).status_code == 200
    refreshed = town.post("/refresh", {"refresh_token": pair["refresh_token"]}).json["data"]
    assert refreshed["expires_in"] == 1
    town.clock.advance(1)
    for each in (pair, refreshed):
        assert town.post("/me", method="GET", token=each["access_token"]).status_code == 401
    assert error_of(town.post("/refresh", {"refresh_token": refreshed["refresh_token"]})) == (401, "session_expiry")


def test_a_life_that_no_token_can_have_is_refused_before_the_second_step_too(town, generator):
    with (
        town.app.app_context(),
        pytest.raises(ValueError, match="TESSERA_SESSION_LIFETIME"),
        town.tessera.login_attempt(PHONE) as attempt,
    ):
        attempt.create_token(1, expires_in=0)


def test_a_user_whose_id_is_spelled_otherwise_is_asked_too():
    """A database may compare texts whatever their case."""
    app = Flask("letters")
    app.config.update(SECRET_KEY="only for tests, not for a server", TESSERA_STORE_URL="memory:")
    tessera = Tessera(clock=Clock())
    tessera.user_loader(lambda user_id: SimpleNamespace(id=user_id.lower()))
    tessera.init_app(app)
    app.register_blueprint(tessera.blueprint("second-factor", "totp"))

    @app.post("/signin/<name>")
    def signin(name):
        with tessera.login_attempt(name) as attempt:
            return attempt.login(name).to_response()

    with app.app_context():
        totp = tessera.runtime.accounts.totp
        secret = totp.begin("alice", "alice", "shop").secret
        totp.confirm("alice", pyotp.TOTP(secret).at(tessera.runtime.clock()))
    for name in ("alice", "ALICE"):
        assert error_of(app.test_client().post(f"/signin/{name}")) == (401, "second_factor_required")
