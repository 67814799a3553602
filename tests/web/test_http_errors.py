"""Our errors are exceptions of both worlds, and survive whatever a host does with exceptions."""

from __future__ import annotations

import copy
import pickle

import pytest
from flask import Blueprint, jsonify
from flask_restful import Api, Resource
from werkzeug.exceptions import HTTPException, Unauthorized

from flask_tessera import TesseraError, TesseraHTTPError, TokenExpiredError, TokenInvalidError, login_required
from flask_tessera.errors import (
    ClaimsInvalidError,
    ConfigError,
    InputError,
    NotFoundError,
    SessionEndedError,
    StorageUnavailableError,
    ThrottledError,
    TokenMissingError,
)
from flask_tessera.testing import race
from flask_tessera.web.http_errors import http_errors, to_http
from flask_tessera.web.responses import Responses

from .conftest import age

ANSWER = {"code": 4103, "msg": "缺少参数token", "error": "token_missing"}


def teapot(error):
    return "the host's own", 418


def handle(kind):
    return lambda site: site.app.register_error_handler(kind, teapot)


def trap(site):
    site.app.config["TRAP_HTTP_EXCEPTIONS"] = True


def trap_and_handle(site):
    trap(site)
    site.app.register_error_handler(Exception, teapot)


def trap_in_blueprint(site):
    trap(site)
    site.blueprint.register_error_handler(Exception, teapot)
    site.blueprint.register_error_handler(HTTPException, teapot)


def configure(key, value):
    return lambda site: site.app.config.update({key: value})


def handle_in_blueprint(kind):
    return lambda site: site.blueprint.register_error_handler(kind, teapot)


HOSTS = {
    "nothing": lambda site: None,
    "errorhandler(Exception)": handle(Exception),
    "errorhandler(HTTPException)": handle(HTTPException),
    "errorhandler(Unauthorized)": handle(Unauthorized),
    "errorhandler(401)": handle(401),
    "errorhandler(500)": handle(500),
    "blueprint.errorhandler(Exception)": handle_in_blueprint(Exception),
    "blueprint.errorhandler(HTTPException)": handle_in_blueprint(HTTPException),
    "blueprint.errorhandler(401)": handle_in_blueprint(401),
    "TRAP_HTTP_EXCEPTIONS": trap,
    "TRAP_HTTP_EXCEPTIONS and errorhandler(Exception)": trap_and_handle,
    "TRAP_HTTP_EXCEPTIONS and a blueprint's handlers": trap_in_blueprint,
    "TRAP_BAD_REQUEST_ERRORS": configure("TRAP_BAD_REQUEST_ERRORS", True),
    "PROPAGATE_EXCEPTIONS": configure("PROPAGATE_EXCEPTIONS", True),
    "TESTING": configure("TESTING", True),
    "DEBUG": configure("DEBUG", True),
}


def host(new_site, prepare=None, errors=None):
    """A site with guarded views on the application, a blueprint and a Flask-RESTful API."""
    site = new_site()
    site.blueprint = Blueprint("shop", "shop")
    site.blueprint.add_url_rule("/blueprint", "view", login_required(lambda: "in"))
    site.app.add_url_rule("/app", "view", login_required(lambda: "in"))

    class Orders(Resource):
        method_decorators = (login_required,)

        def get(self):
            return {}

        def post(self):
            site.tessera.revoke_session("nothing")

    (prepare or HOSTS["nothing"])(site)
    Api(site.app, errors=errors).add_resource(Orders, "/restful")
    site.app.register_blueprint(site.blueprint)
    return site


@pytest.mark.parametrize("prepare", HOSTS.values(), ids=HOSTS)
@pytest.mark.parametrize("path", ["/app", "/blueprint", "/restful"])
def test_our_answer_survives_the_hosts_handlers(new_site, prepare, path):
    answer = host(new_site, prepare).get(path)
    assert (answer.status_code, answer.get_json()) == (401, ANSWER)
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "errors",
    [
        {"TokenMissingHTTPError": {"message": "theirs", "status": 418}},
        {"TokenMissingError": {"message": "theirs", "status": 418}},
        {"HTTPException": {"message": "theirs", "status": 418}},
    ],
)
def test_our_answer_survives_the_errors_of_a_restful_api(new_site, errors):
    site = host(new_site, errors=errors)
    assert (site.get("/restful").status_code, site.get("/restful").get_json()) == (401, ANSWER)
    found = site.post("/restful", site.login().access_token)
    assert (found.status_code, found.get_json()["error"]) == (404, "not_found")


# The hook for errors


@pytest.mark.parametrize("kind", [TesseraHTTPError, TesseraError, TokenMissingError])
@pytest.mark.parametrize("path", ["/app", "/blueprint", "/restful"])
@pytest.mark.parametrize("trapped", [False, True])
def test_a_handler_of_the_hosts_answers_in_its_own_form_everywhere(new_site, kind, path, trapped):
    def prepare(site):
        site.app.config["TRAP_HTTP_EXCEPTIONS"] = trapped
        site.app.register_error_handler(
            kind, lambda error: ({"own": error.slug, "code": error.row.code, "text": error.description}, error.status)
        )
        site.app.register_error_handler(Exception, teapot)

    answer = host(new_site, prepare).get(path)
    assert (answer.status_code, answer.get_json()["own"]) == (401, "token_missing")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_handler_sees_the_status_as_code_and_may_set_headers(new_site):
    def own(error):
        return jsonify(status=error.code), error.code, {"WWW-Authenticate": "Own", "Cache-Control": "private"}

    site = host(new_site, lambda site: site.app.register_error_handler(TesseraHTTPError, own))
    answer = site.get("/app")
    assert answer.get_json() == {"status": 401}
    assert (answer.headers["WWW-Authenticate"], answer.headers["Cache-Control"]) == ("Own", "private")


def test_a_handler_may_answer_with_200_and_gets_no_challenge_then(new_site):
    site = host(new_site, lambda site: site.app.register_error_handler(TesseraHTTPError, lambda error: {"code": 1}))
    answer = site.get("/app")
    assert (answer.status_code, answer.get_json()) == (200, {"code": 1})
    assert "WWW-Authenticate" not in answer.headers


def test_a_handler_may_be_async(new_site):
    async def own(error):
        return {"own": error.slug}, 401

    site = host(new_site, lambda site: site.app.register_error_handler(TesseraHTTPError, own))

    @site.app.get("/async")
    @login_required
    async def view_async():
        return "in"

    assert site.get("/app").get_json() == {"own": "token_missing"}
    assert site.get("/async").get_json() == {"own": "token_missing"}


def test_a_handler_may_give_the_error_back(new_site):
    site = host(new_site, lambda site: site.app.register_error_handler(TesseraHTTPError, lambda error: error))
    assert site.get("/app").status_code == 401


def test_the_nearest_handler_answers_and_the_blueprints_before_the_applications(new_site):
    def say(text):
        return lambda error: (text, error.status)

    def prepare(site):
        site.app.register_error_handler(TesseraHTTPError, say("ours"))
        site.app.register_error_handler(TokenMissingError, say("missing"))
        site.blueprint.register_error_handler(TesseraHTTPError, say("the blueprint's"))

    site = host(new_site, prepare)
    assert site.get("/app").text == "missing"
    assert site.get("/app", "bad").text == "ours"
    assert site.get("/blueprint").text == "the blueprint's"


def test_a_handler_that_was_registered_before_init_app_stays(new_site):
    from flask import Flask

    from flask_tessera import Tessera

    from .conftest import SECRET

    app = Flask("early")
    app.config.update(SECRET_KEY=SECRET, TESSERA_STORE_URL="memory:", TRAP_HTTP_EXCEPTIONS=True)
    app.register_error_handler(TesseraHTTPError, lambda error: ("early", error.status))
    Tessera(app)
    app.add_url_rule("/app", "view", login_required(lambda: "in"))
    assert app.test_client().get("/app").text == "early"


# Both worlds


def test_an_except_clause_for_the_cores_error_catches_its_http_kin(site):
    age(site)
    with site.app.test_request_context("/"):
        for bad in ("", "bad", None, 5):
            with pytest.raises(TokenInvalidError) as caught:
                site.tessera.verify(bad)
            assert isinstance(caught.value, TesseraHTTPError)
            assert isinstance(caught.value, HTTPException)
            assert caught.value.get_response().status_code == 401
        pair = site.tessera.login(7)
        site.tessera.revoke_session(pair.session_id)
        with pytest.raises(SessionEndedError) as ended:
            site.tessera.verify(pair.access_token)
        assert ended.value.reason == "kick"
        with pytest.raises(HTTPException):
            site.tessera.refresh(pair.refresh_token)


def test_outside_a_request_errors_are_the_cores_alone(site):
    with site.app.app_context():
        for call in (
            lambda: site.tessera.verify("bad"),
            lambda: site.tessera.revoke_session("bad"),
            lambda: site.tessera.refresh("x"),
        ):
            with pytest.raises(TesseraError) as caught:
                call()
            assert not isinstance(caught.value, HTTPException)


def test_a_view_may_catch_what_tessera_raises(site):
    @site.app.get("/try")
    def view():
        try:
            site.tessera.verify("bad")
        except TokenInvalidError as error:
            return {"caught": error.slug}

    assert site.get("/try").get_json() == {"caught": "token_invalid"}


def test_an_error_of_ours_that_a_view_lets_go_answers_the_request(site):
    @site.app.post("/kick/<sid>")
    def kick(sid):
        site.tessera.revoke_session(sid)

    answer = site.post("/kick/unknown")
    assert (answer.status_code, answer.get_json()) == (404, {"code": 4002, "msg": "无数据", "error": "not_found"})


@pytest.mark.parametrize("error", [ConfigError("TESSERA_X is wrong"), ClaimsInvalidError("sub")])
def test_the_developers_errors_are_no_answers(site, error):
    with site.app.test_request_context("/"), pytest.raises(type(error)) as caught, http_errors(Responses()):
        raise error
    assert caught.value is error


ERRORS = [
    TokenMissingError("no header"),
    TokenInvalidError(),
    TokenExpiredError("old", claims={"sub": "7"}),
    SessionEndedError("kick"),
    StorageUnavailableError("OperationalError: disk I/O error", writing=True),
    ThrottledError(9),
    NotFoundError("no such session"),
    InputError("bad", slug="body_too_large"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_the_http_kin_has_all_that_the_error_has_and_nothing_leaks(site, error):
    with site.app.test_request_context("/"):
        http = to_http(error, Responses())
        assert http.args == error.args
        assert {key: http.__dict__[key] for key in error.__dict__} == error.__dict__
        assert (http.slug, http.row, http.retry_after) == (error.slug, error.row, error.retry_after)
        assert http.description == error.row.en
        shown = http.get_response().get_data(as_text=True) + http.description + repr(http)
        assert not str(error) or str(error) not in shown
        assert str(http) == error.row.en
        assert http.cause is error
        for again in (pickle.loads(pickle.dumps(http)), copy.deepcopy(http)):
            assert (type(again), again.args, again.status) == (type(http), error.args, http.status)
            assert (type(again.cause), again.cause.args) == (type(error), error.args)
            assert {key: again.__dict__[key] for key in error.__dict__} == error.__dict__
            assert again.get_response().get_data() == http.get_response().get_data()
            assert list(again.get_response().headers) == list(http.get_response().headers)


def test_the_http_kin_of_an_error_is_one_class_in_all_threads(site):
    class FreshError(TesseraError):
        pass

    def make(number):
        with site.app.test_request_context("/"):
            return to_http(FreshError(str(number)), Responses())

    made = race(32, make)
    assert len({type(error) for error in made}) == 1
    assert [str(error.cause) for error in made] == [str(number) for number in range(32)]


def test_the_response_of_an_error_is_a_new_object_at_each_look(site):
    with site.app.test_request_context("/"):
        http = to_http(ThrottledError(9), Responses())
    first, second = http.response, http.response
    assert first is not second
    first.headers["X-Request"] = "1"
    first.set_data(b"changed")
    for other in (second, http.response, http.get_response()):
        assert "X-Request" not in other.headers
        assert other.get_json()["error"] == "too_many_requests"
        assert (other.status_code, other.headers["Retry-After"]) == (429, "9")


def test_an_error_that_somebody_keeps_answers_many_requests(site):
    kept = []

    @site.app.get("/kept")
    def view():
        if not kept:
            with pytest.raises(TokenInvalidError) as caught:
                site.tessera.verify("bad")
            kept.append(caught.value)
        raise kept[0]

    site.app.after_request(lambda answer: (answer.headers.add("X-Seen", "1"), answer)[1])
    answers = [site.get("/kept") for _ in range(3)]
    assert [(each.status_code, each.headers.getlist("X-Seen")) for each in answers] == [(401, ["1"])] * 3


def test_the_cause_is_kept_for_the_log(site):
    with site.app.test_request_context("/"), pytest.raises(TesseraHTTPError) as caught, http_errors(Responses()):
        raise StorageUnavailableError("away")
    assert isinstance(caught.value.__cause__, StorageUnavailableError)
    assert caught.value.__cause__ is caught.value.cause
