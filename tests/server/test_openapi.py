"""The service's own description of itself: complete, and true of every answer that schemathesis gets out of it."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from tests.length import shortly

from .conftest import PASSWORD, PHONE, SECRET, create_app, servers

FORMS = {
    "by default": {},
    "plain": {"TESSERA_RESPONSE_FORMAT": "plain", "TESSERA_HTTP_STATUS": "semantic"},
    "always 200": {"TESSERA_HTTP_STATUS": "always_200"},
    "semantic": {"TESSERA_HTTP_STATUS": "semantic", "TESSERA_LOCALE": "en"},
    "with cookies": {"TESSERA_COOKIES": "true", "TESSERA_COOKIE_SECURE": "false"},
}
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
EXAMPLES = {False: 6, True: 20}
"""Requests of each kind to each operation: usually, and where all tests are run."""
POSITIVE, NEGATIVE = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
PAGES = ("/docs", "/console", "/auth/links/<ticket>")
"""Below them are pages for people, which no program asks for."""


class Described:
    """A running service, and what its document says of it."""

    def __init__(self, server, issue):
        self.url = f"http://{server.host}:{server.port}"
        self.issue = issue
        self.schema = schemathesis.openapi.from_url(f"{self.url}/openapi.json")
        self.schema.config.generation.update(with_security_parameters=False)

    def ask(self, label, token="", **parts):
        """A request that is written here, and the answer, which is what the document says."""
        method, path = label.split()
        case = self.schema[path][method].Case(**parts)
        return self.sent(case, token)

    def sent(self, case, token):
        answer = case.call(base_url=self.url, headers={"z-token": token} if token else {})
        case.validate_response(answer, checks=CHECKS)
        return answer


@pytest.fixture(scope="module", params=shortly(FORMS))
def described(request, tmp_path_factory, password_hash):
    folder = tmp_path_factory.mktemp("described") / "data"
    with servers(folder, password_hash) as start:
        server = start(**FORMS[request.param])
        app = create_app(environment={"SECRET_KEY": SECRET}, data=str(folder))
        service = app.extensions["tessera_service"]

        def issue():
            """A token of another process on the same storage: the throttle of logins does not see it."""
            with app.app_context():
                return service.tessera.login(service.users.by_phone(PHONE)).access_token

        yield Described(server, issue)
        with app.app_context():
            service.tessera.close(app)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "has_token"),
    [(POSITIVE, False), (POSITIVE, True), (NEGATIVE, False)],
    ids=["valid without a token", "valid with one", "malformed"],
)
def test_no_request_gets_an_answer_that_is_not_described(described, mode, has_token, pytestconfig):
    operations = [result.ok() for result in described.schema.get_all_operations()]
    for operation in operations:
        if mode is NEGATIVE and not operation.body:
            # There is nothing that could be wrong.
            continue

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES[pytestconfig.getoption("--all")],
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate],
        )
        def ask(case):
            described.sent(case, described.issue() if has_token else "")

        ask()
    assert len(operations) > 10


def test_each_success_is_as_described(described):
    credentials = {"phone": PHONE, "password": PASSWORD}
    device = {"type": "web", "name": "x"}
    is_plain = "msg" not in described.ask("GET /").json()

    def data(answer):
        assert answer.status_code == 200
        return answer.json() if is_plain else answer.json()["data"]

    pair = data(described.ask("POST /auth/login", body={**credentials, "device": device}))
    pair = data(described.ask("POST /auth/refresh", body={"refresh_token": pair["refresh_token"]}))
    token = pair["access_token"]
    assert data(described.ask("PATCH /auth/me", token, body={"name": "Ada"}))["name"] == "Ada"
    assert data(described.ask("GET /auth/me", token))["name"] == "Ada"
    assert described.ask("GET /user/detail", token).json()["data"]["name"] == "Ada"
    other = data(described.ask("POST /auth/login", body=credentials))["session_id"]
    assert other in [each["session_id"] for each in data(described.ask("GET /auth/sessions", token))]
    ended = data(described.ask("DELETE /auth/sessions/{sid}", token, path_parameters={"sid": other}))
    assert ended["ended"] == [other]
    assert data(described.ask("POST /auth/logout", token, body={"which": "this"}))["ended"] == [pair["session_id"]]
    assert data(described.ask("GET /healthz"))["status"] == "ok"
    assert described.ask("POST /login", body=credentials).json()["code"] == 0
    assert described.ask("GET /auth/tessera.js").status_code == 200


def test_each_success_with_an_api_key_is_as_described(described):
    def data(answer):
        assert answer.status_code == 200
        return answer.json().get("data", answer.json()) if isinstance(answer.json(), dict) else answer.json()

    token = described.issue()
    assert described.ask("GET /auth/verify", token).status_code == 204
    assert described.ask("GET /auth/verify", token, query={"scope": "a"}).status_code == 403
    key = data(described.ask("POST /auth/api-keys", token, body={"name": "x", "expires_in": 3600}))
    one = {"path_parameters": {"key_id": key["id"]}}
    assert described.ask("GET /auth/verify", key["key"]).status_code == 204
    assert key["id"] in [each["id"] for each in data(described.ask("GET /auth/api-keys", token))]
    assert data(described.ask("PATCH /auth/api-keys/{key_id}", token, body={"name": "y"}, **one))["name"] == "y"
    assert data(described.ask("POST /auth/api-keys/{key_id}/rotate", token, body={"overlap": 5}, **one))["key"]
    assert data(described.ask("DELETE /auth/api-keys/{key_id}", token, **one))["revoked"] == key["id"]


@pytest.mark.parametrize("described", [pytest.param("with cookies", marks=pytest.mark.long)], indirect=True)
def test_a_pair_in_cookies_is_as_described(described):
    body = {"phone": PHONE, "password": PASSWORD, "transport": "cookie"}
    answer = described.ask("POST /auth/login", body=body)
    assert "csrf_token" in answer.json()["data"]


def test_errors_on_the_way_are_as_described(described):
    credentials = {"phone": PHONE, "password": PASSWORD}
    told = {
        described.ask("POST /auth/login", body={**credentials, "password": "x"}).json()["error"],
        described.ask("POST /auth/login", body={**credentials, "phone": "12"}).json()["error"],
        described.ask("POST /auth/login", body={"password": "x"}).json()["error"],
        described.ask("POST /auth/login", body={**credentials, "device": {"name": "x" * 20_000}}).json()["error"],
        described.ask("POST /login", body={**credentials, "password": "x"}).json()["error"],
        described.ask("POST /auth/refresh", body={"refresh_token": "tsr_x"}).json()["error"],
        described.ask("POST /auth/exchange", described.issue()).json()["error"],
        described.ask("GET /user/detail", "x").json()["error"],
    }
    token = described.issue()
    described.ask("POST /auth/logout", token, body={})
    told |= {described.ask(label, token).json()["error"] for label in ("GET /auth/me", "GET /auth/sessions")}
    assert told == {
        *("credentials_wrong", "phone_malformed", "credentials_missing", "body_too_large"),
        *("token_invalid", "token_expired", "not_found", "session_logout"),
    }


@pytest.mark.repeats("form")
@pytest.mark.parametrize("form", FORMS)
def test_every_route_but_pages_and_files_is_described(make_service, tmp_path, form):
    app = make_service(tmp_path, **FORMS[form])
    document = app.test_client().get("/openapi.json").json
    OpenAPIV31SpecValidator(document).validate()
    index = app.test_client().get("/").json
    routes = {(each["method"], each["path"]) for each in index.get("data", index)["routes"]}
    described = {
        (method.upper(), path.replace("{", "<").replace("}", ">"))
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert described == {(method, path) for method, path in routes if not path.startswith(PAGES)} | {("GET", "/")}
