"""API keys over HTTP: make, use, list, rename, rotate, end (A01 to A05, S09)."""

from __future__ import annotations

import hashlib
import re

import pytest

from flask_tessera import Tessera, current_identity, login_required
from flask_tessera.services.api_key_data import ApiKey, Secret, digest_of
from flask_tessera.sessions.ids import tag_of
from flask_tessera.storage.memory import MemoryStorage
from flask_tessera.tokens.api_key import PATTERN, parse, render
from tests.far import far_storage
from tests.tokens.forging import b64

from .conftest import age

FRESH = 300


@pytest.fixture
def shop(site):
    site.app.register_blueprint(site.tessera.blueprint("api-keys"))

    @site.app.get("/orders")
    @site.tessera.login_required(scope="orders:read")
    def orders():
        return {"user": site.tessera.current_user.id, "by": current_identity.credential}

    return age(site)


def data_of(answer):
    assert answer.status_code == 200, answer.text
    return answer.get_json()["data"]


def told(answer):
    return answer.status_code, answer.get_json()["code"], answer.get_json()["error"]


def make_key(shop, token=None, **wanted):
    token = token or shop.login(scope="orders:read orders:write").access_token
    return data_of(shop.post("/auth/api-keys", token, json={"name": "till", **wanted}))


INVALID = (401, 4101, "token_invalid")
STEP_UP = (401, 4107, "step_up_required")
NOT_FOUND = (404, 4002, "not_found")


# -- Make and use ------------------------------------------------------------------------------------------------------


def test_a_key_is_made_shown_once_and_used(shop):
    token = shop.login(scope="orders:read").access_token
    made = make_key(shop, token, scope="orders:read", expires_in=3600, addresses=["127.0.0.0/8", "2001:db8::1"])
    key = made.pop("key")
    assert made == {
        "id": made["id"],
        "name": "till",
        "scope": "orders:read",
        "created_at": shop.clock(),
        "expires_at": shop.clock() + 3600,
        "last_used_at": None,
        "addresses": ["127.0.0.0/8", "2001:db8::1/128"],
    }
    assert re.fullmatch(PATTERN, key)
    assert shop.get("/orders", key).get_json() == {"user": 7, "by": "api_key"}
    assert shop.get("/orders", headers={"Authorization": f"Bearer {key}"}).get_json()["user"] == 7
    (listed,) = data_of(shop.get("/auth/api-keys", token))
    assert listed == {**made, "last_used_at": shop.clock() - shop.clock() % 60}


def test_a_key_of_which_nothing_is_said_has_no_scope_and_no_end(shop):
    made = make_key(shop)
    assert (made["scope"], made["expires_at"], made["addresses"]) == ("", None, [])
    assert told(shop.get("/orders", made["key"])) == (403, 4105, "scope_missing")
    assert shop.get("/who", made["key"]).get_json() == {"id": 7, "session": ""}
    shop.clock.advance(20 * 366 * 86_400)
    assert shop.get("/who", made["key"]).get_json() == {"id": 7, "session": ""}


def test_A02_of_the_secret_nothing_but_a_hash_is_stored(new_site):
    storage = MemoryStorage()
    site = new_site(storage=storage)
    site.app.register_blueprint(site.tessera.blueprint("api-keys"))
    token = site.login().access_token
    made = make_key(site, token)
    again = data_of(site.post(f"/auth/api-keys/{made['id']}/rotate", token, json={"overlap": 60}))
    stored = b"".join(each.value for each in storage.values.read("", most=1000).values)
    for key in (made["key"], again["key"]):
        _, secret = parse(key)
        assert b64(hashlib.sha256(secret).digest()).encode() in stored.replace(b"+", b"-").replace(b"/", b"_")
        for spelling in (key, b64(secret), secret.hex()):
            assert spelling.encode() not in stored


@pytest.mark.parametrize(
    "wanted",
    [
        {"name": ""},
        {"name": "  \t"},
        {"name": "\x00\x1f"},
        {"name": "x" * 129},
        {"name": None},
        {"name": 5},
        {"scope": 5},
        {"scope": ["orders:read"]},
        {"scope": "orders:read\x00"},
        {"expires_in": 59},
        {"expires_in": 0},
        {"expires_in": -60},
        {"expires_in": 10 * 366 * 86_400 + 1},
        {"expires_in": "3600"},
        {"expires_in": True},
        {"expires_in": 3600.5},
        {"addresses": "10.0.0.0/8"},
        {"addresses": ["10.0.0.1/8"]},
        {"addresses": ["nowhere"]},
        {"addresses": [""]},
        {"addresses": [5]},
        {"addresses": ["fe80::1%eth0"]},
        {"addresses": ["::ffff:10.0.0.1"]},
        {"addresses": [f"10.0.0.{number}" for number in range(33)]},
    ],
)
def test_what_cannot_be_is_refused(shop, wanted):
    token = shop.login(scope="orders:read").access_token
    answer = shop.post("/auth/api-keys", token, json={"name": "till", **wanted})
    assert told(answer) == (400, 4103, "input_malformed")
    assert data_of(shop.get("/auth/api-keys", token)) == []


def test_a_name_is_cleaned_of_what_could_forge_a_line(shop):
    assert make_key(shop, name=" ti\u202ell\r\n ")["name"] == "till"


def test_a_user_has_at_most_fifty_keys(shop):
    token = shop.login().access_token
    ids = [make_key(shop, token, name=f"number {number}")["id"] for number in range(50)]
    assert [each["id"] for each in data_of(shop.get("/auth/api-keys", token))] == ids[::-1]
    assert told(shop.post("/auth/api-keys", token, json={"name": "one more"})) == (
        400,
        4103,
        "api_key_limit_reached",
    )
    data_of(shop.request("DELETE", f"/auth/api-keys/{ids[0]}", token))
    make_key(shop, token, name="one more")


def kept_of(shop, kind="api_key"):
    """How many rows of a kind the storage keeps."""
    with shop.app.app_context():
        page = shop.tessera.runtime.storage.values.read("", most=1000)
    return sum(each.kind == kind for each in page.values)


def test_A05_expired_keys_are_kept_as_long_as_they_lived_and_at_most_fifty_with_the_others(shop):
    with shop.app.app_context():
        create = shop.tessera.api_keys.create
        lasting = [create(7, name="lasting") for _ in range(10)]
        for _ in range(3):
            short = [create(7, name="short", expires_in=60) for _ in range(40)]
            assert kept_of(shop) == 50
            shop.clock.advance(60)
        # Those that are removed are the oldest, and no more than there must be.
        create(7, name="one more")
        answers = [told(shop.get("/who", each.key))[2] for each in short]
        assert answers == ["token_invalid"] + ["token_expired"] * 39
        assert [shop.get("/who", each.key).status_code for each in lasting] == [200] * 10
        shop.clock.advance(60)
        assert told(shop.get("/who", short[-1].key)) == INVALID


def test_A05_a_user_makes_and_rotates_keys_a_hundred_times_an_hour_and_may_always_revoke_them(shop):
    token = shop.login().access_token
    made = make_key(shop, token)
    one = f"/auth/api-keys/{made['id']}"
    for _ in range(98):
        data_of(shop.post(f"{one}/rotate", token))
    last = make_key(shop, token)
    for answer in (shop.post(f"{one}/rotate", token), shop.post("/auth/api-keys", token, json={"name": "till"})):
        assert (answer.status_code, answer.get_json()["error"]) == (429, "too_many_requests")
        assert answer.headers["Retry-After"] == "3600"
    assert shop.get("/who", last["key"]).status_code == 200
    data_of(shop.request("PATCH", one, token, json={"name": "other"}))
    data_of(shop.request("DELETE", one, token))
    make_key(shop, shop.login(8).access_token)
    with shop.app.app_context():
        shop.tessera.api_keys.rotate(7, last["id"])
    shop.clock.advance(3600)
    make_key(shop, shop.login().access_token)


def test_S09_applications_of_one_secret_and_storage_keep_their_keys_apart(new_site):
    storage = MemoryStorage()
    named = [{"TESSERA_AUDIENCE": "shop"}, {"TESSERA_AUDIENCE": "bank"}, {"TESSERA_ISSUER": "shop"}, {}]
    sites = [new_site(storage=storage, **each) for each in (*named, named[0])]
    for site in sites:
        site.app.register_blueprint(site.tessera.blueprint("api-keys"))
        site.app.add_url_rule("/who", "who", login_required(lambda: "in"))
    shop, *others, same = sites
    made = make_key(shop, shop.login().access_token)
    assert shop.get("/who", made["key"]).text == same.get("/who", made["key"]).text == "in"
    for other in others:
        assert told(other.get("/who", made["key"])) == INVALID
        token = other.login().access_token
        assert data_of(other.get("/auth/api-keys", token)) == []
        assert told(other.post(f"/auth/api-keys/{made['id']}/rotate", token)) == NOT_FOUND
    assert shop.get("/who", made["key"]).text == "in"
    # What ends the user ends all of them.
    with others[0].app.app_context():
        others[0].tessera.suspend(7)
    assert told(shop.get("/who", made["key"])) == INVALID


def test_a_key_from_before_applications_were_kept_apart_works_on(new_site):
    storage = MemoryStorage()
    old, new = new_site(storage=storage), new_site(storage=storage, TESSERA_AUDIENCE="shop")
    with old.app.app_context():
        old.tessera.runtime.api_keys._issued_for = ""
        made = old.tessera.api_keys.create(7, name="till")
    with new.app.app_context():
        assert new.tessera.verify(made.key).user_id == 7


def test_a_key_cannot_do_more_than_the_session_that_makes_it(shop):
    token = shop.login(scope="orders:read").access_token
    answer = shop.post("/auth/api-keys", token, json={"name": "till", "scope": "orders:read orders:write"})
    assert told(answer) == (403, 4105, "scope_missing")
    assert data_of(shop.get("/auth/api-keys", token)) == []


def test_A01_a_session_rotates_no_key_that_can_do_more_than_itself(shop):
    wide = shop.login(scope="orders:read orders:write").access_token
    made = make_key(shop, wide, scope="orders:read orders:write")
    rotate = f"/auth/api-keys/{made['id']}/rotate"
    for scope in ("", "orders:read", "orders:write other"):
        assert told(shop.post(rotate, shop.login(scope=scope).access_token)) == (403, 4105, "scope_missing")
    assert shop.get("/orders", made["key"]).status_code == 200
    again = data_of(shop.post(rotate, wide))
    assert (again["scope"], shop.get("/orders", again["key"]).status_code) == (made["scope"], 200)
    # The application may do what it likes.
    with shop.app.app_context():
        assert shop.tessera.api_keys.rotate(7, made["id"]).scope == made["scope"]


@pytest.mark.parametrize("mode", ["bounded", "stateless"])
def test_A01_a_session_that_has_ended_elsewhere_makes_and_rotates_no_key(new_site, mode):
    storage = far_storage()
    one, other = (new_site(storage=storage, TESSERA_REVOCATION=mode) for _ in range(2))
    one.app.register_blueprint(one.tessera.blueprint("api-keys"))
    age(one)
    pair = one.login()
    made = make_key(one, pair.access_token)
    with other.app.app_context():
        other.tessera.revoke_session(pair.session_id)
    answers = [
        one.post("/auth/api-keys", pair.access_token, json={"name": "till"}),
        one.post(f"/auth/api-keys/{made['id']}/rotate", pair.access_token),
    ]
    assert [(each.status_code, each.get_json()["error"]) for each in answers] == [(401, "session_kick")] * 2
    with one.app.app_context():
        assert [each.id for each in one.tessera.api_keys.list(7)] == [made["id"]]
        # It was not changed.
        assert one.tessera.verify_token(made["key"]).id == 7
    for each in (one, other):
        each.tessera.close(each.app)


def test_A01_only_a_fresh_login_makes_a_key_or_a_new_secret(shop):
    made = make_key(shop, token := shop.login().access_token)
    shop.clock.advance(FRESH)
    make_key(shop, token)
    shop.clock.advance(1)
    assert told(shop.post("/auth/api-keys", token, json={"name": "till"})) == STEP_UP
    assert told(shop.post(f"/auth/api-keys/{made['id']}/rotate", token, json={})) == STEP_UP
    data_of(shop.request("PATCH", f"/auth/api-keys/{made['id']}", token, json={"name": "other"}))
    data_of(shop.request("DELETE", f"/auth/api-keys/{made['id']}", token))


def test_A01_the_owner_is_told_by_the_session_never_by_the_body(shop):
    token = shop.login(7).access_token
    body = {"user_id": "8", "user": 8, "owner": 8, "realm": "admin", "key_id": "x", "id": "x", "adresses": []}
    for name, value in body.items():
        refused = shop.post("/auth/api-keys", token, json={"name": "till", name: value})
        assert told(refused) == (400, 4103, "input_malformed"), name
    assert shop.get("/who", make_key(shop, token)["key"]).get_json()["id"] == 7
    assert data_of(shop.get("/auth/api-keys", shop.login(8).access_token)) == []


# -- Refused -----------------------------------------------------------------------------------------------------------


def test_A03_an_empty_or_missing_secret_matches_nothing(new_site):
    storage = MemoryStorage()
    site = new_site(storage=storage)
    with site.app.app_context():
        made = site.tessera.api_keys.create(7, name="till")
        keys = site.tessera.runtime.api_keys
        key_id, secret = parse(made.key)
        assert keys.find(key_id, secret, at=site.clock()).key.name == "till"
        for wrong in (b"", b"\0" * 32, secret[:-1], secret + b"\0", hashlib.sha256(secret).digest()):
            assert keys.find(key_id, wrong, at=site.clock()) is None
        assert keys.find(b"", secret, at=site.clock()) is None


@pytest.mark.parametrize("stored", [b"", digest_of(b""), b"\0" * 32], ids=["nothing", "of nothing", "zeros"])
def test_A03_nothing_matches_a_row_without_a_secret(stored):
    key = ApiKey(bytes(16), "", "7", "till", 1, stored, earlier=(Secret(stored, 9**11),))
    assert [key.works_until(secret) for secret in (b"", b"\0" * 32, stored)] == [0, 0, 0]


def test_A03_another_secret_or_another_id_is_as_good_as_any_text(shop):
    key_id, secret = parse(make_key(shop)["key"])
    for wrong in ("tsk_", "tsk_x", render(key_id, bytes(32)), render(bytes(16), secret), render(key_id, secret)[:-1]):
        assert told(shop.get("/who", wrong)) == INVALID


def test_A04_a_key_opens_no_route_of_sessions_and_makes_no_key(new_site):
    site = new_site(TESSERA_LEGACY={"secret": "a secret of the old application", "until": 4_000_000_000})
    site.tessera.authenticator(lambda credentials: None)
    site.tessera.user_view(lambda user: {"id": user.id})
    site.app.register_blueprint(
        site.tessera.blueprint("login", "refresh", "logout", "exchange", "me", "sessions", "api-keys")
    )
    age(site)
    made = make_key(site, pair_token := site.login(scope="orders:read").access_token, scope="orders:read")
    key, one = made["key"], f"/auth/api-keys/{made['id']}"
    assert data_of(site.get("/auth/me", key)) == {"id": 7}
    for method, path, body in (
        ("GET", "/auth/sessions", None),
        ("DELETE", f"/auth/sessions/{site.login().session_id}", None),
        ("POST", "/auth/logout", {}),
        ("POST", "/auth/logout", {"which": "others"}),
        ("POST", "/auth/logout", {"which": "all"}),
        ("POST", "/auth/exchange", {}),
        ("POST", "/auth/refresh", {"refresh_token": key}),
        ("GET", "/auth/api-keys", None),
        ("POST", "/auth/api-keys", {"name": "another"}),
        ("PATCH", one, {"name": "another"}),
        ("POST", f"{one}/rotate", {}),
        ("DELETE", one, None),
    ):
        assert told(site.request(method, path, key, json=body)) == INVALID, (method, path)
    assert told(site.post("/auth/login", key, json={"phone": key, "password": key}))[0] == 401
    assert data_of(site.get("/auth/me", pair_token)) == {"id": 7}
    assert data_of(site.get("/auth/me", key)) == {"id": 7}


def test_A04_a_key_ends_no_sessions_in_views_of_the_application(site):
    @site.app.post("/leave")
    @site.tessera.login_required
    def leave():
        return {"ended": len(site.tessera.logout().sessions)}

    @site.app.post("/leave-others")
    @site.tessera.login_required
    def leave_others():
        return {"ended": len(site.tessera.revoke_others("password_change").sessions)}

    with site.app.app_context():
        key = site.tessera.api_keys.create(7, name="till").key
    token = site.login().access_token
    assert told(site.post("/leave", key)) == INVALID
    assert told(site.post("/leave-others", key)) == INVALID
    assert site.get("/who", token).status_code == 200


def test_a_guard_may_keep_keys_out_or_let_only_them_in(site):
    @site.app.get("/people")
    @login_required(transports=("header", "cookie"))
    def people():
        return "in"

    @site.app.get("/machines")
    @login_required(transports="api_key")
    def machines():
        return "in"

    @site.app.get("/now")
    @login_required(fresh=True)
    def now():
        return "in"

    with site.app.app_context():
        key = site.tessera.api_keys.create(7, name="till").key
    token = site.login().access_token
    assert told(site.get("/people", key)) == told(site.get("/machines", token)) == INVALID
    assert site.get("/people", token).text == site.get("/machines", key).text == "in"
    assert told(site.get("/now", key)) == STEP_UP


def test_H02_a_key_is_read_from_headers_only_and_from_one(shop):
    one, other = make_key(shop)["key"], make_key(shop)["key"]
    assert told(shop.get(f"/who?token={one}&ticket={one}&access_token={one}&api_key={one}"))[2] == "token_missing"
    assert shop.client.post("/who", data={"access_token": one}).status_code == 405
    two = {"Authorization": f"Bearer {one}", "z-token": other}
    assert told(shop.get("/who", headers=two)) == (400, 4103, "token_ambiguous")
    same = {"Authorization": f"Bearer {one}", "z-token": one}
    assert shop.get("/who", headers=same).status_code == 200


def test_an_expired_key_says_so_to_who_holds_it(shop):
    made = make_key(shop, token := shop.login().access_token, expires_in=60)
    key_id, _ = parse(made["key"])
    shop.clock.advance(59)
    assert shop.get("/who", made["key"]).status_code == 200
    shop.clock.advance(1)
    assert told(shop.get("/who", made["key"])) == (401, 4101, "token_expired")
    assert told(shop.get("/who", render(key_id, bytes(32)))) == INVALID
    assert data_of(shop.get("/auth/api-keys", token)) == []
    assert told(shop.post(f"/auth/api-keys/{made['id']}/rotate", token, json={})) == NOT_FOUND
    shop.clock.advance(8 * 86_400)
    assert told(shop.get("/who", made["key"])) == INVALID


@pytest.mark.parametrize(
    ("addresses", "peer", "is_in"),
    [
        (["192.0.2.0/24"], "192.0.2.9", True),
        (["192.0.2.0/24"], "::ffff:192.0.2.9", True),
        (["192.0.2.0/24"], "192.0.3.9", False),
        (["192.0.2.0/24"], "2001:db8::1", False),
        (["192.0.2.0/24"], "", False),
        (["192.0.2.0/24"], "nonsense", False),
        (["2001:db8::/32", "198.51.100.7"], "2001:db8:5::1", True),
        (["2001:db8::/32", "198.51.100.7"], "198.51.100.7", True),
        (["2001:db8::/32", "198.51.100.7"], "198.51.100.8", False),
        (["0.0.0.0/0"], "2001:db8::1", False),
    ],
)
def test_a_key_works_from_its_addresses_only_the_first_time_and_later(shop, addresses, peer, is_in):
    key = make_key(shop, addresses=[*addresses, "127.0.0.1"])["key"]
    for _ in range(2):
        answer = shop.get("/who", key, environ_base={"REMOTE_ADDR": peer})
        assert (answer.status_code == 200) == is_in
        assert is_in or told(answer) == INVALID
        assert shop.get("/who", key).status_code == 200


def test_a_client_behind_a_proxy_has_the_address_that_the_proxy_saw(new_site):
    site = new_site(TESSERA_TRUSTED_PROXIES=1)

    @site.app.get("/who")
    @site.tessera.login_required
    def who():
        return "in"

    with site.app.app_context():
        key = site.tessera.api_keys.create(7, name="till", addresses=["192.0.2.7"]).key
        # No client, so none from a right address.
        assert site.tessera.verify_token(key) is None
    assert site.get("/who", key, headers={"X-Forwarded-For": "192.0.2.7"}).text == "in"
    assert told(site.get("/who", key, headers={"X-Forwarded-For": "192.0.2.7, 192.0.2.8"})) == INVALID
    assert told(site.get("/who", key)) == INVALID


# -- Change and end ----------------------------------------------------------------------------------------------------


def test_a_key_is_renamed(shop):
    made = make_key(shop, token := shop.login().access_token)
    shown = data_of(shop.request("PATCH", f"/auth/api-keys/{made['id']}", token, json={"name": " the other till "}))
    assert shown == {**{name: made[name] for name in shown}, "name": "the other till"}
    assert data_of(shop.get("/auth/api-keys", token)) == [shown]
    assert shop.get("/who", made["key"]).status_code == 200
    for name in ("", None, "x" * 129, 5):
        answer = shop.request("PATCH", f"/auth/api-keys/{made['id']}", token, json={"name": name})
        assert told(answer) == (400, 4103, "input_malformed")


def test_a_rotation_keeps_the_id_and_ends_the_old_secret_at_once(shop):
    made = make_key(shop, token := shop.login().access_token)
    assert shop.get("/who", made["key"]).status_code == 200
    again = data_of(shop.post(f"/auth/api-keys/{made['id']}/rotate", token))
    assert {**again, "key": "", "last_used_at": None} == {**made, "key": ""}
    assert told(shop.get("/who", made["key"])) == INVALID
    assert shop.get("/who", again["key"]).status_code == 200


def test_an_old_secret_works_as_much_longer_as_is_said(shop):
    made = make_key(shop, token := shop.login().access_token)
    again = data_of(shop.post(f"/auth/api-keys/{made['id']}/rotate", token, json={"overlap": 100}))
    shop.clock.advance(50)
    assert shop.get("/who", made["key"]).status_code == 200
    shop.clock.advance(49)
    assert shop.get("/who", made["key"]).status_code == 200
    shop.clock.advance(1)
    assert told(shop.get("/who", made["key"])) == INVALID
    assert shop.get("/who", again["key"]).status_code == 200


def test_a_rotation_whose_reply_was_lost_may_be_asked_for_again(shop):
    made = make_key(shop, token := shop.login().access_token)
    rotate = f"/auth/api-keys/{made['id']}/rotate"
    keys = [made, *(data_of(shop.post(rotate, token, json={"overlap": 100})) for _ in range(3))]
    assert [shop.get("/who", each["key"]).status_code for each in keys] == [200] * 4
    # A secret has leaked: none of the earlier ones works longer than is said now.
    newest = data_of(shop.post(rotate, token, json={"overlap": 10}))
    shop.clock.advance(10)
    assert [told(shop.get("/who", each["key"])) for each in keys] == [INVALID] * 4
    assert shop.get("/who", newest["key"]).status_code == 200


@pytest.mark.parametrize("overlap", [-1, 7 * 86_400 + 1, "60", 1.5, True, []])
def test_an_overlap_that_cannot_be_changes_nothing(shop, overlap):
    made = make_key(shop, token := shop.login().access_token)
    answer = shop.post(f"/auth/api-keys/{made['id']}/rotate", token, json={"overlap": overlap})
    assert told(answer) == (400, 4103, "input_malformed")
    assert shop.get("/who", made["key"]).status_code == 200


def test_a_revoked_key_is_refused_at_once_where_each_request_looks(shop):
    made = make_key(shop, token := shop.login().access_token)
    other = make_key(shop, token)
    assert shop.get("/who", made["key"]).status_code == 200
    revoked = data_of(shop.request("DELETE", f"/auth/api-keys/{made['id']}", token))
    assert revoked == {"revoked": made["id"], "effective_by": shop.clock()}
    assert told(shop.get("/who", made["key"])) == INVALID
    assert shop.get("/who", other["key"]).status_code == 200
    assert [each["id"] for each in data_of(shop.get("/auth/api-keys", token))] == [other["id"]]
    for method, path in (("DELETE", ""), ("PATCH", ""), ("POST", "/rotate")):
        answer = shop.request(method, f"/auth/api-keys/{made['id']}{path}", token, json={"name": "x", "overlap": 0})
        assert told(answer) == NOT_FOUND


def test_the_reply_says_by_when_every_worker_refuses_the_key(new_site):
    site = new_site(storage=far_storage(), TESSERA_REVOCATION_BOUND=5)
    with site.app.app_context():
        made = site.tessera.api_keys.create(7, name="till")
        assert site.tessera.api_keys.revoke(7, made.id) == site.clock() + 5
        site.tessera.close(site.app)


def test_S09_nobody_reaches_a_key_of_another_user_or_realm(new_site):
    storage = MemoryStorage()
    site = new_site(storage=storage)
    admins = Tessera(realm="admin", user_id_type=int, clock=site.clock)
    admins.user_loader(site.users.get)
    admins.init_app(site.app)
    site.app.register_blueprint(site.tessera.blueprint("api-keys"))
    site.app.register_blueprint(admins.blueprint("api-keys", url_prefix="/admin"))

    @site.app.get("/user")
    @site.tessera.login_required
    def user():
        return {"id": site.tessera.current_user.id}

    @site.app.get("/admins-only")
    @admins.login_required
    def admins_only():
        return {"id": admins.current_user.id}

    def token_of(tessera, user_id):
        with site.app.app_context():
            return tessera.login(user_id).access_token

    people = {
        (realm, user_id): (prefix, token_of(tessera, user_id))
        for realm, prefix, tessera in (("", "/auth", site.tessera), ("admin", "/admin", admins))
        for user_id in (7, 8)
    }
    made = {
        name: data_of(site.post(f"{prefix}/api-keys", token, json={"name": str(name)}))
        for name, (prefix, token) in people.items()
    }
    for name, (prefix, token) in people.items():
        assert [each["id"] for each in data_of(site.get(f"{prefix}/api-keys", token))] == [made[name]["id"]]
        for other, key in made.items():
            if other == name:
                continue
            one = f"{prefix}/api-keys/{key['id']}"
            assert told(site.request("PATCH", one, token, json={"name": "mine"})) == NOT_FOUND
            assert told(site.request("DELETE", one, token)) == NOT_FOUND
            assert told(site.post(f"{one}/rotate", token, json={})) == NOT_FOUND
    for (realm, user_id), key in made.items():
        right, wrong = ("/admins-only", "/user") if realm else ("/user", "/admins-only")
        assert site.get(right, key["key"]).get_json() == {"id": user_id}
        assert told(site.get(wrong, key["key"])) == INVALID
        assert key["name"] == str((realm, user_id))


def test_S09_not_even_a_user_whose_keys_lie_beside_them_in_the_storage(new_site):
    site = new_site(tessera={"user_id_type": str}, loader=False)
    # Two bytes of a hash name the place.
    users = {}
    one, other = next(
        (users[tag], name) for name in map(str, range(10**6)) if users.setdefault(tag := tag_of("", name), name) != name
    )
    with site.app.app_context():
        keys = site.tessera.api_keys
        made = keys.create(one, name="till")
        for call, more in ((keys.rename, ["mine"]), (keys.rotate, []), (keys.revoke, [])):
            with pytest.raises(Exception, match="no such API key"):
                call(other, made.id, *more)
        assert (keys.list(other), len(keys.list(one))) == ([], 1)
        assert site.tessera.verify(made.key).user_id == one


@pytest.mark.parametrize("key_id", ["x", "../sessions", "A" * 22, "é" * 22, "A" * 23])
def test_an_id_that_names_no_key_is_not_found(shop, key_id):
    token = shop.login().access_token
    answer = shop.request("DELETE", f"/auth/api-keys/{key_id}", token)
    assert answer.status_code == 404


# -- The owner ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "is_over"),
    [
        (lambda tessera: tessera.suspend(7), True),
        (lambda tessera: tessera.revoke_user(7, "user_gone"), True),
        (lambda tessera: tessera.revoke_user(7, "password_change"), True),
        (lambda tessera: tessera.revoke_user(7), False),
        (lambda tessera: tessera.revoke_user(7, "logout"), False),
        (lambda tessera: tessera.suspend(8), False),
    ],
)
def test_A05_an_ended_owner_ends_the_keys_and_a_logout_does_not(shop, end, is_over):
    with shop.app.app_context():
        keys = [shop.tessera.api_keys.create(7, name=name).key for name in ("one", "two")]
        assert [shop.get("/who", key).status_code for key in keys] == [200, 200]
        end(shop.tessera)
        shop.tessera.unsuspend(7)
        listed = shop.tessera.api_keys.list(7)
    assert (len(listed) == 0) == is_over
    assert [shop.get("/who", key).status_code for key in keys] == ([401, 401] if is_over else [200, 200])


def test_a_suspended_owner_has_no_keys_and_gets_none(shop):
    with shop.app.app_context():
        tessera = shop.tessera
        made = tessera.api_keys.create(7, name="till")
        tessera.runtime.storage.sessions.suspend("", "7", until=shop.clock() + 100, at=shop.clock())
        assert told(shop.get("/who", made.key)) == (401, 4101, "session_suspension")
        with pytest.raises(Exception, match="suspended"):
            tessera.api_keys.create(7, name="another")
        assert len(tessera.api_keys.list(7)) == 1
        shop.clock.advance(100)
    assert shop.get("/who", made.key).status_code == 200


def test_a_key_of_a_user_who_is_gone_or_another_one_now_is_refused(new_site):
    stamps = {7: "first"}
    site = new_site(tessera={"user_stamp": lambda user: stamps[user.id]})
    site.app.register_blueprint(site.tessera.blueprint("api-keys"))

    @site.app.get("/who")
    @site.tessera.login_required
    def who():
        return {"id": site.tessera.current_user.id}

    with site.app.app_context():
        by_application = site.tessera.api_keys.create(site.users[7], name="till").key
    by_owner = make_key(site, site.login(site.users[7]).access_token)["key"]
    for key in (by_application, by_owner):
        assert site.get("/who", key).get_json() == {"id": 7}
        stamps[7] = "second"
        assert told(site.get("/who", key)) == (401, 4101, "user_gone")
        stamps[7] = "first"
    user = site.users.pop(7)
    assert told(site.get("/who", by_owner)) == (401, 4101, "user_gone")
    site.users[7] = user
    assert site.get("/who", by_owner).status_code == 200


def test_a_session_that_ends_while_it_makes_a_key_makes_none(new_site):
    storage = MemoryStorage()
    site = new_site(storage=storage)
    site.app.register_blueprint(site.tessera.blueprint("api-keys"))
    token = site.login().access_token
    put = storage.values.put

    def put_late(kind, *given, **named):
        if kind == "api_key":
            # The password is changed elsewhere, after the guard has let the request in.
            storage.values.put = put
            with site.app.app_context():
                site.tessera.revoke_user(7, "password_change")
        return put(kind, *given, **named)

    storage.values.put = put_late
    assert told(site.post("/auth/api-keys", token, json={"name": "till"})) == (401, 4101, "session_password_change")
    with site.app.app_context():
        assert site.tessera.api_keys.list(7) == []


# -- On the extension --------------------------------------------------------------------------------------------------


def test_the_application_makes_and_ends_keys_of_its_users(shop):
    with shop.app.app_context():
        keys = shop.tessera.api_keys
        made = keys.create(shop.users[7], name="till", scope="orders:read", expires_in=60, addresses=["127.0.0.1"])
        assert shop.get("/orders", made.key).status_code == 200
        shown = made._replace(key="", last_used_at=shop.clock() - shop.clock() % 60)
        assert keys.list(7) == [shown]
        assert keys.list(8) == []
        assert keys.rename(7, made.id, "other") == shown._replace(name="other")
        again = keys.rotate(7, made.id)
        assert again._replace(key="") == shown._replace(name="other")
        assert shop.get("/orders", made.key).status_code == 401
        assert shop.get("/orders", again.key).status_code == 200
        for call in (keys.rename, keys.rotate, keys.revoke):
            with pytest.raises(Exception, match="no such API key"):
                call(8, made.id, *(["name"] if call == keys.rename else []))
        assert keys.revoke(7, made.id) == shop.clock()
        assert keys.list(7) == []


@pytest.mark.parametrize("wanted", [{"expires_in": 1.5}, {"expires_in": True}, {"addresses": ["x"]}, {"name": ""}])
def test_the_application_is_told_what_cannot_be(shop, wanted):
    with shop.app.app_context(), pytest.raises(Exception, match=r"must be|name of|no IP"):
        shop.tessera.api_keys.create(7, **{"name": "till", **wanted})
