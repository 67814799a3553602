"""`check_new_password` in an application, and the hook `password_check`."""

import logging

import pytest
from flask import Flask, request

from flask_tessera import Tessera
from flask_tessera.errors import InputError
from tests.web.conftest import make_site


def add_view(site):
    """A registration of the application's own."""

    @site.app.post("/register")
    def register():
        site.tessera.check_new_password(request.json["password"], [request.json.get("name", "")])
        return {"registered": True}

    return site


def sent(site, password, **more):
    return site.post("/register", json={"password": password, **more})


@pytest.fixture
def shop():
    return add_view(make_site())


def test_L04_a_view_of_the_application_answers_what_is_wrong_with_a_password(shop):
    assert sent(shop, "kX3vPq9Lz").json == {"registered": True}
    for password, slug in (("short", "password_too_short"), ("Password1!", "password_common"), (5, "input_malformed")):
        answer = sent(shop, password)
        assert (answer.status_code, answer.json["code"], answer.json["error"]) == (400, 4103, slug)
    assert sent(shop, "quxowlbert1", name="Quxowlbert").json["error"] == "password_common"


def test_L04_outside_a_request_the_error_is_the_cores(shop):
    with shop.app.app_context(), pytest.raises(InputError) as caught:
        shop.tessera.check_new_password("Password1!")
    assert caught.value.slug == "password_common"


def test_L04_the_name_of_the_application_is_a_word(shop):
    assert shop.app.name == "site"
    assert sent(shop, "Site-2024!").json["error"] == "password_common"


def test_L04_the_minimum_is_the_setting():
    site = add_view(make_site(TESSERA_PASSWORD_MIN_LENGTH=15))
    assert sent(site, "kX3vPq9LzT7qmW").json["error"] == "password_too_short"
    assert sent(site, "kX3vPq9LzT7qmWz").json == {"registered": True}


def test_L04_a_password_known_from_a_breach_is_refused(shop):
    asked = []

    @shop.tessera.password_check
    def is_breached(password):
        asked.append(password)
        return password == "kX3vPq9Lz"

    assert is_breached("kX3vPq9Lz") is True
    assert sent(shop, "kX3vPq9Lz").json["error"] == "password_breached"
    assert sent(shop, " kX3vPq9Lz").json == {"registered": True}
    assert asked == ["kX3vPq9Lz", "kX3vPq9Lz", " kX3vPq9Lz"]


def test_L04_the_check_may_be_async(shop):
    @shop.tessera.password_check
    async def is_breached(password):
        return password == "kX3vPq9Lz"

    assert sent(shop, "kX3vPq9Lz").json["error"] == "password_breached"
    assert sent(shop, "Zr8kd02mT").json == {"registered": True}


def test_L04_a_check_that_fails_keeps_nobody_from_a_new_password(shop, caplog):
    @shop.tessera.password_check
    def is_breached(password):
        raise OSError(password)

    assert sent(shop, "kX3vPq9Lz").json == {"registered": True}
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "kX3vPq9Lz" not in caplog.text


def test_each_realm_has_a_check_of_its_own():
    app = Flask("two")
    app.config.update(TESTING=True, SECRET_KEY="for tests only")
    staff, customers = Tessera(app, realm="staff"), Tessera(app, realm="customers")
    staff.password_check(lambda password: True)
    with app.app_context():
        customers.check_new_password("kX3vPq9Lz")
        with pytest.raises(InputError):
            staff.check_new_password("kX3vPq9Lz")
