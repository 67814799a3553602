"""refresh, logout, me, sessions: the life of a session over HTTP."""

from __future__ import annotations

import pytest

from flask_tessera import ConfigError, Tessera, login_required, signals
from flask_tessera.testing import race
from tests.far import far_storage

from .conftest import age


@pytest.fixture
def shop(site):
    site.tessera.user_view(
        lambda user: {"id": user.id, "name": user.name, "session": site.tessera.current_identity.session_id}
    )
    site.app.register_blueprint(site.tessera.blueprint())
    return age(site)


def refresh(site, token):
    return site.post("/auth/refresh", json={"refresh_token": token})


def data_of(answer):
    assert answer.status_code == 200, answer.text
    return answer.get_json()["data"]


def told(answer):
    return answer.status_code, answer.get_json()["code"], answer.get_json()["error"]


# refresh


def test_a_refresh_token_buys_the_next_pair_of_the_same_session(shop):
    pair = shop.login(scope="orders", amr=["pwd"])
    data = data_of(refresh(shop, pair.refresh_token))
    assert data["session_id"] == pair.session_id
    assert data["refresh_token"] != pair.refresh_token
    assert shop.get("/who", data["access_token"]).get_json() == {"id": 7, "session": pair.session_id}


def test_R04_a_lost_reply_is_given_again_within_the_leeway(shop):
    pair = shop.login()
    first = data_of(refresh(shop, pair.refresh_token))
    shop.clock.advance(15)
    again = data_of(refresh(shop, pair.refresh_token))
    assert again["refresh_token"] == first["refresh_token"]


def test_R05_a_spent_token_ends_the_session_and_tells_both_signals(shop):
    pair = shop.login()
    current = data_of(refresh(shop, pair.refresh_token))
    for _ in range(2):
        shop.clock.advance(60)
        current = data_of(refresh(shop, current["refresh_token"]))
    heard = []

    def hear(name):
        return lambda sender, event: heard.append((name, event.reason, event.session.user_id))

    reused, ended = hear("reused"), hear("ended")
    with signals.token_reused.connected_to(reused), signals.session_ended.connected_to(ended):
        assert told(refresh(shop, pair.refresh_token)) == (401, 4101, "session_reuse")
    assert heard == [("reused", "reuse", "7"), ("ended", "reuse", "7")]
    assert told(refresh(shop, current["refresh_token"])) == (401, 4101, "session_reuse")
    assert told(shop.get("/who", current["access_token"])) == (401, 4101, "session_reuse")


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        ({}, 400, "input_malformed"),
        ({"refresh_token": None}, 400, "input_malformed"),
        ({"refresh_token": 5}, 400, "input_malformed"),
        ({"refresh_token": ["tsr_"]}, 400, "input_malformed"),
        ([], 400, "input_malformed"),
        ({"refresh_token": ""}, 401, "token_invalid"),
        ({"refresh_token": "tsr_"}, 401, "token_invalid"),
        ({"refresh_token": "é" * 70}, 401, "token_invalid"),
        ({"refresh_token": "tsr_" + "A" * 66}, 401, "token_invalid"),
        ({"refresh_token": "x" * 10_000}, 401, "token_invalid"),
    ],
)
def test_R08_garbage_is_refused_and_ends_nothing(shop, body, status, slug):
    pair = shop.login()
    assert told(shop.post("/auth/refresh", json=body))[::2] == (status, slug)
    assert refresh(shop, pair.refresh_token).status_code == 200


def test_R08_every_mutant_of_a_refresh_token_is_refused_and_ends_nothing(shop):
    pair = shop.login()
    text = pair.refresh_token
    for position in range(len(text)):
        mutant = text[:position] + ("A" if text[position] != "A" else "B") + text[position + 1 :]
        assert told(refresh(shop, mutant)) == (401, 4101, "token_invalid")
    assert refresh(shop, text).status_code == 200


def test_R07_a_session_ends_when_idle_and_in_any_case_at_its_last_day(shop):
    idle = shop.login()
    shop.clock.advance(30 * 86_400)
    assert told(refresh(shop, idle.refresh_token)) == (401, 4101, "session_expiry")
    kept = shop.login().refresh_token
    for _ in range(4):
        shop.clock.advance(22 * 86_400)
        answer = data_of(refresh(shop, kept))
        kept = answer["refresh_token"]
    assert answer["refresh_expires_in"] == 2 * 86_400
    shop.clock.advance(2 * 86_400)
    assert told(refresh(shop, kept)) == (401, 4101, "session_expiry")


def test_R09_a_user_who_is_gone_at_refresh_loses_the_session_for_good(shop):
    pair = shop.login()
    user = shop.users.pop(7)
    heard = []

    def hear(sender, event):
        heard.append(event.reason)

    with signals.session_ended.connected_to(hear):
        assert told(refresh(shop, pair.refresh_token)) == (401, 4101, "user_gone")
    assert heard == ["user_gone"]
    shop.users[7] = user
    assert told(refresh(shop, pair.refresh_token)) == (401, 4101, "session_user_gone")
    assert told(shop.get("/who", pair.access_token)) == (401, 4101, "session_user_gone")


def test_R09_a_suspended_user_cannot_refresh(shop):
    pair = shop.login()
    with shop.app.app_context():
        shop.tessera.suspend(7)
    assert told(refresh(shop, pair.refresh_token)) == (401, 4101, "session_suspension")


def test_R03_sixteen_tabs_refresh_at_once_and_all_go_on(shop):
    pair = shop.login()
    answers = race(16, lambda _: data_of(refresh(shop, pair.refresh_token)))
    assert len({answer["refresh_token"] for answer in answers}) == 1
    assert all(shop.get("/who", answer["access_token"]).status_code == 200 for answer in answers)


# logout


def logout(site, token=None, **body):
    return site.post("/auth/logout", token, json=body or None)


def test_S01_logout_ends_this_session_and_no_other(shop):
    mine, other = shop.login(), shop.login()
    data = data_of(logout(shop, mine.access_token))
    assert data == {"ended": [mine.session_id], "effective_by": shop.clock()}
    assert told(shop.get("/who", mine.access_token)) == (401, 4101, "session_logout")
    assert told(refresh(shop, mine.refresh_token)) == (401, 4101, "session_logout")
    assert shop.get("/who", other.access_token).status_code == 200


@pytest.mark.parametrize("by", ["access", "expired", "refresh", "old refresh"])
def test_logout_works_with_either_token_and_twice(shop, by):
    pair = shop.login()
    token, body = pair.access_token, {}
    if by == "expired":
        shop.clock.advance(10_000)
    elif by != "access":
        token, body = None, {"refresh_token": pair.refresh_token}
        if by == "old refresh":
            data_of(refresh(shop, pair.refresh_token))
    for _ in range(2):
        assert data_of(logout(shop, token, **body))["ended"] == [pair.session_id]
    assert told(refresh(shop, pair.refresh_token))[2] == "session_logout"


def test_logout_of_a_session_that_is_forgotten_is_a_success(shop):
    pair = shop.login()
    shop.clock.advance(200 * 86_400)
    with shop.app.app_context():
        shop.tessera.runtime.storage.sessions.purge(at=shop.clock(), most=100)
    assert data_of(logout(shop, pair.access_token))["ended"] == []
    assert told(logout(shop, refresh_token=pair.refresh_token))[2] == "token_invalid"


def test_S02_logout_of_the_others_keeps_this_one_at_once(shop):
    mine, other, third = shop.login(), shop.login(), shop.login()
    stranger = shop.login(8)
    assert set(data_of(logout(shop, mine.access_token, which="others"))["ended"]) == {
        other.session_id,
        third.session_id,
    }
    assert shop.get("/who", mine.access_token).status_code == 200
    assert refresh(shop, mine.refresh_token).status_code == 200
    assert [shop.get("/who", each.access_token).status_code for each in (other, third, stranger)] == [401, 401, 200]
    assert refresh(shop, other.refresh_token).status_code == 401


@pytest.mark.parametrize("by_refresh_token", [False, True])
def test_S02_logout_of_all_ends_all(shop, by_refresh_token):
    mine, other = shop.login(), shop.login()
    answer = (
        logout(shop, which="all", refresh_token=mine.refresh_token)
        if by_refresh_token
        else logout(shop, mine.access_token, which="all")
    )
    assert set(data_of(answer)["ended"]) == {mine.session_id, other.session_id}
    for each in (mine, other):
        assert shop.get("/who", each.access_token).status_code == 401
        assert refresh(shop, each.refresh_token).status_code == 401
    assert shop.get("/who", shop.login().access_token).status_code == 200


@pytest.mark.parametrize("which", ["others", "all"])
@pytest.mark.parametrize("state", ["expired", "ended", "refresh of an ended one"])
def test_a_token_that_is_no_longer_good_ends_no_other_session(shop, which, state):
    mine, other = shop.login(), shop.login()
    token, body = mine.access_token, {"which": which}
    if state == "expired":
        shop.clock.advance(901)
    else:
        data_of(logout(shop, mine.access_token))
    if state.startswith("refresh"):
        token, body = None, {"which": which, "refresh_token": mine.refresh_token}
    assert logout(shop, token, **body).status_code == 401
    assert refresh(shop, other.refresh_token).status_code == 200


@pytest.mark.parametrize(
    ("token", "body", "status", "slug"),
    [
        (None, {}, 401, "token_missing"),
        ("garbage", {}, 401, "token_invalid"),
        ("", {}, 401, "token_invalid"),
        (None, {"refresh_token": "garbage"}, 401, "token_invalid"),
        ("good", {"which": "them"}, 400, "input_malformed"),
        ("good", {"refresh_token": 5}, 400, "input_malformed"),
        ("good", {"refresh_token": "garbage"}, 401, "token_invalid"),
    ],
)
def test_a_logout_by_garbage_is_refused_and_ends_nothing(shop, token, body, status, slug):
    pair = shop.login()
    answer = logout(shop, pair.access_token if token == "good" else token, **body)
    assert told(answer)[::2] == (status, slug)
    assert shop.get("/who", pair.access_token).status_code == 200


def test_members_of_a_logout_that_are_null_count_as_absent(shop):
    mine, other = shop.login(), shop.login()
    data = data_of(shop.post("/auth/logout", mine.access_token, json={"which": None, "refresh_token": None}))
    assert data["ended"] == [mine.session_id]
    assert shop.get("/who", other.access_token).status_code == 200


@pytest.mark.parametrize("which", ["others", "all"])
def test_R05_a_spent_refresh_token_ends_its_own_session_only_whatever_it_asks_for(shop, which):
    mine, other = shop.login(), shop.login()
    current = data_of(refresh(shop, mine.refresh_token))
    for _ in range(2):
        shop.clock.advance(60)
        current = data_of(refresh(shop, current["refresh_token"]))
    assert told(logout(shop, which=which, refresh_token=mine.refresh_token)) == (401, 4101, "session_reuse")
    assert told(refresh(shop, current["refresh_token"])) == (401, 4101, "session_reuse")
    assert refresh(shop, other.refresh_token).status_code == 200


@pytest.mark.parametrize("which", ["others", "all"])
def test_R05_the_predecessor_of_the_newest_refresh_token_ends_nothing(shop, which):
    mine, other = shop.login(), shop.login()
    current = data_of(refresh(shop, mine.refresh_token))
    assert told(logout(shop, which=which, refresh_token=mine.refresh_token)) == (401, 4101, "token_invalid")
    assert shop.get("/who", current["access_token"]).status_code == 200
    assert shop.get("/who", other.access_token).status_code == 200
    ended = set(data_of(logout(shop, which=which, refresh_token=current["refresh_token"]))["ended"])
    assert ended == {other.session_id, *([mine.session_id] if which == "all" else [])}


def test_a_logout_needs_no_body_whatever_its_type(shop):
    for content_type in (None, "text/plain", "application/json"):
        pair = shop.login()
        assert shop.post("/auth/logout", pair.access_token, content_type=content_type).status_code == 200


def test_logout_by_a_token_of_another_realm_or_application_is_refused(shop, new_site):
    stranger = new_site(tessera={"realm": "admin"}).login()
    assert told(logout(shop, stranger.access_token))[2] == "token_invalid"
    assert told(logout(shop, refresh_token=stranger.refresh_token))[2] == "token_invalid"


# effective_by


@pytest.mark.parametrize(("mode", "wait"), [("strict", 0), ("bounded", 0), ("stateless", 900)])
def test_S01_the_reply_tells_by_when_every_worker_refuses_the_token(new_site, mode, wait):
    site = new_site(TESSERA_REVOCATION=mode)
    site.app.register_blueprint(site.tessera.blueprint())
    site.app.add_url_rule("/who", "who", login_required(lambda: "in"))
    pair = site.login()
    assert data_of(logout(site, pair.access_token))["effective_by"] == site.clock() + wait
    site.clock.advance(wait)
    assert site.get("/who", pair.access_token).status_code == 401


def test_without_a_log_a_long_lived_token_is_told_to_live_on(new_site):
    site = new_site(TESSERA_REVOCATION="stateless")
    with site.app.app_context():
        site.tessera.create_token(7, expires_in=86_400)
        assert site.tessera.revoke_user(7).effective_by == site.clock() + 86_400


def test_the_bound_of_the_storage_is_told(new_site):
    site = new_site(storage=far_storage())
    pair = site.login()
    with site.app.app_context():
        assert site.tessera.revoke_session(pair.session_id).effective_by == site.clock() + 2


# me


def test_me_shows_what_the_user_view_shows(shop):
    pair = shop.login()
    assert data_of(shop.get("/auth/me", pair.access_token)) == {"id": 7, "name": "user 7", "session": pair.session_id}
    del shop.users[7]
    assert told(shop.get("/auth/me", pair.access_token)) == (401, 4101, "user_gone")
    assert told(shop.get("/auth/me")) == (401, 4103, "token_missing")


def test_a_user_view_that_gives_no_json_is_a_500_and_shows_nothing(new_site):
    site = new_site()
    site.tessera.user_view(lambda user: user)
    site.app.register_blueprint(site.tessera.blueprint())
    answer = site.get("/auth/me", site.login().access_token)
    assert answer.status_code == 500
    assert "User" not in answer.text


def test_me_may_be_async(new_site):
    site = new_site()

    @site.tessera.user_loader
    async def load(user_id):
        return site.users[user_id]

    @site.tessera.user_view
    async def view(user):
        return {"id": user.id}

    site.app.register_blueprint(site.tessera.blueprint("me", url_prefix="/i"))
    assert data_of(site.get("/i/me", site.login().access_token)) == {"id": 7}


# sessions


def test_the_own_sessions_are_listed_and_the_present_one_is_told(shop):
    first = shop.login(device=_device("phone"))
    shop.clock.advance(5)
    second = shop.login(device=_device("desktop"))
    shop.login(8)
    with shop.app.app_context():
        shop.tessera.revoke_session(shop.login().session_id)
    listed = data_of(shop.get("/auth/sessions", second.access_token))
    assert [(each["device"]["type"], each["current"]) for each in listed] == [("phone", False), ("desktop", True)]
    assert [each["session_id"] for each in listed] == [first.session_id, second.session_id]
    assert sum(each["current"] for each in listed) == 1


def _device(kind):
    from flask_tessera import Device

    return Device(type=kind)


def test_a_listed_session_shows_nothing_to_time_a_theft_by(shop):
    shop.clock.set(shop.clock() // 60 * 60 + 37)
    pair = shop.login()
    (before,) = [each for each in _listed(shop, pair.access_token) if each["current"]]
    assert set(before) == {
        "session_id",
        "current",
        "created_at",
        "last_seen_at",
        "expires_at",
        "device",
        "ip",
        "user_agent",
    }
    assert before["last_seen_at"] == before["created_at"] == shop.clock()
    shop.clock.advance(20)
    again = data_of(refresh(shop, pair.refresh_token))
    (after,) = [each for each in _listed(shop, again["access_token"]) if each["current"]]
    assert after == before
    shop.clock.advance(30)
    again = data_of(refresh(shop, again["refresh_token"]))
    (later,) = [each for each in _listed(shop, again["access_token"]) if each["current"]]
    assert later["last_seen_at"] == shop.clock() // 60 * 60 == shop.clock() - 27


def _listed(site, token):
    return data_of(site.get("/auth/sessions", token))


def test_an_own_session_is_ended_from_another_one_at_once(shop):
    mine, other = shop.login(), shop.login()
    for _ in range(2):
        answer = shop.request("DELETE", f"/auth/sessions/{other.session_id}", mine.access_token)
        assert data_of(answer) == {"ended": [other.session_id], "effective_by": shop.clock()}
    assert told(shop.get("/who", other.access_token))[2] == "session_kick"
    assert shop.get("/who", mine.access_token).status_code == 200


def test_S09_nobody_sees_or_ends_anothers_session(shop):
    mine, theirs = shop.login(7), shop.login(8)
    answer = shop.request("DELETE", f"/auth/sessions/{theirs.session_id}", mine.access_token)
    unknown = shop.request("DELETE", f"/auth/sessions/{'A' * 22}", mine.access_token)
    assert (answer.status_code, answer.data) == (404, unknown.data)
    assert shop.get("/who", theirs.access_token).status_code == 200
    assert theirs.session_id not in shop.get("/auth/sessions", mine.access_token).text


@pytest.mark.parametrize("sid", ["x", "A" * 21, "A" * 23, "A" * 22 + "=", "%00", "é", "..", "A" * 5000, "tsr_x"])
def test_S09_a_session_of_no_name_is_a_404(shop, sid):
    assert shop.request("DELETE", f"/auth/sessions/{sid}", shop.login().access_token).status_code == 404


def test_H05_wrong_verbs_are_405_and_say_what_is_allowed(shop):
    for method, path, allowed in (
        ("GET", "/auth/refresh", {"POST", "OPTIONS"}),
        ("PUT", "/auth/logout", {"POST", "OPTIONS"}),
        ("POST", "/auth/sessions", {"GET", "HEAD", "OPTIONS"}),
        ("GET", "/auth/sessions/x", {"DELETE", "OPTIONS"}),
    ):
        answer = shop.request(method, path, headers={"X-HTTP-Method-Override": "POST"})
        assert (answer.status_code, set(answer.headers["Allow"].split(", "))) == (405, allowed)


def test_B04_getting_changes_nothing(shop):
    pair = shop.login()
    for path in ("/auth/logout", "/auth/refresh", f"/auth/sessions/{pair.session_id}"):
        for method in ("GET", "HEAD"):
            assert shop.request(method, path, pair.access_token).status_code == 405
    assert shop.get("/who", pair.access_token).status_code == 200


# Where the routes go


def test_the_routes_go_where_the_setting_says_unless_told_otherwise(new_site):
    site = new_site(TESSERA_URL_PREFIX="/account")
    site.app.register_blueprint(site.tessera.blueprint("sessions"))
    site.app.register_blueprint(site.tessera.blueprint("sessions", name="second", url_prefix="/second"))
    site.app.register_blueprint(site.tessera.blueprint("sessions", name="third"), url_prefix="/third")
    found = {rule.rule for rule in site.app.url_map.iter_rules() if rule.rule.endswith("/sessions")}
    assert found == {"/account/sessions", "/second/sessions", "/third/sessions"}


def test_a_blueprint_may_stand_in_another(new_site):
    from flask import Blueprint

    site = new_site()
    outer = Blueprint("api", "api", url_prefix="/api")
    outer.register_blueprint(site.tessera.blueprint("refresh"))
    site.app.register_blueprint(outer)
    assert site.post("/api/auth/refresh", json={"refresh_token": site.login().refresh_token}).status_code == 200


def test_two_realms_at_one_place_are_refused_where_the_second_is_registered(new_site):
    site = new_site()
    staff = Tessera(realm="staff", clock=site.clock)
    staff.init_app(site.app)
    site.app.register_blueprint(site.tessera.blueprint())
    with pytest.raises(ConfigError, match=r"the realms '' and 'staff' both have /auth/refresh.*url_prefix"):
        site.app.register_blueprint(staff.blueprint())


def test_two_realms_may_share_a_path_of_which_they_have_other_methods(new_site):
    site = new_site()
    staff = Tessera(realm="staff", clock=site.clock)
    staff.init_app(site.app)
    site.app.register_blueprint(site.tessera.blueprint("sessions"))
    site.app.register_blueprint(staff.blueprint("refresh"))
    assert site.post("/auth/refresh", json={"refresh_token": site.login().refresh_token}).status_code == 401
    assert site.get("/auth/sessions", site.login().access_token).status_code == 200


def test_the_endpoints_may_be_at_two_places(new_site):
    site = new_site()
    site.app.register_blueprint(site.tessera.blueprint())
    site.app.register_blueprint(site.tessera.blueprint(name="v2"), url_prefix="/v2/auth")
    for prefix in ("/auth", "/v2/auth"):
        body = {"refresh_token": site.login().refresh_token}
        assert site.post(f"{prefix}/refresh", json=body).status_code == 200


TWO_PLACES = r"realm '' has the endpoint refresh below '/auth' and '/v2/auth'.*TESSERA_COOKIES.*one blueprint"


def test_with_cookies_the_refresh_is_at_one_place(new_site):
    """Its cookie is sent to one path; below the other one nobody would stay logged in."""
    site = new_site(TESSERA_COOKIES=True)
    site.app.register_blueprint(site.tessera.blueprint())
    site.app.register_blueprint(site.tessera.blueprint("logout", name="more", url_prefix="/v2/auth"))
    with pytest.raises(ConfigError, match=TWO_PLACES):
        site.app.register_blueprint(site.tessera.blueprint(name="v2"), url_prefix="/v2/auth")


def test_that_the_refresh_is_at_two_places_is_found_where_cookies_are_turned_on_later(new_site):
    site = new_site(TESTING=True)
    site.app.register_blueprint(site.tessera.blueprint())
    site.app.register_blueprint(site.tessera.blueprint(name="v2"), url_prefix="/v2/auth")
    site.app.config["TESSERA_COOKIES"] = True
    with pytest.raises(ConfigError, match=TWO_PLACES):
        site.get("/")


def test_the_library_registers_no_route_by_itself(new_site):
    assert [rule.rule for rule in new_site().app.url_map.iter_rules()] == ["/static/<path:filename>"]


def test_only_the_chosen_endpoints_are_there(new_site):
    site = new_site()
    site.app.register_blueprint(site.tessera.blueprint("refresh", "logout", "refresh"))
    rules = {rule.rule for rule in site.app.url_map.iter_rules()}
    assert rules == {"/static/<path:filename>", "/auth/refresh", "/auth/logout"}
