"""Users who are gone, and others who have come in under their ids."""

from __future__ import annotations

import pytest

from flask_tessera import ConfigError, Tessera, current_user, login_required

from .conftest import User


class Born(User):
    """A user whose row tells when it was made."""

    def __init__(self, id, born):  # noqa: A002 - as users have it
        super().__init__(id)
        self.born = born


def stamp(user):
    return user.born


@pytest.fixture
def new_shop(new_site):
    def make(**how):
        site = new_site(tessera={"user_stamp": stamp, **how.pop("tessera", {})}, **how)
        site.users.update({number: Born(number, f"2030-01-0{number}") for number in (7, 8)})
        site.app.register_blueprint(site.tessera.blueprint())
        site.app.add_url_rule("/who", "who", login_required(lambda: {"id": current_user.id}))
        site.app.add_url_rule("/blind", "blind", login_required(lambda: "in"))
        site.app.add_url_rule(
            "/lenient", "lenient", login_required(optional="invalid")(lambda: str(bool(current_user)))
        )
        return site

    return make


def told(answer):
    return answer.status_code, answer.get_json()["error"]


def succeed(site):
    """The user is deleted, and another one registers and is given the same id."""
    site.users[7] = Born(7, "2031-06-01")


@pytest.mark.parametrize("storage", ["memory:", "sqlite"])
def test_the_next_owner_of_an_id_is_not_taken_for_who_had_logged_in(new_shop, tmp_path, storage):
    url = storage if storage == "memory:" else f"sqlite:///{tmp_path / 'tessera.db'}"
    site = new_shop(TESSERA_STORE_URL=url)
    pair = site.login()
    assert site.get("/who", pair.access_token).get_json() == {"id": 7}
    succeed(site)
    assert told(site.get("/who", pair.access_token)) == (401, "user_gone")
    assert site.get("/lenient", pair.access_token).text == "False"
    with site.app.app_context():
        assert site.tessera.verify_token(pair.access_token) is None
        assert site.tessera.verify_token(site.tessera.create_token(7)) is site.users[7]
    assert told(site.post("/auth/refresh", json={"refresh_token": pair.refresh_token})) == (401, "user_gone")
    assert told(site.get("/blind", pair.access_token)) == (401, "session_user_gone")
    assert site.get("/who", site.login().access_token).get_json() == {"id": 7}
    site.tessera.close(site.app)


def test_a_refresh_keeps_the_stamp(new_shop):
    site = new_shop()
    pair = site.login()
    data = site.post("/auth/refresh", json={"refresh_token": pair.refresh_token}).get_json()["data"]
    assert site.get("/who", data["access_token"]).status_code == 200
    succeed(site)
    assert told(site.get("/who", data["access_token"])) == (401, "user_gone")


def test_without_a_stamp_the_id_is_all_that_is_known(new_site):
    site = new_site()
    site.app.add_url_rule("/who", "who", login_required(lambda: {"id": current_user.id}))
    pair = site.login()
    succeed(site)
    assert site.get("/who", pair.access_token).status_code == 200


def test_sessions_that_were_begun_before_the_setting_go_on(new_shop, new_site):
    from flask_tessera.storage.memory import MemoryStorage

    storage = MemoryStorage()
    before = new_site(storage=storage)
    pair = before.login()
    site = new_shop(storage=storage)
    assert site.get("/who", pair.access_token).status_code == 200
    assert site.post("/auth/refresh", json={"refresh_token": pair.refresh_token}).status_code == 200


def test_the_token_shows_a_digest_of_the_stamp_and_no_claim_of_it(new_shop):
    site = new_shop()
    with site.app.app_context():
        one, two = site.tessera.verify(site.login(7).access_token), site.tessera.verify(site.login(8).access_token)
        again = site.tessera.verify(site.login(7).access_token)
    assert one.user_stamp == again.user_stamp != two.user_stamp
    assert len(one.user_stamp) == 12
    assert "2030" not in one.user_stamp
    assert one.claims == {}


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_stamp_of_nothing_begins_no_session(new_shop, nothing):
    site = new_shop()
    site.users[7].born = nothing
    with site.app.app_context():
        with pytest.raises(ValueError, match="user_stamp gave nothing"):
            site.tessera.login(site.users[7])
        assert site.tessera.sessions(7) == []


def test_an_async_loader_is_looked_at_too(new_site):
    site = new_site(loader=False, tessera={"user_stamp": stamp})
    site.users.update({7: Born(7, "2030")})

    @site.tessera.user_loader
    async def load(user_id):
        return site.users.get(user_id)

    @site.app.get("/async")
    @login_required
    async def view():
        return {"id": current_user.id}

    with site.app.app_context():
        pair = site.tessera.login(site.users[7])
    assert site.get("/async", pair.access_token).get_json() == {"id": 7}
    succeed(site)
    assert told(site.get("/async", pair.access_token)) == (401, "user_gone")


def test_an_exchange_of_an_old_token_keeps_the_stamp(new_shop):
    from .test_legacy_tokens import ISSUED, LATE, PLAIN

    legacy = {"secret": PLAIN["secret"], "algorithm": PLAIN["algorithm"], "until": LATE}
    site = new_shop(TESSERA_LEGACY=legacy)
    user_id = PLAIN["payload"]["id"]
    site.users[user_id] = Born(user_id, "2030")
    site.clock.set(ISSUED)
    token = site.post("/auth/exchange", PLAIN["token"]).get_json()["data"]["access_token"]
    assert site.get("/who", token).status_code == 200
    site.users[user_id] = Born(user_id, "2031")
    assert told(site.get("/who", token)) == (401, "user_gone")


# load_user


def test_by_default_a_view_that_never_looks_at_the_user_lets_a_gone_one_in(new_shop):
    site = new_shop()
    pair = site.login()
    site.loads.clear()
    del site.users[7]
    assert site.get("/blind", pair.access_token).text == "in"
    assert site.loads == []


@pytest.mark.parametrize("change", [succeed, lambda site: site.users.pop(7)])
@pytest.mark.parametrize("is_protected", [False, True])
def test_load_user_always_refuses_who_is_gone_wherever_a_guard_is(new_shop, change, is_protected):
    site = new_shop(tessera={"load_user": "always"})
    if is_protected:
        site.tessera.protect(site.app)
        site.app.add_url_rule("/unguarded", "unguarded", lambda: "in")
    path = "/unguarded" if is_protected else "/blind"
    pair = site.login()
    site.loads.clear()
    assert site.get(path, pair.access_token).text == "in"
    assert site.loads == [7]
    change(site)
    assert told(site.get(path, pair.access_token)) == (401, "user_gone")


def test_load_user_always_works_with_an_async_loader_that_is_registered_later(new_site):
    site = new_site(loader=False, tessera={"load_user": "always"})
    site.app.add_url_rule("/blind", "blind", login_required(lambda: "in"))

    @site.tessera.user_loader
    async def load(user_id):
        return site.users.get(user_id)

    pair = site.login()
    assert site.get("/blind", pair.access_token).text == "in"
    del site.users[7]
    assert told(site.get("/blind", pair.access_token)) == (401, "user_gone")


@pytest.mark.parametrize("word", ["never", "", None, True])
def test_load_user_takes_its_two_words_only(word):
    with pytest.raises(ConfigError, match="load_user"):
        Tessera(load_user=word)


@pytest.mark.parametrize("load_user", ["when_used", "always"])
def test_S09_the_former_owner_of_an_id_neither_sees_nor_ends_the_next_ones_sessions(new_shop, load_user):
    site = new_shop(tessera={"load_user": load_user})
    old = site.login(site.users[7])
    succeed(site)
    new = site.login(site.users[7])
    refused = (401, "user_gone")
    assert told(site.get("/auth/sessions", old.access_token)) == refused
    assert told(site.request("DELETE", f"/auth/sessions/{new.session_id}", old.access_token)) == refused
    assert told(site.post("/auth/logout", old.access_token, json={"which": "others"})) == refused
    assert told(site.post("/auth/logout", json={"which": "all", "refresh_token": old.refresh_token})) == refused
    assert site.get("/who", new.access_token).status_code == 200


@pytest.mark.parametrize("error", [RuntimeError, AttributeError])
def test_H07_a_stamp_that_cannot_be_made_is_an_error_and_not_nobody(new_shop, error):
    site = new_shop()
    pair = site.login()

    def fail(user):
        raise error("no such column")

    with site.app.app_context():
        site.tessera.runtime.hooks.user_stamp = fail
    assert site.get("/who", pair.access_token).status_code == 500
