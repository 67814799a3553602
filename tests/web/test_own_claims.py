"""Claims of the application's own in its access tokens: given at login, or by a loader at each issue."""

from __future__ import annotations

import copy
import datetime as dt
import pickle

import pytest

from flask_tessera import current_identity, login_required


def shop(new_site, **how):
    site = new_site(**how)
    site.app.register_blueprint(site.tessera.blueprint())

    @site.app.get("/claims")
    @login_required
    def view():
        return {**current_identity.claims}

    return site


def refreshed(site, refresh_token):
    answer = site.post("/auth/refresh", json={"refresh_token": refresh_token})
    assert answer.status_code == 200
    return answer.get_json()["data"]


GIVEN = {"tenant": 3, "tags": ["a", {"b": None}], "名": "值", "ratio": 1.5, "on": True}


@pytest.mark.parametrize("token_format", ["signed", "sealed"])
@pytest.mark.parametrize("storage", ["memory:", "sqlite"])
def test_claims_that_are_given_at_login_stay_through_every_refresh(new_site, tmp_path, token_format, storage):
    url = storage if storage == "memory:" else f"sqlite:///{tmp_path / 'tessera.db'}"
    site = shop(new_site, TESSERA_TOKEN_FORMAT=token_format, TESSERA_STORE_URL=url)
    pair = site.login(claims=GIVEN)
    assert site.get("/claims", pair.access_token).get_json() == GIVEN
    data = refreshed(site, pair.refresh_token)
    data = refreshed(site, data["refresh_token"])
    assert site.get("/claims", data["access_token"]).get_json() == GIVEN
    site.tessera.close(site.app)


def test_without_claims_there_are_none(new_site):
    site = shop(new_site)
    for claims in (None, {}):
        pair = site.login(claims=claims)
        assert site.get("/claims", pair.access_token).get_json() == {}


@pytest.mark.parametrize(
    "claims",
    [
        {"_stamp": "x"},
        {"_": 1},
        {5: "x"},
        pytest.param({"x": object()}, id="an object"),
        {"x": dt.datetime(2030, 1, 1, tzinfo=dt.UTC)},
        {"x": float("nan")},
        {"x": "y" * 2048},
        {"x": "\ud800"},
        ["x"],
        "xy",
        5,
    ],
    ids=repr,
)
def test_T08_claims_that_no_token_bears_begin_no_session(new_site, claims):
    site = shop(new_site)
    with site.app.app_context():
        with pytest.raises((ValueError, TypeError)):
            site.tessera.login(7, claims=claims)
        assert site.tessera.sessions(7) == []


def test_the_largest_claims_that_are_let_in_give_a_token_that_is_let_in(new_site):
    site = shop(new_site)
    claims = {"x": "y" * (2048 - len('{"x":""}'))}
    assert site.get("/claims", site.login(claims=claims).access_token).get_json() == claims
    claims["x"] += "y"
    with site.app.app_context(), pytest.raises(ValueError, match="2049 bytes"):
        site.tessera.login(7, claims=claims)


def test_H08_what_a_view_does_to_its_claims_stays_with_it(new_site):
    site = shop(new_site)

    @site.app.post("/claims")
    @login_required
    def change():
        current_identity.claims["tags"].append("admin")
        return {**current_identity.claims}

    token = site.login(claims={"tags": []}).access_token
    assert site.post("/claims", token).get_json() == {"tags": ["admin"]}
    assert site.get("/claims", token).get_json() == {"tags": []}
    with site.app.app_context(), pytest.raises(TypeError):
        site.tessera.verify(token).claims["role"] = "admin"


def test_what_was_given_may_change_afterwards(new_site):
    site = shop(new_site)
    claims = {"tags": []}
    pair = site.login(claims=claims)
    claims["tags"].append("later")
    assert site.get("/claims", pair.access_token).get_json() == {"tags": []}
    assert site.get("/claims", refreshed(site, pair.refresh_token)["access_token"]).get_json() == {"tags": []}


def test_an_identity_with_claims_can_be_copied_and_pickled(new_site):
    site = shop(new_site)
    with site.app.app_context():
        identity = site.tessera.verify(site.tessera.login(7, claims=GIVEN).access_token)
    for again in (pickle.loads(pickle.dumps(identity)), copy.deepcopy(identity)):
        assert (again.user_id, again.claims) == (7, GIVEN)


# The loader


@pytest.mark.parametrize("is_async", [False, True])
def test_the_loader_is_asked_at_login_and_at_each_refresh(new_site, is_async):
    site = shop(new_site)

    def load(user):
        return {"role": user.role}

    async def load_async(user):
        return load(user)

    site.tessera.claims_loader(load_async if is_async else load)
    with site.app.app_context():
        pair = site.tessera.login(site.users[7])
    assert site.get("/claims", pair.access_token).get_json() == {"role": "member"}
    site.users[7].role = "admin"
    assert site.get("/claims", pair.access_token).get_json() == {"role": "member"}
    data = refreshed(site, pair.refresh_token)
    assert site.get("/claims", data["access_token"]).get_json() == {"role": "admin"}


def test_a_login_by_id_loads_the_user_for_the_loader(new_site):
    site = shop(new_site)
    site.tessera.claims_loader(lambda user: {"name": user.name})
    assert site.get("/claims", site.login(7).access_token).get_json() == {"name": "user 7"}
    with site.app.app_context():
        assert site.tessera.verify(site.tessera.create_token(8)).claims == {"name": "user 8"}


def test_what_the_login_was_given_goes_before_what_the_loader_gives(new_site):
    site = shop(new_site)
    site.tessera.claims_loader(lambda user: {"tenant": 1, "role": user.role})
    pair = site.login(claims={"tenant": 3})
    assert site.get("/claims", pair.access_token).get_json() == {"tenant": 3, "role": "member"}
    data = refreshed(site, pair.refresh_token)
    assert site.get("/claims", data["access_token"]).get_json() == {"tenant": 3, "role": "member"}


@pytest.mark.parametrize("loaded", [None, {}])
def test_a_loader_may_give_nothing(new_site, loaded):
    site = shop(new_site)
    site.tessera.claims_loader(lambda user: loaded)
    assert site.get("/claims", site.login().access_token).get_json() == {}


@pytest.mark.parametrize("loaded", [{"_x": 1}, {"x": object()}, {"x": "y" * 3000}, ["x"], 5], ids=range(5))
def test_T08_a_loader_that_gives_what_no_token_bears_begins_no_session(new_site, loaded):
    site = shop(new_site)
    site.tessera.claims_loader(lambda user: loaded)
    with site.app.app_context():
        with pytest.raises((ValueError, TypeError)):
            site.tessera.login(7)
        assert site.tessera.sessions(7) == []


def test_an_async_loader_serves_async_views(new_site):
    site = shop(new_site)

    @site.tessera.claims_loader
    async def load(user):
        return {"name": user.name}

    @site.app.post("/signin")
    async def signin():
        return {"token": site.tessera.login(site.users[7]).access_token}

    token = site.post("/signin").get_json()["token"]
    assert site.get("/claims", token).get_json() == {"name": "user 7"}


def test_the_login_route_asks_the_loader(new_site):
    site = new_site()
    site.tessera.authenticator(lambda credentials: site.users[7])
    site.tessera.claims_loader(lambda user: {"name": user.name})
    site.app.register_blueprint(site.tessera.blueprint())
    site.app.add_url_rule("/claims", "claims", login_required(lambda: {**current_identity.claims}))
    token = site.post("/auth/login", json={"name": "x"}).get_json()["data"]["access_token"]
    assert site.get("/claims", token).get_json() == {"name": "user 7"}
