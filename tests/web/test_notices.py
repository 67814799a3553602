"""Notices: users are told of what they may not have done themselves, and can end the session that did it."""

from __future__ import annotations

import pytest

from flask_tessera.accounts.recipients import parse_recipient
from flask_tessera.errors import SendingError, StorageUnavailableError
from tests.authenticator import Authenticator
from tests.services.factors import code_at

from .people import EMAIL, PASSWORD, PHONE, SITE, AccountsApp

OTHER = "eleven green otters"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
CODES = {"login", "register", "reset", "bind", "confirm"}


@pytest.fixture
def town(tmp_path):
    return AccountsApp(tmp_path)


def notices(town):
    return [each for each in town.messages() if each["purpose"] not in CODES]


def log_in(town, device_id="", *, account=None, **headers):
    device = {"id": device_id, "name": f"phone {device_id}"} if device_id else {}
    body = {**(account or {"phone": PHONE}), "password": PASSWORD, "device": device}
    answer = town.post("/login", body, **headers)
    assert answer.status_code == 200, answer.text
    return answer.json["data"]


def is_live(town, pair):
    return town.post("/me", method="GET", token=pair["access_token"]).status_code == 200


def ticket_of(notice):
    assert notice["link"].startswith(f"{SITE}/auth/links/tst_")
    return notice["link"].rpartition("/")[2]


# -- a new device ------------------------------------------------------------------------------------------------------


def test_the_first_login_of_an_account_and_those_of_a_known_device_are_no_news(town):
    town.register(device={"id": "a"})
    for _ in range(3):
        town.clock.advance(86_400)
        log_in(town, "a")
    assert notices(town) == []


def test_a_login_on_a_new_device_is_told_once_with_what_when_and_where(town):
    town.register(device={"id": "a"})
    log_in(town, "b")
    log_in(town, "b")
    (told,) = notices(town)
    assert (told["to"], told["purpose"]) == ("+8613800138000", "new_device")
    for part in ("phone b", "127.0.0.1", "UTC", "shop.example"):
        assert part in told["text"]


def test_a_device_without_an_id_is_its_browser_in_its_network(town):
    town.register(device={"id": "a"})
    log_in(town, **{"User-Agent": FIREFOX})
    log_in(town, **{"User-Agent": FIREFOX.replace("128", "129")})
    assert [each["purpose"] for each in notices(town)] == ["new_device"]
    assert "Firefox" in notices(town)[0]["text"]
    client = town.app.test_client()
    client.environ_base["REMOTE_ADDR"] = "203.0.113.9"
    body = {"phone": PHONE, "password": PASSWORD}
    assert town.post("/login", body, client=client, **{"User-Agent": FIREFOX}).status_code == 200
    assert "203.0.113.9" in notices(town)[-1]["text"]
    assert len(notices(town)) == 2


@pytest.mark.parametrize("way", ["phone", "email", "code"])
def test_every_way_to_log_in_knows_the_same_devices(town, way):
    town.register(device={"id": "a"})
    (person,) = town.people.rows.values()
    town.people.bind(person, parse_recipient(EMAIL))
    if way == "code":
        code = {"recipient": PHONE, "code": town.code(PHONE, "login"), "device": {"id": "b"}}
        assert town.post("/login", code).status_code == 200
    else:
        log_in(town, "b", account={way: PHONE if way == "phone" else EMAIL})
    log_in(town, "b", account={"email": EMAIL})
    (told,) = notices(town)
    assert told["to"] == EMAIL, "mail goes before the phone"


def test_a_code_that_was_just_sent_keeps_no_notice_from_its_owner(town):
    town.register(device={"id": "a"})
    for number in range(3):
        code = town.code(PHONE, "login")
        body = {"recipient": PHONE, "code": code, "device": {"id": f"thief {number}"}}
        assert town.post("/login", body).status_code == 200
    assert len(notices(town)) == 3


def test_the_language_is_that_of_the_request(tmp_path):
    town = AccountsApp(tmp_path, LOCALE="auto")
    town.register(device={"id": "a"})
    log_in(town, "b", **{"Accept-Language": "en"})
    log_in(town, "c", **{"Accept-Language": "zh-CN"})
    english, chinese = notices(town)
    assert english["text"].isascii()
    assert "新设备" in chinese["text"]


def test_names_of_devices_are_inert(town):
    town.register(device={"id": "a"})
    body = {"phone": PHONE, "password": PASSWORD, "device": {"id": "b", "name": "visit https://evil.example/ now"}}
    assert town.post("/login", body).status_code == 200
    assert "evil.example" not in notices(town)[0]["text"]


# -- what else is told -------------------------------------------------------------------------------------------------


def test_a_changed_password_is_told_and_its_session_can_be_ended(town):
    pair = town.register()
    body = {"old": PASSWORD, "new": OTHER}
    assert town.post("/password", body, token=pair["access_token"]).status_code == 200
    (told,) = notices(town)
    assert told["purpose"] == "password_changed"
    assert "127.0.0.1" in told["text"]
    ended = town.post("/links/redeem", {"ticket": ticket_of(told)})
    assert ended.json["data"]["revoked"] == pair["session_id"]
    assert not is_live(town, pair)


def test_a_password_that_was_reset_is_told_and_there_is_no_session_to_end(town):
    town.register()
    body = {"recipient": PHONE, "code": town.code(PHONE, "reset"), "password": OTHER}
    assert town.post("/password/reset", body).status_code == 200
    (told,) = notices(town)
    assert told["purpose"] == "password_changed"
    assert "link" not in told


def test_second_factors_that_come_and_go_are_told(tmp_path):
    town = AccountsApp(tmp_path)
    token = town.register(device={"id": "a"})["access_token"]
    assert town.post("/totp", method="DELETE", token=token).status_code == 200
    assert notices(town) == [], "there was none"
    secret = town.post("/totp", token=token).json["data"]["secret"]
    assert town.post("/totp/confirm", {"code": code_at(secret, town.clock())}, token=token).status_code == 200
    assert town.post("/totp", method="DELETE", token=token).status_code == 200
    options = town.post("/passkeys/options", token=token).json["data"]
    made = {"name": "key", "credential": Authenticator().make(options)}
    passkey = town.post("/passkeys", made, token=token)
    assert passkey.status_code == 200, passkey.text
    gone = town.post(f"/passkeys/{passkey.json['data']['id']}", method="DELETE", token=token)
    assert gone.status_code == 200
    told = [each["purpose"] for each in notices(town)]
    assert told == ["factor_added", "factor_removed"] * 2
    texts = [each["text"] for each in notices(town)]
    assert ["passkey" in text for text in texts] == [False, False, True, True]
    assert all("/auth/links/" in text for text in texts)


def test_a_copied_refresh_token_is_told_to_its_owner(town):
    pair = town.register(device={"id": "a", "name": "Ada's phone"})
    stolen = pair["refresh_token"]
    for _ in range(2):
        town.clock.advance(60)
        pair = town.post("/refresh", {"refresh_token": pair["refresh_token"]}).json["data"]
        assert is_live(town, pair)
    town.clock.advance(60)
    assert town.post("/refresh", {"refresh_token": stolen}).status_code == 401
    (told,) = notices(town)
    assert told["purpose"] == "token_reuse"
    assert "Ada's phone" in told["text"]
    assert "link" not in told


# -- the link ----------------------------------------------------------------------------------------------------------


def test_Q04_the_page_of_a_notice_ends_nothing_until_its_button_is_pressed(town):
    mine = town.register(device={"id": "a"})
    thief = log_in(town, "b")
    ticket, client = ticket_of(notices(town)[0]), town.app.test_client()
    for _ in range(5):
        page = client.get(f"/auth/links/{ticket}")
        assert (page.status_code, "Log it out" in page.text) == (200, True)
    assert is_live(town, thief)
    done = client.post(f"/auth/links/{ticket}")
    assert (done.status_code, 'role="status"' in done.text) == (200, True)
    assert not is_live(town, thief)
    assert is_live(town, mine)
    assert client.post(f"/auth/links/{ticket}").status_code == 401


def test_a_link_that_ends_a_session_is_good_for_nothing_else(town):
    town.register(EMAIL, device={"id": "a"})
    log_in(town, "b", account={"email": EMAIL})
    ticket = ticket_of(notices(town)[0])
    reset = town.post("/password/reset", {"ticket": ticket, "password": OTHER})
    assert (reset.status_code, reset.json["error"]) == (401, "ticket_invalid")
    answer = town.post("/links/redeem", {"ticket": ticket}).json["data"]
    assert sorted(answer) == ["effective_by", "revoked"]


def test_without_a_public_url_there_is_no_link(tmp_path):
    town = AccountsApp(tmp_path, PUBLIC_URL="")
    town.register(device={"id": "a"})
    log_in(town, "b")
    assert "link" not in notices(town)[0]


# -- limits, and what fails --------------------------------------------------------------------------------------------


def test_notices_are_bounded_and_those_that_were_refused_are_logged(town, caplog):
    town.register(device={"id": "a"})
    for number in range(6):
        log_in(town, f"new {number}")
    assert len(notices(town)) == 3
    assert caplog.text.count("notices were not sent") <= 1
    pair = log_in(town, "a")
    town.post("/password", {"old": PASSWORD, "new": OTHER}, token=pair["access_token"])
    assert notices(town)[-1]["purpose"] == "password_changed", "each sort has limits of its own"


def test_one_setting_switches_them_off(tmp_path):
    town = AccountsApp(tmp_path, NOTICES=False)
    pair = town.register(device={"id": "a"})
    log_in(town, "b")
    town.post("/password", {"old": PASSWORD, "new": OTHER}, token=pair["access_token"])
    assert notices(town) == []


def test_a_login_succeeds_whatever_becomes_of_its_notice(tmp_path, caplog):
    class Broken:
        def send(self, message):
            if message.purpose not in CODES:
                raise SendingError("away")
            self.code = message.code

    sender = Broken()
    town = AccountsApp(tmp_path, tessera={"sender": sender})
    town.post("/codes", {"recipient": PHONE, "purpose": "register"})
    body = {"recipient": PHONE, "code": sender.code, "password": PASSWORD, "device": {"id": "a"}}
    assert town.post("/register", body).status_code == 200
    log_in(town, "b")
    with town.app.app_context():
        town.tessera.runtime.accounts.sending.wait_for_notices(10)
    assert "a new_device message to" in caplog.text
    caplog.clear()

    def away(user):
        raise StorageUnavailableError("the database is away")

    town.people.recipients = away
    log_in(town, "c")
    assert "a receiver of the signal audit-recorded failed" in caplog.text


def test_who_is_not_told_how_users_are_reached_sends_nothing(tmp_path):
    town = AccountsApp(tmp_path)
    town.register(device={"id": "a"})
    town.people.recipients = None
    log_in(town, "b")
    assert notices(town) == []


def test_realms_keep_their_notices_apart(tmp_path):
    from flask_tessera import Tessera

    town = AccountsApp(tmp_path)
    staff = Tessera(realm="staff", user_id_type=int, clock=town.clock, users=town.people)
    staff.init_app(town.app)
    town.app.register_blueprint(staff.blueprint(url_prefix="/staff", name="staff"))
    town.register(device={"id": "a"})
    body = {"phone": PHONE, "password": PASSWORD, "device": {"id": "b"}}
    for _ in range(2):
        assert town.app.test_client().post("/staff/login", json=body).status_code == 200
        body["device"] = {"id": "c"}
    with town.app.app_context():
        staff.runtime.accounts.sending.wait_for_notices(10)
    (told,) = notices(town)
    assert f"{SITE}/staff/links/" in told["text"]
