"""What the service holds is shown without its secrets."""

from __future__ import annotations

from pathlib import Path

from flask_tessera.server.environment import ServiceSettings
from flask_tessera.server.users.user import User


def test_K08_settings_show_no_configuration():
    assert "hunter2" not in repr(ServiceSettings({"SECRET_KEY": "hunter2"}, Path("users.db"), is_in_folder=True))


def test_K08_a_user_shows_no_password_hash():
    user = User(1, "13800138000", "$argon2id$hunter2", "Li", "", "", 0, "", False)
    assert "hunter2" not in repr(user)
    assert "13800138000" in repr(user)
