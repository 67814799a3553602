"""Flask-RESTX: its resources give our answers, unless the host handles our errors itself."""

from __future__ import annotations

import pytest
from flask import Blueprint

from flask_tessera import TesseraError, TesseraHTTPError, TokenMissingError, login_required

flask_restx = pytest.importorskip("flask_restx")

ANSWER = {"code": 4103, "msg": "缺少参数token", "error": "token_missing"}


def on_the_application(site):
    return flask_restx.Api(site.app)


def on_a_blueprint(site):
    blueprint = Blueprint("api", "api")
    api = flask_restx.Api(blueprint)
    site.late.append(lambda: site.app.register_blueprint(blueprint))
    return api


def initialised_later(site):
    api = flask_restx.Api()
    site.late.append(lambda: api.init_app(site.app))
    return api


def with_another_api_beside_it(site):
    flask_restx.Api(Blueprint("other", "other", url_prefix="/other"))
    blueprint = Blueprint("second", "second", url_prefix="/second")
    flask_restx.Api(blueprint)
    api = flask_restx.Api(site.app)
    site.app.register_blueprint(blueprint)
    return api


PLACES = [on_the_application, on_a_blueprint, initialised_later, with_another_api_beside_it]


@pytest.fixture(params=PLACES, ids=lambda place: place.__name__)
def new_shop(request, new_site):
    def make(prepare=None, **config):
        site = new_site(**config)
        site.late = []
        api = request.param(site)
        if prepare:
            prepare(site, api)

        @api.route("/orders")
        class Orders(flask_restx.Resource):
            method_decorators = (login_required,)

            def get(self):
                return {"of": site.tessera.current_user.id}

            def delete(self):
                site.tessera.revoke_session("nothing")

            def put(self):
                flask_restx.abort(409, "theirs")

        for step in site.late:
            step()
        return site

    return make


@pytest.mark.parametrize("config", [{}, {"ERROR_INCLUDE_MESSAGE": False}, {"TESTING": True}, {"DEBUG": True}])
def test_our_answer_is_given_whole(new_shop, config):
    answer = new_shop(**config).get("/orders")
    assert (answer.status_code, answer.get_json()) == (401, ANSWER)
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_good_token_opens_a_resource_and_our_errors_within_it_are_answered(new_shop):
    site = new_shop()
    token = site.login().access_token
    assert site.get("/orders", token).get_json() == {"of": 7}
    answer = site.request("DELETE", "/orders", token)
    assert (answer.status_code, answer.get_json()["error"]) == (404, "not_found")


def test_their_own_errors_stay_theirs(new_shop):
    site = new_shop()
    answer = site.request("PUT", "/orders", site.login().access_token)
    assert (answer.status_code, answer.get_json()) == (409, {"message": "theirs"})


def test_a_handler_of_the_api_for_everything_does_not_take_our_errors(new_shop):
    def prepare(site, api):
        @api.errorhandler
        def everything(error):
            return {"message": "theirs"}, 500

        @api.errorhandler(Exception)
        def exceptions(error):
            return {"message": "theirs"}, 500

    answer = new_shop(prepare).get("/orders")
    assert (answer.status_code, answer.get_json()) == (401, ANSWER)


@pytest.mark.parametrize("kind", [TesseraError, TokenMissingError])
def test_a_handler_of_the_api_for_our_errors_answers(new_shop, kind):
    def prepare(site, api):
        @api.errorhandler(kind)
        def own(error):
            return {"own": error.slug}, 401

    answer = new_shop(prepare).get("/orders")
    assert (answer.status_code, answer.get_json()["own"]) == (401, "token_missing")


def test_a_handler_of_the_application_for_our_errors_answers(new_shop):
    def prepare(site, api):
        site.app.register_error_handler(TesseraHTTPError, lambda error: ({"own": error.slug}, error.status))

    answer = new_shop(prepare).get("/orders")
    assert (answer.status_code, answer.get_json()) == (401, {"own": "token_missing"})
