"""`login_required` and its kin: who gets in, who does not, and that nothing opens a door by accident."""

from __future__ import annotations

import asyncio
import functools
import gc
import threading
from pathlib import Path

import pytest
from flask import Blueprint, Flask, abort
from flask.views import MethodView, View
from flask_restful import Api, Resource

from flask_tessera import (
    ConfigError,
    OutsideRequestError,
    Tessera,
    TokenExpiredError,
    TokenInvalidError,
    current_identity,
    current_user,
    login_required,
)
from flask_tessera.testing import race

from .conftest import SECRET, age

ENVELOPE = {"code": 4103, "msg": "缺少参数token", "error": "token_missing"}


def told(response) -> tuple[int, str]:
    """Status and slug of an error."""
    assert response.is_json, (response.status, response.text[:80])
    return response.status_code, response.get_json()["error"]


async def breathe() -> None:
    """Let other coroutines run."""
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, int)


class Watch:
    """Counts how often a view's body ran."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self) -> dict:
        self.runs += 1
        return {"id": current_user.id}


# The forms in which a guard is put before a view.


def bare(app, tessera, body):
    @app.get("/view")
    @login_required
    def view():
        return body()


def with_arguments(app, tessera, body):
    @app.get("/view")
    @login_required(strict=True)
    def view():
        return body()


def with_empty_brackets(app, tessera, body):
    @app.get("/view")
    @login_required()
    def view():
        return body()


def of_the_extension(app, tessera, body):
    @app.get("/view")
    @tessera.login_required
    def view():
        return body()


def twice(app, tessera, body):
    @app.get("/view")
    @login_required(strict=True)
    @tessera.login_required
    def view():
        return body()


def on_an_async_view(app, tessera, body):
    @app.get("/view")
    @login_required
    async def view():
        await breathe()
        return body()


def on_a_partial(app, tessera, body):
    def view(said):
        return body()

    app.add_url_rule("/view", "view", login_required(functools.partial(view, "hello")))


def on_a_method(app, tessera, body):
    class Orders:
        @login_required
        def list(self):
            return body()

    app.add_url_rule("/view", "view", Orders().list)


def on_a_callable_object(app, tessera, body):
    class Orders:
        def __call__(self):
            return body()

    app.add_url_rule("/view", "view", login_required(Orders()))


def on_a_bound_method(app, tessera, body):
    class Orders:
        def list(self):
            return body()

    app.add_url_rule("/view", "view", login_required(Orders().list))


def in_the_decorators_of_a_view_class(app, tessera, body):
    class Orders(View):
        decorators = (login_required,)

        def dispatch_request(self):
            return body()

    app.add_url_rule("/view", view_func=Orders.as_view("view"))


def in_the_decorators_of_a_method_view(app, tessera, body):
    class Orders(MethodView):
        decorators = (login_required(fresh=False),)

        def get(self):
            return body()

    app.add_url_rule("/view", view_func=Orders.as_view("view"))


def on_an_async_method_of_a_method_view(app, tessera, body):
    class Orders(MethodView):
        decorators = (login_required,)

        async def get(self):
            return body()

    app.add_url_rule("/view", view_func=Orders.as_view("view"))


def on_one_method_of_a_method_view(app, tessera, body):
    class Orders(MethodView):
        @login_required
        def get(self):
            return body()

    app.add_url_rule("/view", view_func=Orders.as_view("view"))


def in_the_method_decorators_of_a_resource(app, tessera, body):
    class Orders(Resource):
        method_decorators = (login_required,)

        def get(self):
            return body()

    Api(app).add_resource(Orders, "/view")


def on_a_method_of_a_resource(app, tessera, body):
    class Orders(Resource):
        @login_required
        def get(self):
            return body()

    Api(app).add_resource(Orders, "/view")


def over_a_whole_application(app, tessera, body):
    tessera.protect(app)
    app.add_url_rule("/view", "view", body.__call__)


def over_a_blueprint(app, tessera, body):
    blueprint = Blueprint("shop", "shop")
    tessera.protect(blueprint)
    blueprint.add_url_rule("/view", "view", body.__call__)
    app.register_blueprint(blueprint)


def over_the_blueprint_around_it(app, tessera, body):
    outer, inner = Blueprint("outer", "outer"), Blueprint("inner", "inner")
    tessera.protect(outer)
    inner.add_url_rule("/view", "view", body.__call__)
    outer.register_blueprint(inner)
    app.register_blueprint(outer)


def on_a_nested_blueprint(app, tessera, body):
    outer, inner = Blueprint("outer", "outer"), Blueprint("inner", "inner")

    @inner.get("/view")
    @login_required
    def view():
        return body()

    outer.register_blueprint(inner)
    app.register_blueprint(outer)


FORMS = [
    bare,
    with_arguments,
    with_empty_brackets,
    of_the_extension,
    twice,
    on_an_async_view,
    on_a_partial,
    on_a_method,
    on_a_bound_method,
    on_a_callable_object,
    in_the_decorators_of_a_view_class,
    in_the_decorators_of_a_method_view,
    on_an_async_method_of_a_method_view,
    on_one_method_of_a_method_view,
    in_the_method_decorators_of_a_resource,
    on_a_method_of_a_resource,
    over_a_whole_application,
    over_a_blueprint,
    over_the_blueprint_around_it,
    on_a_nested_blueprint,
]
forms = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)


@forms
def test_a_guard_works_in_every_form(new_site, form):
    site, body = new_site(), Watch()
    form(site.app, site.tessera, body)
    assert told(site.get("/view")) == (401, "token_missing")
    assert told(site.get("/view", "")) == (401, "token_invalid")
    assert told(site.get("/view", "garbage")) == (401, "token_invalid")
    assert body.runs == 0
    answer = site.get("/view", site.login().access_token)
    assert (answer.status_code, answer.get_json()) == (200, {"id": 7})
    assert answer.headers["Cache-Control"] == "no-store"


@forms
def test_an_async_loader_serves_every_form(new_site, form):
    site, body = new_site(loader=False), Watch()

    @site.tessera.user_loader
    async def load(user_id):
        await breathe()
        return site.users.get(user_id)

    form(site.app, site.tessera, body)
    pair = site.login()
    assert site.get("/view", pair.access_token).get_json() == {"id": 7}
    del site.users[7]
    assert told(site.get("/view", pair.access_token)) == (401, "user_gone")
    assert body.runs == 1


@forms
def test_H05_head_needs_what_get_needs_and_options_stays_open(new_site, form):
    site, body = new_site(), Watch()
    form(site.app, site.tessera, body)
    assert site.request("HEAD", "/view").status_code in (401, 405)
    assert body.runs == 0
    preflight = {"Origin": "https://shop.example", "Access-Control-Request-Headers": "z-token"}
    assert site.request("OPTIONS", "/view", headers=preflight).status_code == 200
    assert body.runs == 0


# The wrong order of decorators.


def above_the_route(target):
    def put(app, body):
        where = app if target is None else target(app)

        @login_required
        @where.get("/view")
        def view():
            return body()

        return where

    return put


def with_another_decorator_between(app, body):
    def noisy(view):
        @functools.wraps(view)
        def wrapper():
            return view()

        return wrapper

    @noisy
    @login_required
    @app.get("/view")
    @noisy
    def view():
        return body()


def on_a_blueprint(app, body):
    blueprint = Blueprint("shop", "shop")

    @login_required
    @blueprint.get("/view")
    def view():
        return body()

    app.register_blueprint(blueprint)


def on_a_blueprint_in_a_blueprint(app, body):
    outer, inner = Blueprint("outer", "outer"), Blueprint("inner", "inner")

    @login_required(scope="x")
    @inner.get("/view")
    async def view():
        return body()

    outer.register_blueprint(inner, name="other")
    app.register_blueprint(outer)


def after_the_route(app, body):
    def view():
        return body()

    app.add_url_rule("/view", view_func=view)
    login_required(view)


def on_a_callable_object(app, body):
    class View:
        __name__ = "view"

        def __call__(self):
            return body()

    view = View()
    app.add_url_rule("/view", view_func=view)
    login_required(view)


def above_a_route_decorator_that_wraps(app, body):
    """As flask-openapi3's: it registers what it has made, and gives the function back."""

    def route(function):
        @functools.wraps(function)
        def made():
            return function()

        app.add_url_rule("/view", "view", made)
        return function

    @login_required
    @route
    def view():
        return body()


def above_a_route_decorator_that_registers_a_partial(app, body):
    def route(function):
        app.add_url_rule("/view", "view", functools.partial(function))
        return function

    @login_required
    @route
    def view():
        return body()


def by_a_decorator_of_the_hosts_own_between_two_routes(app, body):
    def members_only(function):
        return login_required(function)

    @app.get("/other", endpoint="other")
    @members_only
    @app.get("/view")
    def view():
        return body()


def above_the_route_of_a_lambda(app, body):
    login_required(app.get("/view")(lambda: body() or ""))


WRONG = [
    above_the_route_of_a_lambda,
    on_a_callable_object,
    above_a_route_decorator_that_wraps,
    above_a_route_decorator_that_registers_a_partial,
    by_a_decorator_of_the_hosts_own_between_two_routes,
    above_the_route(None),
    with_another_decorator_between,
    on_a_blueprint,
    on_a_blueprint_in_a_blueprint,
    after_the_route,
]


@pytest.mark.parametrize("put", WRONG)
@pytest.mark.parametrize("handler", [None, Exception])
def test_H07_a_guard_above_its_route_is_a_500_and_the_view_never_runs(new_site, put, handler):
    site, body = new_site(), Watch()
    if handler:
        site.app.register_error_handler(handler, lambda error: (str(error), 500))
    put(site.app, body)
    for token in (None, site.login().access_token):
        answer = site.get("/view", token)
        assert answer.status_code == 500
        assert not handler or "below the route decorator" in answer.text
    assert body.runs == 0


def test_H07_the_wrong_order_is_told_to_the_developer(new_site):
    site = new_site(TESTING=True)
    on_a_blueprint(site.app, Watch())
    with pytest.raises(ConfigError, match=r"the route of 'shop\.view' leads past its guard"):
        site.get("/view")


def test_H07_a_guard_above_before_request_is_a_500_on_every_request(new_site):
    site = new_site(TESTING=True)

    @login_required
    @site.app.before_request
    def members_only():
        """Does nothing: the guard is what counts."""

    for _ in range(2):
        with pytest.raises(ConfigError, match=r"before_request runs 'members_only' without its guard"):
            site.get("/who", site.login().access_token)


def test_a_guard_below_before_request_guards_every_view(new_site):
    site = new_site()

    @site.app.before_request
    @login_required
    def members_only():
        """Does nothing: the guard is what counts."""

    site.app.add_url_rule("/view", "view", lambda: "in")
    assert told(site.get("/view")) == (401, "token_missing")
    assert site.get("/view", site.login().access_token).text == "in"


def test_a_decorator_around_a_function_that_is_guarded_elsewhere_may_be_public(new_site):
    """It copies what the function tells of its guards (`functools.wraps`)."""
    site = new_site()

    def view():
        return "in"

    site.app.add_url_rule("/closed", "closed", login_required(view))
    site.app.add_url_rule("/open", "open", functools.wraps(view)(lambda: "in"))
    assert site.get("/open").text == "in"
    assert told(site.get("/closed")) == (401, "token_missing")


def test_applications_and_routes_may_be_made_while_another_application_handles_its_first_request(new_site):
    """The search for routes that lead past their guard looks at the routes of all applications."""
    growing, site, made = new_site(), new_site(TESTING=True), []

    class View:
        """Is looked at by the search, in the midst of which the other application grows."""

        __name__ = "view"

        @property
        def __wrapped__(self):
            if len(made) < 3:
                made.append(new_site())
                growing.app.endpoint(f"view{len(made)}")(str)

    for name in ("first", "second"):
        growing.app.endpoint(name)(View())
    assert site.get("/nowhere").status_code == 404
    assert made


def test_one_function_may_be_guarded_twice_for_two_routes(new_site):
    site = new_site()

    def view():
        return {"id": current_user.id}

    site.app.add_url_rule("/a", "a", login_required(view))
    site.app.add_url_rule("/b", "b", login_required(scope="orders")(view))
    pair = site.login(scope="orders")
    assert site.get("/a", pair.access_token).status_code == 200
    assert site.get("/b", pair.access_token).status_code == 200
    assert told(site.get("/b", site.login().access_token)) == (403, "scope_missing")


@pytest.mark.parametrize("guarded_first", [False, True])
def test_one_function_may_be_public_on_one_route_and_guarded_on_another(new_site, guarded_first):
    site, body = new_site(), Watch()

    def view():
        return {"runs": body.runs}

    routes = [("/open", "open", view), ("/closed", "closed", login_required(view))]
    for rule, endpoint, function in reversed(routes) if guarded_first else routes:
        site.app.add_url_rule(rule, endpoint, function)
    assert site.get("/open").status_code == 200
    assert told(site.get("/closed")) == (401, "token_missing")
    assert site.get("/closed", site.login().access_token).status_code == 200


def test_a_lambda_may_be_public_and_guarded_on_one_line(new_site):
    site = new_site()
    views = [bare := lambda: "in", login_required(bare)]
    for rule, view in zip(("/open", "/closed"), views, strict=True):
        site.app.add_url_rule(rule, rule, view)
    assert site.get("/open").text == "in"
    assert told(site.get("/closed")) == (401, "token_missing")


def test_one_function_may_be_public_in_one_application_and_guarded_in_another(new_site):
    open_site, closed_site = new_site(), new_site()

    def view():
        return "in"

    open_site.app.add_url_rule("/view", "view", view)
    closed_site.app.add_url_rule("/view", "view", login_required(view))
    assert open_site.get("/view").status_code == 200
    assert told(closed_site.get("/view")) == (401, "token_missing")


def test_a_function_of_a_module_may_be_guarded_by_any_number_of_application_factories(new_site):
    """What an application that is gone has registered decides nothing, collected or not, and nothing piles up."""

    def view():
        return "in"

    for _ in range(20):
        closed_site = new_site()
        closed_site.app.add_url_rule("/view", "view", login_required(view))
        assert told(closed_site.get("/view")) == (401, "token_missing")
    kept = [each for name, each in vars(view).items() if "tessera" in name and each]
    assert kept == []
    del closed_site
    gc.collect()
    open_site = new_site()
    open_site.app.add_url_rule("/view", "view", view)
    assert open_site.get("/view").status_code == 200


def test_H07_a_guard_that_was_made_and_thrown_away_is_a_mistake(new_site):
    site = new_site()

    def view():
        return "in"

    login_required(view)
    gc.collect()
    site.app.add_url_rule("/view", "view", view)
    assert site.get("/view").status_code == 500


def test_H07_a_decorator_above_the_route_is_refused_though_the_guard_has_a_route_too(new_site):
    site = new_site()

    @login_required
    @site.app.get("/view")
    def view():
        return "in"

    site.app.add_url_rule("/other", "other", view)
    assert site.get("/view").status_code == 500
    assert told(site.get("/other")) == (401, "token_missing")


def test_a_guarded_view_keeps_its_name_and_what_it_wraps(new_site):
    def view():
        """Doc."""

    guarded = login_required(view)
    assert (guarded.__name__, guarded.__doc__, guarded.__wrapped__) == ("view", "Doc.", view)


@pytest.mark.parametrize("thing", [5, "admin", type("Orders", (MethodView,), {})])
def test_a_guard_on_something_else_than_a_function_is_refused(thing):
    with pytest.raises(TypeError, match="view functions"):
        login_required(thing)


@pytest.mark.parametrize(
    "asked",
    [
        {"scope": None},
        {"scope": ["a"]},
        {"role": 5},
        {"role": None},
        {"permission": None},
        {"permission": ["a"]},
        {"scope": ""},
        {"scope": " "},
        {"role": ""},
        {"role": "\t\n"},
        {"permission": ""},
        {"fresh": "1"},
        {"fresh": 1.5},
        {"fresh": 0},
        {"fresh": -1},
        {"fresh": None},
        {"strict": "yes"},
        {"strict": 1},
        {"strict": None},
        {"optional": "yes"},
        {"optional": "missing"},
        {"optional": "no"},
        {"optional": ""},
        {"optional": None},
        {"optional": 1},
        {"optional": 0},
        {"optional": 1.0},
        {"optional": True, "scope": "x"},
        {"optional": True, "role": "x"},
        {"optional": "invalid", "permission": "x"},
        {"optional": "invalid", "fresh": True},
        {"optional": True, "fresh": 60},
        {"permissions": "x"},
        {"roles": "admin"},
        {"scopes": "x"},
    ],
)
def test_H07_a_requirement_that_is_unknown_or_asks_for_nothing_is_refused_at_once(new_site, asked):
    site = new_site()
    with pytest.raises(TypeError):
        login_required(**asked)
    with pytest.raises(TypeError):
        site.tessera.login_required(**asked)
    with pytest.raises(TypeError):
        site.tessera.protect(site.app, **asked)


# Nothing set up, or something broken.


def test_H07_without_init_app_every_guarded_view_is_a_500():
    app, body = Flask("app"), Watch()
    bare(app, None, body)
    Tessera().protect(app)
    assert app.test_client().get("/view").status_code == 500
    app.config["TESTING"] = True
    with pytest.raises(ConfigError, match=r"call tessera\.init_app\(app\)"):
        app.test_client().get("/view")
    assert body.runs == 0


def test_a_guard_of_another_realm_than_the_applications_is_a_500_that_names_the_known_ones(new_site):
    site = new_site(tessera={"realm": "admin"}, TESTING=True)
    bare(site.app, site.tessera, Watch())
    with pytest.raises(ConfigError, match="realm ''; it has those of 'admin'"):
        site.get("/view", site.login().access_token)


@pytest.mark.parametrize("optional", [False, True, "invalid"])
@pytest.mark.parametrize("setting", ["TESSERA_LOCALE", "TESSERA_STORE_URI"])
def test_H07_a_wrong_setting_after_init_app_is_a_500_whatever_is_optional(new_site, optional, setting):
    site, body = new_site(), Watch()
    site.app.config[setting] = "xx"
    site.app.add_url_rule("/view", "view", login_required(optional=optional)(lambda: str(body())))
    assert site.get("/view").status_code == 500
    assert site.get("/view", "x").status_code == 500
    assert body.runs == 0


@pytest.mark.parametrize("error", [ValueError, KeyError, AttributeError, RuntimeError, ZeroDivisionError])
@pytest.mark.parametrize("form", [bare, on_an_async_view, over_a_whole_application])
@pytest.mark.parametrize("is_async", [False, True])
def test_H07_an_exception_in_the_loader_is_a_500(new_site, error, form, is_async):
    site = new_site(loader=False)

    def load(user_id):
        raise error("the users' table is gone")

    async def load_async(user_id):
        raise error("the users' table is gone")

    site.tessera.user_loader(load_async if is_async else load)
    form(
        site.app,
        site.tessera,
        lambda: {"admin": not getattr(current_user, "is_banned", False), "any": bool(current_user)},
    )
    assert site.get("/view", site.login().access_token).status_code == 500


@pytest.mark.parametrize("error", [AttributeError, RuntimeError])
def test_H07_a_failing_loader_reads_neither_as_nobody_nor_as_an_absent_attribute(new_site, error):
    site = new_site(loader=False)

    @site.tessera.user_loader
    def load(user_id):
        raise error("broken")

    @site.app.get("/bool")
    @login_required
    def as_bool():
        return "somebody" if current_user else "nobody"

    @site.app.get("/attribute")
    @login_required
    def as_attribute():
        return "banned" if getattr(current_user, "banned", False) else "welcome"

    token = site.login().access_token
    assert site.get("/bool", token).status_code == 500
    assert site.get("/attribute", token).status_code == 500


def test_a_loader_may_answer_the_request_itself(new_site):
    site = new_site(loader=False)
    site.tessera.user_loader(lambda user_id: abort(418))
    bare(site.app, site.tessera, Watch())
    assert site.get("/view", site.login().access_token).status_code == 418


def test_a_user_who_is_gone_gets_4101(site):
    pair = site.login()
    del site.users[7]
    answer = site.get("/who", pair.access_token)
    assert (answer.status_code, answer.get_json()) == (401, {"code": 4101, "msg": "登录已过期", "error": "user_gone"})


def test_H07_a_blueprints_error_handler_does_not_open_a_guard(new_site):
    site, body = new_site(), Watch()
    blueprint = Blueprint("shop", "shop")
    blueprint.register_error_handler(Exception, lambda error: body())
    blueprint.register_error_handler(401, lambda error: body())
    blueprint.add_url_rule("/view", "view", login_required(body))
    site.app.register_blueprint(blueprint)
    assert told(site.get("/view")) == (401, "token_missing")
    assert body.runs == 0


# optional=


def optional_site(new_site, optional, **config):
    site = new_site(**config)

    @site.app.get("/view")
    @login_required(optional=optional)
    def view():
        return {"id": current_user.id if current_user else None, "identity": bool(current_identity)}

    return site


def after(site, pair, event):
    event()
    return {"z-token": pair.access_token}


def kicked(site):
    with site.app.app_context():
        site.tessera.revoke_user(7, "logout")


PRESENTED = {
    "none": lambda site, pair: {},
    "empty": lambda site, pair: {"z-token": ""},
    "bad": lambda site, pair: {"z-token": pair.access_token[:-1]},
    "two": lambda site, pair: {"z-token": pair.access_token, "Authorization": "Bearer other"},
    "expired": lambda site, pair: after(site, pair, lambda: site.clock.advance(901)),
    "ended": lambda site, pair: after(site, pair, lambda: kicked(site)),
    "gone": lambda site, pair: after(site, pair, lambda: site.users.pop(7)),
    "good": lambda site, pair: {"z-token": pair.access_token},
}


@pytest.mark.parametrize(
    ("optional", "token", "outcome"),
    [
        (False, "none", "token_missing"),
        (False, "empty", "token_invalid"),
        (False, "bad", "token_invalid"),
        (False, "expired", "token_expired"),
        (False, "ended", "session_logout"),
        (False, "gone", "user_gone"),
        (False, "two", "token_ambiguous"),
        (False, "good", 7),
        (True, "none", None),
        (True, "empty", "token_invalid"),
        (True, "bad", "token_invalid"),
        (True, "expired", "token_expired"),
        (True, "ended", "session_logout"),
        (True, "gone", "user_gone"),
        (True, "two", "token_ambiguous"),
        (True, "good", 7),
        ("invalid", "none", None),
        ("invalid", "empty", None),
        ("invalid", "bad", None),
        ("invalid", "expired", None),
        ("invalid", "ended", None),
        ("invalid", "gone", None),
        ("invalid", "two", "token_ambiguous"),
        ("invalid", "good", 7),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_optional_lets_nobody_in_where_it_says_so(new_site, optional, token, outcome, is_async):
    site = optional_site(new_site, optional)
    if is_async:

        @site.tessera.user_loader
        async def load(user_id):
            return site.users.get(user_id)

    headers = PRESENTED[token](site, site.login())
    answer = site.get("/view", headers=headers)
    if isinstance(outcome, str):
        assert answer.get_json()["error"] == outcome
    else:
        assert answer.get_json() == {"id": outcome, "identity": outcome is not None}


@pytest.mark.parametrize("optional", [False, True, "invalid"])
def test_F03_no_optional_swallows_a_storage_fault(new_site, optional, broken_storage):
    site = new_site(storage=broken_storage)
    site.app.add_url_rule("/view", "view", login_required(optional=optional)(lambda: "in"))
    pair = site.login()
    broken_storage.is_broken = True
    answer = site.get("/view", pair.access_token)
    assert told(answer) == (503, "storage_read_failed")
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize("asked", [{"scope": "x"}, {"role": "admin"}, {"permission": "x"}, {"fresh": True}])
def test_H07_what_is_optional_asks_for_nothing_more_and_says_why(asked):
    with pytest.raises(TypeError, match=f"{next(iter(asked))} would keep out only who has logged in"):
        login_required(optional=True, **asked)


def test_optional_may_stand_beside_strict(new_site):
    site = new_site(TESSERA_REVOCATION="stateless")
    site.app.add_url_rule("/view", "view", login_required(optional=True, strict=True)(lambda: str(bool(current_user))))
    pair = site.login()
    assert (site.get("/view").text, site.get("/view", pair.access_token).text) == ("False", "True")
    kicked(site)
    assert told(site.get("/view", pair.access_token)) == (401, "session_logout")


# scope, role, fresh, strict


@pytest.mark.parametrize(
    ("scope", "granted", "is_let_in"),
    [
        ("orders:read", "orders:read", True),
        ("orders:read", "a orders:read b", True),
        ("a b", "b a c", True),
        ("orders:read", "", False),
        ("orders:read", "orders:rea", False),
        ("orders:read", "orders:readx", False),
        ("a b", "a", False),
        ("Orders", "orders", False),
    ],
)
def test_every_word_of_scope_must_be_granted(new_site, scope, granted, is_let_in):
    site = new_site()
    site.app.add_url_rule("/view", "view", login_required(scope=scope)(lambda: "in"))
    answer = site.get("/view", site.login(scope=granted).access_token)
    assert (answer.status_code == 200) is is_let_in
    if not is_let_in:
        assert answer.get_json() == {"code": 4105, "msg": "权限不足", "error": "scope_missing"}
        assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("has", "is_let_in"),
    [
        ({"role": "admin"}, True),
        ({"role": "owner"}, True),
        ({"roles": ["staff", "admin"]}, True),
        ({"roles": ("owner",)}, True),
        ({"roles": {"admin"}, "role": "member"}, True),
        ({"role": "member"}, False),
        ({"role": None}, False),
        ({"roles": []}, False),
        ({"roles": [], "role": "admin"}, True),
        ({"roles": ["admin"], "role": None}, True),
        ({"roles": [None, "staff"]}, False),
        ({"role": "administrator"}, False),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_one_of_the_roles_must_be_the_users(new_site, has, is_let_in, is_async):
    site = new_site(loader=False)
    user = type("Somebody", (), {"id": 7, **has})()

    async def load_async(user_id):
        return user

    site.tessera.user_loader(load_async if is_async else lambda user_id: user)

    @site.app.get("/view")
    @login_required(role="admin owner")
    async def view():
        return "in"

    answer = site.get("/view", site.login().access_token)
    assert answer.status_code == (200 if is_let_in else 403)


def test_S12_fresh_asks_for_a_login_that_is_young_and_a_refresh_makes_none(new_site):
    site = new_site()
    site.app.register_blueprint(site.tessera.blueprint())
    site.app.add_url_rule("/5m", "5m", login_required(fresh=True)(lambda: "in"))
    site.app.add_url_rule("/1h", "1h", login_required(fresh=3600)(lambda: "in"))
    pair = site.login()
    site.clock.advance(300)
    assert site.get("/5m", pair.access_token).status_code == 200
    site.clock.advance(1)
    answer = site.get("/5m", pair.access_token)
    assert answer.get_json() == {"code": 4107, "msg": "需要再次验证", "error": "step_up_required"}
    assert 'error="insufficient_user_authentication"' in answer.headers["WWW-Authenticate"]
    assert site.get("/1h", pair.access_token).status_code == 200
    again = site.post("/auth/refresh", json={"refresh_token": pair.refresh_token}).get_json()["data"]
    assert told(site.get("/5m", again["access_token"])) == (401, "step_up_required")


def test_S01_strict_asks_the_storage_whatever_the_mode_is(new_site):
    site = new_site(TESSERA_REVOCATION="stateless")
    site.app.add_url_rule("/strict", "strict", login_required(strict=True)(lambda: "in"))
    site.app.add_url_rule("/plain", "plain", login_required(lambda: "in"))
    pair = site.login()
    with site.app.app_context():
        site.tessera.revoke_session(pair.session_id)
    assert site.get("/plain", pair.access_token).status_code == 200
    assert told(site.get("/strict", pair.access_token)) == (401, "session_kick")


@pytest.mark.parametrize("mode", ["strict", "bounded"])
def test_S01_what_has_ended_is_refused_with_its_reason(new_site, mode):
    site = new_site(TESSERA_REVOCATION=mode)
    site.app.add_url_rule("/view", "view", login_required(lambda: "in"))
    age(site)
    pair = site.login()
    assert site.get("/view", pair.access_token).status_code == 200
    with site.app.app_context():
        site.tessera.revoke_session(pair.session_id)
    assert site.get("/view", pair.access_token).get_json()["msg"] == "您已被踢下线"


# current_user


def test_the_user_is_loaded_at_first_use_and_once(new_site):
    site = new_site()

    @site.app.get("/none")
    @login_required
    def none():
        return "in"

    @site.app.get("/thrice")
    @site.tessera.login_required
    @login_required
    def thrice():
        return str({current_user.id, current_user.id, site.tessera.current_user.id})

    token = site.login().access_token
    site.get("/none", token)
    assert site.loads == []
    site.get("/thrice", token)
    assert site.loads == [7]


def test_a_user_loaded_by_one_guard_is_kept_by_the_next_of_the_same_token(new_site):
    site = new_site()

    @site.app.get("/view")
    @login_required(role="member")
    @login_required(role="member")
    def view():
        return current_user.name

    assert site.get("/view", site.login().access_token).text == "user 7"
    assert site.loads == [7]


def test_without_a_loader_the_current_user_is_the_user_id(new_site):
    site = new_site(loader=False)
    site.app.add_url_rule("/view", "view", login_required(lambda: {"id": current_user + 0}))
    assert site.get("/view", site.login().access_token).get_json() == {"id": 7}


@pytest.mark.parametrize("proxy", ["current_user", "current_identity"])
def test_outside_a_request_there_is_no_current_user_and_the_error_says_why(site, proxy):
    proxies = [
        {"current_user": current_user, "current_identity": current_identity}[proxy],
        getattr(site.tessera, proxy),
    ]
    for each in proxies:
        with site.app.app_context():
            assert not each
            with pytest.raises(OutsideRequestError, match="request"):
                each.id  # noqa: B018 - the access is the test
        assert not each
        with pytest.raises(OutsideRequestError):
            str(each.id)


def test_H08_an_application_context_that_outlives_a_request_keeps_nobody(site):
    @site.app.get("/open")
    def view():
        return str(current_user.id if current_user else None)

    token = site.login().access_token
    with site.app.app_context():
        assert site.get("/who", token).status_code == 200
        assert site.get("/open").text == "None"
        assert not current_user
        assert told(site.get("/who")) == (401, "token_missing")


def test_the_identity_tells_what_the_token_says(new_site):
    site = new_site()

    @site.app.get("/view")
    @login_required
    def view():
        identity = site.tessera.current_identity
        assert identity == current_identity._get_current_object()
        return {
            "user_id": identity.user_id,
            "sid": identity.session_id,
            "scopes": sorted(identity.scopes),
            "amr": identity.amr,
            "at": [identity.authenticated_at, identity.issued_at],
            "lives": identity.expires_at - identity.issued_at,
            "realm": identity.realm,
        }

    pair = site.login(scope="b a", amr=["pwd", "otp"])
    shown = site.get("/view", pair.access_token).get_json()
    now = site.clock()
    assert shown == {
        "user_id": 7,
        "sid": pair.session_id,
        "scopes": ["a", "b"],
        "amr": ["pwd", "otp"],
        "at": [now, now],
        "lives": pair.access_expires_in,
        "realm": "",
    }


def test_the_current_user_lives_in_threads_that_copy_the_request(new_site):
    from flask import copy_current_request_context

    site = new_site()

    @site.app.get("/view")
    @login_required
    def view():
        seen = []
        thread = threading.Thread(target=copy_current_request_context(lambda: seen.append(current_user.id)))
        thread.start()
        thread.join()
        return {"seen": seen}

    assert site.get("/view", site.login().access_token).get_json() == {"seen": [7]}


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/sync", "/async"])
def test_H08_sixty_four_threads_of_two_users_are_never_mixed_up(new_site, path):
    site = new_site()

    @site.app.get("/sync")
    @login_required
    def view():
        return {"id": current_user.id, "of": current_identity.user_id}

    @site.app.get("/async")
    @login_required
    async def view_async():
        await breathe()
        return {"id": current_user.id, "of": current_identity.user_id}

    tokens = {user: site.login(user).access_token for user in (7, 8)}

    def ask(number: int) -> bool:
        user = 7 + number % 2
        client = site.client
        mine = {"id": user, "of": user}
        return all(client.get(path, headers={"z-token": tokens[user]}).get_json() == mine for _ in range(10))

    with_all = race(64, ask)
    assert with_all == [True] * 64


# Realms and applications


def two_realms(new_site):
    site = new_site()
    admin: Tessera = Tessera(realm="admin", user_id_type=int, clock=site.clock)
    admin.user_loader(site.users.get)
    admin.init_app(site.app)
    site.app.add_url_rule("/user", "user", site.tessera.login_required(lambda: {"id": current_user.id}))
    site.app.add_url_rule("/admin", "admin", admin.login_required(lambda: {"id": current_user.id}))
    return site, admin


def test_a_token_of_one_realm_is_refused_by_the_other(new_site):
    site, admin = two_realms(new_site)
    with site.app.app_context():
        of_admin = admin.login(7)
    of_user = site.login(7)
    assert site.get("/user", of_user.access_token).get_json() == {"id": 7}
    assert site.get("/admin", of_admin.access_token).get_json() == {"id": 7}
    assert told(site.get("/admin", of_user.access_token)) == (401, "token_invalid")
    assert told(site.get("/user", of_admin.access_token)) == (401, "token_invalid")
    with site.app.app_context():
        with pytest.raises(TokenInvalidError):
            admin.refresh(of_user.refresh_token)
        assert admin.sessions(7) != site.tessera.sessions(7)
        admin.revoke_user(7)
    assert site.get("/user", of_user.access_token).status_code == 200


def test_each_realm_has_its_own_current_user_and_the_plain_one_is_the_last_guards(new_site):
    site, admin = two_realms(new_site)
    site.app.config["TESSERA_HEADERS"] = ["Authorization", "z-token"]

    @site.app.get("/both")
    @site.tessera.login_required(optional="invalid")
    @admin.login_required
    @site.tessera.login_required(optional="invalid")
    def both():
        return {"user": bool(site.tessera.current_user), "admin": admin.current_user.id, "last": bool(current_user)}

    with site.app.app_context():
        of_admin = admin.login(8)
    assert site.get("/both", of_admin.access_token).get_json() == {"user": False, "admin": 8, "last": False}


def test_the_blueprints_of_two_realms_have_names_of_their_own(new_site):
    site, admin = two_realms(new_site)
    site.app.register_blueprint(site.tessera.blueprint("refresh"))
    site.app.register_blueprint(admin.blueprint("refresh", url_prefix="/admin/auth"))
    assert set(site.app.blueprints) == {"tessera", "tessera_admin"}
    with site.app.app_context():
        token = admin.login(7).refresh_token
    assert site.post("/admin/auth/refresh", json={"refresh_token": token}).status_code == 200


@pytest.mark.parametrize("name", ["a.b", ".", "v1.auth"])
def test_a_blueprint_whose_name_holds_a_dot_is_refused(new_site, name):
    site = new_site()
    with pytest.raises(ConfigError, match="without dots"):
        site.tessera.blueprint(name=name)
    admin: Tessera = Tessera(realm=name)
    with pytest.raises(ConfigError, match=r"blueprint\(name=…\)"):
        admin.blueprint()
    assert admin.blueprint(name="admin").name == "admin"


def test_two_tesseras_of_one_realm_in_one_application_are_refused(new_site):
    site = new_site()
    with pytest.raises(ConfigError, match="realm '' already"):
        Tessera(site.app)
    with pytest.raises(ConfigError, match="realm '' already"):
        site.tessera.init_app(site.app)


def test_one_tessera_serves_many_applications_that_share_nothing(new_site):
    tessera: Tessera = Tessera(user_id_type=int)
    apps = []
    for number in range(3):
        app = Flask(f"app{number}")
        app.config.update(SECRET_KEY=f"{number}{SECRET}", TESSERA_STORE_URL="memory:")
        tessera.init_app(app)
        app.add_url_rule("/view", "view", login_required(lambda: str(current_user)))
        apps.append(app)
    tokens = []
    for app in apps:
        with app.app_context():
            tokens.append(tessera.create_token(7))
    for number, app in enumerate(apps):
        statuses = [app.test_client().get("/view", headers={"z-token": token}).status_code for token in tokens]
        assert statuses == [200 if each == number else 401 for each in range(3)]


def test_a_factory_may_register_the_loader_each_time(new_site):
    tessera: Tessera = Tessera(user_id_type=int)

    def create_app(name):
        app = Flask(name)
        app.config.update(SECRET_KEY=SECRET, TESSERA_STORE_URL="memory:")
        tessera.user_loader(lambda user_id: f"{name} {user_id}")
        tessera.init_app(app)
        app.add_url_rule("/view", "view", login_required(lambda: str(current_user)))
        with app.app_context():
            return app, tessera.create_token(7)

    (one, token_one), (two, token_two) = create_app("one"), create_app("two")
    assert one.test_client().get("/view", headers={"z-token": token_one}).text == "one 7"
    assert two.test_client().get("/view", headers={"z-token": token_two}).text == "two 7"


def test_an_application_may_be_configured_after_init_app():
    app = Flask("late")
    app.config.update(SECRET_KEY=SECRET, TESSERA_STORE_URL="memory:")
    tessera: Tessera = Tessera(app)
    app.add_url_rule("/view", "view", login_required(lambda: str(current_user)))
    app.config.update(SECRET_KEY=SECRET[::-1], TESSERA_HEADERS=["X-Token"])
    with app.app_context():
        token = tessera.create_token("anna")
    assert app.test_client().get("/view", headers={"X-Token": token}).text == "anna"


# Whole applications and blueprints


def protected(new_site, **how):
    site = new_site()
    site.app.static_folder = str(Path(__file__).parent)
    site.tessera.protect(site.app, **how)
    site.app.register_blueprint(site.tessera.blueprint())
    site.app.add_url_rule("/health", "health", lambda: "well", methods=["GET", "POST"])
    site.app.add_url_rule("/closed", "closed", lambda: "in")
    site.app.add_url_rule("/own", "own", lambda: "mine", methods=["OPTIONS"])
    return site


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/closed", 401),
        ("HEAD", "/closed", 401),
        ("OPTIONS", "/closed", 200),
        ("POST", "/closed", 405),
        ("GET", "/nowhere", 404),
        ("GET", "/health", 200),
        ("POST", "/health", 200),
        ("GET", "/static/conftest.py", 200),
        ("GET", "/static/nothing", 404),
        ("OPTIONS", "/own", 401),
        ("POST", "/auth/refresh", 415),
        ("GET", "/auth/sessions", 401),
        ("POST", "/auth/logout", 401),
    ],
)
def test_H05_protect_leaves_open_what_needs_no_token_and_nothing_else(new_site, method, path, status):
    site = protected(new_site, leave_open=["health"])
    answer = site.request(method, path)
    assert answer.status_code == status
    if status == 405:
        assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    answer.close()


@pytest.mark.parametrize("endpoint", ["x.static", "shop.static", "health.static", "tessera.refresh2"])
def test_H07_a_name_like_an_open_endpoints_opens_nothing(new_site, endpoint):
    site = new_site()
    site.tessera.protect(site.app)
    blueprint, _, name = endpoint.partition(".")
    made = Blueprint(blueprint, "somewhere")
    made.add_url_rule("/view", name, lambda: "in")
    site.app.register_blueprint(made)
    assert site.get("/view").status_code == 401


@pytest.mark.parametrize("leave_open", ["health", [5], [None]])
def test_leave_open_must_be_a_list_of_endpoints(new_site, leave_open):
    site = new_site()
    with pytest.raises(TypeError, match="leave_open"):
        site.tessera.protect(site.app, leave_open=leave_open)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("heath", "did you mean 'health'"),
        ("refresh", "did you mean 'tessera.refresh'"),
        ("Q", "`flask routes` lists the endpoints"),
    ],
)
def test_what_leave_open_names_must_be_there_at_the_first_request(new_site, name, hint):
    site = protected(new_site, leave_open=["health", name])
    site.app.testing = True
    for path in ("/health", "/nowhere"):
        with pytest.raises(ConfigError, match=rf"leave_open=…\) names '{name}', which is no endpoint .*{hint}"):
            site.get(path)


def test_a_blueprint_leaves_open_what_is_registered_after_it_was_protected(new_site):
    site, shop = new_site(), Blueprint("shop", "shop")
    site.tessera.protect(shop, leave_open=["shop.health"])
    shop.add_url_rule("/health", "health", lambda: "well")
    site.app.register_blueprint(shop)
    assert site.get("/health").text == "well"


def test_protect_takes_the_requirements_of_a_guard(new_site):
    site = new_site()
    site.tessera.protect(site.app, scope="shop", strict=True)
    site.app.add_url_rule("/view", "view", lambda: "in")
    assert site.get("/view", site.login(scope="shop").access_token).status_code == 200
    assert told(site.get("/view", site.login().access_token)) == (403, "scope_missing")
    with pytest.raises(TypeError):
        site.tessera.protect(site.app, scopes="x")


def test_a_view_may_ask_for_more_than_the_application_does(new_site):
    site = new_site()
    site.tessera.protect(site.app, optional=True)
    site.app.add_url_rule("/open", "open", lambda: str(bool(current_user)))
    site.app.add_url_rule("/closed", "closed", login_required(lambda: "in"))
    assert site.get("/open").text == "False"
    assert site.get("/closed").status_code == 401
    assert told(site.get("/open", "bad")) == (401, "token_invalid")


def test_an_expired_token_is_told_apart_from_a_bad_one(site):
    pair = site.login()
    site.clock.advance(pair.access_expires_in - 1)
    assert site.get("/who", pair.access_token).status_code == 200
    site.clock.advance(1)
    assert told(site.get("/who", pair.access_token)) == (401, "token_expired")
    with site.app.test_request_context("/who"), pytest.raises(TokenExpiredError):
        site.tessera.verify(pair.access_token)


@pytest.mark.parametrize("inner", [{}, {"optional": True}])
def test_H07_a_weaker_guard_below_the_route_hides_no_stronger_one_above_it(new_site, inner):
    site, body = new_site(), Watch()

    @site.tessera.login_required(role="admin")
    @site.app.get("/hidden")
    @site.tessera.login_required(**inner)
    def hidden():
        return body()

    @site.app.get("/stacked")
    @site.tessera.login_required(role="member")
    @site.tessera.login_required
    def stacked():
        return "in"

    token = site.login().access_token
    assert site.get("/hidden", token).status_code == 500
    assert site.get("/hidden").status_code == 500
    assert body.runs == 0
    assert site.get("/stacked", token).status_code == 200
