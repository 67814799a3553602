"""`routes`: every route with what stands before it, and the unguarded ones marked."""

from __future__ import annotations

import flask_restful
import flask_restx
import pytest
from flask import Blueprint, Flask
from flask.views import MethodView, View

from flask_tessera import Tessera, login_required
from flask_tessera.storage.memory import MemoryStorage

from .calling import SECRET, in_app


class Site:
    """An application with two realms and no route yet."""

    def __init__(self) -> None:
        self.app = Flask(__name__, static_folder=None)
        self.app.config.update(SECRET_KEY=SECRET)
        self.users: Tessera[str] = Tessera(self.app, storage=MemoryStorage())
        self.staff: Tessera[str] = Tessera(self.app, realm="staff")

    def rows(self) -> dict[tuple[str, str], str]:
        """The guard by methods and rule; the last line is left out."""
        result = in_app(self.app, "routes")
        assert (result.exit_code, result.stderr) == (0, "")
        lines = [line.split("\t") for line in result.stdout.splitlines()[:-1]]
        return {(methods, rule): guard for methods, rule, _, guard in lines}

    def guard(self, view, rule="/x", **options):
        self.app.add_url_rule(rule, "x", view, **options)
        (guard,) = (guard for (_, each), guard in self.rows().items() if each == rule)
        return guard


@pytest.fixture
def site():
    return Site()


def view():
    """A view that no other test has put a guard before."""

    def show():
        return "in"

    return show


def test_L07_methods_rule_endpoint_and_guard_are_shown_and_the_unguarded_are_counted(site):
    site.app.add_url_rule("/a", "open", view())
    site.app.add_url_rule("/b/<int:number>", "closed", login_required(role="admin")(view()), methods=["PUT", "POST"])
    assert in_app(site.app, "routes").stdout.splitlines() == [
        "GET\t/a\topen\tUNGUARDED",
        "POST,PUT\t/b/<int:number>\tclosed\tlogin, role=admin",
        "2 routes, 1 unguarded",
    ]


def test_an_application_without_tessera_has_only_unguarded_routes():
    app = Flask(__name__, static_folder=None)
    app.add_url_rule("/a", "open", view())
    assert in_app(app, "routes").stdout.splitlines()[-1] == "1 routes, 1 unguarded"


def test_the_realm_is_named(site):
    assert site.guard(site.staff.login_required(scope="b a")(view())) == "login, scope=a b (realm staff)"


def test_all_guards_before_a_view_are_shown_the_outermost_first(site):
    guarded = site.staff.login_required(login_required(optional=True)(view()))
    assert site.guard(guarded) == "login (realm staff); login, optional=missing"


def test_L07_a_guard_above_the_route_decorator_is_told(site):
    login_required(view_of_its_own := lambda: "in")
    assert site.guard(view_of_its_own).startswith("UNGUARDED: @login_required stands above the route decorator")


def test_L07_protect_covers_an_application_but_what_is_left_open_and_static_files(tmp_path):
    site = Site()
    site.app = Flask(__name__, static_folder=str(tmp_path), static_url_path="/static")
    site.app.config.update(SECRET_KEY=SECRET)
    tessera: Tessera[str] = Tessera(site.app, storage=MemoryStorage())
    tessera.protect(site.app, leave_open=["open"], strict=True)
    site.app.add_url_rule("/open", "open", view())
    site.app.add_url_rule("/in", "in", view())
    site.app.add_url_rule("/admin", "admin", login_required(role="admin")(view()))
    site.app.register_blueprint(tessera.blueprint("refresh", "logout"))
    rows = site.rows()
    assert rows["GET", "/open"] == "left open"
    assert rows["GET", "/in"] == "login, strict"
    assert rows["GET", "/admin"] == "login, strict; login, role=admin"
    assert rows["GET", "/static/<path:filename>"] == "static files"
    assert rows["POST", "/auth/refresh"] == "own check"


def test_L07_an_endpoint_to_leave_open_that_there_is_not_is_told(site):
    site.users.protect(site.app, leave_open=["heath"])
    site.app.add_url_rule("/health", "health", view())
    failed = in_app(site.app, "routes")
    assert failed.exit_code == 1
    assert "names 'heath', which is no endpoint of this application; did you mean 'health'" in failed.stderr


def test_L07_a_check_fails_for_what_is_unguarded_and_not_allowed(site):
    site.app.add_url_rule("/in", "in", login_required(view()))
    assert in_app(site.app, "routes", "--check").exit_code == 0
    for name in ("login", "health"):
        site.app.add_url_rule(f"/{name}", name, view())
    assert in_app(site.app, "routes").exit_code == 0
    failed = in_app(site.app, "routes", "--check", "--allow", "login")
    assert (failed.exit_code, failed.stderr) == (1, "Error: without a guard: health\n")
    assert in_app(site.app, "routes", "--check", "--allow", "login", "--allow", "health").exit_code == 0
    missing = in_app(site.app, "routes", "--check", "--allow", "log-in")
    assert (missing.exit_code, missing.stderr) == (1, "Error: there is no endpoint log-in\n")


def test_L07_protect_covers_a_blueprint_and_those_within_it_and_nothing_else(site):
    outer, inner, other = (Blueprint(name, __name__) for name in ("outer", "inner", "other"))
    site.staff.protect(outer)
    site.users.protect(inner, fresh=60)
    for each in (outer, inner, other):
        each.add_url_rule(f"/{each.name}", "x", view())
    outer.register_blueprint(inner)
    site.app.register_blueprint(outer)
    site.app.register_blueprint(other)
    rows = site.rows()
    assert rows["GET", "/outer"] == "login (realm staff)"
    assert rows["GET", "/inner"] == "login (realm staff); login, fresh=60"
    assert rows["GET", "/other"] == "UNGUARDED"


def test_our_own_endpoints_look_after_themselves(site):
    site.app.register_blueprint(site.users.blueprint("refresh", "logout", "sessions"))
    rows = site.rows()
    assert rows["POST", "/auth/refresh"] == "own check"
    assert rows["GET", "/auth/sessions"] == "login, transports=cookie header"
    assert "UNGUARDED" not in rows.values()


class Whole(View):
    decorators = (login_required(role="admin"),)

    def dispatch_request(self):
        return "in"


class Inside(View):
    @login_required
    def dispatch_request(self):
        return "in"


class ByMethod(MethodView):
    def get(self):
        return "in"

    @login_required
    def post(self):
        return "in"

    @login_required
    def put(self):
        return "in"


@pytest.mark.parametrize(("kind", "guard"), [(Whole, "login, role=admin"), (Inside, "login")])
def test_L07_the_guards_of_a_class_are_seen(site, kind, guard):
    assert site.guard(kind.as_view("x")) == guard


def test_L07_the_methods_of_a_class_may_have_guards_of_their_own(site):
    site.app.add_url_rule("/x", "x", ByMethod.as_view("x"))
    assert site.rows() == {("GET", "/x"): "UNGUARDED", ("POST,PUT", "/x"): "login"}


@pytest.mark.parametrize("library", [flask_restful, flask_restx], ids=["restful", "restx"])
def test_L07_the_decorators_of_a_resource_are_seen(site, library):
    class Resource(library.Resource):
        method_decorators = [login_required(permission="write"), site.staff.login_required]  # noqa: RUF012 - as there

        def get(self):
            return "in"

    class Open(library.Resource):
        def get(self):
            return "in"

    api = library.Api(site.app)
    api.add_resource(Resource, "/x")
    api.add_resource(Open, "/open")
    rows = site.rows()
    assert rows["GET", "/x"] == "login (realm staff); login, permission=write"
    assert rows["GET", "/open"] == "UNGUARDED"


def test_L07_flask_restful_may_have_other_decorators_for_each_method(site):
    class Resource(flask_restful.Resource):
        method_decorators = {"post": [login_required]}  # noqa: RUF012 - as Flask-RESTful documents it

        def get(self):
            return "in"

        def post(self):
            return "in"

    flask_restful.Api(site.app).add_resource(Resource, "/x")
    assert site.rows() == {("GET", "/x"): "UNGUARDED", ("POST", "/x"): "login"}


def test_L07_a_decorator_of_a_whole_api_is_seen(site):
    class Resource(flask_restful.Resource):
        def get(self):
            return "in"

    flask_restful.Api(site.app, decorators=[login_required]).add_resource(Resource, "/x")
    assert site.rows() == {("GET", "/x"): "login"}


def test_looking_at_the_routes_changes_none_of_them(site):
    class Resource(flask_restful.Resource):
        method_decorators = [login_required]  # noqa: RUF012 - as there

        def get(self):
            return "in"

    flask_restful.Api(site.app).add_resource(Resource, "/x")
    site.app.add_url_rule("/open", "open", view())
    before = in_app(site.app, "routes").stdout
    client = site.app.test_client()
    assert (client.get("/x").status_code, client.get("/open").status_code) == (401, 200)
    assert in_app(site.app, "routes").stdout == before


def test_the_service_has_no_unguarded_routes_but_those_for_everybody(run, service):
    rows = [line.split("\t") for line in run("routes").stdout.splitlines()[:-1]]
    assert {rule for _, rule, _, guard in rows if guard == "UNGUARDED"} == {
        *("/", "/healthz"),
        *("/docs", "/openapi.json"),
    }
    assert {rule: guard for _, rule, _, guard in rows}["/login"] == "own check"
