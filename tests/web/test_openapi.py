"""`Tessera.openapi()`: the endpoints and the guarded views of an application, whatever its settings."""

from __future__ import annotations

import pytest
from flask import Blueprint, Flask
from flask.views import MethodView
from openapi_spec_validator import OpenAPIV31SpecValidator

from flask_tessera import ConfigError, Tessera, login_required
from flask_tessera.errors import REGISTRY
from flask_tessera.web.endpoints import ENDPOINTS
from tests.web.people import People

FORMS = {
    "envelope": {},
    "plain": {"TESSERA_RESPONSE_FORMAT": "plain"},
    "always-200": {"TESSERA_HTTP_STATUS": "always_200"},
    "cookies": {"TESSERA_COOKIES": True},
}


def make_shop(new_site, *, endpoints=True, **config):
    """A site with a guarded view and, where they are wanted, all endpoints."""
    site = new_site(tessera={"audit": True, "users": People(), **config.pop("tessera", {})}, **config)
    site.tessera.authenticator(lambda credentials: site.users.get(credentials["name"]))
    site.tessera.user_view(lambda user: {"id": user.id})
    if endpoints:
        site.app.register_blueprint(site.tessera.blueprint(*ENDPOINTS))

    @site.app.get("/orders/<int:number>")
    @login_required(scope="orders:read")
    def order(number):
        """One order.

        With all that was bought.

        Args:
            number: of the order.
        """

    return site


@pytest.fixture
def shop(new_site):
    return make_shop(new_site)


def document_of(site, tessera=None):
    with site.app.app_context():
        return (tessera or site.tessera).openapi()


def valid_document_of(site, tessera=None):
    """As the validator of OpenAPI wants it, which takes two seconds for each."""
    document = document_of(site, tessera)
    OpenAPIV31SpecValidator(document).validate()
    return document


def operation_of(site, view, *, path="/x", **rule):
    """What is told of a view, when it is put on a route."""
    site.app.add_url_rule(path, "x", view, **rule)
    return valid_document_of(site)["paths"][path]["get"]


def slugs_of(operation, status):
    schema = operation["responses"][str(status)]["content"]
    return schema["application/json"]["schema"]["allOf"][1]["properties"]["error"]["enum"]


# -- The document as a whole -------------------------------------------------------------------------------------------


@pytest.mark.repeats("form")
@pytest.mark.parametrize("endpoints", [True, False], ids=["with endpoints", "without"])
@pytest.mark.parametrize("form", FORMS)
def test_the_document_is_valid_in_every_form_of_answers(new_site, form, endpoints):
    document = valid_document_of(make_shop(new_site, endpoints=endpoints, **FORMS[form]))
    assert document["openapi"] == "3.1.0"
    assert ("/auth/refresh" in document["paths"]) is endpoints
    assert "/orders/{number}" in document["paths"]


def test_nothing_is_connected_to(new_site):
    """Not even where the storage is away: the document is made when an application is built, too."""
    site = make_shop(new_site, TESSERA_STORE_URL="redis://127.0.0.1:1/0")
    assert document_of(site)["paths"]
    assert site.app.extensions["tessera"].running == {}


def test_it_is_the_same_before_and_after_the_first_request(shop):
    before = document_of(shop)
    shop.login()
    assert shop.app.extensions["tessera"].running
    assert document_of(shop) == before
    # What is set after that counts for nobody.
    shop.app.config["TESSERA_RESPONSE_FORMAT"] = "plain"
    assert document_of(shop) == before


def test_title_and_version_are_the_hosts(shop):
    with shop.app.app_context():
        assert shop.tessera.openapi()["info"] == {"title": "site", "version": "1"}
        assert shop.tessera.openapi(title="Shop", version="7.1")["info"] == {"title": "Shop", "version": "7.1"}


def test_without_a_tessera_the_remedy_is_told(site):
    with site.app.app_context(), pytest.raises(ConfigError, match="no Tessera of realm 'staff'"):
        Tessera(realm="staff").openapi()
    with Flask("other").app_context(), pytest.raises(ConfigError, match="init_app"):
        site.tessera.openapi()


def test_below_a_path_the_server_is_there(shop):
    with shop.app.test_request_context("/x", base_url="http://a.example/below/"):
        assert shop.tessera.openapi()["servers"] == [{"url": "/below"}]
    assert "servers" not in document_of(shop)


def test_each_realm_has_a_document_of_its_own(shop):
    staff: Tessera[str] = Tessera(shop.app, realm="staff")
    shop.app.register_blueprint(staff.blueprint("logout", url_prefix="/staff"))
    shop.app.add_url_rule("/secret", "secret", staff.login_required(lambda: ""))
    shop.app.add_url_rule("/both", "both", staff.login_required(login_required(lambda: "")))
    theirs, ours = valid_document_of(shop, staff), document_of(shop)
    assert set(theirs["paths"]) == {"/staff/logout", "/secret", "/both"}
    assert not {"/staff/logout", "/secret"} & set(ours["paths"])
    assert {"/both", "/auth/logout", "/orders/{number}"} <= set(ours["paths"])
    assert theirs["info"]["title"] == "site staff"


def test_operations_have_names_of_their_own(new_site):
    site = new_site()
    view = login_required(lambda: "")
    for rule in ("/a", "/b"):
        site.app.add_url_rule(rule, "shop.orders", view, methods=["GET", "POST"])
    site.app.add_url_rule("/c", "shop_orders", view)
    paths = document_of(site)["paths"].values()
    names = {operation["operationId"] for path in paths for operation in path.values()}
    assert names == {
        "shop_orders_get",
        "shop_orders_post",
        "shop_orders_get_2",
        "shop_orders_post_2",
        "shop_orders_get_3",
    }


# -- Endpoints ---------------------------------------------------------------------------------------------------------


def test_every_endpoint_is_described(shop):
    described = {
        (method.upper(), path)
        for path, methods in document_of(shop)["paths"].items()
        for method in methods
        if path.startswith("/auth/")
    }
    rows = {(row.method, row.rule) for rows in ENDPOINTS.values() for row in rows if not row.is_page}
    rows |= {(method, "/verify") for method in ("POST", "PUT", "PATCH", "DELETE")}
    assert described == {(method, "/auth" + rule.replace("<", "{").replace(">", "}")) for method, rule in rows}


@pytest.mark.parametrize("row", [row for rows in ENDPOINTS.values() for row in rows], ids=lambda row: row.name)
def test_an_endpoint_declares_errors_that_there_are(row):
    assert set(row.errors) <= set(REGISTRY)
    assert row.handler.__doc__


def test_an_error_is_listed_under_its_status_with_its_texts(shop):
    login = document_of(shop)["paths"]["/auth/login"]["post"]
    assert slugs_of(login, 401) == ["credentials_wrong", "code_wrong", "second_factor_required"]
    assert "4103" in login["responses"]["401"]["description"]
    assert "账号或密码错误" in login["responses"]["401"]["description"]
    assert "Retry-After" in login["responses"]["429"]["headers"]
    assert "WWW-Authenticate" in login["responses"]["401"]["headers"]


def test_success_is_in_the_form_of_the_settings(new_site):
    def schema(**config):
        refresh = document_of(make_shop(new_site, **config))["paths"]["/auth/refresh"]["post"]
        return refresh["responses"]["200"]["content"]["application/json"]["schema"]

    pair = {"$ref": "#/components/schemas/PairResponse"}
    assert schema(**FORMS["plain"]) == pair
    envelope = schema()
    assert (envelope["properties"]["data"], envelope["properties"]["code"]) == (pair, {"const": 0})
    either = schema(**FORMS["always-200"])["anyOf"]
    assert either[0] == envelope
    assert "session_reuse" in either[1]["allOf"][1]["properties"]["error"]["enum"]


def test_errors_of_the_plain_form_are_problem_details(new_site):
    refresh = document_of(make_shop(new_site, **FORMS["plain"]))["paths"]["/auth/refresh"]["post"]
    assert list(refresh["responses"]["401"]["content"]) == ["application/problem+json"]


def test_of_a_form_of_the_hosts_own_nothing_is_said(new_site):
    site = make_shop(new_site, tessera={"answer": lambda data: {"ok": data}})
    refresh = document_of(site)["paths"]["/auth/refresh"]["post"]
    assert refresh["responses"]["200"] == {"description": "Success."}
    assert "401" in refresh["responses"]


def test_a_login_tells_which_members_name_the_account(shop):
    shop.tessera.authenticator(account="badge")(lambda credentials: None)
    body = document_of(shop)["paths"]["/auth/login"]["post"]["requestBody"]["content"]["application/json"]
    assert list(body["schema"]["properties"]) == ["badge", "password", "device"]
    assert set(body["example"]) == {"badge", "password"}


def test_a_logout_takes_a_token_or_names_one_in_its_body(shop):
    logout = document_of(shop)["paths"]["/auth/logout"]["post"]
    assert logout["security"] == [{"bearer": []}, {"z-token": []}, {}]
    assert logout["requestBody"]["required"] is False
    paths = document_of(shop)["paths"]
    assert paths["/auth/exchange"]["post"]["security"] == [{"bearer": []}, {"z-token": []}]
    assert "security" not in paths["/auth/refresh"]["post"]


@pytest.mark.parametrize("form", ["envelope", "plain", "always-200"])
def test_what_proxies_ask_has_its_own_status_and_no_body(new_site, form):
    verify = document_of(make_shop(new_site, **FORMS[form]))["paths"]["/auth/verify"]["get"]
    assert verify["responses"]["204"] == {"description": "Success."}
    assert {"401", "403"} <= set(verify["responses"])
    (scope,) = verify["parameters"]
    assert (scope["name"], scope["in"], scope["required"]) == ("scope", "query", False)


def test_the_script_is_no_json(shop):
    script = document_of(shop)["paths"]["/auth/tessera.js"]["get"]
    assert list(script["responses"]["200"]["content"]) == ["text/javascript"]


def test_what_an_api_key_may_not_do_is_told(shop):
    keys = document_of(shop)["paths"]["/auth/api-keys"]["post"]
    assert keys["description"] == "Needs login, transports=cookie header."


def test_with_cookies_a_pair_may_come_in_them(new_site):
    paths = document_of(make_shop(new_site, **FORMS["cookies"]))["paths"]
    login = paths["/auth/login"]["post"]
    pair = login["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["data"]
    names = [each["$ref"].rpartition("/")[2] for each in pair["anyOf"]]
    assert names == ["PairResponse", "CookiePairResponse"]
    asked = login["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert {"transport", "remember"} <= set(asked)
    assert "csrf_failed" in slugs_of(login, 403)
    assert paths["/auth/refresh"]["post"]["security"] == [{"cookie": [], "csrf": []}, {}]
    assert paths["/auth/csrf"]["get"]["security"] == [{"cookie": []}]


# -- Guarded views -----------------------------------------------------------------------------------------------------


def test_a_view_is_told_with_its_parameters_its_words_and_its_guard(shop):
    order = document_of(shop)["paths"]["/orders/{number}"]["get"]
    assert (order["summary"], order["operationId"]) == ("One order.", "order_get")
    assert order["description"] == "With all that was bought.\n\nNeeds login, scope=orders:read."
    assert order["parameters"] == [
        {"name": "number", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}}
    ]
    assert order["security"] == [{"bearer": ["orders:read"]}, {"z-token": ["orders:read"]}]
    assert order["x-required-scopes"] == ["orders:read"]
    assert set(order["responses"]) == {"default", "400", "401", "403", "429", "503"}
    assert slugs_of(order, 403) == ["scope_missing"]
    assert {"token_missing", "token_expired", "session_kick", "user_gone"} <= set(slugs_of(order, 401))


def test_a_view_without_a_guard_is_the_hosts_to_describe(shop):
    shop.app.add_url_rule("/open", "open", lambda: "")
    assert "/open" not in document_of(shop)["paths"]


@pytest.mark.parametrize(
    ("asked", "alternative", "refused"),
    [
        ({}, [], {"token_missing", "token_invalid"}),
        ({"optional": True}, [{}], {"token_invalid"}),
        ({"optional": "invalid"}, [{}], set()),
    ],
)
def test_who_may_come_without_a_token_may_leave_it_out(site, asked, alternative, refused):
    operation = operation_of(site, login_required(**asked)(lambda: ""))
    assert operation["security"] == [{"bearer": []}, {"z-token": []}, *alternative]
    told = set(slugs_of(operation, 401)) if "401" in operation["responses"] else set()
    assert told & {"token_missing", "token_invalid"} == refused


def test_an_optional_guard_above_a_strict_one_lets_nobody_in(site):
    view = login_required(optional=True)(login_required(scope="a")(lambda: ""))
    operation = operation_of(site, view)
    assert operation["security"] == [{"bearer": ["a"]}, {"z-token": ["a"]}]
    assert "token_missing" in slugs_of(operation, 401)


def test_a_recent_login_that_is_asked_for_may_be_refused(site):
    operation = operation_of(site, login_required(fresh=60)(lambda: ""))
    assert "step_up_required" in slugs_of(operation, 401)
    assert operation["description"] == "Needs login, fresh=60."
    assert "403" not in operation["responses"]


def test_the_protection_of_a_blueprint_counts_and_what_it_leaves_open_does_not(site):
    blueprint = Blueprint("shop", "shop")
    site.tessera.protect(blueprint, leave_open=["shop.open"], role="admin")
    blueprint.add_url_rule("/closed", "closed", lambda: "")
    blueprint.add_url_rule("/open", "open", lambda: "")
    site.app.register_blueprint(blueprint)
    paths = document_of(site)["paths"]
    assert "/open" not in paths
    assert paths["/closed"]["get"]["tags"] == ["shop"]
    assert slugs_of(paths["/closed"]["get"], 403) == ["scope_missing"]


def test_each_method_of_a_class_has_its_own_guard_and_words(site):
    class Orders(MethodView):
        """Orders."""

        def get(self):
            """All of them."""

        @login_required
        def post(self):
            """A new one."""

        @login_required(role="admin")
        def delete(self): ...

    site.app.add_url_rule("/x", view_func=Orders.as_view("orders"))
    operations = document_of(site)["paths"]["/x"]
    assert {method: operation["summary"] for method, operation in operations.items()} == {
        "post": "A new one.",
        "delete": "Orders.",
    }


@pytest.mark.parametrize(
    ("rule", "schema"),
    [
        ("/<part>", {"type": "string"}),
        ("/<path:part>", {"type": "string"}),
        ("/<uuid:part>", {"type": "string", "format": "uuid"}),
        ("/<any(b,a):part>", {"type": "string", "enum": ["a", "b"]}),
        ("/<int(max=9):part>", {"type": "integer", "minimum": 0, "maximum": 9}),
        ("/<int(min=3):part>", {"type": "integer", "minimum": 3}),
        ("/<int(signed=True):part>", {"type": "integer"}),
        ("/<float:part>", {"type": "number", "minimum": 0}),
    ],
)
def test_a_converter_is_told_as_a_schema(site, rule, schema):
    site.app.add_url_rule(rule, "x", login_required(lambda part: part))
    (parameter,) = document_of(site)["paths"]["/{part}"]["get"]["parameters"]
    assert (parameter["name"], parameter["schema"]) == ("part", schema)


@pytest.mark.parametrize(
    ("headers", "names"),
    [(("Authorization",), ["bearer"]), (("x-one", "authorization"), ["x-one", "bearer"]), (("x-one",), ["x-one"])],
)
def test_the_schemes_are_the_headers_of_the_settings(new_site, headers, names):
    site = new_site(TESSERA_HEADERS=headers)
    operation = operation_of(site, login_required(lambda: ""))
    schemes = document_of(site)["components"]["securitySchemes"]
    assert list(schemes) == names
    assert operation["security"] == [{name: []} for name in names]
    assert all(scheme["type"] == ("http" if name == "bearer" else "apiKey") for name, scheme in schemes.items())


def test_without_cookies_nothing_is_told_of_them(shop):
    assert "csrf_failed" not in repr(document_of(shop)["paths"])


def test_a_cookie_comes_with_the_csrf_token_where_something_is_changed(new_site):
    site = new_site(**FORMS["cookies"])
    view = login_required(scope="a")(lambda: "")
    operation = operation_of(site, view, methods=["GET", "POST"])
    document = document_of(site)
    change = document["paths"]["/x"]["post"]
    assert operation["security"] == [{"bearer": ["a"]}, {"z-token": ["a"]}, {"cookie": ["a"]}]
    assert change["security"][2] == {"cookie": ["a"], "csrf": ["a"]}
    assert "csrf_failed" in slugs_of(change, 403)
    assert "csrf_failed" not in slugs_of(operation, 403)
    schemes = document["components"]["securitySchemes"]
    assert (schemes["cookie"]["in"], schemes["cookie"]["name"]) == ("cookie", "__Host-tessera")
    assert (schemes["csrf"]["in"], schemes["csrf"]["name"]) == ("header", "X-CSRF-Token")


@pytest.mark.parametrize(
    ("transports", "names"),
    [("header", ["bearer", "z-token"]), ("cookie", ["cookie"]), ("api_key", ["bearer", "z-token"])],
)
def test_a_guard_that_accepts_some_transports_only_tells_their_schemes(new_site, transports, names):
    site = new_site(**FORMS["cookies"])
    operation = operation_of(site, login_required(transports=transports)(lambda: ""))
    assert operation["security"] == [{name: []} for name in names]


def test_a_ticket_is_told_where_a_guard_reads_them(site):
    view = login_required(ticket="download")(lambda: "")
    operation = operation_of(site, view, methods=["GET", "POST"])
    document = document_of(site)
    assert operation["security"] == [{"bearer": []}, {"z-token": []}, {"ticket": []}]
    assert document["paths"]["/x"]["post"]["security"] == [{"bearer": []}, {"z-token": []}]
    assert document["components"]["securitySchemes"]["ticket"]["in"] == "query"
    assert "ticket_invalid" in slugs_of(operation, 401)
    assert "ticket_invalid" not in slugs_of(document["paths"]["/x"]["post"], 401)


def test_no_scheme_is_declared_that_no_operation_names(shop):
    assert set(document_of(shop)["components"]["securitySchemes"]) == {"bearer", "z-token"}


def test_under_always_200_a_view_tells_its_errors_with_that_status(new_site):
    site = new_site(**FORMS["always-200"])
    operation = operation_of(site, login_required(scope="a")(lambda: ""))
    assert set(operation["responses"]) == {"default", "200"}
    assert "scope_missing" in operation["responses"]["200"]["description"]
