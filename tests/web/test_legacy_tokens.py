"""Tokens of the old application: let in until a date, exchanged once, ended like all others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flask_tessera import login_required

DATA = json.loads((Path(__file__).resolve().parents[1] / "data" / "legacy-tokens.json").read_text(encoding="utf-8"))
GOOD = [each for each in DATA["tokens"] if each["good_at"] and set(each["payload"]) == {"id"}]
BAD = [each for each in DATA["tokens"] if not each["good_at"]]
PLAIN = next(each for each in GOOD if each["algorithm"] == "HS512" and each["salt"] is None)
ISSUED = PLAIN["iat"]
LATE = ISSUED + 9 * 31_536_000


def old_site(new_site, sample=PLAIN, *, until=LATE, at=None, **how):
    """A site that lets the old application's tokens in, at a second in which the sample is good."""
    legacy = {"secret": sample["secret"], "algorithm": sample["algorithm"], "until": until}
    if sample["salt"]:
        legacy["salt"] = sample["salt"]
    site = new_site(TESSERA_LEGACY=legacy, **how)
    site.users[sample["payload"].get("id", 42)] = type(site.users[7])(sample["payload"].get("id", 42))
    site.clock.set(at or (sample["good_at"] or [sample["iat"]])[0])
    site.app.register_blueprint(site.tessera.blueprint())
    site.app.add_url_rule("/who", "who", login_required(lambda: {"id": site.tessera.current_user.id}))
    return site


def told(answer):
    return answer.status_code, answer.get_json()["error"]


@pytest.mark.parametrize("sample", GOOD, ids=lambda each: f"{each['made_by']}: {each['note']}")
def test_M02_what_the_old_releases_really_made_opens_views_and_is_exchanged(new_site, sample):
    user_id = sample["payload"]["id"]
    site = old_site(new_site, sample, tessera={"user_id_type": type(user_id)})
    site.users[user_id] = type(site.users[7])(user_id)
    assert site.get("/who", sample["token"]).get_json() == {"id": user_id}
    answer = site.post("/auth/exchange", sample["token"])
    assert site.get("/who", answer.get_json()["data"]["access_token"]).get_json() == {"id": user_id}


@pytest.mark.parametrize("sample", BAD, ids=lambda each: f"{each['made_by']}: {each['note']}")
def test_M03_tokens_for_other_purposes_and_of_other_shapes_log_nobody_in(new_site, sample):
    algorithm = sample["algorithm"] if sample["algorithm"].startswith("HS") else "HS512"
    site = old_site(new_site, {**sample, "secret": PLAIN["secret"], "algorithm": algorithm})
    for answer in (site.get("/who", sample["token"]), site.post("/auth/exchange", sample["token"])):
        assert answer.status_code == 401


def test_M01_without_the_setting_old_tokens_are_garbage_and_there_is_no_exchange(new_site):
    site = new_site()
    site.clock.set(ISSUED)
    site.app.register_blueprint(site.tessera.blueprint())
    site.app.add_url_rule("/who", "who", login_required(lambda: "in"))
    assert told(site.get("/who", PLAIN["token"])) == (401, "token_invalid")
    assert told(site.post("/auth/exchange", PLAIN["token"])) == (404, "not_found")


def test_M01_after_the_date_old_tokens_are_refused_though_the_process_has_run_since_before(new_site):
    site = old_site(new_site, until=ISSUED + 60)
    assert site.get("/who", PLAIN["token"]).status_code == 200
    site.clock.set(ISSUED + 60)
    assert told(site.get("/who", PLAIN["token"])) == (401, "token_expired")
    assert told(site.post("/auth/exchange", PLAIN["token"])) == (401, "token_expired")


def test_M05_an_old_token_is_exchanged_once_and_opens_nothing_afterwards(new_site):
    site = old_site(new_site)
    assert site.post("/auth/exchange", PLAIN["token"]).status_code == 200
    assert told(site.post("/auth/exchange", PLAIN["token"])) == (401, "token_expired")
    assert told(site.get("/who", PLAIN["token"])) == (401, "token_expired")


def test_A01_an_old_token_makes_no_api_key_however_young_it_is(new_site):
    site = old_site(new_site)
    site.app.register_blueprint(site.tessera.blueprint("api-keys", name="keys"))
    assert site.get("/auth/api-keys", PLAIN["token"]).get_json()["data"] == []
    answer = site.post("/auth/api-keys", PLAIN["token"], json={"name": "till"})
    assert told(answer) == (401, "step_up_required")


def test_M05_an_old_token_is_no_refresh_token(new_site):
    site = old_site(new_site)
    assert told(site.post("/auth/refresh", json={"refresh_token": PLAIN["token"]})) == (401, "token_invalid")


@pytest.mark.parametrize("action", ["revoke_user", "suspend"])
def test_M05_what_ends_a_users_sessions_ends_the_old_tokens(new_site, action):
    site = old_site(new_site)
    with site.app.app_context():
        getattr(site.tessera, action)(PLAIN["payload"]["id"])
    for answer in (site.get("/who", PLAIN["token"]), site.post("/auth/exchange", PLAIN["token"])):
        assert told(answer)[1] == ("session_suspension" if action == "suspend" else "session_kick")


def test_M05_a_user_who_is_gone_exchanges_nothing(new_site):
    site = old_site(new_site)
    site.users.clear()
    assert told(site.post("/auth/exchange", PLAIN["token"])) == (401, "user_gone")
    assert told(site.get("/who", PLAIN["token"])) == (401, "user_gone")


def test_M04_a_new_token_is_not_exchanged_though_the_secret_is_one(new_site):
    site = old_site(new_site)
    pair = site.login(PLAIN["payload"]["id"])
    assert told(site.post("/auth/exchange", pair.access_token)) == (401, "token_invalid")
    assert told(site.post("/auth/exchange", pair.refresh_token)) == (401, "token_invalid")
    assert told(site.post("/auth/exchange")) == (401, "token_missing")


@pytest.mark.parametrize("by", ["endpoint", "view"])
def test_an_old_token_logs_out_for_good(new_site, by):
    site = old_site(new_site)
    site.app.add_url_rule("/out", "out", login_required(lambda: str(site.tessera.logout().sessions)), methods=["POST"])
    assert site.post("/auth/logout" if by == "endpoint" else "/out", PLAIN["token"]).status_code == 200
    assert told(site.get("/who", PLAIN["token"])) == (401, "token_expired")


def test_logging_out_of_everything_by_an_old_token_ends_it_too(new_site):
    site = old_site(new_site)
    pair = site.login(PLAIN["payload"]["id"])
    answer = site.post("/auth/logout", PLAIN["token"], json={"which": "all"})
    assert answer.get_json()["data"]["ended"] == [pair.session_id]
    assert told(site.get("/who", PLAIN["token"])) == (401, "session_kick")


def test_an_old_token_has_neither_scope_nor_a_session_but_an_age(new_site):
    site = old_site(new_site)
    site.app.add_url_rule("/scope", "scope", login_required(scope="orders")(lambda: "in"))
    site.app.add_url_rule("/fresh", "fresh", login_required(fresh=True)(lambda: "in"))
    with site.app.app_context():
        identity = site.tessera.verify(PLAIN["token"])
    assert (identity.session_id, identity.scopes, identity.authenticated_at) == ("", frozenset(), ISSUED)
    assert told(site.get("/scope", PLAIN["token"])) == (403, "scope_missing")
    assert site.get("/fresh", PLAIN["token"]).status_code == 200
    site.clock.advance(301)
    assert told(site.get("/fresh", PLAIN["token"])) == (401, "step_up_required")


def test_the_session_of_an_exchange_is_as_old_as_the_login_behind_it(new_site):
    site = old_site(new_site)
    site.clock.advance(100)
    token = site.post("/auth/exchange", PLAIN["token"]).get_json()["data"]["access_token"]
    with site.app.app_context():
        assert site.tessera.verify(token).authenticated_at == ISSUED


def test_an_old_token_under_an_async_guard_finds_its_user(new_site):
    site = old_site(new_site)

    @site.tessera.user_loader
    async def load(user_id):
        return site.users.get(user_id)

    @site.app.get("/async")
    @login_required
    async def view():
        return {"id": site.tessera.current_user.id}

    assert site.get("/async", PLAIN["token"]).get_json() == {"id": PLAIN["payload"]["id"]}
