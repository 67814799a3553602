"""Flask-CORS: preflights need no token, what they ask for does."""

from __future__ import annotations

import pytest

from flask_tessera import login_required

flask_cors = pytest.importorskip("flask_cors")

ORIGIN = "https://shop.example"
PREFLIGHT = {
    "Origin": ORIGIN,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization",
}


class Body:
    """Counts how often a view's body ran."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self) -> str:
        self.runs += 1
        return "in"


def guard_above(site, body, **cors):
    @site.app.route("/view", methods=["GET", "POST"])
    @login_required
    @flask_cors.cross_origin(**cors)
    def view():
        return body()


def guard_of_the_extension_above(site, body, **cors):
    @site.app.route("/view", methods=["GET", "POST"])
    @site.tessera.login_required(strict=True)
    @flask_cors.cross_origin(**cors)
    def view():
        return body()


def guard_below(site, body, **cors):
    @site.app.route("/view", methods=["GET", "POST"])
    @flask_cors.cross_origin(**cors)
    @login_required
    def view():
        return body()


def protected(site, body, **cors):
    site.tessera.protect(site.app)

    @site.app.route("/view", methods=["GET", "POST"])
    @flask_cors.cross_origin(**cors)
    def view():
        return body()


FORMS = [guard_above, guard_of_the_extension_above, guard_below, protected]
forms = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)


@forms
def test_H05_a_preflight_is_answered_without_a_token_and_the_view_does_not_run(new_site, form):
    site, body = new_site(), Body()
    form(site, body)
    answer = site.request("OPTIONS", "/view", headers=PREFLIGHT)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] in (ORIGIN, "*")
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization"
    assert body.runs == 0


@forms
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_H05_what_a_preflight_asks_for_needs_a_token(new_site, form, method):
    site, body = new_site(), Body()
    form(site, body)
    assert site.request(method, "/view", headers={"Origin": ORIGIN}).status_code == 401
    assert body.runs == 0
    answer = site.request(method, "/view", site.login().access_token, headers={"Origin": ORIGIN})
    assert answer.status_code == 200
    assert body.runs == 1
    assert answer.headers["Access-Control-Allow-Origin"] in (ORIGIN, "*")


@pytest.mark.parametrize("form", [guard_above, guard_of_the_extension_above, protected], ids=lambda each: each.__name__)
def test_H05_options_that_reach_the_view_need_a_token(new_site, form):
    """Where the application has switched the automatic answer off, the view would answer OPTIONS itself."""
    site, body = new_site(CORS_AUTOMATIC_OPTIONS=False), Body()
    form(site, body)
    assert site.request("OPTIONS", "/view", headers=PREFLIGHT).status_code == 401
    assert body.runs == 0


def test_H05_a_view_that_answers_options_itself_is_guarded(new_site):
    site, body = new_site(), Body()

    @site.app.route("/view", methods=["GET", "OPTIONS"])
    @login_required
    @flask_cors.cross_origin(automatic_options=False)
    def view():
        return body()

    assert site.request("OPTIONS", "/view", headers=PREFLIGHT).status_code == 401
    assert body.runs == 0


def test_an_application_with_cors_everywhere_shows_its_errors_to_browsers(new_site):
    site, body = new_site(), Body()
    flask_cors.CORS(site.app)
    site.app.add_url_rule("/view", "view", login_required(body))
    assert site.request("OPTIONS", "/view", headers=PREFLIGHT).status_code == 200
    answer = site.get("/view", headers={"Origin": ORIGIN})
    assert (answer.status_code, answer.get_json()["error"]) == (401, "token_missing")
    assert answer.headers["Access-Control-Allow-Origin"] in (ORIGIN, "*")
    assert body.runs == 0
