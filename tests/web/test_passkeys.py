"""The endpoints of passkeys, and for which site they are."""

from __future__ import annotations

import pytest

from flask_tessera import Tessera
from flask_tessera.config import Settings
from flask_tessera.errors import CodeWrongError, ConfigError, NotFoundError
from flask_tessera.web.passkey_site import _warn as relying_party_warning
from flask_tessera.web.passkey_site import relying_party
from tests.authenticator import Authenticator

ORIGIN = "http://localhost"
FRESH = 300


@pytest.fixture
def shop(new_site):
    """A site with the endpoints, and its users' names."""
    site = new_site()
    site.tessera.user_view(lambda user: {"phone": f"1380013800{user.id}", "name": user.name})
    site.app.register_blueprint(site.tessera.blueprint("passkeys", "sessions", "logout"))
    return site


def data_of(answer, status=200):
    assert answer.status_code == status, answer.text
    return answer.get_json()["data"]


def error_of(answer):
    return answer.status_code, answer.get_json()["code"], answer.get_json()["error"]


def ask_to_register(site, pair, name="my phone", authenticator=None, **changes):
    options = data_of(site.post("/auth/passkeys/options", pair.access_token, json={}))
    credential = (authenticator or Authenticator()).make(
        {**options, "excludeCredentials": []}, origin=ORIGIN, **changes
    )
    return site.post("/auth/passkeys", pair.access_token, json={"name": name, "credential": credential})


def test_a_passkey_is_registered_listed_and_removed(shop):
    pair, authenticator = shop.login(), Authenticator()
    made = data_of(ask_to_register(shop, pair, authenticator=authenticator))
    assert made == {"id": made["id"], "name": "my phone", "created_at": shop.clock(), "last_used_at": None}
    options = data_of(shop.post("/auth/passkeys/options", pair.access_token))
    assert (options["user"]["name"], options["user"]["displayName"]) == ("13800138007", "user 7")
    assert (options["rp"], len(options["excludeCredentials"])) == ({"id": "localhost", "name": "localhost"}, 1)
    assert data_of(shop.get("/auth/passkeys", pair.access_token)) == [made]
    sent = authenticator.made[0].use(data_of(shop.post("/auth/login/passkey/options", json={})), origin=ORIGIN)
    with shop.app.test_request_context():
        passkeys = shop.tessera.runtime.accounts.passkeys
        shop.clock.advance(60)
        assert passkeys.verify_login(sent) == ("7", True, "")
        with pytest.raises(CodeWrongError):
            passkeys.verify_login(sent)
    assert data_of(shop.get("/auth/passkeys", pair.access_token))[0]["last_used_at"] == shop.clock()
    assert data_of(shop.request("DELETE", f"/auth/passkeys/{made['id']}", pair.access_token)) == {}
    assert data_of(shop.get("/auth/passkeys", pair.access_token)) == []
    gone = shop.request("DELETE", f"/auth/passkeys/{made['id']}", pair.access_token)
    assert error_of(gone) == (404, 4002, "not_found")


def test_S12_to_register_or_remove_one_needs_a_fresh_login_and_to_see_them_does_not(shop):
    pair = shop.login()
    made = data_of(ask_to_register(shop, pair))
    shop.clock.advance(FRESH + 1)
    for method, path, body in (
        ("POST", "/auth/passkeys/options", {}),
        ("POST", "/auth/passkeys", {"name": "x", "credential": {}}),
        ("DELETE", f"/auth/passkeys/{made['id']}", None),
    ):
        assert error_of(shop.request(method, path, pair.access_token, json=body)) == (401, 4107, "step_up_required")
    assert data_of(shop.get("/auth/passkeys", pair.access_token)) == [made]


def test_what_was_begun_in_one_session_is_not_finished_in_another(shop):
    one, other, stranger = shop.login(), shop.login(), shop.login(8)
    options = data_of(shop.post("/auth/passkeys/options", one.access_token, json={}))
    body = {"name": "x", "credential": Authenticator().make(options, origin=ORIGIN)}
    for each in (other, stranger):
        assert error_of(shop.post("/auth/passkeys", each.access_token, json=body)) == (401, 4103, "code_wrong")
    assert shop.post("/auth/passkeys", one.access_token, json=body).status_code == 200
    assert error_of(shop.post("/auth/passkeys", one.access_token, json=body)) == (401, 4103, "code_wrong")


def test_who_has_lost_his_passkeys_is_helped_by_the_application(shop, caplog):
    caplog.set_level("INFO", "flask_tessera.audit")
    data_of(ask_to_register(shop, shop.login()))
    with shop.app.app_context():
        shop.tessera.reset_factors(7)
        assert shop.tessera.runtime.accounts.second_factors.names_of("7") == ()
    assert data_of(shop.get("/auth/passkeys", shop.login().access_token)) == []
    assert "factors_reset" in caplog.text


def test_a_body_that_is_no_passkey_is_refused(shop):
    pair = shop.login()
    for credential in (..., "y", [1], 7):
        body = {"name": "x"} if credential is ... else {"name": "x", "credential": credential}
        assert error_of(shop.post("/auth/passkeys", pair.access_token, json=body)) == (400, 4103, "input_malformed")
    for credential in ({}, {"id": "x"}, {"id": None, "response": None}, {"id": {"a": []}}):
        sent = {"name": "x", "credential": credential}
        assert error_of(shop.post("/auth/passkeys", pair.access_token, json=sent)) == (401, 4103, "code_wrong")
    large = {"name": "x", "credential": {"id": "a" * 20_000}}
    assert error_of(shop.post("/auth/passkeys", pair.access_token, json=large)) == (413, 4103, "body_too_large")


def test_nobody_needs_a_token_for_the_options_of_a_login_and_they_keep_nothing(shop):
    first = data_of(shop.post("/auth/login/passkey/options", json={}))
    assert (first["rpId"], first["allowCredentials"], first["userVerification"]) == ("localhost", [], "required")
    with shop.app.app_context():
        values = shop.tessera.runtime.storage.values
    before = len(values.read("", most=100).values)
    for _ in range(20):
        shop.post("/auth/login/passkey/options", json={})
    assert len(values.read("", most=100).values) == before


def test_S03_what_ends_with_its_owner_and_what_stays(shop):
    pair, authenticator = shop.login(), Authenticator()
    data_of(ask_to_register(shop, pair, authenticator=authenticator))
    with shop.app.test_request_context():
        passkeys = shop.tessera.runtime.accounts.passkeys
        shop.tessera.revoke_user(7, "password_change")
        shop.tessera.suspend(7)
        assert passkeys.has_any("7")
        assert shop.tessera.runtime.accounts.second_factors.names_of("7") == ("passkey",)
        sent = authenticator.made[0].use(passkeys.options_for("7"), origin=ORIGIN)
        factors = shop.tessera.runtime.accounts.second_factors
        assert factors.check("7", "passkey", sent, address="203.0.113.9") == ("hwk", "user")
        shop.tessera.revoke_user(7, "user_gone")
        assert not passkeys.has_any("7")


def test_a_realm_has_its_own_passkeys(shop):
    staff = Tessera(realm="staff", user_id_type=int, clock=shop.clock)
    staff.init_app(shop.app)
    shop.app.register_blueprint(staff.blueprint("passkeys", url_prefix="/staff"), name="staff")
    data_of(ask_to_register(shop, shop.login()))
    with shop.app.app_context():
        token = staff.login(7).access_token
    assert data_of(shop.get("/staff/passkeys", token)) == []
    assert shop.get("/auth/passkeys", token).status_code == 401


@pytest.mark.parametrize("view", [None, lambda user: "text", lambda user: {"name": "", "phone": 7}])
def test_a_user_without_names_is_called_by_his_id(new_site, view):
    site = new_site()
    if view is not None:
        site.tessera.user_view(view)
    site.app.register_blueprint(site.tessera.blueprint("passkeys"))
    options = data_of(site.post("/auth/passkeys/options", site.login().access_token, json={}))
    assert (options["user"]["name"], options["user"]["displayName"]) == ("7", "7")


# -- for which site ----------------------------------------------------------------------------------------------------

SITES = {
    "the host of the public URL": ({"PUBLIC_URL": "https://App.Example.com:443"}, "App.Example.com", None),
    "a domain above it": (
        {"PUBLIC_URL": "https://app.example.com", "PASSKEY_RP_ID": "example.com"},
        "example.com",
        ("https://app.example.com",),
    ),
    "other origins": (
        {"PUBLIC_URL": "https://app.example.com", "CSRF_ORIGINS": ("https://m.example.com:8443",)},
        "app.example.com",
        ("https://app.example.com", "https://m.example.com:8443"),
    ),
    "a domain alone": ({"PASSKEY_RP_ID": "example.com"}, "example.com", ("https://example.com",)),
    "a domain and origins": (
        {"PASSKEY_RP_ID": "example.com", "CSRF_ORIGINS": ("https://m.example.com",)},
        "example.com",
        ("https://m.example.com",),
    ),
}


@pytest.mark.parametrize("name", SITES)
def test_the_settings_say_for_which_site_passkeys_are(new_site, name):
    settings, domain, origins = SITES[name]
    app = new_site().app
    with app.test_request_context(base_url="https://evil.example"):
        found = relying_party(Settings(**settings))
    assert found.id == domain.lower()
    assert found.origins == (origins or ("https://app.example.com",))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "set TESSERA_PUBLIC_URL"),
        ({"CSRF_ORIGINS": ("https://m.example.com",)}, "set TESSERA_PUBLIC_URL"),
        ({"PUBLIC_URL": "https://192.0.2.7"}, "name a domain"),
        ({"PUBLIC_URL": "https://[2001:db8::1]"}, "name a domain"),
    ],
)
def test_L16_a_host_that_a_client_names_is_no_site(new_site, settings, told):
    app = new_site().app
    with app.test_request_context(base_url="https://shop.example"), pytest.raises(NotFoundError, match=told):
        relying_party(Settings(**settings))


@pytest.mark.parametrize(
    ("public_url", "domain"),
    [("https://app.example.com", "other.example"), ("https://badexample.com", "example.com")],
)
def test_a_domain_that_is_not_that_of_the_pages_stops_the_application(public_url, domain):
    with pytest.raises(ConfigError, match="TESSERA_PASSKEY_RP_ID must be"):
        Settings(PUBLIC_URL=public_url, PASSKEY_RP_ID=domain)


def test_where_nothing_tells_the_site_it_is_not_found_and_the_log_says_once_what_to_set(shop, caplog):
    relying_party_warning.cache_clear()
    for _ in range(3):
        answer = shop.post("/auth/login/passkey/options", json={}, base_url="https://shop.example")
        assert error_of(answer) == (404, 4002, "not_found")
    assert sum("TESSERA_PUBLIC_URL" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.parametrize("base", ["http://localhost:5000", "http://app.localhost", "http://127.0.0.1:5000"])
def test_on_this_machine_nothing_need_be_set(new_site, base):
    with new_site().app.test_request_context(base_url=base):
        found = relying_party(Settings())
    assert (found.id, found.origins) == ("localhost", (base,))


@pytest.mark.parametrize("mode", ["debug", "testing"])
def test_in_debug_and_tests_the_origin_of_the_request_counts_too(new_site, mode):
    app = new_site().app
    setattr(app, mode, True)
    settings = Settings(PUBLIC_URL="https://app.example.com")
    with app.test_request_context(base_url="http://192.168.0.7:5000"):
        assert relying_party(settings).origins == ("https://app.example.com", "http://192.168.0.7:5000")
        assert relying_party(Settings()).id == "localhost"
