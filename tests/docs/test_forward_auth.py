"""docs/deployment/forward-auth.conf before a real nginx, a Tessera and a service that knows no tokens."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from flask import Flask, request
from werkzeug.serving import make_server

from flask_tessera import Tessera
from tests.servers import wait_until
from tests.servers.ports import free_port

CONFIGURATION = Path(__file__).parent.parent.parent / "docs" / "deployment" / "forward-auth.conf"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
NAMES = ("X-Tessera-User", "X-Tessera-Session", "X-Tessera-Scopes", "Authorization", "Z-Token", "Cookie")

pytestmark = pytest.mark.skipif(NGINX is None, reason="there is no nginx")


def serve(app):
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def make_tessera():
    app = Flask("tessera")
    app.config.update(
        SECRET_KEY="hQ5vT2rB8nX0kW7yL3cM9dF6gJ1pZ4sA",
        TESSERA_STORE_URL="memory:",
        TESSERA_COOKIES=True,
        TESSERA_COOKIE_SECURE=False,
    )
    tessera = Tessera(user_id_type=int)
    tessera.authenticator(lambda credentials: 7)
    tessera.init_app(app)
    app.register_blueprint(tessera.blueprint("login", "verify", "logout"))
    return app, tessera


def make_orders():
    """Tells what has reached it."""
    app = Flask("orders")

    @app.route("/orders/", methods=["GET", "POST"])
    def orders():
        return {"got": {name: request.headers.get(name) for name in NAMES}, "body": request.get_data(as_text=True)}

    return app


class Site:
    def __init__(self, folder, scope=""):
        self.scope = scope
        app, self.tessera = make_tessera()
        self.app = app
        self.servers = [serve(app), serve(make_orders())]
        self.folder = folder

    def start(self):
        """nginx on a free port; another process may have taken it meanwhile."""
        for _ in range(5):
            self.port = free_port()
            self._write()
            self.process = subprocess.Popen([NGINX, "-p", self.folder, "-c", self.folder / "nginx.conf"])
            wait_until(lambda: self._answers() or self.process.poll() is not None, "nginx answers")
            if self.process.poll() is None:
                return self
        raise AssertionError("nginx found no port")

    def _write(self):
        tessera, orders = (f"127.0.0.1:{server.port}" for server in self.servers)
        text = CONFIGURATION.read_text("utf-8").replace("127.0.0.1:8000", tessera).replace("127.0.0.1:9000", orders)
        text = text.replace('set $tessera_scope "";', f'set $tessera_scope "{self.scope}";')
        text = text.replace("listen 8080;", f"listen 127.0.0.1:{self.port};")
        places = "".join(
            f"{name}_temp_path {self.folder / name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (self.folder / "nginx.conf").write_text(
            f"daemon off;\nworker_processes 1;\npid {self.folder / 'pid'};\nerror_log stderr crit;\n"
            f"events {{ worker_connections 64; }}\nhttp {{\naccess_log off;\n{places}{text}}}\n"
        )

    def _answers(self):
        try:
            return self.call("GET", "/auth/verify")[0]
        except OSError:
            return 0

    def call(self, method, path, headers=None, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            data = answer.read()
            return answer.status, json.loads(data) if data else None, answer.headers
        finally:
            connection.close()

    def stop(self):
        self.process.terminate()
        self.process.wait()
        for server in self.servers:
            server.shutdown()
            server.server_close()


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path).start()
    yield made
    made.stop()


def login(site, **body):
    credentials = json.dumps({"phone": "13800138000", **body})
    return site.call("POST", "/auth/login", {"Content-Type": "application/json"}, credentials)


def test_H06_the_service_behind_is_told_who_calls_whatever_the_client_says(site):
    pair = login(site)[1]["data"]
    forged = {"X-Tessera-User": "1", "X-Tessera-Session": "x", "X-Tessera-Scopes": "admin"}
    headers = {**forged, "Authorization": f"Bearer {pair['access_token']}"}
    status, told, _ = site.call("POST", "/orders/", headers, "an order")
    assert (status, told["body"]) == (200, "an order")
    got = told["got"]
    assert (got["X-Tessera-User"], got["X-Tessera-Session"]) == ("7", pair["session_id"])
    assert [got[name] for name in ("X-Tessera-Scopes", "Authorization", "Z-Token", "Cookie")] == [None] * 4
    assert site.call("GET", "/orders/", forged)[0] == 401


@pytest.mark.parametrize("scope", ["orders:write", "orders:read+orders:write"])
def test_a_scope_is_demanded_once_and_who_lacks_it_is_told_so(tmp_path, scope):
    site = Site(tmp_path, scope).start()
    try:
        with site.app.app_context():
            lacks, has = (site.tessera.login(7, scope=given).access_token for given in ("", "orders:read orders:write"))
        status, told, headers = site.call("POST", "/orders/?scope=", {"z-token": lacks}, "an order")
        assert (status, told["error"]) == (403, "scope_missing")
        assert len(headers.get_all("WWW-Authenticate")) == 1
        assert site.call("POST", "/orders/", {"z-token": has}, "an order")[0] == 200
    finally:
        site.stop()


def test_who_may_not_pass_gets_our_answer(site):
    status, told, headers = site.call("GET", "/orders/")
    assert (status, told["code"], told["error"]) == (401, 4103, "token_missing")
    assert headers.get_all("WWW-Authenticate") == ["Bearer"]
    status, told, headers = site.call("POST", "/orders/", {"z-token": "x"}, "an order")
    assert (status, told["error"]) == (401, "token_invalid")
    assert [each.partition(",")[0] for each in headers.get_all("WWW-Authenticate")] == ['Bearer error="invalid_token"']
    pair = login(site)[1]["data"]
    with site.app.app_context():
        site.tessera.revoke_user(7)
    assert site.call("GET", "/orders/", {"z-token": pair["access_token"]})[1]["error"] == "session_kick"
    status, told, _ = site.call("GET", "/orders/", {"z-token": "x", "Authorization": "Bearer y"})
    assert (status, told["error"]) == (400, "token_ambiguous"), "of which nginx would make a 500 without a word"


def test_B03_a_cookie_passes_where_nothing_is_changed_or_the_csrf_token_is_there(site):
    status, told, headers = login(site, transport="cookie")
    cookies = [line.partition(";")[0] for line in headers.get_all("Set-Cookie")]
    cookie = {"Cookie": "; ".join(each for each in cookies if "refresh" not in each)}
    token = told["data"]["csrf_token"]
    assert site.call("GET", "/orders/", cookie)[0] == 200
    status, told, _ = site.call("POST", "/orders/", cookie, "an order")
    assert (status, told["error"]) == (403, "csrf_failed")
    status, told, _ = site.call("POST", "/orders/", {**cookie, "X-CSRF-Token": token}, "an order")
    assert (status, told["got"]["X-Tessera-User"], told["got"]["Cookie"]) == (200, "7", None)
    foreign = {**cookie, "X-CSRF-Token": token, "Origin": "https://evil.example"}
    assert site.call("POST", "/orders/", foreign, "an order")[0] == 403
    # What the client says of the method does not count.
    hidden = {**cookie, "X-Forwarded-Method": "GET", "X-Original-Method": "GET"}
    assert site.call("POST", "/orders/", hidden, "an order")[0] == 403
