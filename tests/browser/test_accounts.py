"""The pages for accounts in a real browser: with people who register, forget, lose and prove things."""

from __future__ import annotations

import pytest

from .accounts import give_device
from .sites import PASSWORD, PHONE
from .test_pages import TOO_WIDE, findings

IN_SIGHT = """(() => {
  const { top, bottom } = document.getElementById("error").getBoundingClientRect();
  return top >= 0 && bottom <= innerHeight;
})()"""
NEW, EMAIL = "eleven quiet otters", "ida@example.com"
SIDES = pytest.mark.parametrize(
    ("language", "width", "scheme"),
    [
        ("zh-CN", 360, "dark"),
        pytest.param("en-GB", 1280, "light", marks=pytest.mark.long),
        pytest.param("zh-CN", 1280, "light", marks=pytest.mark.long),
        pytest.param("en-GB", 360, "dark", marks=pytest.mark.long),
    ],
)
EACH = pytest.mark.parametrize(
    ("language", "width"), [("en-GB", 360), pytest.param("zh-CN", 1280, marks=pytest.mark.long)]
)


class Guest:
    """Somebody before a browser."""

    def __init__(self, guests, page=None, **how):
        self.service, self.page = guests.service, page or guests.come(**how)

    def open(self, path):
        self.page.goto(f"{self.service.url}/console{path}")

    def press(self, selector, wait):
        """Press something, and wait for what comes of it: a selector, or the end of an address."""
        self.page.click(selector)
        if wait.startswith("/"):
            self.page.wait_for_url(f"**/console{wait}")
        else:
            self.page.wait_for_selector(wait)

    def enter_twice(self, wait, request):
        """Press Enter again while the answer is on its way; gives how often the request has come."""
        # Neither Playwright nor Chromium runs a script in a page that is about to go: a key is pressed there still.
        devtools, before = self.page.context.new_cdp_session(self.page), self.service.asked[request]
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
        with self.service.silent():
            for _ in range(2):
                for kind in ({"type": "keyDown", "text": "\r"}, {"type": "keyUp"}):
                    devtools.send("Input.dispatchKeyEvent", {**key, **kind})
                self.service.wait_until_asked({request: before + 1})
        self.page.wait_for_selector(wait)
        return self.service.asked[request] - before

    def send(self, recipient=PHONE):
        """Ask for a code on the page that is open, and type it."""
        self.service.clock.now += 60
        self.page.fill("#recipient", recipient)
        self.press("button.main", "#code")
        self.page.fill("#code", self.service.messages()[-1]["code"])

    def sign_in(self, wait="/devices", account=PHONE, password=PASSWORD):
        self.open("/sign-in?reason=session_kick")
        self.page.fill("#account", account)
        self.page.fill("#password", password)
        self.press("button.main", wait)

    def set_up_totp(self):
        """The secret, and the recovery codes."""
        self.open("/security")
        self.press("form[action$='/totp'] button", "#secret")
        secret = self.page.inner_text("#secret")
        self.page.fill("#code", self.service.digits(secret))
        self.press("button.main", "#codes")
        return secret, self.page.locator("#codes code").all_inner_texts()

    def add_passkey(self, name="my phone"):
        self.open("/security")
        self.press("form[action$='/passkeys/new'] button", "#use-passkey")
        self.page.fill("#name", name)
        self.press("#use-passkey", "#done")


@pytest.mark.slow
@SIDES
def test_B07_every_page_fits_the_screen_and_everybody_can_use_it(guests, language, width, scheme):
    # axe-core needs styles of its own, which the policy of the pages does not let in.
    guest = Guest(guests, language=language, width=width, color_scheme=scheme, bypass_csp=True)
    page, seen = guest.page, []
    give_device(page)

    def look(name):
        assert not page.evaluate(TOO_WIDE), name
        assert findings(page) == [], name
        seen.append(page.title())

    for path in ("/sign-in", "/sign-in/code", "/sign-in/link", "/reset", "/register"):
        guest.open(path)
        look(path)
    guest.send(EMAIL)
    look("a code to register")
    page.fill("#code", "000000")
    guest.press("button.main", "#error")
    look("a wrong code")
    guest.sign_in()
    guest.open("/security")
    guest.press("form[action$='/totp'] button", "#secret")
    look("a new generator")
    guest.set_up_totp()
    look("recovery codes")
    guest.add_passkey("W" * 64)
    look("security")
    guest.press("form[action$='/passkeys/new'] button", "#use-passkey")
    look("a new passkey")
    guest.open("/history")
    look("history")
    guest.open("/step-up?next=/console/security")
    look("a step-up")
    guest.sign_in(wait="#totp")
    look("a second factor")
    assert len(set(seen)) == 12
    assert guests.service.url in page.url


@pytest.mark.slow
@EACH
def test_somebody_registers_by_a_code(guests, language, width):
    guest = Guest(guests, language=language, width=width)
    guest.open("/sign-in")
    guest.press("a[href*='/register']", "#recipient")
    guest.send(EMAIL)
    guest.page.fill("#name", "Ida")
    guest.page.fill("#password", NEW)
    guest.press("button.main", "/devices")
    assert "Ida" in guest.page.inner_text(".bar")
    guest.sign_in(account=EMAIL, password=NEW)


def test_a_code_signs_in_by_keyboard_alone_and_without_a_script(guests):
    guest = Guest(guests, java_script_enabled=False)
    page = guest.page
    guest.open("/sign-in/code?next=/console/security")
    guest.send()
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/security")


@pytest.mark.slow
def test_a_link_signs_in_and_another_one_sets_the_password_anew(guests):
    guest = Guest(guests)
    guest.open("/register")
    guest.send(EMAIL)
    guest.press("button.main", "/devices")
    guest.press("#sign-out", "/sign-in?*")
    guest.service.clock.now += 60
    guest.press("a[href*='/link']", "#recipient")
    guest.page.fill("#recipient", EMAIL)
    guest.press("button.main", "#sent")
    guest.page.goto(guest.service.messages()[-1]["link"])
    guest.page.click("button")
    guest.page.wait_for_selector("[role=status]")
    guest.open("/security")
    assert guest.page.title() == "账号安全"
    guest.press("#sign-out", "/sign-in?*")
    guest.service.clock.now += 60
    guest.press("a[href*='/reset']", "#recipient")
    guest.page.fill("#recipient", EMAIL)
    guest.press("button[value=link]", "#sent")
    guest.page.goto(guest.service.messages()[-1]["link"])
    guest.page.fill("input[type=password]", NEW)
    guest.page.click("button")
    guest.page.wait_for_selector("[role=status]")
    guest.sign_in(account=EMAIL, password=NEW)


@pytest.mark.slow
@EACH
def test_a_forgotten_password_is_set_anew_by_a_code(guests, language, width):
    guest = Guest(guests, language=language, width=width)
    guest.open("/reset")
    guest.send()
    guest.page.fill("#password", "short")
    guest.press("button.main", "#error")
    guest.page.fill("#code", guest.service.messages()[-1]["code"])
    guest.page.fill("#password", NEW)
    guest.press("button.main", "/sign-in?reason=session_password_change")
    guest.sign_in(password=NEW)


@pytest.mark.slow
@EACH
def test_a_generator_is_asked_for_until_the_device_is_trusted(guests, language, width):
    guest = Guest(guests, language=language, width=width)
    guest.sign_in()
    secret, codes = guest.set_up_totp()
    assert len(codes) == 10
    guest.sign_in(wait="#totp")
    guest.page.fill("#totp", "000000")
    guest.press("button.main", "#error")
    guest.page.click("summary")
    guest.page.fill("#recovery", codes[0])
    guest.press("button.main", "/devices")
    guest.sign_in(wait="#totp")
    guest.page.fill("#totp", guest.service.digits(secret))
    guest.page.check("#trust")
    guest.press("button.main", "/devices")
    guest.sign_in()
    guest.open("/security")
    guest.press("#trusted button", "#done")
    guest.sign_in(wait="#totp")


@pytest.mark.slow
@pytest.mark.parametrize("carrier", ["cookies", "tokens"])
def test_a_script_logs_in_by_both_steps(guests, carrier):
    guest = Guest(guests)
    guest.sign_in()
    secret, _ = guest.set_up_totp()
    page = Guest(guests).page
    page.goto(f"{guests.service.url}/console/sign-in")
    page.evaluate(
        "new Promise((done) => { const script = document.createElement('script');"
        " script.src = '/auth/tessera.js'; script.onload = done; document.head.append(script); })"
    )
    if carrier == "tokens":
        page.evaluate("window.kept = null; tessera.useTokens({get: () => kept, set: (pair) => { kept = pair; }}); 0")

    def call(method, sent):
        return page.evaluate(
            "([method, sent]) => tessera[method](sent).then(async (answer) => [answer.status, await answer.json()])",
            [method, sent],
        )

    status, answer = call("login", {"phone": PHONE, "password": PASSWORD})
    assert (status, answer["error"]) == (401, "second_factor_required")
    ticket = answer["next"]["ticket"]
    assert call("secondFactor", {"ticket": ticket, "totp": "000000"})[1]["error"] == "code_wrong"
    status, answer = call("secondFactor", {"ticket": ticket, "totp": guests.service.digits(secret)})
    assert (status, "access_token" in answer["data"]) == (200, carrier == "tokens")
    assert page.evaluate("tessera.fetch('/auth/sessions').then((answer) => answer.status)") == 200


@pytest.mark.slow
@EACH
def test_a_passkey_signs_in_alone_and_as_the_second_factor(guests, language, width):
    guest = Guest(guests, language=language, width=width)
    give_device(guest.page)
    guest.sign_in()
    guest.add_passkey()
    guest.open("/sign-in?reason=session_kick&next=/console/security")
    guest.press("#use-passkey", "/security")
    assert guest.page.inner_text("#passkeys .name") == "my phone"
    guest.sign_in(wait="#use-passkey >> visible=true")
    guest.press("#use-passkey", "/devices")
    guest.press("#sign-out", "/sign-in?*")
    # Whose device says no is told, and goes on by something else.
    no = "navigator.credentials.get = () => Promise.reject(new DOMException('no', 'NotAllowedError'))"
    guest.page.evaluate(f"{no}; 0")
    guest.press("#use-passkey", "#passkey-failed")
    assert guest.page.evaluate("document.activeElement.id") == "use-passkey"


@pytest.mark.slow
def test_a_key_that_verifies_nobody_is_a_second_factor_only(guests):
    guest = Guest(guests)
    give_device(guest.page, transport="usb", hasResidentKey=False, hasUserVerification=False, isUserVerified=False)
    guest.sign_in()
    guest.add_passkey()
    guest.sign_in(wait="#use-passkey >> visible=true")
    guest.press("#use-passkey", "/devices")


@pytest.mark.slow
@EACH
def test_what_needs_a_new_proof_asks_for_one_and_comes_back(guests, language, width):
    guest = Guest(guests, language=language, width=width)
    give_device(guest.page)
    guest.sign_in()
    guest.add_passkey()
    for proof in ("password", "code", "passkey"):
        guest.service.clock.now += 301
        guest.open("/security")
        guest.press("form[action$='/totp'] button", "/step-up?*")
        if proof == "password":
            guest.page.fill("#password", "wrong")
            guest.press("button.main", "#error")
            guest.page.fill("#password", PASSWORD)
            guest.press("button.main", "/security")
        elif proof == "code":
            # By keyboard alone: the button comes after the forms of the other proofs.
            guest.page.focus("button[value=send]")
            guest.page.keyboard.press("Enter")
            guest.page.wait_for_selector("#code")
            guest.page.keyboard.type(guest.service.messages()[-1]["code"])
            guest.page.keyboard.press("Enter")
            guest.page.wait_for_url("**/console/security")
        else:
            guest.press("#use-passkey", "/security")
        guest.press("form[action$='/totp'] button", "#secret")


@pytest.mark.slow
@EACH
def test_what_is_wrong_is_in_sight(guests, language, width):
    guest = Guest(guests, language=language, width=width)
    page = guest.page
    page.set_viewport_size({"width": width, "height": 480})
    guest.sign_in()
    guest.open("/security")
    guest.press("form[action$='/totp'] button", "#secret")
    page.fill("#code", "000000")
    guest.press("button.main", "#error")
    assert page.evaluate(IN_SIGHT)
    other = Guest(guests, page=page.context.new_page())
    other.open("/security")
    other.press("form[action$='/totp'] button", "#secret")
    page.fill("#code", "000000")
    guest.press("button.main", "section #error")
    assert page.evaluate(IN_SIGHT)
    assert page.evaluate("document.activeElement.id") == "error"


def test_a_browser_without_passkeys_shows_no_button_for_them(guests):
    guest = Guest(guests)
    guest.page.add_init_script("delete window.PublicKeyCredential")
    guest.open("/sign-in")
    assert not guest.page.is_visible("#use-passkey")


@pytest.mark.slow
@EACH
def test_enter_that_is_pressed_twice_sends_a_form_once(guests, language, width):
    guest = Guest(guests, language=language, width=width)
    page = guest.page
    guest.sign_in()
    guest.open("/security")
    guest.press("form[action$='/totp'] button", "#secret")
    secret = page.inner_text("#secret")
    page.fill("#code", guest.service.digits(secret))
    assert guest.enter_twice("#codes, #error", "POST /console/security/totp/confirm") == 1
    assert page.locator("#codes code").count() == 10
    guest.sign_in(wait="#totp")
    page.fill("#totp", guest.service.digits(secret))
    assert guest.enter_twice(".devices, #error", "POST /console/second-factor") == 1
    assert page.url.endswith("/console/devices")
    guest.open("/step-up?next=/console/security")
    page.fill("#totp", "000000")
    assert guest.enter_twice("#error", "POST /console/step-up") == 1
    # The page that comes has a form that was not sent yet.
    page.fill("#totp", guest.service.digits(secret))
    guest.press("button.main", "/security")


def test_a_form_that_was_sent_is_sent_again_when_its_page_comes_back(guests):
    guest = Guest(guests)
    page = guest.page
    guest.open("/sign-in/code")
    page.evaluate("document.forms[0].dataset.sending = ''")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    guest.send()
    guest.press("button.main", "/devices")


@pytest.mark.slow
@EACH
def test_a_passkey_does_not_keep_who_did_not_want_to_stay_signed_in(guests, language, width):
    guest = Guest(guests, language=language, width=width)
    give_device(guest.page)
    guest.sign_in()
    guest.add_passkey()
    for stays in (False, True):
        guest.press("#sign-out", "/sign-in?*")
        guest.page.set_checked("#remember", stays)
        guest.press("#use-passkey", "/devices")
        lasting = {cookie["expires"] > 0 for cookie in guest.page.context.cookies() if "refresh" in cookie["name"]}
        assert lasting == {stays}
