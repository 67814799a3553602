"""Flask-Login beside us: pages by its cookie, an interface by our token, in one application."""

from __future__ import annotations

import flask_login
import pytest

from flask_tessera import current_user, login_required

from .refusals import make


class User(flask_login.UserMixin):
    def __init__(self, user_id):
        self.id = user_id


@pytest.fixture
def host():
    host = make(TESSERA_HTTP_STATUS="semantic")
    manager = flask_login.LoginManager(host.app)
    manager.user_loader(User)

    @host.app.post("/page/login/<user_id>")
    def log_in(user_id):
        flask_login.login_user(User(user_id))
        return ""

    @host.app.get("/page")
    @flask_login.login_required
    def page():
        return flask_login.current_user.id

    @host.app.get("/both")
    @flask_login.login_required
    @login_required
    def both():
        return f"{flask_login.current_user.id} {current_user}"

    host.app.add_url_rule("/x", "x", login_required(lambda: str(current_user)))
    return host


def test_neither_lets_in_whom_the_other_knows(host):
    browser = host.app.test_client()
    browser.post("/page/login/7")
    assert browser.get("/page").text == "7"
    assert browser.get("/x").json["error"] == "token_missing"
    token = host.log_in("8")
    assert host.get(token).text == "8"
    assert host.get(token, "/page").status_code == 401


def test_each_knows_its_own_user(host):
    browser = host.app.test_client()
    browser.post("/page/login/7")
    assert browser.get("/both", headers=host.log_in("8")).text == "7 8"
