"""What happens while a login is under way, in the package's view and in one of the host's own."""

from __future__ import annotations

import pytest

from flask_tessera import (
    CredentialsError,
    LoginRefusedError,
    SessionEndedError,
    StorageUnavailableError,
    TokenExpiredError,
    signals,
)
from flask_tessera.errors import InputError, ThrottledError
from flask_tessera.testing import Clock


@pytest.mark.parametrize("how", ["revoke_user", "suspend"])
@pytest.mark.parametrize("by", ["login", "create_token"])
def test_S04_a_login_that_was_checked_before_all_sessions_were_ended_begins_none(site, how, by):
    tessera = site.tessera
    with site.app.app_context():
        with pytest.raises(CredentialsError), tessera.login_attempt("anna") as attempt:
            getattr(tessera, how)(7)
            if how == "suspend":
                tessera.unsuspend(7)
            getattr(attempt, by)(7)
        assert not tessera.sessions(7)


def test_S04_what_was_ended_before_the_check_or_of_somebody_else_refuses_nobody(site):
    tessera = site.tessera
    with site.app.app_context():
        tessera.revoke_user(7)
        with tessera.login_attempt("anna") as attempt:
            tessera.revoke_user(8)
            tessera.revoke_session(tessera.login(7).session_id)
            assert tessera.verify(attempt.login(7).access_token)
            assert tessera.verify(attempt.create_token(7))


def test_S04_the_login_route_is_refused_when_the_password_is_changed_while_it_is_checked(new_site):
    site = new_site()

    @site.tessera.authenticator
    def slow(credentials):
        site.tessera.revoke_user(7, "password_change")
        return 7

    site.app.register_blueprint(site.tessera.blueprint())
    answer = site.post("/auth/login", json={"phone": "1", "password": "old"})
    assert (answer.status_code, answer.get_json()["error"]) == (401, "credentials_wrong")


def test_S01_a_longer_life_that_is_set_later_does_not_outlive_the_memory_of_an_ending(tmp_path, new_site):
    clock = Clock()

    def start(**config):
        return new_site(tessera={"clock": clock}, TESSERA_STORE_URL=f"sqlite:///{tmp_path / 'tessera.db'}", **config)

    before = start()
    refresh_token = before.login(7).refresh_token
    after = start(TESSERA_ACCESS_LIFETIME=86_400)
    with after.app.app_context():
        pair = after.tessera.refresh(refresh_token)
        assert 0 < pair.access_expires_in <= 900
        after.tessera.revoke_session(pair.session_id)
        for _ in range(20):
            clock.advance(100)
            after.tessera.revoke_session(after.tessera.login(8).session_id)
            with pytest.raises((SessionEndedError, TokenExpiredError)):
                after.tessera.verify(pair.access_token)


def test_G03_a_refused_login_ends_no_session_to_make_room(new_site):
    site = new_site(TESSERA_MAX_SESSIONS=1)
    told = []

    def note(_sender, event):
        told.append((event.session.sid, event.reason))

    with (
        site.app.app_context(),
        signals.session_ended.connected_to(note, site.app),
        pytest.raises(CredentialsError),
        site.tessera.login_attempt("anna") as attempt,
    ):
        site.tessera.revoke_user(7)
        other = site.tessera.login(7)
        attempt.login(7)
    assert told == []
    with site.app.app_context():
        assert site.tessera.refresh(other.refresh_token).session_id == other.session_id


# A view of the host's own


@pytest.fixture
def shop(new_site):
    site = new_site()
    site.checked = []

    @site.app.post("/signin")
    def signin():
        from flask import request

        sent = request.get_json()
        with site.tessera.login_attempt(sent["account"]) as attempt:
            site.checked.append(sent["password"])
            if sent["password"] == "raise":
                raise ZeroDivisionError
            if sent["password"] == "core":
                raise CredentialsError("no such account")
            if sent["password"] == "refused":
                raise LoginRefusedError("disabled")
            if sent["password"] != "right":
                attempt.fail()
            return attempt.login(7, scope="shop", claims={"shop": 3}).to_response()

    return site


def signin(site, password, account="anna", **how):
    return site.post("/signin", json={"account": account, "password": password}, **how)


def test_the_login_of_an_attempt_takes_all_that_login_takes(shop):
    token = signin(shop, "right").get_json()["data"]["access_token"]
    with shop.app.app_context():
        identity = shop.tessera.verify(token)
    assert (identity.user_id, identity.scopes, identity.claims) == (7, {"shop"}, {"shop": 3})


@pytest.mark.parametrize("wrong", ["wrong", "core"])
def test_L07_ten_failed_attempts_close_the_account_before_anything_is_checked(shop, wrong):
    for _ in range(10):
        answer = signin(shop, wrong)
        assert (answer.status_code, answer.get_json()["error"]) == (401, "credentials_wrong")
    answer = signin(shop, "right")
    assert (answer.status_code, answer.get_json()["error"]) == (429, "too_many_requests")
    assert 1 <= int(answer.headers["Retry-After"]) <= 300
    assert len(shop.checked) == 10
    assert signin(shop, "right", account="berta").status_code == 200


@pytest.mark.parametrize(("password", "status"), [("right", 200), ("raise", 500), ("refused", 403)])
def test_L09_what_is_no_wrong_password_does_not_count(shop, password, status):
    assert [signin(shop, password).status_code for _ in range(12)] == [status] * 12
    assert signin(shop, "right").status_code == 200


def test_L07_an_attempt_that_is_left_without_a_login_does_not_count(shop):
    with shop.app.test_request_context("/"):
        for _ in range(12):
            with shop.tessera.login_attempt("anna"):
                pass
    assert signin(shop, "right").status_code == 200


def test_L07_the_spellings_of_an_account_share_one_counter(shop):
    for number in range(10):
        signin(shop, "wrong", account=("13800000007", "138-0000-0007", " 13800000007", 13800000007)[number % 4])
    assert signin(shop, "right", account="１３８００００００07").status_code == 429


def test_L07_each_of_several_accounts_is_counted(shop):
    for _ in range(10):
        signin(shop, "wrong", account=["anna", "anna@example.com"])
    assert signin(shop, "right", account="anna").status_code == 429
    assert signin(shop, "right", account=["berta", "anna@example.com"]).status_code == 429
    assert signin(shop, "right", account="berta").status_code == 200


def test_L07_the_view_and_the_route_share_their_counters(shop):
    shop.tessera.authenticator(lambda credentials: None)
    shop.app.register_blueprint(shop.tessera.blueprint("login"))
    for _ in range(5):
        signin(shop, "wrong")
        shop.post("/auth/login", json={"name": "anna", "password": "x"})
    assert signin(shop, "right").status_code == 429
    assert shop.post("/auth/login", json={"name": "anna", "password": "x"}).status_code == 429


@pytest.mark.parametrize("account", [1.5, True, None, {"$gt": ""}, {}, [], [None], [["anna"]]])
def test_H04_what_can_name_no_account_is_malformed_input_and_nothing_is_checked(shop, account):
    answer = signin(shop, "right", account=account)
    assert (answer.status_code, answer.get_json()["error"]) == (400, "input_malformed")
    assert shop.checked == []


def test_G03_a_failed_attempt_sends_one_signal_that_names_the_account(shop):
    heard = []

    def hear(sender, **said):
        heard.append((said["account"], said["caller"].ip))

    with signals.login_failed.connected_to(hear, sender=shop.app):
        signin(shop, "wrong")
        signin(shop, "raise")
        signin(shop, "right")
    assert heard == [("anna", "127.0.0.1")]


def test_outside_a_request_the_errors_are_the_cores_alone(site):
    with site.app.app_context():
        for _ in range(10):
            with pytest.raises(CredentialsError) as caught, site.tessera.login_attempt("anna") as attempt:
                attempt.fail()
            assert type(caught.value) is CredentialsError
        with pytest.raises(ThrottledError), site.tessera.login_attempt("anna"):
            pytest.fail("it was entered")
        with pytest.raises(InputError), site.tessera.login_attempt(1.5):
            pytest.fail("it was entered")


def test_F02_a_log_that_cannot_be_read_refuses_the_attempt_and_counts_nothing(new_site, broken_storage):
    site = new_site(storage=broken_storage)
    with site.app.app_context():
        site.login()
        broken_storage.is_broken = True
        for _ in range(12):
            with pytest.raises(StorageUnavailableError), site.tessera.login_attempt("anna"):
                pytest.fail("it was entered")
        broken_storage.is_broken = False
        with site.tessera.login_attempt("anna") as attempt:
            assert attempt.login(7)
