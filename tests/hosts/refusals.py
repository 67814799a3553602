"""What every host has to leave as it is: a refusal is the same below it as in plain Flask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Flask

from flask_tessera import Tessera, current_user, login_required

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug.test import TestResponse

SECRET = "9b7e40c1f3a85d26e1908c7745bb3f02d6ea914c58f7230b"
MODES = {
    "semantic": {"TESSERA_HTTP_STATUS": "semantic"},
    "always-200": {"TESSERA_HTTP_STATUS": "always_200"},
    "plain": {"TESSERA_RESPONSE_FORMAT": "plain"},
}
TOKENS = {"no token": {}, "a bad token": {"Authorization": "Bearer a.b.c"}}


@dataclass
class Host:
    """An application with a view `/x` behind a guard, which a host has made."""

    app: Flask
    tessera: Tessera[Any]

    def get(self, headers: dict[str, str], path: str = "/x") -> TestResponse:
        """Ask."""
        return self.app.test_client().get(path, headers=headers)

    def log_in(self, user_id: str = "7") -> dict[str, str]:
        """The headers of somebody who is logged in."""
        with self.app.app_context():
            return {"Authorization": f"Bearer {self.tessera.login(user_id).access_token}"}


def make(flask: Callable[[str], Flask] = Flask, **settings: Any) -> Host:
    """An application with our endpoints and without views."""
    app = flask("host")
    app.config.update(SECRET_KEY=SECRET, TESSERA_STORE_URL="memory:", **settings)
    tessera: Tessera[Any] = Tessera(app)
    app.register_blueprint(tessera.blueprint())
    return Host(app, tessera)


def in_plain_flask(mode: str) -> Host:
    """What the others are measured by."""
    host = make(**MODES[mode])
    host.app.add_url_rule("/x", "x", login_required(lambda: {"user": str(current_user)}))
    return host


def catch_all(app: Flask) -> None:
    """What many an application does with errors."""

    @app.errorhandler(Exception)
    def answer(_error: Exception) -> Any:
        return {"error": "caught by the application"}, 500


def said(answer: TestResponse) -> tuple[Any, ...]:
    """All that a client looks at."""
    return answer.status_code, answer.json, answer.headers.get("WWW-Authenticate"), answer.headers["Content-Type"]


def assert_same_refusals(host: Host, mode: str) -> None:
    """No token, and a bad one; and who is logged in comes in."""
    plain = in_plain_flask(mode)
    for headers in TOKENS.values():
        answer = host.get(headers)
        assert {"msg", "error"} <= answer.json.keys() or mode == "plain"
        assert said(answer) == said(plain.get(headers))
    answer = host.get(host.log_in())
    assert (answer.status_code, answer.json) == (200, {"user": "7"})


def assert_same_refusals_of_endpoints(host: Host, mode: str) -> None:
    """Of a refresh with a token that is none."""
    body = {"refresh_token": "tsr_nothing"}
    answer, plain = (each.app.test_client().post("/auth/refresh", json=body) for each in (host, in_plain_flask(mode)))
    assert said(answer) == said(plain)
