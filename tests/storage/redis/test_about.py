"""What a Redis says of itself, and what it is warned about."""

from __future__ import annotations

import logging

import pytest

from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing.contract.base import begin
from tests.servers import RedisServer, fresh_url, shared, why_not

ENGINES = {
    "redis8": "Redis 8.",
    "redis6": "Redis 6.2.",
    "valkey9": "Valkey 9.",
    "redis8-cluster": ", cluster of 3",
    "valkey9-cluster": ", cluster of 3",
}


@pytest.fixture(params=ENGINES)
def any_kind(request):
    if reason := why_not(request.param):
        pytest.skip(reason)
    return request.param


def test_it_is_named_with_its_version(any_kind, opened):
    said = opened(fresh_url(any_kind)).describe()
    assert ENGINES[any_kind] in said.engine
    assert said.durability == "nothing on disk: a restart forgets all; no replica"
    assert len(said.warnings) == 1


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"appendonly": "yes", "appendfsync": "always"}, "outlives a power cut"),
        ({"appendonly": "yes", "appendfsync": "everysec"}, "up to one second"),
        ({"appendonly": "yes", "appendfsync": "no"}, "half a minute"),
        ({"save": "60 1"}, "snapshots only"),
        ({"save": ""}, "nothing on disk"),
    ],
)
def test_F04_it_says_what_outlives_a_crash(settings, text, server, broken):
    for name, value in settings.items():
        server.ask("CONFIG", "SET", name, value)
    said = broken.describe()
    assert text in said.durability
    assert bool(said.warnings) == (text in ("nothing on disk", "snapshots only"))


def test_F04_it_says_that_endings_wait_for_a_replica(server, broken):
    with RedisServer("redis8", replica_of=server):
        assert "one of the replicas has it" in broken.describe().durability


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_F04_eviction_is_warned_about_once_at_start(policy, server, broken, caplog):
    """All sessions have a time to live, so both kinds of policies evict them; without a limit none does."""
    server.ask("CONFIG", "SET", "appendonly", "yes")
    server.ask("CONFIG", "SET", "maxmemory-policy", policy)
    assert broken.describe().warnings == ()
    server.ask("CONFIG", "SET", "maxmemory", "100mb")
    with caplog.at_level(logging.WARNING, "flask_tessera"):
        broken.check()
        broken.check()
    (record,) = (each for each in caplog.records if "evict" in each.getMessage())
    assert (record.name, policy in record.getMessage()) == ("flask_tessera", True)


def test_F04_a_user_that_may_not_ask_much_can_work_and_is_warned(server, opened):
    server.ask("ACL", "SETUSER", "app", "on", ">pw", "~tessera:*", "+@all", "-@dangerous", "-@admin")
    storage = opened(f"redis://app:pw@127.0.0.1:{server.port}/0")
    storage.check()
    session = begin(storage)
    assert storage.sessions.end(session.sid, "kick", at=0) is not None
    said = storage.describe()
    assert "CONFIG" in said.durability
    assert any("+role" in warning for warning in said.warnings)


def test_check_writes_to_every_node(any_kind):
    storage = open_storage(fresh_url(any_kind))
    storage.check()
    storage.close()
    assert shared(any_kind)
