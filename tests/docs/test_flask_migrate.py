"""The one argument for Flask-Migrate that the recipes show keeps a host's next migration away from our tables."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers import fresh_database, why_not

from .documents import ROOT, write_files

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
import bookshop, flask_migrate, pathlib
from flask_tessera.contrib.migrations import is_not_ours
app = bookshop.create_app(SQLALCHEMY_DATABASE_URI={url!r}, SECRET_KEY="of a test, long enough for a server")
flask_migrate.Migrate(app, bookshop.db, **{options})
with app.app_context():
    bookshop.db.create_all()
    bookshop.tessera.create_token(1)
    flask_migrate.init()
    flask_migrate.migrate()
"""


@pytest.mark.slow
@pytest.mark.skipif(bool(why_not("postgres")), reason=why_not("postgres") or "there is a PostgreSQL")
@pytest.mark.parametrize(
    ("options", "is_left_alone"),
    [
        ("dict(include_schemas=True)", True),
        pytest.param("dict(include_name=is_not_ours)", True, marks=pytest.mark.long),
        pytest.param("dict(include_name=is_not_ours, include_schemas=True)", True, marks=pytest.mark.long),
    ],
)
def test_on_postgres_a_host_may_look_into_all_schemas(
    options: str, is_left_alone: bool, tmp_path: Path, surroundings: dict[str, str]
):
    write_files(ROOT / "docs" / "recipes.md", tmp_path)
    with fresh_database() as url:
        address = url.replace("postgresql://", "postgresql+psycopg://")  # SQLAlchemy 2.0 takes another driver itself
        migrated = run(SCRIPT.format(url=address, options=options), tmp_path, surroundings)

    assert (re.search("drop_table.*tessera", migrated) is None) is is_left_alone


def run(script: str, folder: Path, surroundings: dict[str, Any]) -> str:
    """Run a script; gives the text of the migrations that it has made."""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=surroundings, check=False, text=True, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    texts = [path.read_text("utf-8") for path in folder.glob("migrations/versions/*.py")]
    return "".join(text.partition("def downgrade")[0] for text in texts)
