"""Guards in the documents of libraries that describe the views of an application themselves."""

from __future__ import annotations

from typing import Any

import pytest
from openapi_spec_validator import validate

from flask_tessera import login_required
from flask_tessera.contrib.openapi import flask_openapi3, restx
from flask_tessera.contrib.openapi.apispec import GuardPlugin

from .refusals import Host, make

COOKIES = {"TESSERA_COOKIES": True}
LOGGED_IN = {"bearer", "z-token"}


def new_view() -> Any:
    """A function of its own, since guards leave marks on what they stand before."""

    def view() -> dict[str, str]:
        return {}

    return view


def with_views(add: Any) -> None:
    """Add views at four paths: for everybody, for who is logged in, for a scope, and for a change."""
    add("/open", new_view(), "GET")
    add("/in", login_required(new_view()), "GET")
    add("/scope", login_required(scope="b a")(new_view()), "GET")
    add("/change", login_required(new_view()), "POST")


def named(add: Any) -> Any:
    """`add` with functions of different names, by which some libraries tell them apart."""

    def add_named(path: str, function: Any, method: str) -> None:
        function.__name__ = path.strip("/")
        add(path, function, method)

    return add_named


def by_apispec(**settings: Any) -> tuple[Host, Any]:
    from apispec import APISpec

    host = make(**settings)
    found: list[tuple[str, str]] = []

    def add(path: str, function: Any, method: str) -> None:
        host.app.add_url_rule(path, path, function, methods=[method])
        found.append((path, method.lower()))

    with_views(add)
    spec = APISpec("x", "1", "3.1.0", plugins=[GuardPlugin(host.app, host.tessera)])
    for path, method in found:
        spec.path(path, operations={method: {"responses": {"200": {"description": "x"}}}})
    return host, spec.to_dict


def by_flask_smorest(version: str = "3.1.0", **settings: Any) -> tuple[Host, Any]:
    from flask_smorest import Api, Blueprint

    host = make(API_TITLE="x", API_VERSION="1", OPENAPI_VERSION=version, OPENAPI_URL_PREFIX="/", **settings)
    views = Blueprint("views", "views", url_prefix="/")

    def add(path: str, function: Any, method: str) -> None:
        views.route(path, methods=[method])(views.response(200)(function))

    with_views(named(add))
    api = Api(host.app, spec_kwargs={"extra_plugins": [GuardPlugin(host.app, host.tessera)]})
    api.register_blueprint(views)
    return host, lambda: host.get({}, "/openapi.json").json


def by_flask_smorest_3_0(**settings: Any) -> tuple[Host, Any]:
    return by_flask_smorest("3.0.3", **settings)


def by_apiflask(**settings: Any) -> tuple[Host, Any]:
    from apiflask import APIFlask

    host = make(APIFlask, **settings)
    app: Any = host.app
    app.spec_plugins.append(GuardPlugin(app, host.tessera))
    with_views(named(lambda path, function, method: app.route(path, methods=[method])(function)))
    return host, lambda: host.get({}, "/openapi.json").json


def by_flask_openapi3(**settings: Any) -> tuple[Host, Any]:
    from flask_openapi3 import OpenAPI

    host = make(OpenAPI, **settings)
    app: Any = host.app
    with_views(named(lambda path, function, method: getattr(app, method.lower())(path)(function)))
    flask_openapi3.describe_guards(app, host.tessera)
    return host, lambda: host.get({}, "/openapi/openapi.json").json


def by_flask_restx(**settings: Any) -> tuple[Host, Any]:
    from flask_restx import Api, Resource

    host = make(**settings)
    api = Api(host.app)

    def add(path: str, function: Any, method: str) -> None:
        def answer(_self: Any) -> Any:
            return function()

        answer.__dict__.update(function.__dict__)
        resource = type(path.strip("/"), (Resource,), {method.lower(): answer})
        api.route(path)(resource)

    with_views(add)
    restx.describe_guards(api, host.app, host.tessera)
    return host, lambda: host.get({}, "/swagger.json").json


HOSTS = (by_apispec, by_flask_smorest, by_flask_smorest_3_0, by_apiflask, by_flask_openapi3, by_flask_restx)


@pytest.fixture(params=HOSTS, ids=lambda host: host.__name__)
def make_document(request):
    """Makes a document of the four views and checks that it is valid."""

    def document(**settings: Any) -> dict[str, Any]:
        _, ask = request.param(**settings)
        told: dict[str, Any] = ask()
        validate(told)
        return told

    return document


def schemes_of(document):
    return document.get("securityDefinitions") or document["components"]["securitySchemes"]


def test_a_guard_is_told_as_the_security_of_the_hosts_operation(make_document):
    paths = make_document()["paths"]
    assert "security" not in paths["/open"]["get"]
    for path, method in (("/in", "get"), ("/scope", "get"), ("/change", "post")):
        assert [set(each) for each in paths[path][method]["security"]] == [{"bearer"}, {"z-token"}]


def test_what_the_guard_names_is_declared(make_document):
    document = make_document()
    assert set(schemes_of(document)) == LOGGED_IN
    bearer = schemes_of(document)["bearer"]
    is_version_2 = "swagger" in document
    assert (bearer["type"], bearer.get("name")) == (("apiKey", "Authorization") if is_version_2 else ("http", None))


def test_its_refusals_are_told_beside_the_hosts_own_answers(make_document):
    paths = make_document()["paths"]
    own = set(paths["/open"]["get"]["responses"])
    assert own | {"401", "503"} <= set(paths["/in"]["get"]["responses"])
    assert "403" in paths["/scope"]["get"]["responses"]
    assert "token_missing" in paths["/in"]["get"]["responses"]["401"]["description"]
    assert "401" not in paths["/open"]["get"]["responses"]


def test_under_always_200_no_other_status_is_told(make_document):
    paths = make_document(TESSERA_HTTP_STATUS="always_200")["paths"]
    assert "401" not in paths["/in"]["get"]["responses"]
    assert "security" in paths["/in"]["get"]


def test_scopes_are_told_where_the_version_can(make_document):
    document = make_document()
    (name, scopes), *_ = document["paths"]["/scope"]["get"]["security"][0].items()
    is_3_1 = document.get("openapi", "2").startswith("3.1")
    assert (name, scopes) == ("bearer", ["a", "b"] if is_3_1 else [])


def test_cookies_are_told_where_the_version_can(make_document):
    document = make_document(**COOKIES)
    change = [set(each) for each in document["paths"]["/change"]["post"]["security"]]
    if "swagger" in document:
        assert change == [{"bearer"}, {"z-token"}]
        assert set(schemes_of(document)) == LOGGED_IN
    else:
        assert change == [{"bearer"}, {"z-token"}, {"cookie", "csrf"}]
        assert set(schemes_of(document)) == {*LOGGED_IN, "cookie", "csrf"}


def test_apispec_what_the_host_says_stays():
    from apispec import APISpec

    host = make()
    host.app.add_url_rule("/x", "x", login_required(new_view()))
    spec = APISpec("x", "1", "3.1.0", plugins=[GuardPlugin(host.app, host.tessera)])
    spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer", "description": "theirs"})
    spec.path("/x", operations={"get": {"security": [{"bearer": []}], "responses": {401: {"description": "theirs"}}}})
    told = spec.to_dict()
    operation = told["paths"]["/x"]["get"]
    assert operation["security"] == [{"bearer": []}]
    assert operation["responses"]["401"] == {"description": "theirs"}
    assert "503" in operation["responses"]
    assert told["components"]["securitySchemes"]["bearer"]["description"] == "theirs"


# -- Flask-RESTX, where much can be said in several places -------------------------------------------------------------


def swagger_of(prepare: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The document of a resource at `/x` and its operation, after `prepare(api, resource)`."""
    from flask_restx import Api, Resource

    host = make()
    api = Api(host.app, authorizations={"own": {"type": "apiKey", "in": "header", "name": "X-Own"}})

    class Orders(Resource):
        method_decorators = (login_required,)

        def get(self):
            """All orders."""

    prepare(api, Orders)
    api.route("/x")(Orders)
    restx.describe_guards(api, host.app, host.tessera)
    document: dict[str, Any] = host.get({}, "/swagger.json").json
    validate(document)
    return document, document["paths"].get("/x", {}).get("get", {})


def test_restx_guards_in_the_decorators_of_a_resource_are_told():
    document, operation = swagger_of(lambda api, resource: None)
    assert operation["security"] == [{"bearer": []}, {"z-token": []}]
    assert operation["summary"] == "All orders"
    assert operation["responses"]["200"] == {"description": "Success"}
    assert set(document["securityDefinitions"]) == {*LOGGED_IN, "own"}


@pytest.mark.parametrize(
    "say",
    [
        lambda api, resource: api.doc(security="own")(resource),
        lambda api, resource: api.doc(get={"security": "own"})(resource),
        lambda api, resource: api.doc(security="own")(resource.get),
    ],
    ids=["of the resource", "of a method", "on the function"],
)
def test_restx_what_the_host_says_stays(say):
    _, operation = swagger_of(say)
    assert operation["security"] == [{"own": []}]
    assert "401" in operation["responses"]


@pytest.mark.parametrize(
    "say",
    [
        lambda api, resource: api.response(201, "Made")(resource.get),
        lambda api, resource: api.doc(responses={"201": "Made", "401": "Theirs"})(resource),
    ],
    ids=["on the function", "of the resource"],
)
def test_restx_answers_of_the_host_stay(say):
    _, operation = swagger_of(say)
    assert {"201", "401", "503"} <= set(operation["responses"])
    assert "200" not in operation["responses"]
    assert operation["responses"]["201"]["description"] == "Made"


def test_restx_what_is_hidden_stays_hidden():
    document, _ = swagger_of(lambda api, resource: api.hide(resource))
    assert "/x" not in document["paths"]


def test_restx_a_document_is_valid_with_our_handler_of_errors():
    """Each handler of an `Api` is described in it."""
    document, _ = swagger_of(lambda api, resource: None)
    assert document["responses"]["TesseraError"]["description"]


def test_openapi3_a_document_that_was_made_before_is_made_anew():
    from flask_openapi3 import OpenAPI

    host = make(OpenAPI)
    app: Any = host.app
    app.get("/x")(login_required(new_view()))
    assert "security" not in app.api_doc["paths"]["/x"]["get"]
    flask_openapi3.describe_guards(app, host.tessera)
    assert app.api_doc["paths"]["/x"]["get"]["security"] == [{"bearer": []}, {"z-token": []}]
