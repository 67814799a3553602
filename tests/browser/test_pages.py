"""The pages in a real browser: in both languages, on narrow and wide screens, by keyboard, for everybody."""

from __future__ import annotations

import pytest

from .sites import EXPIRY, IPHONE, PHONE, find_axe

SERIOUS = ("serious", "critical")
TOO_WIDE = "document.documentElement.scrollWidth > innerWidth"
HOSTILE = (
    "<script>document.title='pwned'</script>",
    '"><img src=x onerror="document.title=`pwned`">',
    "</h2></li></ul><svg/onload=document.title='pwned'>",
    "\u202egnp.exe\u2066\u200f",
    "=cmd|' /C calc'!A0",
    "W" * 10_000,
    "مرحبا بالعالم",
)


def findings(page):
    """What axe-core says against a page, by rule."""
    page.evaluate(find_axe())
    found = page.evaluate("axe.run()")
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found["violations"] if each["impact"] in SERIOUS]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "width", "scheme"),
    [
        ("zh-CN", 360, "dark"),
        ("en-GB", 1280, "light"),
        pytest.param("zh-CN", 1280, "light", marks=pytest.mark.long),
        pytest.param("en-GB", 360, "dark", marks=pytest.mark.long),
    ],
)
def test_B07_the_pages_fit_the_screen_and_everybody_can_use_them(visitors, service, language, width, scheme):
    # axe-core needs styles of its own, which the policy of the pages does not let in.
    page = visitors.come(language=language, width=width, color_scheme=scheme, bypass_csp=True)
    service.login(name="Ada 的手机")
    service.login("okhttp/4.12.0")
    visitors.expected = ("Failed to load resource: the server responded with a status of 4",)
    seen = []

    def look(name):
        assert not page.evaluate(TOO_WIDE), name
        assert findings(page) == [], name
        seen.append(page.title())

    page.goto(f"{service.url}/console/sign-in?reason=session_kick&next=/console/devices")
    look("sign-in")
    page.fill("#account", PHONE)
    page.fill("#password", "wrong")
    page.click("button")
    page.wait_for_selector("#error")
    look("a wrong password")
    visitors.sign_in(page)
    look("devices")
    page.click("summary >> nth=0")
    page.locator("li button").first.click()
    page.wait_for_selector("#ended")
    look("an ended device")
    page.goto(f"{service.url}/console/devices/x/end")
    page.goto(f"{service.url}/console/devices")
    page.evaluate("document.querySelector('li form').action = '/console/devices/x/end'")
    page.locator("li button").first.click()
    page.wait_for_selector("#error")
    look("an error")
    words = {"zh-CN": ("登录", "我的设备", "出错了"), "en-GB": ("Sign in", "My devices", "Something went wrong")}
    first, second, third = words[language]
    assert seen == [first, first, second, second, third]


@pytest.mark.slow
def test_a_device_is_ended_by_keyboard_alone_and_told_why(visitors, service):
    page, other = visitors.come(language="en-GB"), visitors.come(user_agent=IPHONE)
    visitors.sign_in(other)
    page.goto(f"{service.url}/console/")
    # The account has the focus already.
    visitors.type_into(page, "#account", (PHONE, "Tab", "correct horse battery", "Tab", "Tab", "Enter"))
    page.wait_for_url("**/console/devices")
    focused = "document.activeElement.textContent.trim()"
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate(focused) == "End":
            break
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "End Safari · iOS"
    page.keyboard.press("Enter")
    page.wait_for_selector("#ended")
    assert page.locator("li").count() == 1
    other.reload()
    assert other.inner_text("#reason") == "您已被踢下线"
    # Its access token may have expired before it asks again. A refusal is an error to Chromium.
    visitors.expected = ("Failed to load resource: the server responded with a status of 401",)
    service.clock.now += EXPIRY
    other.goto(f"{service.url}/console/devices")
    other.wait_for_url("**/sign-in?*session_kick*")
    assert other.inner_text("#reason") == "您已被踢下线"


@pytest.mark.slow
def test_B08_what_others_say_of_themselves_is_shown_and_does_nothing(visitors, service):
    page = visitors.come(width=360)
    visitors.sign_in(page)
    for hostile in HOSTILE:
        service.login(hostile.encode("utf-8").decode("latin-1"), name=hostile, type=hostile[:99])
    page.reload()
    assert page.title() == "我的设备"
    assert page.locator("li").count() == 1 + len(HOSTILE)
    assert page.locator("main img, main script, h2 svg").count() == 0
    assert not page.evaluate(TOO_WIDE)
    names = page.locator("h2").all_inner_texts()
    assert HOSTILE[0] in names
    assert HOSTILE[4] in names
    assert "\u202e" not in page.content()
    visitors.expected = ("Failed to load resource: the server responded with a status of 4",)
    page.goto(f"{service.url}/console/sign-in?reason=step_up_required")
    page.fill("#account", HOSTILE[1])
    page.fill("#password", "x")
    page.keyboard.press("Enter")
    page.wait_for_selector("#error")
    assert page.input_value("#account") == HOSTILE[1]
    assert page.title() == "登录"
