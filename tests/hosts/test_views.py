"""A guard's refusal below each host that has its own way with views and errors: the same as in plain Flask."""

from __future__ import annotations

from typing import Any

import flask
import pytest

from flask_tessera import current_user, login_required

from .refusals import (
    MODES,
    Host,
    assert_same_refusals,
    assert_same_refusals_of_endpoints,
    catch_all,
    make,
)


def who() -> dict[str, str]:
    return {"user": str(current_user)}


def plain_flask(**settings: Any) -> Host:
    host = make(**settings)
    host.app.add_url_rule("/x", "x", login_required(who))
    return host


def flask_restful(**settings: Any) -> Host:
    from flask_restful import Api, Resource

    host = make(**settings)

    class View(Resource):
        @login_required
        def get(self):
            return who()

    Api(host.app).add_resource(View, "/x")
    return host


def flask_restful_decorators(**settings: Any) -> Host:
    from flask_restful import Api, Resource

    host = make(**settings)

    class View(Resource):
        method_decorators = [login_required]  # noqa: RUF012 - as their documents write it

        def get(self):
            return who()

    Api(host.app).add_resource(View, "/x")
    return host


def flask_restx(**settings: Any) -> Host:
    from flask_restx import Api, Resource

    host = make(**settings)
    api = Api(host.app)

    @api.route("/x")
    class View(Resource):
        @api.doc(security="apikey")
        @login_required
        def get(self):
            return who()

    return host


def flask_restx_decorators(**settings: Any) -> Host:
    from flask_restx import Api, Resource

    host = make(**settings)
    api = Api(host.app)

    @api.route("/x")
    class View(Resource):
        method_decorators = [login_required]  # noqa: RUF012 - as their documents write it

        def get(self):
            return who()

    return host


def flask_smorest(**settings: Any) -> Host:
    from flask_smorest import Api, Blueprint

    host = make(API_TITLE="x", API_VERSION="1", OPENAPI_VERSION="3.0.3", **settings)
    views = Blueprint("views", "views")

    @views.route("/x")
    @login_required
    def view():
        return who()

    Api(host.app).register_blueprint(views)
    return host


def flask_smorest_methods(**settings: Any) -> Host:
    from flask.views import MethodView
    from flask_smorest import Api, Blueprint

    host = make(API_TITLE="x", API_VERSION="1", OPENAPI_VERSION="3.0.3", **settings)
    views = Blueprint("views", "views")

    @views.route("/x")
    class View(MethodView):
        @login_required
        @views.response(200)
        def get(self):
            return who()

    Api(host.app).register_blueprint(views)
    return host


def apiflask(**settings: Any) -> Host:
    from apiflask import APIFlask

    host = make(APIFlask, **settings)
    host.app.get("/x")(login_required(who))
    return host


def apiflask_above(**settings: Any) -> Host:
    """The guard below what describes the view."""
    from apiflask import APIFlask

    host = make(APIFlask, **settings)
    app: Any = host.app
    app.get("/x")(app.doc(summary="x")(login_required(who)))
    return host


def flask_openapi3(**settings: Any) -> Host:
    from flask_openapi3 import OpenAPI

    host = make(OpenAPI, **settings)
    host.app.get("/x")(login_required(who))
    return host


HOSTS = (
    plain_flask,
    flask_restful,
    flask_restful_decorators,
    flask_restx,
    flask_restx_decorators,
    flask_smorest,
    flask_smorest_methods,
    apiflask,
    apiflask_above,
    flask_openapi3,
)


@pytest.mark.repeats("mode")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.__name__)
def test_E01_a_refusal_keeps_its_envelope_its_status_and_its_challenge(host, mode):
    assert_same_refusals(host(**MODES[mode]), mode)


@pytest.mark.repeats("mode")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.__name__)
def test_E01_a_refusal_is_not_what_the_application_does_with_its_own_errors(host, mode):
    made = host(**MODES[mode])
    catch_all(made.app)
    assert_same_refusals(made, mode)
    assert_same_refusals_of_endpoints(made, mode)


@pytest.mark.repeats("mode")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.__name__)
def test_E01_endpoints_of_ours_answer_below_a_host_as_elsewhere(host, mode):
    assert_same_refusals_of_endpoints(host(**MODES[mode]), mode)


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.__name__)
def test_a_hosts_own_errors_are_its_own(host):
    """What is not found is answered as the host likes."""
    made = host()
    catch_all(made.app)
    answer = made.get({}, "/nowhere")
    assert answer.status_code in (404, 500)
    assert "msg" not in (answer.get_json(silent=True) or {})
    assert isinstance(made.app, flask.Flask)
