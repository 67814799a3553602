"""GET /: what there is, for a program and for a browser; and how a line of the log looks."""

from __future__ import annotations

import json
import logging
import re

import pytest

from flask_tessera.server.logs import JSONFormatter

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.mark.parametrize("accept", [None, "*/*", "application/json"])
def test_a_program_gets_json(client, accept):
    answer = client.get("/", headers={"Accept": accept} if accept else {})
    assert (answer.status_code, answer.json["code"]) == (200, 0)
    routes = answer.json["data"]["routes"]
    assert {"method": "POST", "path": "/login"} in routes
    assert {"method": "GET", "path": "/healthz"} in routes
    assert {"method": "POST", "path": "/auth/refresh"} in routes


@pytest.mark.parametrize(
    ("language", "lang", "text"),
    [(None, "zh", "正在运行"), ("zh-CN,zh;q=0.9", "zh", "正在运行"), ("en-GB,en;q=0.9,zh;q=0.1", "en", "is running")],
)
def test_a_browser_gets_a_page_in_its_language(client, language, lang, text):
    answer = client.get("/", headers={"Accept": BROWSER, **({"Accept-Language": language} if language else {})})
    assert (answer.status_code, answer.content_type) == (200, "text/html; charset=utf-8")
    page = answer.text
    assert f'<html lang="{lang}">' in page
    assert text in page
    assert "/user/detail" in page
    for path in re.findall('href="([^"]*)"', page):
        with client.get(path, follow_redirects=True) as linked:
            assert linked.status_code == 200, path
    assert answer.headers["Vary"] == "Accept, Accept-Language"


def test_H06_the_page_takes_nothing_from_elsewhere_and_runs_nothing(client):
    answer = client.get("/", headers={"Accept": BROWSER})
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert not re.search("<script|<style| style=| src=| href=.(?!/[a-z])|https?:|@import| on[a-z]+=", answer.text)


# -- The log -----------------------------------------------------------------------------------------------------------


def test_G01_a_line_of_the_log_cannot_be_forged():
    record = logging.LogRecord("waitress", logging.ERROR, __file__, 1, "bad %s", ("\nline\x9b2J\x7f\u202e",), None)
    line = JSONFormatter().format(record)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["message"] == "bad \nline\x9b2J\x7f\u202e"


def test_G01_a_traceback_stays_in_its_line():
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError as error:
        told = (type(error), error, error.__traceback__)
    line = JSONFormatter().format(logging.LogRecord("app", logging.ERROR, __file__, 1, "failed", (), told))
    assert "\n" not in line
    assert "ZeroDivisionError" in json.loads(line)["error"]
