"""GET /tessera.js: the script of a page, with its settings."""

from __future__ import annotations

import json
import re

import pytest

from tests.web.test_cookies import make


def settings_of(answer):
    return json.loads(re.search(r"always200\} = (\{.*?\});", answer.text)[1])


def test_the_script_knows_where_it_is_and_how_its_cookie_is_called(new_site):
    site = make(new_site)
    answer = site.get("/auth/tessera.js")
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    told = settings_of(answer)
    assert told == {"prefix": "/auth", "cookie": "__Host-tessera-csrf", "realm": "", "always200": False}
    below = site.client.get("/auth/tessera.js", environ_overrides={"SCRIPT_NAME": "/shop"})
    assert settings_of(below)["prefix"] == "/shop/auth"


def test_a_browser_that_has_the_script_is_not_sent_it_again(new_site):
    site = make(new_site)
    first = site.get("/auth/tessera.js")
    assert first.headers["Cache-Control"] == "no-cache"
    again = site.get("/auth/tessera.js", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize("realm", ["staff", '</script>"', "员工"])
def test_what_names_a_realm_cannot_leave_its_place_in_the_script(new_site, realm):
    site = new_site(tessera={"realm": realm}, TESSERA_COOKIES=True)
    site.app.register_blueprint(site.tessera.blueprint(name="auth"))
    assert settings_of(site.get("/auth/tessera.js"))["realm"] == realm
