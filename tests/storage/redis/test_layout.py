"""Records of release 0.1, and of the last state before this layout, are brought over (F06).

The files hold the keys of storages that those releases have written, with names for the sessions in them.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flask import Flask

from flask_tessera import Tessera
from flask_tessera.errors import ConfigError, LoginRefusedError, StorageUnavailableError
from flask_tessera.storage.redis.address import parse
from flask_tessera.storage.redis.client import Client
from flask_tessera.storage.redis.servers import Servers
from flask_tessera.testing import Clock
from flask_tessera.testing.contract.base import IDLE, LEEWAY, NO_LIMITS, T0, begin, new_session
from flask_tessera.testing.contract.breaking import CALLS
from tests.cli.calling import in_app
from tests.length import shortly
from tests.servers import fresh_url, why_not

FILES = ("layout_1.json", "layout_1_later.json")


@pytest.fixture(params=shortly(["redis8", "redis6", "valkey9-cluster"]))
def url(request):
    if reason := why_not(request.param):
        pytest.skip(reason)
    return fresh_url(request.param)


def load(url, name):
    """Put the keys of a file under the prefix of a URL; gives the sids by their names."""
    said = json.loads(Path(__file__).with_name(name).read_text())
    address = parse(url)
    client = Client(Servers(address))
    for text, (kind, _, value) in said["keys"].items():
        key = address.prefix.encode() + bytes.fromhex(text).removeprefix(b"old")
        for command in _commands(kind, value):
            client.command(key, command[0], key, *command[1:])
    client.servers.close()
    return {name: bytes.fromhex(sid) for name, sid in said["sessions"].items()}


def _commands(kind, value):
    if kind == "string":
        return [("SET", bytes.fromhex(value))]
    if kind == "zset":
        return [("ZADD", str(score), bytes.fromhex(member)) for member, score in value]
    if kind == "hash":
        return [("HSET", bytes.fromhex(name), bytes.fromhex(field)) for name, field in value.items()]
    return [("XADD", number, *(bytes.fromhex(each) for pair in row.items() for each in pair)) for number, row in value]


def refresh(storage, sid, presented):
    return storage.sessions.rotate(sid, presented, at=T0 + 50, leeway=LEEWAY, idle=IDLE)


def assert_brought_over(storage, sids):
    """All that was live is live, what had ended has not come back, and everybody is who he was."""
    live = storage.sessions.find(sids["live"]).session
    assert (live.device_name, live.scope, live.gen, live.confirmed) == ("王小明 🦉", "a b", 1, True)
    assert [each.sid for each in storage.sessions.list("", "7", at=T0 + 50)] == [sids["live"]]
    assert refresh(storage, sids["live"], 1).outcome == "rotated"
    assert refresh(storage, sids["admin"], 0).session.realm == "admin"
    assert refresh(storage, sids["led"], 0).outcome == "rotated"
    assert [each.sid for each in storage.sessions.list("", "8", at=T0 + 50)] == [sids["led"]]
    said = {name: refresh(storage, sids[name], 0).reason for name in ("ended", "kicked", "restored")}
    assert said == {"ended": "kick", "kicked": "logout", "restored": "expiry"}
    assert refresh(storage, sids["again"], 0).session.epoch == 1
    assert storage.sessions.principal("", "9").epoch == 1
    with pytest.raises(LoginRefusedError):
        begin(storage, "10", at=T0 + 50)
    ended = storage.sessions.end_user("", "8", "kick", at=T0 + 60)
    assert [each.sid for each in ended] == [sids["led"]]
    assert refresh(storage, sids["led"], 1).reason == "kick"


@pytest.mark.parametrize("name", FILES)
def test_F06_sessions_of_an_older_layout_live_on_when_it_was_upgraded(name, url, opened):
    sids, storage = load(url, name), opened(url)
    assert not storage.schema_state().is_usable
    assert storage.upgrade() == ["layout 2: 2 users, 7 sessions"]
    assert storage.upgrade() == []
    assert storage.schema_state().is_usable
    assert_brought_over(opened(url), sids)


def test_F06_an_older_layout_is_refused_with_the_remedy(url, opened):
    """By each call, before anything is read or written; and looking is no upgrade."""
    load(url, FILES[0])
    storage = opened(url)
    for name, call in CALLS.items():
        if name != "learn":
            with pytest.raises(ConfigError, match="db upgrade"):
                call(storage)
    assert not opened(url).schema_state().is_usable


def test_F06_a_newer_layout_is_refused(url, opened):
    storage = opened(url)
    storage.revocations.head(at=T0)
    storage._client.command(storage._keys.log, "HSET", storage._keys.log + b"meta", "layout", "3")
    with pytest.raises(ConfigError, match="newer"):
        opened(url).sessions.add(new_session(), limits=NO_LIMITS, at=T0)


def test_a_storage_without_records_is_new_until_its_log_is_read(url, opened):
    assert opened(url).schema_state().is_new
    assert opened(url).is_new()
    assert opened(url).upgrade() == []
    opened(url).revocations.head(at=T0)
    assert not opened(url).is_new()


class Stopping:
    """Lets a client's run fail at its nth call."""

    def __init__(self, storage, number):
        self.run, self.left = storage._plain.run, number
        storage._plain.run = self

    def __call__(self, *calls, **options):
        self.left -= 1
        if not self.left:
            raise StorageUnavailableError("stopped here")
        return self.run(*calls, **options)


def test_F06_an_upgrade_that_was_stopped_anywhere_goes_on(opened):
    """After each of its steps: nothing is lost, and nothing counted twice."""
    kind = "redis8"
    if reason := why_not(kind):
        pytest.skip(reason)
    number, is_done = 1, False
    while not is_done:
        url = fresh_url(kind)
        sids, storage = load(url, FILES[1]), opened(url)
        Stopping(storage, number)
        try:
            storage.upgrade()
            is_done = True
        except StorageUnavailableError:
            opened(url).upgrade()
        assert_brought_over(opened(url), sids)
        number += 3
    assert number > 20


def test_F06_the_command_line_upgrades_an_older_layout(server):
    """As it does a schema; the application works afterwards, and not before."""
    sids = load(server.url, FILES[0])
    clock = Clock(T0 + 50)
    app = Flask(__name__)
    app.config.update(SECRET_KEY="6f1d5f7a9c3e4b2880a1d4c7e9f20b35")
    tessera = Tessera(app, storage=server.url, clock=clock)
    with app.app_context(), pytest.raises(ConfigError, match="db upgrade"):
        tessera.sessions("8")
    assert in_app(app, "db", "check").exit_code == 1
    done = in_app(app, "db", "upgrade")
    assert (done.exit_code, "layout 2: 2 users, 7 sessions" in done.output) == (0, True)
    assert in_app(app, "db", "check").exit_code == 0
    with app.app_context():
        assert [each.sid for each in tessera.sessions("8")] == [sids["led"]]
