"""Flask-SQLAlchemy: our storage is the host's database, and identifiers are whatever the host's models have."""

from __future__ import annotations

import bson
import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_tessera import Tessera, current_user, login_required

from .refusals import SECRET, make


def test_a_user_is_loaded_by_the_hosts_own_session(tmp_path):
    app = Flask("host")
    app.config.update(SECRET_KEY=SECRET, SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path}/host.db")
    db = SQLAlchemy(app)

    class User(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        name = db.Column(db.String(20))

    tessera = Tessera(app, storage=db, user_id_type=int)
    tessera.user_loader(lambda user_id: db.session.get(User, user_id))
    app.add_url_rule("/x", "x", login_required(lambda: current_user.name))
    with app.app_context():
        db.create_all()
        db.session.add(User(id=7, name="Li"))
        db.session.commit()
        token = tessera.login("7").access_token
    answer = app.test_client().get("/x", headers={"z-token": token})
    assert (answer.status_code, answer.text) == (200, "Li")
    with app.app_context():
        db.engine.dispose()


def test_F02_a_login_amid_a_sign_up_that_is_not_yet_committed_is_told_in_the_log(tmp_path, caplog):
    """SQLite lets one transaction write: the host's own, in the one file of both."""
    app = Flask("host")
    app.config.update(SECRET_KEY=SECRET, SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path}/host.db")
    db = SQLAlchemy(app)
    tessera = Tessera(app, storage=db, user_id_type=int)

    class User(db.Model):
        id = db.Column(db.Integer, primary_key=True)

    @app.post("/sign-up/<way>")
    def sign_up(way):
        user = User()
        db.session.add(user)
        getattr(db.session, way)()
        return tessera.login(user).to_response()

    with app.app_context():
        db.create_all()
    client = app.test_client()
    assert client.post("/sign-up/commit").status_code == 200
    answer = client.post("/sign-up/flush")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    (record,) = [each for each in caplog.records if each.name == "flask_tessera.storage"]
    assert record.levelname == "ERROR"
    assert "another transaction has held the file" in record.getMessage()
    assert "commit it first" in record.getMessage()
    assert f"sqlite:///{tmp_path}/host.db" in record.getMessage()
    assert client.post("/sign-up/commit").status_code == 200
    with app.app_context():
        tessera.close(app)
        db.engine.dispose()


@pytest.mark.parametrize("user_id", [bson.ObjectId(), bson.ObjectId("65f000000000000000000000")])
def test_an_identifier_of_mongodb_names_a_user_by_its_text(user_id):
    host = make()
    host.app.add_url_rule("/x", "x", login_required(lambda: str(current_user)))
    answer = host.get(host.log_in(str(user_id)))
    assert answer.text == str(user_id)
