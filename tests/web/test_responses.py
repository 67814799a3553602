"""What goes out: forms, texts, status and headers."""

from __future__ import annotations

import pytest
from flask import Response, jsonify, make_response

from flask_tessera import current_user, login_required
from flask_tessera.errors import REGISTRY, InputError, SessionEndedError, StorageUnavailableError, ThrottledError
from flask_tessera.web.responses import Responses, challenges


def shop(new_site, **how):
    site = new_site(**how)
    site.app.register_blueprint(site.tessera.blueprint())
    site.app.add_url_rule("/who", "who", login_required(lambda: {"id": current_user.id}))
    site.app.add_url_rule("/signin", "signin", lambda: site.tessera.login(7).to_response(), methods=["POST"])
    return site


PAIR = {"access_token", "token_type", "expires_in", "refresh_token", "refresh_expires_in", "session_id"}


def test_a_success_in_the_envelope(new_site):
    site = shop(new_site)
    answer = site.post("/signin")
    body = answer.get_json()
    assert (body["code"], body["msg"], set(body), set(body["data"])) == (0, "成功", {"code", "msg", "data"}, PAIR)
    assert body["data"]["token_type"] == "Bearer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "成功" in answer.text


def test_an_error_in_the_envelope_has_no_data(new_site):
    assert shop(new_site).get("/who").get_json() == {"code": 4103, "msg": "缺少参数token", "error": "token_missing"}


def test_the_plain_form_is_shaped_like_oauth_and_problem_details(new_site):
    site = shop(new_site, TESSERA_RESPONSE_FORMAT="plain", TESSERA_LOCALE="en")
    pair = site.post("/signin")
    assert set(pair.get_json()) == PAIR
    assert pair.headers["Cache-Control"] == "no-store"
    again = site.post("/auth/refresh", json={"refresh_token": pair.get_json()["refresh_token"]})
    assert set(again.get_json()) == PAIR
    problem = site.get("/who")
    assert problem.content_type == "application/problem+json"
    assert problem.get_json() == {
        "type": "urn:flask-tessera:error:token_missing",
        "title": "The request carries no token.",
        "status": 401,
        "error": "token_missing",
        "code": 4103,
    }
    assert problem.headers["WWW-Authenticate"] == "Bearer"


def test_always_200_leaves_all_to_the_code(new_site):
    site = shop(new_site, TESSERA_HTTP_STATUS="always_200")
    for answer in (site.get("/who"), site.get("/who", "bad"), site.post("/auth/refresh", data="{}")):
        assert answer.status_code == 200
        assert answer.get_json()["code"] >= 4000
        assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize(
    ("locale", "accepted", "text"),
    [
        ("zh", "en", "缺少参数token"),
        ("en", "zh", "The request carries no token."),
        ("auto", None, "缺少参数token"),
        ("auto", "zh-CN,zh;q=0.9,en;q=0.8", "缺少参数token"),
        ("auto", "zh-TW,en;q=0.8", "缺少参数token"),
        ("auto", "en-GB,en;q=0.9,zh;q=0.1", "The request carries no token."),
        ("auto", "EN", "The request carries no token."),
        ("auto", "fr-FR, de;q=0.5", "缺少参数token"),
        ("auto", "fr, en;q=0.4, zh;q=0.3", "The request carries no token."),
        ("auto", "zh;q=0, en", "The request carries no token."),
        ("auto", "*", "缺少参数token"),
        ("auto", ";;;,,q=", "缺少参数token"),
    ],
)
def test_texts_follow_the_locale(new_site, locale, accepted, text):
    answer = shop(new_site, TESSERA_LOCALE=locale).get(
        "/who", headers={"Accept-Language": accepted} if accepted else {}
    )
    assert answer.get_json()["msg"] == text
    assert ("accept-language" in answer.headers["Vary"].lower()) is (locale == "auto")


def test_texts_follow_the_request_unless_a_language_is_set(new_site):
    site = shop(new_site)
    chinese, english = site.get("/who"), site.get("/who", headers={"Accept-Language": "en"})
    assert chinese.get_json()["msg"] == "缺少参数token"
    assert english.get_json()["msg"] == "The request carries no token."
    assert all("Accept-Language" in answer.headers["Vary"] for answer in (chinese, english))


def test_a_success_follows_the_locale_too(new_site):
    site = shop(new_site)
    answer = site.post("/signin", headers={"Accept-Language": "en"})
    assert answer.get_json()["msg"] == "OK"
    assert "Accept-Language" in answer.headers["Vary"]
    assert site.post("/signin").get_json()["msg"] == "成功"


@pytest.mark.parametrize("row", REGISTRY.values(), ids=lambda row: row.slug)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_H03_every_row_is_answered_as_it_is_documented(new_site, row, language):
    error = InputError(slug=row.slug)
    with new_site().app.test_request_context():
        answer = Responses(locale=language).error(error)
        plain = Responses(is_plain=True, locale=language).error(error)
    assert answer.get_json() == {"code": row.code, "msg": getattr(row, language), "error": row.slug}
    assert (answer.status_code, plain.status_code) == (row.status, row.status)
    assert plain.get_json()["status"] == row.status
    assert answer.headers["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in answer.headers) is (row.status == 401 or row.slug == "scope_missing")


@pytest.mark.parametrize(
    ("slug", "value"),
    [
        ("token_missing", "Bearer"),
        ("credentials_wrong", "Bearer"),
        ("token_invalid", 'Bearer error="invalid_token", error_description="The token is not valid."'),
        ("token_expired", 'Bearer error="invalid_token", error_description="The token has expired."'),
        ("session_expiry", 'Bearer error="invalid_token", error_description="This session has expired."'),
        ("scope_missing", 'Bearer error="insufficient_scope", error_description="The token does not allow this."'),
        (
            "step_up_required",
            'Bearer error="insufficient_user_authentication", error_description="Log in again to do this."',
        ),
    ],
)
def test_H01_the_challenge_names_no_error_where_no_token_was_sent(slug, value):
    assert challenges(REGISTRY[slug]) == (value,)


@pytest.mark.parametrize(
    "slug", ["login_refused", "not_found", "too_many_requests", "storage_read_failed", "token_ambiguous"]
)
def test_no_challenge_where_no_token_would_help(slug):
    assert challenges(REGISTRY[slug]) == ()


@pytest.mark.parametrize(
    ("error", "seconds"),
    [(ThrottledError(17), "17"), (StorageUnavailableError(), "1"), (SessionEndedError("kick"), None)],
)
def test_retry_after_is_told_where_a_retry_helps(new_site, error, seconds):
    with new_site().app.test_request_context():
        assert Responses().error(error).headers.get("Retry-After") == seconds


# B10: caches


@pytest.mark.parametrize("path", ["/who", "/auth/sessions"])
@pytest.mark.parametrize("token", [None, "", "bad", "good"])
def test_B10_every_answer_of_a_guarded_view_is_not_for_caches(new_site, path, token):
    site = shop(new_site)
    answer = site.get(path, site.login().access_token if token == "good" else token)
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/auth/refresh", "/auth/logout", "/auth/exchange", "/signin"])
def test_B10_every_answer_of_a_token_route_is_not_for_caches(new_site, path):
    site = shop(new_site)
    pair = site.login()
    for body in (None, {}, {"refresh_token": "bad"}, {"refresh_token": pair.refresh_token}):
        assert site.post(path, json=body).headers["Cache-Control"] == "no-store"


def test_B10_a_views_own_word_about_caches_stays_and_varies_by_the_token(new_site):
    site = new_site(TESSERA_HEADERS=["X-Token"])

    @site.app.get("/view")
    @login_required(optional=True)
    def view():
        answer = make_response("in")
        answer.headers["cache-control"] = "public, max-age=60"
        answer.headers["vary"] = "Accept"
        return answer

    answer = site.get("/view")
    assert answer.headers.getlist("Cache-Control") == ["public, max-age=60"]
    assert answer.headers.getlist("Vary") == ["Accept, X-Token"]


def test_views_without_a_guard_are_left_alone(new_site):
    site = shop(new_site)
    site.app.add_url_rule("/open", "open", lambda: "hello")
    answer = site.get("/open", site.login().access_token)
    assert "Cache-Control" not in answer.headers
    assert "Vary" not in answer.headers


def test_B10_an_error_of_the_view_behind_a_guard_is_not_for_caches(new_site):
    site = new_site()
    site.app.add_url_rule("/view", "view", login_required(lambda: 1 / 0))
    answer = site.get("/view", site.login().access_token)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (500, "no-store")


# The hook for successes


@pytest.mark.parametrize(
    "hook",
    [
        lambda data: {"ok": True, "payload": data},
        lambda data: jsonify(ok=True, payload=data),
        lambda data: ({"ok": True, "payload": data}, 201, {"X-Own": "1"}),
        lambda data: Response(jsonify(ok=True, payload=data).data, content_type="application/json"),
    ],
)
def test_a_host_gives_successes_a_form_of_its_own_and_B10_holds(new_site, hook):
    site = shop(new_site, tessera={"answer": hook})
    for answer in (site.post("/signin"), site.get("/auth/sessions", site.login().access_token)):
        assert answer.get_json()["ok"] is True
        assert answer.headers["Cache-Control"] == "no-store"
    assert set(site.post("/signin").get_json()["payload"]) == PAIR


def test_a_hosts_own_cache_control_stays(new_site):
    def hook(data):
        return {"data": data}, 200, {"Cache-Control": "private, no-store"}

    assert shop(new_site, tessera={"answer": hook}).post("/signin").headers["Cache-Control"] == "private, no-store"


async def async_hook(data):
    return {"ok": True, "payload": data}, 201


def test_an_async_hook_serves_sync_and_async_views(new_site):
    site = shop(new_site, tessera={"answer": async_hook})

    @site.app.post("/async")
    async def signin_async():
        return site.tessera.login(7).to_response()

    for path in ("/signin", "/async"):
        answer = site.post(path)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
        assert set(answer.get_json()["payload"]) == PAIR


def test_outside_a_request_the_hooks_own_value_is_given(new_site):
    site = shop(new_site, tessera={"answer": lambda data: ("mine", data["token_type"])})
    assert site.login().to_response() == ("mine", "Bearer")


def test_a_pair_shows_no_token_in_its_text(new_site):
    pair = new_site().login()
    for text in (repr(pair), str(pair), repr(pair.issued)):
        assert pair.access_token not in text
        assert pair.refresh_token not in text


def test_a_pair_tells_what_a_client_needs(new_site):
    site = new_site()
    pair = site.login()
    assert pair.to_dict() == {
        "access_token": pair.access_token,
        "token_type": "Bearer",
        "expires_in": pair.access_expires_in,
        "refresh_token": pair.refresh_token,
        "refresh_expires_in": 30 * 86_400,
        "session_id": pair.session_id,
    }
    assert 810 <= pair.access_expires_in <= 900
    assert len(pair.session_id) == 22
