"""`Tessera.docs_blueprint()`: the document and the page that shows it, offline and under a strict policy."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from flask import Flask

from flask_tessera import Tessera
from flask_tessera.web.openapi import page as module

from .conftest import SECRET

FILES = Path(module.__file__).parent / "static" / "swagger-ui"


@pytest.fixture
def shop(site):
    """A site with its documentation."""
    site.app.register_blueprint(site.tessera.docs_blueprint(title="Shop & Co"))
    return site


def headers_of(site, path):
    """Of an answer with this path, which may hold an open file."""
    with site.get(path) as answer:
        assert answer.status_code == 200
        return answer.headers


def test_they_are_there_only_where_they_are_registered(site):
    assert [site.get(path).status_code for path in ("/docs", "/openapi.json")] == [404, 404]


def test_the_document_is_that_of_the_method(shop):
    answer = shop.get("/openapi.json")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    with shop.app.app_context():
        assert answer.json == shop.tessera.openapi(title="Shop & Co")
    assert {"/who", "/openapi.json"} <= set(answer.json["paths"])


def test_B07_the_page_takes_nothing_from_elsewhere_and_holds_no_script(shop):
    answer = shop.get("/docs")
    assert (answer.status_code, answer.content_type) == (200, "text/html; charset=utf-8")
    assert "<title>Shop &amp; Co</title>" in answer.text
    assert not re.search(r"https?:|<style| style=| on[a-z]+=|<script>|@import", answer.text)
    assert re.findall(r"<script[^>]*>(.*?)</script>", answer.text) == ["", ""]


def test_B07_the_policy_allows_nothing_from_elsewhere(shop):
    for path in ("/docs", "/openapi.json", "/docs/static/start.js"):
        headers = headers_of(shop, path)
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
        assert "unsafe" not in policy
        assert {"frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} <= set(policy.split("; "))
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("prefix", [None, "/api"])
def test_whatever_the_page_names_is_there(site, prefix):
    site.app.register_blueprint(site.tessera.docs_blueprint(url_prefix=prefix))
    text = site.get(f"{prefix or ''}/docs").text
    named = re.findall(r'(?:src|href|data-document)="([^"]+)"', text)
    kinds = [headers_of(site, path)["Content-Type"] for path in named if path != "data:,"]
    assert sorted(kinds) == [
        "application/json",
        "text/css; charset=utf-8",
        *["text/javascript; charset=utf-8"] * 2,
    ]


def test_the_files_have_their_types_whatever_the_system_says(shop, monkeypatch):
    """As some programs leave it in the registry of Windows; with `nosniff` a browser would run no script then."""
    monkeypatch.setattr("mimetypes.guess_type", lambda *_, **__: ("text/plain", None))
    assert headers_of(shop, "/docs/static/start.js")["Content-Type"] == "text/javascript; charset=utf-8"
    assert headers_of(shop, "/docs/static/swagger-ui.css")["Content-Type"] == "text/css; charset=utf-8"


def test_a_browser_need_not_fetch_the_files_again(shop):
    first = headers_of(shop, "/docs/static/swagger-ui-bundle.js")
    with shop.get("/docs/static/swagger-ui-bundle.js", headers={"If-None-Match": first["ETag"]}) as again:
        assert (again.status_code, again.data) == (304, b"")


def test_each_realm_may_have_its_own(shop):
    staff: Tessera[str] = Tessera(shop.app, realm="staff")
    shop.app.register_blueprint(staff.docs_blueprint(url_prefix="/staff"))
    assert shop.get("/staff/openapi.json").json["info"]["title"] == "site staff"
    assert shop.get("/openapi.json").json["info"]["title"] == "Shop & Co"


def test_the_document_is_made_once_an_application_and_the_page_needs_none(site, monkeypatch):
    made = []
    build = Tessera.openapi
    monkeypatch.setattr(Tessera, "openapi", lambda self, **how: made.append(1) or build(self, **how))
    other = Flask("other")
    other.config.update(SECRET_KEY=SECRET, TESSERA_STORE_URL="memory:")
    site.tessera.init_app(other)
    docs = site.tessera.docs_blueprint()
    for app in (site.app, other):
        app.register_blueprint(docs)
        assert f"<title>{app.name}</title>" in app.test_client().get("/docs").text
    assert made == []
    for number, app in enumerate((site.app, other), 1):
        told = {app.test_client().get("/openapi.json").data for _ in range(3)}
        assert (len(told), len(made)) == (1, number)
        assert msgspec.json.decode(told.pop())["info"]["title"] == app.name


def test_a_document_that_is_kept_tells_each_request_where_it_is(shop):
    for below in ("/one", "/two", ""):
        document = shop.get("/openapi.json", environ_overrides={"SCRIPT_NAME": below}).json
        assert document.get("servers") == ([{"url": below}] if below else None)


@pytest.mark.parametrize("docstring", ["One \ud800.\n\nMore \udfff.", 5], ids=["surrogates", "a number"])
def test_a_docstring_that_cannot_be_told_is_no_failure(shop, docstring):
    def view():
        return "in"

    view.__doc__ = docstring
    shop.app.add_url_rule("/odd", "odd", shop.tessera.login_required(view))
    found = shop.get("/openapi.json").json["paths"]["/odd"]["get"]
    assert (found.get("summary"), found.get("description")) == (
        ("One ?.", "More ?.") if isinstance(docstring, str) else (None, None)
    )


def test_a_guard_may_stand_before_them_alone(site):
    docs = site.tessera.docs_blueprint()
    site.tessera.protect(docs, scope="docs")
    site.app.register_blueprint(docs)
    tokens = [None, site.login().access_token, site.login(scope="docs").access_token]
    for path in ("/docs", "/openapi.json"):
        assert [site.get(path, token).status_code for token in tokens] == [401, 403, 200]


def test_a_protected_application_shows_them_to_nobody_else(shop):
    shop.tessera.protect(shop.app)
    assert [shop.get(path).status_code for path in ("/docs", "/openapi.json")] == [401, 401]
    assert shop.get("/openapi.json", shop.login().access_token).status_code == 200


@pytest.mark.parametrize("name", ["swagger-ui-bundle.js", "swagger-ui.css"])
def test_the_files_name_no_map_that_is_not_there(name):
    assert "sourceMappingURL" not in (FILES / name).read_text("utf-8")


def test_the_licences_lie_beside_the_files():
    assert "Apache License" in (FILES / "LICENSE").read_text("utf-8")
    assert "SmartBear" in (FILES / "NOTICE").read_text("utf-8")
    assert (FILES / "swagger-ui-bundle.js.LICENSE.txt").exists()
