"""A user who is deleted from the application's tables is logged out everywhere."""

from __future__ import annotations

import logging

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_tessera import Tessera, login_required

from .conftest import SECRET, BrokenStorage


class Shop:
    """An application whose users are rows."""

    def __init__(self, folder, storage=None) -> None:
        self.db = db = SQLAlchemy()

        class User(db.Model):
            id = db.Column(db.Integer, primary_key=True)
            kind = db.Column(db.String(10))
            __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "user"}  # noqa: RUF012 - as is usual

        class Admin(User):
            __mapper_args__ = {"polymorphic_identity": "admin"}  # noqa: RUF012 - as is usual

        self.User, self.Admin = User, Admin
        self.app = Flask("shop")
        self.app.config.update(
            SECRET_KEY=SECRET,
            SQLALCHEMY_DATABASE_URI=f"sqlite:///{folder}/shop.db",
            TESSERA_STORE_URL="" if storage else "memory:",
        )
        self.tessera: Tessera = Tessera(storage=storage, user_id_type=int)
        # No look at the table: what refuses the tokens is that their sessions are over.
        self.tessera.user_loader(lambda user_id: user_id)
        self.tessera.init_app(self.app)
        db.init_app(self.app)
        self.tessera.revoke_on_delete(User)
        self.app.add_url_rule("/who", "who", login_required(lambda: "in"))
        with self.app.app_context():
            db.create_all()
            db.session.add_all([User(id=7), User(id=8), Admin(id=9)])
            db.session.commit()
            self.tokens = {number: self.tessera.create_token(number) for number in (7, 8, 9)}

    def states(self):
        client = self.app.test_client()
        answers = {number: client.get("/who", headers={"z-token": token}) for number, token in self.tokens.items()}
        return {number: each.status_code for number, each in answers.items()}

    def close(self) -> None:
        with self.app.app_context():
            self.db.session.remove()
            self.db.engine.dispose()
        self.tessera.close(self.app)


@pytest.fixture
def shop(tmp_path):
    made = Shop(tmp_path)
    yield made
    made.close()


def test_a_deletion_ends_the_sessions_of_that_user_once_it_has_committed(shop):
    with shop.app.app_context():
        shop.db.session.delete(shop.db.session.get(shop.User, 7))
        shop.db.session.flush()
        assert shop.states() == {7: 200, 8: 200, 9: 200}
        shop.db.session.commit()
    assert shop.states() == {7: 401, 8: 200, 9: 200}
    answer = shop.app.test_client().get("/who", headers={"z-token": shop.tokens[7]})
    assert answer.get_json()["error"] == "session_user_gone"


def test_a_deletion_that_is_rolled_back_ends_nothing_then_or_later(shop):
    with shop.app.app_context():
        shop.db.session.delete(shop.db.session.get(shop.User, 7))
        shop.db.session.flush()
        shop.db.session.rollback()
        shop.db.session.add(shop.User(id=10))
        shop.db.session.commit()
    assert shop.states() == {7: 200, 8: 200, 9: 200}


def test_subclasses_and_several_users_are_seen(shop):
    with shop.app.app_context():
        for number in (7, 9):
            shop.db.session.delete(shop.db.session.get(shop.User, number))
        shop.db.session.commit()
    assert shop.states() == {7: 401, 8: 200, 9: 401}


def test_a_deletion_in_a_view_does_not_fail_with_the_storage(tmp_path, caplog):
    storage = BrokenStorage()
    shop = Shop(tmp_path, storage)

    @shop.app.post("/delete")
    def delete():
        shop.db.session.delete(shop.db.session.get(shop.User, 7))
        shop.db.session.commit()
        return "deleted"

    storage.is_broken = True
    with caplog.at_level(logging.ERROR, "flask_tessera"):
        assert shop.app.test_client().post("/delete").text == "deleted"
    storage.is_broken = False
    assert any("sessions of a deleted user could not be ended" in each.getMessage() for each in caplog.records)
    with shop.app.app_context():
        assert shop.db.session.get(shop.User, 7) is None
    assert shop.states() == {7: 200, 8: 200, 9: 200}
    shop.close()


def test_two_realms_may_watch_one_table(shop):
    admin: Tessera = Tessera(realm="admin", user_id_type=int)
    admin.user_loader(lambda user_id: user_id)
    admin.init_app(shop.app)
    admin.revoke_on_delete(shop.User)
    with shop.app.app_context():
        token = admin.create_token(7)
        shop.db.session.delete(shop.db.session.get(shop.User, 7))
        shop.db.session.commit()
        assert admin.verify_token(token) is None
        assert shop.tessera.verify_token(shop.tokens[7]) is None


def test_the_tables_of_the_sessions_may_be_in_the_same_file(tmp_path):
    shop = Shop(tmp_path, f"sqlite:///{tmp_path}/shop.db")
    with shop.app.app_context():
        shop.db.session.delete(shop.db.session.get(shop.User, 7))
        shop.db.session.commit()
    assert shop.states() == {7: 401, 8: 200, 9: 200}
    shop.close()


@pytest.mark.parametrize("nobody", [None, False])
def test_L07_a_loader_that_gives_nobody_lets_nobody_in(nobody):
    """`return user.is_active and user` gives False."""
    app = Flask(__name__)
    app.config.update(TESTING=True, SECRET_KEY=SECRET)
    tessera = Tessera(app, load_user="always")
    tessera.user_loader(lambda user_id: nobody)
    app.add_url_rule("/", "view", login_required(lambda: "in"))
    with app.app_context():
        token = tessera.create_token("7")
    assert app.test_client().get("/", headers={"z-token": token}).status_code == 401
