"""Whose storage it is: two applications with different secrets do not share one unnoticed."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from flask import Flask

from flask_tessera import ConfigError, StorageUnavailableError, Tessera
from flask_tessera.cli import tessera_commands
from flask_tessera.storage.memory import MemoryStorage
from tests.cli.stores import STORES, store_url
from tests.servers import RedisServer, why_not

from .conftest import BrokenStorage

MINE, OTHER, THIRD = ("hQ5vT2rB8nX0kW7yL3cM9dF6gJ1pZ4sA" + letter for letter in "abc")


def make(secret, storage, **config):
    app = Flask("site")
    if isinstance(storage, str):
        config["TESSERA_STORE_URL"], storage = storage, None
    app.config.update(SECRET_KEY=secret, **config)
    tessera = Tessera(app, storage=storage)
    tessera.user_loader(lambda user_id: user_id)
    app.add_url_rule("/who", "who", tessera.login_required(lambda: "in"))
    return app, tessera


def log_in(app, tessera):
    with app.app_context():
        return tessera.login("7")


@pytest.mark.repeats("kind")
@pytest.mark.parametrize("kind", STORES)
def test_another_application_is_refused_and_told_where_to_go(kind, tmp_path):
    with store_url(kind, tmp_path) as url:
        mine, other = make(MINE, url), make(OTHER, url)
        pair = log_in(*mine)
        with pytest.raises(ConfigError, match="another SECRET_KEY") as caught:
            log_in(*other)
        hints = {"sqlite": "another file", "postgres": "?schema=", "mariadb": "another database"}
        hint = hints.get(kind, "?prefix=")
        assert hint in str(caught.value)
        assert "flask tessera adopt" in str(caught.value)
        # The developer's to mend: whatever a request carries.
        assert other[0].test_client().get("/who", headers={"z-token": pair.access_token}).status_code == 500
        assert mine[0].test_client().get("/who", headers={"z-token": pair.access_token}).status_code == 200
        for app, tessera in (mine, other):
            tessera.close(app)


@pytest.mark.parametrize("is_away", [False, True])
def test_F02_another_application_is_refused_at_every_request_also_for_what_no_secret_signs(is_away):
    storage = BrokenStorage()
    mine, other = make(MINE, storage), make(OTHER, storage)
    with mine[0].app_context():
        key = mine[1].api_keys.create(7, name="cron").key
    client = other[0].test_client()
    if is_away:
        storage.is_broken = True
        client.get("/who", headers={"z-token": key})
        storage.is_broken = False
    other[0].config["PROPAGATE_EXCEPTIONS"] = True
    for _ in range(3):
        with pytest.raises(ConfigError, match="another SECRET_KEY"):
            client.get("/who", headers={"z-token": key})
    assert mine[0].test_client().get("/who", headers={"z-token": key}).status_code == 200


def test_an_application_with_the_same_secret_shares_it():
    storage = MemoryStorage()
    for _ in range(2):
        log_in(*make(MINE, storage))


def test_K04_a_fallback_counts_and_then_the_new_secret_has_its_place():
    storage = MemoryStorage()
    log_in(*make(MINE, storage))
    log_in(*make(OTHER, storage, SECRET_KEY_FALLBACKS=[MINE]))
    log_in(*make(OTHER, storage))
    log_in(*make(THIRD, storage, SECRET_KEY_FALLBACKS=[MINE, OTHER]))
    with pytest.raises(ConfigError, match="another SECRET_KEY"):
        log_in(*make(MINE, storage))


def test_F02_a_storage_that_is_away_at_first_is_looked_at_later():
    storage = BrokenStorage()
    log_in(*make(MINE, storage))
    app, tessera = make(OTHER, storage)
    storage.is_broken = True
    with app.app_context(), pytest.raises(Exception, match="away"):
        tessera.login("7")
    storage.is_broken = False
    with pytest.raises(ConfigError, match="another SECRET_KEY"):
        log_in(app, tessera)


@pytest.mark.repeats("kind")
@pytest.mark.parametrize("kind", STORES)
def test_the_doctor_tells_of_it_and_claims_nothing(kind, tmp_path):
    with store_url(kind, tmp_path) as url:
        mine, other = make(MINE, url), make(OTHER, url)

        def examine(app):
            return app.test_cli_runner().invoke(tessera_commands, ["doctor"])

        assert examine(mine[0]).exit_code == examine(other[0]).exit_code == 0
        log_in(*mine)
        assert examine(mine[0]).exit_code == 0
        refused = examine(other[0])
        assert (refused.exit_code, "FAIL  this storage belongs to" in refused.output) == (1, True), refused.output
        for app, tessera in (mine, other):
            tessera.close(app)


def test_it_is_refused_by_commands_until_it_is_adopted_on_purpose(tmp_path):
    url = f"sqlite:///{tmp_path}/tessera.db"
    mine, other = make(MINE, url), make(OTHER, url)
    log_in(*mine)

    def run(*args):
        return other[0].test_cli_runner().invoke(tessera_commands, args)

    refused = run("sessions", "list", "7")
    assert (refused.exit_code, "another SECRET_KEY" in refused.output) == (1, True), refused.output
    assert "another SECRET_KEY" in run("doctor").output
    adopted = run("adopt")
    assert (adopted.exit_code, adopted.output) == (
        0,
        "the storage belongs to the application with this SECRET_KEY now\n",
    )
    assert run("sessions", "list", "7").exit_code == 0
    log_in(*other)
    with pytest.raises(ConfigError, match="another SECRET_KEY"):
        log_in(*make(MINE, url))
    for app, tessera in (mine, other):
        tessera.close(app)


def test_G02_a_stolen_storage_tells_nothing_of_the_secret():
    storage = MemoryStorage()
    log_in(*make(MINE, storage))
    values = [each for each in storage.values.read("", most=9).values if each.kind == "owner"]
    assert [len(each.value) for each in values] == [32]


def assert_waited_once(app, tessera):
    with pytest.raises(StorageUnavailableError) as caught:
        log_in(app, tessera)
    # What the look has got, in place of another wait.
    assert str(caught.value).endswith(" (a moment ago)")
    tessera.close(app)


def test_F02_who_has_waited_in_vain_to_learn_whose_it_is_does_not_wait_again(tmp_path):
    app, tessera = make(MINE, f"sqlite:///{tmp_path}/held.db")
    with closing(sqlite3.connect(tmp_path / "held.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert_waited_once(app, tessera)
    log_in(app, tessera)
    tessera.close(app)


def test_F02_nor_for_a_server_that_hangs():
    if reason := why_not("redis8"):
        pytest.skip(reason)
    with RedisServer("redis8") as server:
        app, tessera = make(MINE, server.url)
        server.stop()
        try:
            assert_waited_once(app, tessera)
        finally:
            server.cont()
        log_in(app, tessera)
        tessera.close(app)
