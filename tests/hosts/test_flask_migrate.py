"""Flask-Migrate on Flask-SQLAlchemy: a host's own migrations do not see our tables."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import fresh_database, why_not

# Without `--all`, the recipes show it on SQLite, and tests/docs/test_flask_migrate.py on PostgreSQL.
pytestmark = pytest.mark.long
APPLICATION = """
import os
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_tessera import Tessera

app = Flask(__name__)
app.config.update(SECRET_KEY=os.environ["SECRET"], SQLALCHEMY_DATABASE_URI=os.environ["DATABASE"])
db = SQLAlchemy(app)
tessera = Tessera(app, storage=db)
Migrate(app, db, include_schemas=os.environ["ALL_SCHEMAS"] == "yes")

class Order(db.Model):
    id = db.Column(db.Integer, primary_key=True)
"""
USE = "import host\nwith host.app.app_context():\n    host.db.create_all()\n    host.tessera.login('7')"


def run(*words: str, **how) -> str:
    done = subprocess.run(words, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **how)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(params=["sqlite", "postgres"])
def database(request, tmp_path):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/host.db"
        return
    if reason := why_not("postgres"):
        pytest.skip(reason)
    with fresh_database() as url:
        yield url.replace("postgresql://", "postgresql+psycopg://")


@pytest.mark.parametrize("all_schemas", ["no", "yes"])
def test_S11_an_automatic_migration_of_the_host_leaves_our_tables_alone(database, all_schemas, tmp_path):
    (tmp_path / "host.py").write_text(APPLICATION)
    secret = "9b7e40c1f3a85d26e1908c7745bb3f02d6ea914c58f7230b"
    how = {
        "cwd": tmp_path,
        "env": {**os.environ, "SECRET": secret, "DATABASE": database, "ALL_SCHEMAS": all_schemas},
    }
    flask = (sys.executable, "-m", "flask", "--app", "host", "db")
    run(sys.executable, "-c", USE, **how)
    run(*flask, "init", **how)
    run(*flask, "migrate", "-m", "x", **how)
    scripts = Path(tmp_path, "migrations", "versions").glob("*.py")
    assert [line for script in scripts for line in script.read_text().splitlines() if "tessera" in line] == []
    run(*flask, "upgrade", **how)
    run(*flask, "check", **how)
