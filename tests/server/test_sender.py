"""Codes of the ready service where nothing delivers them, or not in time."""

from __future__ import annotations

from flask_tessera.accounts.hash_slots import WAITERS_PER_SLOT
from flask_tessera.server import create_app, serving
from flask_tessera.services.sending import MOST_REQUESTS

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


def test_L02_passwords_and_messages_that_hang_leave_threads_to_other_requests(app):
    with app.app_context():
        runtime = app.extensions["tessera_service"].tessera.runtime
    server = serving._listen(app, runtime, "127.0.0.1", 0)
    try:
        most_logins = (1 + WAITERS_PER_SLOT) * runtime.settings.HASH_SLOTS
        assert server.adj.threads >= most_logins + MOST_REQUESTS + 10
    finally:
        server.close()
