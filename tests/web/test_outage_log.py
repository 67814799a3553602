"""One line in the log tells why requests are answered with 503, and no line tells a password."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from flask_tessera import StorageUnavailableError, login_required
from flask_tessera.web.outages import OutageLog, url_without_login, without_password


class Seconds:
    """Seconds that only a test lets grow."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.DEBUG, "flask_tessera")
    return lambda: [
        (each.name, each.levelname, each.getMessage()) for each in caplog.records if each.name != "flask_tessera.audit"
    ]


def failure(text="away", cause=None):
    with pytest.raises(StorageUnavailableError) as caught:
        raise StorageUnavailableError(text) from cause
    return caught.value


def test_the_first_of_a_series_is_logged_with_its_place_and_its_cause(lines):
    log = OutageLog("sqlite:///tessera.db", steady=Seconds())
    cause = OSError(5, "Input/output error")
    cause.__cause__ = ValueError("the\ndisk")
    log.record(failure("it cannot be read", cause))
    log.record(failure("it cannot be written"))
    ((name, level, text),) = lines()
    assert (name, level) == ("flask_tessera.storage", "ERROR")
    assert text == (
        "the storage sqlite:///tessera.db does not work, requests are answered with 503: it cannot be read;"
        " caused by OSError: [Errno 5] Input/output error; caused by ValueError: the disk"
    )


def test_a_series_ends_after_thirty_quiet_seconds_and_not_before(lines):
    steady = Seconds()
    log = OutageLog("x", steady=steady)
    for _ in range(10):
        log.record(failure())
        steady.now += 30
    assert len(lines()) == 1
    steady.now += 1
    log.record(failure())
    assert len(lines()) == 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://anna:s3cret@db/x", "postgresql://anna:…@db/x"),
        ("redis://:s3cret@cache:6379/0", "redis://:…@cache:6379/0"),
        ("postgresql+psycopg://a:s3c%40ret@h/x?sslmode=require", "postgresql+psycopg://a:…@h/x?sslmode=require"),
        ("postgresql://h/x?user=a&password=s3cret&port=5", "postgresql://h/x?user=a&password=…&port=5"),
        ("connect to host=h user=a password=s3cret failed", "connect to host=h user=a password=… failed"),
        ("sqlite:///tessera.db", "sqlite:///tessera.db"),
        ("http://h:80/a@b", "http://h:80/a@b"),
    ],
)
def test_G02_passwords_are_replaced(text, shown):
    assert without_password(text) == shown


def test_G02_neither_the_place_nor_a_cause_shows_a_password(lines):
    url = "postgresql://anna:s3cret@db/x"
    OutageLog(url, steady=Seconds()).record(failure(f"cannot reach {url}", OSError(f"{url} password=s3cret")))
    ((_, _, text),) = lines()
    assert "s3cret" not in text
    assert "anna" in text


def test_requests_that_fail_are_one_line_and_those_outside_are_the_callers(new_site, broken_storage, lines):
    site = new_site(storage=broken_storage)
    site.app.add_url_rule("/who", "who", login_required(lambda: "in"))
    pair = site.login()
    broken_storage.is_broken = True
    with site.app.app_context(), pytest.raises(StorageUnavailableError):
        site.tessera.sessions(7)
    assert lines() == []
    assert [site.get("/who", pair.access_token).status_code for _ in range(5)] == [503] * 5
    ((name, _, text),) = lines()
    assert name == "flask_tessera.storage"
    assert "the storage of BrokenStorage does not work" in text
    assert text.endswith(": away")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder in which nothing can be created")
def test_the_url_of_the_settings_is_named(new_site, lines):
    site = new_site(TESSERA_STORE_URL="sqlite:////proc/self/tessera.db")
    site.app.add_url_rule("/signin", "signin", lambda: site.tessera.login(7).to_response())
    assert site.get("/signin").status_code == 503
    ((_, _, text),) = [line for line in lines() if line[0] == "flask_tessera.storage"]
    assert "sqlite:////proc/self/tessera.db" in text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:////srv/tessera.db", "sqlite:////srv/tessera.db"),
        ("redis://db:6379/0?prefix=x", "redis://db:6379/0?prefix=x"),
        ("postgresql://me:hunter2@db/x", "postgresql://…@db/x"),
        ("postgresql://me:hun/ter2@db/x", "postgresql://…@db/x"),
        ("postgresql://an na:hun ter2@db/x?ssl_key_password=a b", "postgresql://…@db/x?ssl_key_password=…"),
        ("redis://:hunter2@db:6379/0", "redis://…@db:6379/0"),
        ("redis://me:hun@ter2@db/0", "redis://…@db/0"),
        ("redis+cluster://me:hunter2@a:1,me:hunter2@db/0", "redis+cluster://…@db/0"),
        (
            "postgresql://db/y?password=hunter2&sslPassword=hunter2&a=x",
            "postgresql://db/y?password=…&sslPassword=…&a=x",
        ),
        ("postgresql://me:p@db/y?user=me&password=hun@ter2&a=/x", "postgresql://…@db/y?user=me&password=…&a=/x"),
    ],
)
def test_K08_the_password_of_a_database_is_not_printed(url, shown):
    assert url_without_login(url) == shown
