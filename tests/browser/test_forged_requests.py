"""Pages of other sites in the same browser: they make it send requests, and nothing comes of it."""

from __future__ import annotations

import json

import pytest

from .sites import PASSWORD, PHONE, listening

HOSTS = (
    # The same site to cookies, which do not know ports: SameSite helps nothing here.
    pytest.param("localhost", id="another port"),
    pytest.param("localhost.evil.example", id="a name that begins alike"),
    pytest.param("notlocalhost.example", id="a name that ends alike", marks=pytest.mark.long),
    pytest.param("evil.localhost", id="a subdomain", marks=pytest.mark.long),
    pytest.param("127.0.0.1", id="an address", marks=pytest.mark.long),
)


class Evil:
    """A site of somebody else, with pages that the test writes."""

    port = 0
    pages = ()

    def __call__(self, environ, start_response):
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
        name = environ["PATH_INFO"][1:]
        text = self.pages[int(name)] if name.isdigit() else ""
        if name == "all":
            text = "".join(f"<iframe src=/{number}></iframe>" for number in range(len(self.pages)))
        return [f"<!doctype html><title>evil</title>{text}".encode()]


@pytest.fixture
def evil():
    site = Evil()
    with listening(site) as site.port:
        yield site


def form(url, fields, kind="application/x-www-form-urlencoded"):
    inputs = "".join(f"<input name='{name}' value='{value}'>" for name, value in fields.items())
    return f"<form id=f method=post enctype='{kind}' action='{url}'>{inputs}</form><script>f.submit()</script>"


def attacks(url, sid):
    """Pages that try to end a session, to sign the browser in or out, by every way that needs no permission."""
    body = json.dumps({"phone": PHONE, "password": PASSWORD, "transport": "cookie"})
    yield form(f"{url}/console/devices/{sid}/end", {"csrf_token": "x"})
    yield form(f"{url}/console/devices/end-others", {}, "text/plain")
    yield form(f"{url}/console/sign-in", {"account": PHONE, "password": PASSWORD, "next": "https://evil.example/"})
    sandboxed = form(f"{url}/console/sign-out", {"csrf_token": "x"}).replace('"', "&quot;")
    yield f'<iframe sandbox="allow-scripts allow-forms" srcdoc="{sandboxed}"></iframe>'
    for path, sent in (("/auth/logout", "{}"), ("/auth/login", body), ("/console/sign-out", "csrf_token=x")):
        for kind in ("text/plain", "application/x-www-form-urlencoded"):
            yield (
                f"<script>fetch({url + path!r}, {{method: 'POST', mode: 'no-cors', credentials: 'include',"
                f" headers: {{'Content-Type': {kind!r}}}, body: {sent!r}}}).catch(() => 0)</script>"
            )
    place, options = f"{url}/auth/sessions/{sid}", "{method: 'DELETE', credentials: 'include'}"
    yield f"<script>fetch('{place}', {options}).catch(() => 0)</script>"
    yield f"<img src='{url}/console/sign-out'><iframe src='{url}/console/devices'></iframe>"


@pytest.mark.slow
@pytest.mark.parametrize("host", HOSTS)
def test_B03_B04_another_site_changes_nothing(visitors, service, evil, host):
    page = visitors.come()
    visitors.sign_in(page)
    service.login()
    runtime = service.app.extensions["tessera"].running[""]
    (user,) = service.users.all()
    before = [each.sid for each in runtime.sessions.list(str(user.id))]
    cookies = sorted((each["name"], each["value"]) for each in page.context.cookies())
    page.reload()
    sid = page.locator("li form").get_attribute("action").split("/")[3]
    other = page.context.new_page()
    # Refusals, also of the browser itself, belong to it.
    visitors.expected = ("",)
    evil.pages = tuple(attacks(service.url, sid))
    service.asked.clear()
    # The first is a form, with which the whole window goes to the service; then all of them, in frames.
    other.goto(f"http://{host}:{evil.port}/0")
    service.wait_until_asked({f"POST /console/devices/{sid}/end": 1})
    expected = {
        f"POST /console/devices/{sid}/end": 2,
        "POST /console/devices/end-others": 1,
        "POST /console/sign-in": 1,
        "POST /console/sign-out": 3,
        "POST /auth/login": 2,
        "POST /auth/logout": 2,
        f"OPTIONS /auth/sessions/{sid}": 1,
    }
    other.goto(f"http://{host}:{evil.port}/all")
    service.wait_until_asked(expected)
    other.wait_for_load_state("networkidle")
    assert {each: service.asked[each] for each in expected} == expected
    assert service.asked[f"DELETE /auth/sessions/{sid}"] == 0
    assert [each.sid for each in runtime.sessions.list(str(user.id))] == before
    assert sorted((each["name"], each["value"]) for each in page.context.cookies()) == cookies
    page.reload()
    assert page.locator("li").count() == 2
    visitors.violations.clear()
