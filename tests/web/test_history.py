"""GET /auth/history: what has happened to the account of whoever asks."""

from __future__ import annotations

import pytest

from flask_tessera import ConfigError, Device


@pytest.fixture
def site(new_site):
    made = new_site(tessera={"audit": True})
    made.app.register_blueprint(made.tessera.blueprint("refresh", "logout", "history", "api-keys"))
    return made


def read(site, token, query=""):
    answer = site.get(f"/auth/history{query}", token)
    assert answer.status_code == 200, answer.json
    return answer.json["data"], answer.headers.get("Link", "")


def test_an_event_is_told_with_its_device_and_address(site):
    pair = site.login(device=Device(name="Ada's phone"))
    site.clock.advance(60)
    site.post("/auth/refresh", json={"refresh_token": pair.refresh_token})
    (event, begun), link = read(site, pair.access_token)
    device = {"type": "", "id": "", "name": "Ada's phone"}
    assert event == {
        "at": site.clock(),
        "event": "session_refreshed",
        "result": "success",
        "reason": "",
        "session_id": pair.session_id,
        "device": device,
        "ip": "127.0.0.1",
    }
    assert (begun["at"], begun["event"], begun["device"], link) == (site.clock() - 60, "session_started", device, "")


def test_why_a_session_ended_is_told_to_the_next_one(site):
    first, second = site.login(), site.login()
    with site.app.app_context():
        site.tessera.revoke_session(first.session_id)
    event = read(site, second.access_token)[0][0]
    assert (event["event"], event["reason"], event["session_id"]) == ("session_ended", "kick", first.session_id)


def test_pages_follow_each_other_and_pass_over_nothing(site):
    pairs = [site.login() for _ in range(7)]
    site.clock.advance(1)
    pairs += [site.login() for _ in range(3)]
    token, found, query = pairs[-1].access_token, [], "?limit=3"
    while query:
        events, link = read(site, token, query)
        found += [each["session_id"] for each in events]
        assert len(events) <= 3
        assert not link or link.endswith('>; rel="next"')
        query = link.removeprefix("<").partition(">")[0]
    assert found == [pair.session_id for pair in reversed(pairs)]


def test_before_takes_a_second_too(site):
    old = site.login()
    site.clock.advance(10)
    token = site.login().access_token
    for before, ids in ((site.clock(), [old.session_id]), (site.clock() - 10, []), (999_999_999_999, None)):
        events, _ = read(site, token, f"?before={before}")
        assert ids is None or [each["session_id"] for each in events] == ids
    assert len(events) == 2


@pytest.mark.parametrize(
    ("query", "member"),
    [
        *((f"limit={text}", "limit") for text in ("0", "201", "-1", "1.0", "x", "٣", "9" * 5000, "")),
        *((f"before={text}", "before") for text in ("x", "-1", "1-", "1-00", "٣", "1" * 13, "1-" + "G" * 14, "1\n")),
    ],
)
def test_what_cannot_be_asked_for_is_refused_by_name(site, query, member):
    answer = site.client.get(
        "/auth/history",
        query_string=query.replace("\n", "%0A"),
        headers={"z-token": site.login().access_token, "Accept-Language": "en"},
    )
    assert (answer.status_code, answer.json["error"]) == (400, "input_malformed")
    assert member in answer.json["msg"]


def test_S09_nobody_reads_it_without_a_session(site):
    with site.app.app_context():
        key = site.tessera.api_keys.create(7, name="cron").key
    assert [site.get("/auth/history", token).status_code for token in (None, "garbage", key)] == [401, 401, 401]


def test_an_address_is_told_only_after_a_recent_login_where_the_setting_asks_for_one(new_site):
    site = new_site(tessera={"audit": True}, TESSERA_DEVICES_FRESH=60)
    site.app.register_blueprint(site.tessera.blueprint("refresh", "history"))
    pair = site.login()
    site.post("/auth/refresh", json={"refresh_token": pair.refresh_token})
    assert read(site, pair.access_token)[0][0]["ip"] == "127.0.0.1"
    site.clock.advance(61)
    assert {each["ip"] for each in read(site, pair.access_token)[0]} == {""}


def test_S09_the_next_owner_of_an_id_is_not_told_what_happened_to_the_last_one(new_site):
    site = new_site(tessera={"audit": True, "user_stamp": lambda user: user.name})
    site.app.register_blueprint(site.tessera.blueprint("history"))
    token = site.login(site.users[7]).access_token
    site.users[7].name = "somebody else"
    assert site.get("/auth/history", token).status_code == 401


def test_without_a_history_there_is_no_endpoint(new_site):
    site = new_site()
    with pytest.raises(ConfigError, match=r"Tessera\(audit=True\)"):
        site.tessera.blueprint("history")
    site.app.register_blueprint(site.tessera.blueprint())
    assert site.get("/auth/history").status_code == 404


def test_with_one_it_is_among_the_endpoints_that_need_not_be_named(new_site):
    site = new_site(tessera={"audit": True})
    site.app.register_blueprint(site.tessera.blueprint())
    assert site.get("/auth/history").status_code == 401


def test_F02_a_storage_that_is_away_is_answered_as_everywhere(new_site, broken_storage):
    site = new_site(storage=broken_storage, tessera={"audit": True})
    site.app.register_blueprint(site.tessera.blueprint("history"))
    token = site.login().access_token
    site.get("/auth/history", token)
    broken_storage.values.is_broken = True
    broken_storage.is_broken = True
    assert site.get("/auth/history", token).status_code == 503
