"""One session in several tabs of a real browser: renewed once, ended for all of them."""

from __future__ import annotations

import functools

import pytest

from .sites import EXPIRY, PASSWORD, PHONE

REFRESH = "POST /auth/refresh"
DEVICES = "**/console/devices*"
FETCH = "(async () => (await tessera.fetch('/auth/sessions')).status)()"


def two_tabs(visitors):
    first = visitors.come()
    visitors.sign_in(first)
    second = first.context.new_page()
    second.goto(f"{visitors.service.url}/console/devices")
    return first, second


@pytest.mark.slow
def test_two_tabs_whose_access_token_has_expired_renew_it_once(visitors, service):
    tabs = two_tabs(visitors)
    service.clock.now += EXPIRY
    for each in tabs:
        # What is waited for must not be found on the page that is left.
        each.evaluate("document.querySelector('#sign-out').remove(); setTimeout(() => location.reload())")
    for each in tabs:
        each.wait_for_selector("#sign-out")
    assert service.asked[REFRESH] == 1
    for each in tabs:
        each.reload()
        assert each.locator("li").count() == 1
    assert service.asked[REFRESH] == 1


@pytest.mark.slow
def test_what_was_pressed_after_the_expiry_is_done_without_a_second_press(visitors, service):
    first, second = two_tabs(visitors)
    service.login()
    first.reload()
    service.clock.now += EXPIRY
    first.locator("li button").click()
    first.wait_for_selector("#ended")
    assert (first.locator("li").count(), service.asked[REFRESH]) == (1, 1)
    service.clock.now += EXPIRY
    second.click("#sign-out")
    second.wait_for_url("**/sign-in?reason=session_logout")
    assert service.asked[REFRESH] == 1


def test_a_tab_sees_at_once_that_another_has_signed_out(visitors, service):
    first, second = two_tabs(visitors)
    first.click("#sign-out")
    first.wait_for_url("**/sign-in?reason=session_logout")
    assert first.inner_text("#reason") == "已退出登录"
    second.wait_for_url("**/sign-in?*")
    assert first.context.cookies() == []
    second.goto(f"{service.url}/console/devices")
    second.wait_for_url("**/sign-in?*")


def test_the_browser_keeps_the_cookies_of_localhost_and_gives_scripts_one_of_them(visitors):
    page = visitors.come()
    visitors.sign_in(page)
    kept = {each["name"]: each for each in page.context.cookies()}
    assert sorted(kept) == ["__Host-tessera", "__Host-tessera-csrf", "__Secure-tessera-refresh"]
    assert all(each["secure"] and each["sameSite"] == "Lax" for each in kept.values())
    assert kept["__Secure-tessera-refresh"]["path"] == "/auth"
    readable = page.evaluate("document.cookie")
    assert readable == f"__Host-tessera-csrf={kept['__Host-tessera-csrf']['value']}"
    held = page.evaluate(
        "JSON.stringify([{...localStorage}, {...sessionStorage}]) + document.documentElement.outerHTML"
    )
    for name in ("__Host-tessera", "__Secure-tessera-refresh"):
        assert kept[name]["value"].rpartition(".")[2] not in held


@pytest.mark.repeats("locks")
@pytest.mark.parametrize("locks", ["web locks", "no web locks"])
def test_scripts_of_two_tabs_renew_once_and_go_on(visitors, service, locks):
    tabs = two_tabs(visitors)
    # An answer with 401 is an error to Chromium, though the script mends it.
    visitors.expected = ("Failed to load resource: the server responded with a status of 401",)
    for each in tabs:
        if locks == "no web locks":
            each.evaluate("Object.defineProperty(navigator, 'locks', {value: undefined})")
        each.evaluate(
            "new Promise((done) => { const script = document.createElement('script');"
            " script.src = '/auth/tessera.js'; script.onload = done; document.head.append(script); })"
        )
    service.clock.now += EXPIRY
    for each in tabs:
        each.evaluate(f"window.told = Promise.all([{FETCH}, {FETCH}]); 0")
    assert [each.evaluate("told") for each in tabs] == [[200, 200], [200, 200]]
    assert service.asked[REFRESH] == 1
    service.clock.now += EXPIRY
    tabs[0].evaluate("tessera.logout(); 0")
    for each in tabs:
        each.wait_for_url("**/sign-in?*")


def fulfil(answer, route):
    route.fulfill(**answer)


def test_a_session_that_cannot_be_renewed_now_is_told_of_and_tried_again_by_hand(visitors, service):
    page = visitors.come()
    visitors.sign_in(page)
    visitors.expected = ("Failed to load resource: the server responded with a status of 503",)
    service.clock.now += EXPIRY
    # The storage is away; then the browser keeps no cookies.
    for answer in ({"status": 503, "json": {"error": "storage_write_failed"}}, {"json": {"code": 0, "data": {}}}):
        page.route("**/auth/refresh", functools.partial(fulfil, answer))
        page.goto(f"{service.url}/console/devices")
        page.wait_for_selector("#failed")
        page.unroute("**/auth/refresh")
    assert service.asked["GET /console/devices"] == 4
    assert service.asked[REFRESH] == 0
    page.evaluate("sessionStorage.clear()")
    page.click("text=重试")
    page.wait_for_selector("#sign-out")


def test_a_session_that_began_after_a_page_found_none_is_renewed(visitors, service):
    page = visitors.come()
    page.goto(f"{service.url}/console/sign-in")
    visitors.expected = ("Failed to load resource: the server responded with a status of 401",)
    page.evaluate(
        "new Promise((done) => { const script = document.createElement('script');"
        " script.src = '/auth/tessera.js'; script.onload = done; document.head.append(script); })"
    )
    assert page.evaluate(FETCH) == 401
    # By a request of the page's own, of which the script does not learn.
    body = {"phone": PHONE, "password": PASSWORD, "transport": "cookie"}
    began = page.evaluate(
        "(body) => fetch('/auth/login', {method: 'POST', headers: {'Content-Type': 'application/json'},"
        " body: JSON.stringify(body)}).then((answer) => answer.status)",
        body,
    )
    assert began == 200
    assert page.evaluate(FETCH) == 200
    service.clock.now += EXPIRY
    assert page.evaluate(FETCH) == 200
    # The first one was told that there is nothing to renew.
    assert service.asked[REFRESH] == 2
