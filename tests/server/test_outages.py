"""The service's log when its storage is gone: one line with the cause, and no password."""

from __future__ import annotations

import json

import pytest

from tests.servers import RedisServer, why_not

from .conftest import PASSWORD, PHONE, free_port

SECRET_OF_REDIS = "hunter2-of-redis"
REQUESTS = 4
LATE = """
import logging.config, sys
from flask_tessera.server.app import make_app

app = make_app(data=sys.argv[1], store=sys.argv[2])
service = app.extensions["tessera_service"]
with app.app_context():
    service.users.add(sys.argv[3], service.passwords.hash(sys.argv[4]))
logging.config.dictConfig({
    "version": 1,
    "disable_existing_loggers": True,
    "formatters": {"json": {"()": "flask_tessera.server.logs.JSONFormatter"}},
    "handlers": {"out": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "json"}},
    "root": {"handlers": ["out"], "level": "INFO"},
})
client = app.test_client()
for _ in range(int(sys.argv[5])):
    answer = client.post("/auth/login", json={"phone": sys.argv[3], "password": sys.argv[4]})
    assert answer.status_code == 503, answer.text
"""


def of_storage(text):
    """The lines of the log that tell of the storage; all lines are JSON, and none holds the password."""
    assert SECRET_OF_REDIS not in text
    lines = [json.loads(line) for line in text.splitlines()]
    return [line for line in lines if line.get("logger") == "flask_tessera.storage"]


def assert_told_once(text, port):
    (line,) = of_storage(text)
    assert line["level"] == "ERROR"
    assert f"the storage redis://…@127.0.0.1:{port}/0 does not work" in line["message"]
    assert "requests are answered with 503: " in line["message"]
    assert "Error" in line["message"]


@pytest.mark.skipif(why_not("redis8") is not None, reason="no Redis")
def test_G02_a_running_service_tells_once_that_its_storage_is_gone_and_why(serve):
    with RedisServer("redis8") as redis:
        # Its user may log in with any password.
        server = serve("--store", f"redis://default:{SECRET_OF_REDIS}@127.0.0.1:{redis.port}/0")
        server.log_in()
        redis.kill()
        wanted = {"phone": PHONE, "password": PASSWORD}
        assert [server.call("POST", "/auth/login", wanted).status for _ in range(REQUESTS)] == [503] * REQUESTS
        code, error = server.stop()
    assert code == 0
    assert_told_once(error, redis.port)


@pytest.mark.slow
def test_G02_logging_that_is_configured_after_the_application_is_made_has_the_line_too(tmp_path, run_program):
    """With `disable_existing_loggers`, as Flask's documentation and many hosts have it."""
    port = free_port()
    url = f"redis://default:{SECRET_OF_REDIS}@127.0.0.1:{port}/0"
    assert_told_once(run_program(LATE, tmp_path, url, PHONE, PASSWORD, REQUESTS), port)
