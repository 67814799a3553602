"""What a guard asks for beside a good token: its arguments, and the order in which they are checked."""

from __future__ import annotations

import pytest

from flask_tessera import ConfigError, login_required
from flask_tessera.web.requirements import guards_of, parse_requirements


def told(answer):
    return answer.status_code, answer.get_json()["error"]


def somebody(**has):
    return type("Somebody", (), {"id": 7, **has})()


def shop(new_site, user, is_async=False, **asked):
    """A site with a guarded view, whose only user is `user`."""
    site = new_site(loader=False)

    async def load_async(user_id):
        return user

    site.tessera.user_loader(load_async if is_async else lambda user_id: user)
    if is_async:

        @site.app.get("/view")
        @login_required(**asked)
        async def view():
            return "in"

    else:
        site.app.add_url_rule("/view", "view", login_required(**asked)(lambda: "in"))
    return site


@pytest.mark.parametrize(
    ("has", "is_let_in"),
    [
        ({"permissions": ["orders:read", "orders:write"]}, True),
        ({"permissions": {"orders:read", "orders:write", "more"}}, True),
        ({"permission": "orders:read", "permissions": ["orders:write"]}, True),
        ({"permissions": ["orders:read"]}, False),
        ({"permissions": ["orders:write"]}, False),
        ({"permission": "orders:read"}, False),
        ({"permission": "orders:read orders:write"}, False),
        ({"permissions": []}, False),
        ({"permission": None}, False),
        ({"permissions": ["Orders:Read", "orders:write"]}, False),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_every_permission_must_be_the_users(new_site, has, is_let_in, is_async):
    site = shop(new_site, somebody(**has), is_async, permission="orders:read orders:write")
    answer = site.get("/view", site.login().access_token)
    if is_let_in:
        assert answer.text == "in"
    else:
        assert told(answer) == (403, "scope_missing")
        assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("asked", "user", "what"),
    [
        ({"role": "admin"}, somebody(), "asks for a role, but 'Somebody' has neither role nor roles"),
        ({"permission": "x"}, somebody(role="admin"), "has neither permission nor permissions"),
        ({"role": "admin"}, somebody(roles=5), "the roles of a user is int, which names nothing"),
        ({"role": "admin"}, {"id": 7}, "'dict' has neither role nor roles"),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_H07_a_user_that_cannot_tell_its_role_is_a_500_with_a_hint_never_a_silent_403(
    new_site, asked, user, what, is_async
):
    site = shop(new_site, user, is_async, **asked)
    token = site.login().access_token
    assert site.get("/view", token).status_code == 500
    site.app.config["TESTING"] = True
    with pytest.raises(ConfigError) as caught:
        site.get("/view", token)
    assert what in str(caught.value)
    assert "@tessera.user_loader" in str(caught.value) or "give text, an Enum" in str(caught.value)


def test_H07_without_a_loader_a_role_is_a_500_with_a_hint(new_site):
    site = new_site(loader=False, TESTING=True)
    site.app.add_url_rule("/view", "view", login_required(role="admin")(lambda: "in"))
    with pytest.raises(ConfigError, match=r"register a @tessera\.user_loader"):
        site.get("/view", site.login().access_token)


def test_all_of_several_requirements_must_be_met(new_site):
    user = somebody(role="admin", permissions=["p"])
    site = shop(new_site, user, scope="s", role="admin owner", permission="p", fresh=60)
    assert site.get("/view", site.login(scope="s").access_token).text == "in"
    assert told(site.get("/view", site.login().access_token)) == (403, "scope_missing")
    user.role = "member"
    assert told(site.get("/view", site.login(scope="s").access_token)) == (403, "scope_missing")
    user.role, user.permissions = "owner", []
    assert told(site.get("/view", site.login(scope="s").access_token)) == (403, "scope_missing")
    user.permissions = ["p"]
    pair = site.login(scope="s")
    site.clock.advance(61)
    assert told(site.get("/view", pair.access_token)) == (401, "step_up_required")


def test_protect_takes_a_permission(new_site):
    site = new_site(loader=False)
    site.tessera.user_loader(lambda user_id: somebody(permissions=["p"] if user_id == 7 else []))
    site.tessera.protect(site.app, permission="p")
    site.app.add_url_rule("/view", "view", lambda: "in")
    assert site.get("/view", site.login(7).access_token).text == "in"
    assert told(site.get("/view", site.login(8).access_token)) == (403, "scope_missing")


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({}, "login"),
        ({"scope": "b a"}, "login, scope=a b"),
        ({"role": "owner admin", "permission": "x"}, "login, role=admin owner, permission=x"),
        ({"fresh": True}, "login, fresh=300"),
        ({"fresh": 60, "strict": True}, "login, fresh=60, strict"),
        ({"optional": True}, "login, optional=missing"),
        ({"optional": "invalid"}, "login, optional=invalid"),
        ({"transports": ("header", "cookie")}, "login, transports=cookie header"),
        ({"transports": ["cookie", "api_key", "header"]}, "login"),
    ],
)
def test_requirements_tell_themselves_in_words(asked, text):
    assert str(parse_requirements(**asked)) == text
    assert [str(each) for each in guards_of(login_required(**asked)(lambda: "in"))] == [text]


@pytest.mark.parametrize("name", ["scope", "role", "permission"])
def test_a_requirement_that_asks_for_nothing_says_what_to_do(name):
    with pytest.raises(TypeError, match=f"leave {name} out"):
        login_required(**{name: " "})


@pytest.mark.parametrize("transports", [(), "", "query", ("header", "ticket"), (None,)])
def test_a_transport_that_there_is_not_is_refused_when_the_view_is_decorated(transports):
    with pytest.raises(TypeError, match="transports must be one or more of api_key, cookie, header"):
        login_required(transports=transports)


def test_H02_a_token_in_another_place_than_the_view_accepts_is_as_good_as_an_invalid_one(new_site):
    token = (site := shop(new_site, somebody(), transports="cookie")).login().access_token
    assert told(site.get("/view", token)) == (401, "token_invalid")
    site = shop(new_site, somebody(), transports="header")
    assert site.get("/view", site.login().access_token).text == "in"
