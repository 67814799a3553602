"""Codes of the ready service where nothing delivers them."""

from __future__ import annotations

from flask_tessera.server import create_app

from .conftest import SECRET


def test_without_a_sender_codes_are_refused_and_the_log_names_the_setting_once(tmp_path, caplog):
    app = create_app(environment={"SECRET_KEY": SECRET}, data=str(tmp_path))
    client = app.test_client()
    for number in range(3):
        body = {"recipient": f"1380013800{number}", "purpose": "register"}
        answer = client.post("/auth/codes", json=body)
        assert (answer.status_code, answer.json["error"]) == (502, "sending_failed")
    (line,) = [each.getMessage() for each in caplog.records if "TESSERA_SENDER" in each.getMessage()]
    assert line.startswith("a code or link was asked for and answered with sending_failed (502): nothing delivers")


def test_the_environment_switches_notices_off(tmp_path):
    environment = {"SECRET_KEY": SECRET, "TESSERA_NOTICES": "false"}
    app = create_app(environment=environment, data=str(tmp_path))
    with app.app_context():
        assert app.extensions["tessera_service"].tessera.runtime.settings.NOTICES is False
