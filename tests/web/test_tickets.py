"""Tickets of an application: what is issued, where one lets somebody in, and that it does so nowhere else."""

from __future__ import annotations

import datetime as dt
import pickle
import re

import pytest
from flask import Blueprint, redirect
from flask.views import MethodView

from flask_tessera import (
    ConfigError,
    LoginRefusedError,
    RedeemedTicket,
    Tessera,
    TicketInvalidError,
    TokenInvalidError,
    UserGoneError,
    current_identity,
    current_user,
    login_required,
)
from flask_tessera.storage.memory import MemoryStorage
from flask_tessera.web.endpoints import ENDPOINTS
from flask_tessera.web.requirements import guards_of

from .conftest import make_site
from .people import People, Person

PURPOSES = ("download", "other")


@pytest.fixture
def site():
    return ticket_site()


def ticket_site(**more):
    """A site with `/file` for tickets of the purpose "download", `/who` without, and our own endpoints."""
    users = People({number: Person(number) for number in (7, 8)})
    given = {"ticket_purposes": PURPOSES, "audit": True, "users": users, **more.pop("tessera", {})}
    site = make_site(tessera=given, **more)
    tessera = site.tessera
    tessera.authenticator(lambda credentials: site.users[7])
    tessera.user_view(lambda user: {"id": user.id})

    @site.app.route("/file", methods=["GET", "POST"])
    @login_required(ticket="download")
    def file():
        return {"id": current_user.id, "by": current_identity.credential, "data": current_identity.ticket_data}

    site.app.add_url_rule("/who", "who", login_required(lambda: {"id": current_user.id}))
    site.app.register_blueprint(tessera.blueprint(*ENDPOINTS))
    return site


def ask(site, pair, **body):
    return site.post("/auth/tickets", pair.access_token, json={"purpose": "download", **body})


def ticket_of(site, pair, **body):
    return ask(site, pair, **body).get_json()["data"]["ticket"]


def issue(site, purpose="download", **how):
    with site.app.app_context():
        return site.tessera.issue_ticket(purpose, **how)


def told(answer):
    return answer.status_code, answer.get_json().get("error", "")


INVALID = (401, "ticket_invalid")


# -- POST /auth/tickets ------------------------------------------------------------------------------------------------


def test_the_endpoint_gives_a_ticket_of_the_present_session(site):
    pair = site.login()
    answer = ask(site, pair, expires_in=30)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    data = answer.get_json()["data"]
    assert (data["purpose"], data["expires_in"], data["ticket"][:4], len(data["ticket"])) == (
        "download",
        30,
        "tst_",
        62,
    )
    assert list(data) == ["ticket", "purpose", "expires_in"]
    assert ask(site, pair).get_json()["data"]["expires_in"] == 60


@pytest.mark.parametrize(
    "body",
    [
        {"purpose": "upload"},
        {"purpose": ""},
        {"purpose": 7},
        {"purpose": None},
        {"purpose": "tessera:reset"},
        {"expires_in": 0},
        {"expires_in": 3601},
        {"expires_in": "60"},
        {"expires_in": True},
        {"expires_in": 1.5},
        {"audience": ""},
        {"audience": 5},
        {"audience": "a\nb"},
        {"audience": "/" * 2049},
        {"audience": "reports/5"},
        {"audience": "https://shop.example"},
    ],
)
def test_what_may_not_be_asked_for_is_malformed_input(site, body):
    answer = ask(site, site.login(), **body)
    assert told(answer) == (400, "input_malformed")
    assert answer.get_json()["msg"] == f"参数错误：{next(iter(body))}"


def test_a_user_asks_for_sixty_tickets_a_minute_and_for_more_in_the_next(site):
    first, second, other = site.login(), site.login(), site.login(8)
    answers = [ask(site, pair) for pair in [first, second] * 30]
    assert {answer.status_code for answer in answers} == {200}
    answer = ask(site, second)
    assert told(answer) == (429, "too_many_requests")
    assert (answer.get_json()["code"], answer.headers["Retry-After"]) == (4201, "60")
    assert ask(site, other).status_code == 200, "each user for himself"
    with site.app.app_context():
        assert site.tessera.issue_ticket("download", user=7), "what the application issues is not counted"
    site.clock.advance(60)
    assert ask(site, first).status_code == 200


def test_nobody_gets_a_ticket_and_no_api_key_does(site):
    assert told(site.post("/auth/tickets", json={"purpose": "download"})) == (401, "token_missing")
    with site.app.app_context():
        key = site.tessera.api_keys.create(7, name="till").key
    assert told(site.post("/auth/tickets", key, json={"purpose": "download"})) == (401, "token_invalid")


def test_without_purposes_the_endpoint_is_there_only_when_asked_for_and_gives_nothing():
    plain = make_site()
    plain.app.register_blueprint(plain.tessera.blueprint())
    plain.app.register_blueprint(plain.tessera.blueprint("tickets", name="tickets", url_prefix="/more"))
    pair = plain.login()
    assert plain.post("/auth/tickets", pair.access_token).status_code == 404
    answer = plain.post("/more/tickets", pair.access_token, json={"purpose": "download"})
    assert told(answer) == (400, "input_malformed")


@pytest.mark.parametrize("purposes", ["download", ["a", ""], ["tessera:x"], [7]])
def test_purposes_that_are_none_are_refused(purposes):
    with pytest.raises(ConfigError, match="ticket_purposes"):
        Tessera(ticket_purposes=purposes)


# -- the guard ---------------------------------------------------------------------------------------------------------


def test_Q01_a_ticket_lets_its_owner_in_once(site):
    text = ticket_of(site, site.login())
    assert site.get(f"/file?ticket={text}").get_json() == {"id": 7, "by": "ticket", "data": None}
    assert told(site.get(f"/file?ticket={text}")) == INVALID


def test_every_ticket_that_is_not_good_gets_one_and_the_same_answer(site):
    pair = site.login()
    used, expired, ended = (
        ticket_of(site, pair),
        ticket_of(site, pair, expires_in=5),
        ticket_of(site, other := site.login()),
    )
    site.get(f"/file?ticket={used}")
    with site.app.app_context():
        site.tessera.revoke_session(other.session_id)
    site.clock.advance(5)
    texts = [
        used,
        expired,
        ended,
        ticket_of(site, pair, purpose="other"),
        ticket_of(site, pair, audience="/files"),
        issue(site),
        issue(make_site()),
        "tst_" + "A" * 58,
        "",
        "x",
        "%00",
        "%ff",
    ]
    answers = {
        (each.status_code, each.data, str(each.headers)) for each in (site.get(f"/file?ticket={t}") for t in texts)
    }
    assert len(answers) == 1
    answer = site.get(f"/file?ticket={used}")
    assert answer.status_code == 401
    assert (answer.get_json()["code"], answer.get_json()["error"]) == (4101, "ticket_invalid")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_Q02_no_other_method_reads_a_ticket(site, method):
    text = ticket_of(site, site.login())
    answer = site.request(method, f"/file?ticket={text}")
    assert answer.status_code == {"PUT": 405, "DELETE": 405, "OPTIONS": 200}.get(method, 401)
    assert site.get(f"/file?ticket={text}").status_code == 200


def test_Q02_a_method_override_makes_no_get(site):
    text = ticket_of(site, site.login())
    assert site.post(f"/file?ticket={text}", headers={"X-HTTP-Method-Override": "GET"}).status_code == 401


def test_Q02_no_other_route_reads_a_ticket_and_none_takes_one_in_a_header(site):
    text = ticket_of(site, site.login())
    assert told(site.get(f"/who?ticket={text}")) == (401, "token_missing")
    for path in ("/who", "/file"):
        assert told(site.get(path, text)) == (401, "token_invalid")
        assert told(site.get(path, headers={"Authorization": f"Bearer {text}"})) == (401, "token_invalid")
    assert site.get(f"/file?ticket={text}").status_code == 200


def test_a_request_without_a_ticket_goes_the_usual_way(site):
    pair = site.login()
    assert site.get("/file?tickets=1&x=ticket", pair.access_token).get_json()["by"] == "access"
    assert site.post("/file", pair.access_token).get_json()["by"] == "access"
    assert told(site.get("/file")) == (401, "token_missing")
    assert told(site.get("/file?other=tst_")) == (401, "token_missing")


def test_H02_a_ticket_beside_a_token_in_a_header_is_ambiguous_and_not_used_up(site):
    pair = site.login()
    text = ticket_of(site, pair)
    assert told(site.get(f"/file?ticket={text}", pair.access_token)) == (400, "token_ambiguous")
    assert told(site.get(f"/file?ticket={text}", "")) == (400, "token_ambiguous")
    bearer = {"Authorization": f"Bearer {pair.access_token}"}
    assert told(site.get(f"/file?ticket={text}", headers=bearer)) == (400, "token_ambiguous")
    basic = {"Authorization": "Basic eDp5"}
    assert site.get(f"/file?ticket={text}", headers=basic).status_code == 200


def test_beside_a_cookie_the_ticket_counts():
    site = ticket_site(TESSERA_COOKIES=True)
    text, other = issue(site, user=7), site.login(8)
    browser = site.client
    browser.set_cookie("__Host-tessera", other.access_token)
    assert browser.get("/file").get_json()["id"] == 8
    assert browser.get(f"/file?ticket={text}").get_json()["id"] == 7
    assert told(browser.get(f"/file?ticket={text}")) == INVALID


@pytest.mark.parametrize("query", ["ticket={0}&ticket={0}", "ticket={0}&ticket=", "ticket=x&%74icket={0}"])
def test_H02_two_tickets_are_none(site, query):
    text = ticket_of(site, site.login())
    assert told(site.get("/file?" + query.format(text))) == INVALID
    assert site.get(f"/file?a=b&ticket={text}&c").status_code == 200


def test_a_ticket_may_be_written_with_percent_signs(site):
    text = ticket_of(site, site.login())
    assert site.get("/file?ticket=" + text.replace("_", "%5F")).status_code == 200


def test_Q01_a_ticket_for_a_path_is_good_there_only():
    site = ticket_site()
    site.app.add_url_rule("/f/<path:name>", "f", login_required(ticket="download")(lambda name: name))
    pair = site.login()
    text = ticket_of(site, pair, audience="/f/a b/é")
    for path in ("/file", "/f/a", "/f/a%20b", "/f/a%20b/%C3%A9/"):
        assert told(site.get(f"{path}?ticket={text}")) == INVALID
    assert site.get(f"/f/a%20b/%C3%A9?ticket={text}").status_code == 200
    below = ticket_of(site, pair, audience="/below/file")
    assert told(site.get(f"/file?ticket={below}")) == INVALID
    assert site.get(f"/file?ticket={below}", base_url="http://localhost/below/").status_code == 200


def test_Q01_a_ticket_for_a_host_is_good_there_only(site):
    text = ticket_of(site, site.login(), audience="Files.example:8443")
    for place in ("http://files.example", "http://localhost", "https://files.example:8444"):
        assert told(site.get(f"/file?ticket={text}", base_url=place)) == INVALID
    assert site.get(f"/file?ticket={text}", base_url="https://files.example:8443").status_code == 200


def test_what_the_login_could_do_its_ticket_can():
    site = make_site()
    guards = {
        "scope": {"scope": "files:read"},
        "more": {"scope": "files:write"},
        "fresh": {"fresh": 100},
        "role": {"role": "member"},
        "none": {"role": "admin"},
        "strict": {"strict": True},
        "cookie": {"transports": "cookie"},
        "maybe": {"optional": True},
    }
    for name, asked in guards.items():
        guard = login_required(ticket="download", **asked)
        site.app.add_url_rule(f"/{name}", name, guard(lambda: str(current_user and current_user.id)))
    site.app.add_url_rule("/issue", "issue", login_required(lambda: site.tessera.issue_ticket("download")))
    pair = site.login(scope="files:read")

    def reach(name):
        return site.get(f"/{name}?ticket={site.get('/issue', pair.access_token).text}").status_code

    expected = dict.fromkeys(guards, 200) | {"more": 403, "none": 403}
    assert {name: reach(name) for name in guards} == expected
    site.clock.advance(101)
    assert {name: reach(name) for name in guards} == expected | {"fresh": 401}
    assert site.get("/maybe?ticket=x").status_code == 401
    assert site.get("/maybe").text == "None"


def test_a_bad_ticket_is_nobody_where_that_was_asked_for():
    site = make_site()
    view = login_required(ticket="download", optional="invalid")(lambda: str(bool(current_user)))
    site.app.add_url_rule("/maybe", "maybe", view)
    assert site.get("/maybe?ticket=x").text == "False"
    assert site.get(f"/maybe?ticket={issue(site, user=7)}").text == "True"


def test_Q01_a_user_who_is_gone_is_refused_whatever_the_view_looks_at():
    site = make_site()
    site.app.add_url_rule("/file", "file", login_required(ticket="download")(lambda: "in"))
    texts = [issue(site, user=7) for _ in range(2)]
    assert site.get(f"/file?ticket={texts[0]}").text == "in"
    del site.users[7]
    assert told(site.get(f"/file?ticket={texts[1]}")) == (401, "user_gone")


def test_the_next_owner_of_an_id_is_not_let_in_by_the_ticket_of_the_last_one():
    site = make_site(tessera={"user_stamp": lambda user: user.name})
    site.app.add_url_rule("/file", "file", login_required(ticket="download")(lambda: "in"))
    site.app.add_url_rule("/issue", "issue", login_required(lambda: site.tessera.issue_ticket("download")))
    texts = [issue(site, user=7), site.get("/issue", site.login().access_token).text]
    site.users[7].name = "somebody else"
    for text in texts:
        assert told(site.get(f"/file?ticket={text}")) == (401, "user_gone")


@pytest.mark.parametrize("is_async", [False, True])
def test_an_async_view_and_an_async_loader_work_too(is_async):
    site = make_site(loader=False)

    async def load(user_id):
        return site.users.get(user_id)

    site.tessera.user_loader(load)
    if is_async:

        @site.app.get("/file")
        @login_required(ticket="download")
        async def view():
            return str(current_user.id)

    else:
        site.app.add_url_rule("/file", "file", login_required(ticket="download")(lambda: str(current_user.id)))
    text = issue(site, user=7)
    assert site.get(f"/file?ticket={text}").text == "7"
    assert told(site.get(f"/file?ticket={text}")) == INVALID


def test_two_guards_of_one_view_use_a_ticket_once_and_one_that_reads_none_still_asks():
    site = make_site()
    both = login_required(ticket="download")(login_required(ticket="download", role="member")(lambda: "in"))
    site.app.add_url_rule("/both", "both", both)
    site.app.add_url_rule("/one", "one", login_required(login_required(ticket="download")(lambda: "in")))
    assert site.get(f"/both?ticket={issue(site, user=7)}").text == "in"
    assert told(site.get(f"/one?ticket={issue(site, user=7)}")) == (401, "token_missing")


def test_who_came_by_a_ticket_of_no_session_can_end_none():
    site = make_site()
    logout, others = (login_required(ticket="x")(end) for end in (site.tessera.logout, site.tessera.revoke_others))
    site.app.add_url_rule("/out", "out", logout)
    site.app.add_url_rule("/others", "others", others)
    pair = site.login()
    for path in ("/out", "/others"):
        assert told(site.get(f"{path}?ticket={issue(site, 'x', user=7)}")) == (401, "token_invalid")
    with site.app.app_context():
        assert [each.user_id for each in site.tessera.sessions(7)] == ["7"]
        assert site.tessera.verify(pair.access_token).user_id == 7


@pytest.mark.parametrize("where", ["guarded", "open"])
def test_A04_neither_an_api_key_nor_a_ticket_makes_tickets(where):
    site = ticket_site()
    for path, how in (("/own", {}), ("/named", {"user": 8})):

        def view(how=how):
            return site.tessera.issue_ticket("download", **how)

        site.app.add_url_rule(path, path, login_required(view) if where == "guarded" else view)
        site.app.add_url_rule(f"/ticket{path}", f"ticket{path}", login_required(ticket="download")(view))
    with site.app.app_context():
        key = site.tessera.api_keys.create(7, name="till").key
    pair = site.login()
    assert told(site.get("/own", key)) == (401, "token_invalid")
    for text in (issue(site, user=7), ticket_of(site, pair)):
        assert told(site.get(f"/ticket/own?ticket={text}")) == (401, "token_invalid")
    texts = [site.get("/named", key).text, site.get(f"/ticket/named?ticket={issue(site, user=7)}").text]
    texts.append(site.get("/own", pair.access_token).text)
    assert [site.get(f"/file?ticket={text}").get_json()["id"] for text in texts] == [8, 8, 7]


def test_Q01_applications_of_one_secret_and_storage_keep_their_tickets_apart():
    storage = MemoryStorage()
    named = [{"TESSERA_AUDIENCE": "shop"}, {"TESSERA_AUDIENCE": "bank"}, {"TESSERA_ISSUER": "shop"}, {}]
    shop, *others, same = (ticket_site(storage=storage, **each) for each in (*named, named[0]))
    texts = [issue(shop, user=7), ticket_of(shop, shop.login())]
    for other in others:
        assert [told(other.get(f"/file?ticket={text}")) for text in texts] == [INVALID, INVALID]
        with other.app.app_context(), pytest.raises(TicketInvalidError):
            other.tessera.redeem_ticket(texts[0], "download")
    # None of these took a use.
    assert [same.get(f"/file?ticket={text}").status_code for text in texts] == [200, 200]


def test_the_ticket_of_another_realm_is_none():
    site = make_site()
    admin = Tessera(realm="admin", user_id_type=int)
    admin.init_app(site.app)
    site.app.add_url_rule("/admin", "admin", admin.login_required(ticket="download")(lambda: "in"))
    with site.app.app_context():
        theirs = admin.issue_ticket("download", user=7)
    assert told(site.get(f"/admin?ticket={issue(site, user=7)}")) == INVALID
    assert site.get(f"/admin?ticket={theirs}").text == "in"


def test_the_guard_refuses_what_is_no_purpose():
    for purpose in ("", None, 7, "x" * 65, "tessera:reset"):
        with pytest.raises(TypeError, match="ticket="):
            login_required(ticket=purpose)


def test_a_guard_says_that_it_reads_tickets(site):
    assert [str(each) for each in guards_of(site.app.view_functions["file"])] == ["login, ticket=download"]


def test_Q02_a_guard_over_many_routes_reads_no_tickets(site):
    with pytest.raises(TypeError, match="a ticket is for one route"):
        site.tessera.protect(site.app, ticket="download")
    made = make_site()
    made.app.before_request(login_required(ticket="download")(lambda: None))
    made.app.testing = True
    with pytest.raises(ConfigError, match="before_request serves other routes too"):
        made.get("/")


# -- what the answers say ----------------------------------------------------------------------------------------------


def private(answer):
    return answer.headers["Referrer-Policy"], answer.headers["Cache-Control"]


PRIVATE = ("no-referrer", "no-store")


def test_Q03_a_route_that_reads_tickets_always_says_that_it_is_private():
    site = make_site()
    blueprint = Blueprint("files", __name__)

    @blueprint.get("/file")
    @login_required(ticket="download")
    def file():
        return redirect("https://elsewhere.example/"), {
            "Referrer-Policy": "unsafe-url",
            "Cache-Control": "public, max-age=60",
        }

    @blueprint.get("/broken")
    @login_required(ticket="download")
    def broken():
        raise ZeroDivisionError

    class Files(MethodView):
        @login_required(ticket="download")
        def get(self):
            return "in", {"Referrer-Policy": "unsafe-url"}

    @blueprint.after_request
    @site.app.after_request
    def talisman(response):
        response.headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
        return response

    site.app.add_url_rule("/class", view_func=Files.as_view("class"))
    site.app.add_url_rule("/plain", "plain", lambda: "in")
    site.app.register_blueprint(blueprint)
    for path, status in (("/file", 302), ("/broken", 500), ("/class", 200)):
        answer = site.get(f"{path}?ticket={issue(site, user=7)}")
        assert (answer.status_code, private(answer)) == (status, PRIVATE)
        assert private(site.get(f"{path}?ticket=x")) == PRIVATE
        assert private(site.get(path)) == PRIVATE
        for method in ("OPTIONS", "HEAD"):
            assert private(site.request(method, f"{path}?ticket=x")) == PRIVATE
    assert "Cache-Control" not in site.get("/plain").headers


def test_Q03_whatever_holds_a_ticket_is_private_where_there_are_routes_that_read_some(site):
    site.app.add_url_rule("/feed/", "feed", login_required(ticket="download")(lambda: "in"))
    site.app.add_url_rule("/plain", "plain", lambda: "in")
    for method, path, status in (
        ("GET", "/feed", 308),
        ("DELETE", "/file", 405),
        ("GET", "/nowhere", 404),
        ("GET", "/plain", 200),
    ):
        for query in ("ticket=x", "a=1&ticket=x"):
            answer = site.request(method, f"{path}?{query}")
            assert (answer.status_code, private(answer)) == (status, PRIVATE)
        for query in ("", "?tickets=x&a=ticket"):
            assert "Referrer-Policy" not in site.request(method, f"{path}{query}").headers


def test_Q03_what_ends_a_request_before_its_guard_says_so_too(site):
    site.app.before_request(lambda: ("down for maintenance", 503))
    assert private(site.get("/file?ticket=x")) == PRIVATE
    assert "Referrer-Policy" not in site.get("/who").headers


def test_an_application_without_such_routes_pays_nothing():
    site = make_site()
    site.app.add_url_rule("/who", "who", login_required(lambda: "in"))
    site.get("/who", site.login().access_token)
    assert not site.app.after_request_funcs.get(None)


# -- crossing ----------------------------------------------------------------------------------------------------------


OPEN = (
    *("login", "script", "codes", "register", "reset_password", "links", "link", "submit_link"),
    "passkey_login_options",
)
"""Endpoints that ask for nothing which a ticket could stand for."""


def test_Q02_a_ticket_is_no_other_credential_at_any_of_our_endpoints(site):
    text = ticket_of(site, site.login())
    places = [
        (re.sub("<.*>", "x", rule.rule), method)
        for rule in ours(site)
        for method in rule.methods - {"OPTIONS"}
        if rule.endpoint.partition(".")[2] not in OPEN
    ]
    assert len(places) >= 30
    for path, method in places:
        sent = {"refresh_token": text, "purpose": "download", "ticket": text, "totp": "000000"}
        body = {"json": sent} if method in {"POST", "PATCH"} else {}
        for presented in ({"headers": {"z-token": text}}, {"headers": {"Authorization": f"Bearer {text}"}}):
            assert site.request(method, path, **presented, **body).status_code in (401, 404), (path, method)
        assert site.request(method, f"{path}?ticket={text}", **body).status_code in (401, 404), (path, method)
    assert site.get(f"/file?ticket={text}").status_code == 200


def ours(site):
    return [rule for rule in site.app.url_map.iter_rules() if rule.rule.startswith("/auth/")]


def test_Q02_no_other_credential_is_a_ticket(site):
    pair = site.login()
    with site.app.app_context():
        key = site.tessera.api_keys.create(7, name="till").key
    others = [pair.access_token, pair.refresh_token, key, "tst_" + key[4:], pair.session_id]
    for text in others:
        assert told(site.get(f"/file?ticket={text}")) == INVALID
        with site.app.app_context(), pytest.raises(TicketInvalidError):
            site.tessera.redeem_ticket(text, "download")
    assert site.get("/file", key).get_json()["by"] == "api_key"
    assert site.post("/auth/refresh", json={"refresh_token": pair.refresh_token}).status_code == 200


def test_Q02_a_ticket_verifies_as_nothing(site):
    text = issue(site, user=7)
    with site.app.app_context():
        assert site.tessera.verify_token(text) is None
        with pytest.raises(TokenInvalidError):
            site.tessera.verify(text)
        assert site.tessera.redeem_ticket(text, "download").user_id == 7


# -- by name -----------------------------------------------------------------------------------------------------------


def test_a_ticket_is_redeemed_by_name_and_tells_all(site):
    text = issue(site, user=site.users[7], data={"n": (1, 2)}, uses=2)
    with site.app.app_context():
        ticket = site.tessera.redeem_ticket(text, "download")
        assert ticket == RedeemedTicket("download", "", 7, "", {"n": [1, 2]}, site.users[7])
        with pytest.raises(TicketInvalidError):
            site.tessera.redeem_ticket(text, "other")
        site.tessera.redeem_ticket(text, "download")
        with pytest.raises(TicketInvalidError):
            site.tessera.redeem_ticket(text, "download")
    with pytest.raises(AttributeError):
        ticket.user_id = 8


def test_a_ticket_of_nobody_is_redeemed_by_name_only(site):
    text = issue(site, data="x")
    assert told(site.get(f"/file?ticket={text}")) == INVALID
    text = issue(site, data="x")
    with site.app.app_context():
        assert site.tessera.redeem_ticket(text, "download") == RedeemedTicket("download", "", None, "", "x", None)


def test_a_ticket_is_bound_to_the_session_of_the_present_request(site):
    site.app.add_url_rule("/mine", "mine", login_required(lambda: site.tessera.issue_ticket("download")))
    site.app.add_url_rule("/open", "open", lambda: site.tessera.issue_ticket("download"))
    site.app.add_url_rule("/theirs", "theirs", login_required(lambda: site.tessera.issue_ticket("download", user=8)))
    pair = site.login()
    texts = [site.get(path, pair.access_token).text for path in ("/mine", "/open", "/theirs")]
    nobody_s = site.get("/open").text
    with site.app.app_context():
        found = [site.tessera.redeem_ticket(text, "download") for text in (*texts, nobody_s)]
    assert [(each.user_id, each.session_id) for each in found] == [
        (7, pair.session_id),
        (7, pair.session_id),
        (8, ""),
        (None, ""),
    ]


def test_S03_a_suspended_user_gets_no_ticket(site):
    with site.app.app_context():
        site.tessera.suspend(7)
        with pytest.raises(LoginRefusedError):
            site.tessera.issue_ticket("download", user=7)


def test_Q01_an_audience_must_be_compared_with_something(site):
    texts = [issue(site, user=7, audience="/in", uses=9) for _ in range(2)]
    anywhere = issue(site, user=7, uses=9)
    with site.app.app_context():
        for how in ({}, {"audience": "/out"}, {"audience": ""}):
            with pytest.raises(TicketInvalidError):
                site.tessera.redeem_ticket(texts[0], "download", **how)
        with pytest.raises(TicketInvalidError):
            site.tessera.redeem_ticket(anywhere, "download", audience="/in")
        assert site.tessera.redeem_ticket(texts[0], "download", audience="/in").audience == "/in"
    with site.app.test_request_context("/in"):
        assert site.tessera.redeem_ticket(texts[1], "download").audience == "/in"
        with pytest.raises(TicketInvalidError):
            site.tessera.redeem_ticket(texts[1], "download", audience="/out")
    with site.app.test_request_context("/out"), pytest.raises(TicketInvalidError):
        site.tessera.redeem_ticket(texts[1], "download")


def test_a_user_who_is_gone_has_no_ticket_redeemed(site):
    text = issue(site, user=7)
    del site.users[7]
    with site.app.app_context(), pytest.raises(UserGoneError):
        site.tessera.redeem_ticket(text, "download")


@pytest.mark.parametrize("span", [1, 3600, dt.timedelta(hours=1)])
def test_Q01_a_ticket_lives_for_so_long(site, span):
    text, seconds = issue(site, user=7, expires_in=span), int(getattr(span, "total_seconds", lambda: span)())
    late = issue(site, user=7, expires_in=span)
    site.clock.advance(seconds - 1)
    assert site.get(f"/file?ticket={text}").status_code == 200
    site.clock.advance(1)
    assert told(site.get(f"/file?ticket={late}")) == INVALID


@pytest.mark.parametrize(
    "wrong",
    [
        {"expires_in": 0},
        {"expires_in": 3601},
        {"expires_in": dt.timedelta(hours=2)},
        {"expires_in": dt.timedelta(microseconds=1)},
        {"expires_in": 1.5},
        {"expires_in": True},
        {"expires_in": "60"},
        {"uses": 0},
        {"uses": 1001},
        {"uses": True},
        {"uses": 1.0},
        {"audience": ""},
        {"audience": 7},
        {"audience": "/a\r\nb"},
        {"purpose": ""},
        {"purpose": "x" * 65},
        {"data": object()},
        {"data": "x" * 3000},
        {"user": ""},
    ],
)
def test_what_is_out_of_range_is_a_value_error(site, wrong):
    with pytest.raises(ValueError, match=r"."):
        issue(site, **wrong)


def test_a_ticket_s_identity_can_be_pickled(site):
    pickled = login_required(ticket="download")(lambda: pickle.dumps(site.tessera.identify()))
    site.app.add_url_rule("/pickle", "pickle", pickled)
    text = issue(site, user=7, data=[1])
    identity = pickle.loads(site.get(f"/pickle?ticket={text}").data)
    assert (identity.user_id, identity.credential, identity.ticket_data) == (7, "ticket", [1])
