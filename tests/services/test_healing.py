"""A storage that has gone back in time: what workers still know is written again."""

from __future__ import annotations

import secrets
import sqlite3
from functools import partial

import pytest
import redis

from flask_tessera.errors import SessionEndedError, StorageUnavailableError
from flask_tessera.services.api_key_data import NewApiKey
from flask_tessera.services.api_keys import ApiKeys
from flask_tessera.services.healing import write_again
from flask_tessera.services.revocation import RevocationView, UndecidedError
from flask_tessera.sessions.revocations import Revocation
from flask_tessera.storage.from_url import open_storage
from tests.servers import RedisServer, fresh, why_not

from .bench import Bench


def heal(bench):
    """The view of a worker that heals, as an application has it."""
    bench.view = RevocationView(bench.storage.revocations, lambda lost, at: write_again(bench.storage, lost, at=at))
    bench.service._view = bench.view
    return bench


@pytest.fixture
def bench():
    return heal(Bench())


def snapshot(bench):
    """What puts the storage back to how it is now."""
    connection = bench.storage.sessions._store._database.connection
    kept = sqlite3.connect(":memory:")
    connection.backup(kept)

    def restore():
        kept.backup(connection)
        bench.storage.revocations.announce()

    return restore


def reason_of(step, *arguments):
    with pytest.raises(SessionEndedError) as caught:
        step(*arguments)
    return caught.value.reason


def test_F04_what_a_worker_has_heard_is_over_again_in_the_storage_too(bench):
    ended, kicked, live = bench.log_in(), bench.log_in("8"), bench.log_in("9")
    bench.service.end(bench.log_in("10").session.sid, "logout")
    bench.view.catch_up(bench.clock())
    go_back = snapshot(bench)
    bench.service.end(ended.session.sid, "logout")
    bench.service.end_user("8", "password_change")
    bench.view.catch_up(bench.clock())
    go_back()
    bench.view.catch_up(bench.clock())
    assert [bench.use(each) for each in (ended, kicked, live)] == ["logout", "password_change", ""]
    assert reason_of(bench.refresh, ended.refresh_token) == "logout"
    assert reason_of(bench.refresh, kicked.refresh_token) == "kick"
    bench.refresh(live.refresh_token)
    late = Bench(bench.storage, clock=bench.clock)
    late.view.catch_up(bench.clock())
    assert [late.use(each) for each in (ended, kicked, live)] == ["logout", "password_change", ""]


def test_F04_an_api_key_that_a_worker_knows_to_be_revoked_is_revoked_again_and_a_rotated_one_stays(bench):
    keys = ApiKeys(bench.storage, "", valid_from=lambda at: 0, clock=bench.clock, random_bytes=secrets.token_bytes)
    revoked, rotated, owned = (keys.create(user_id, NewApiKey("till"))[0].key_id for user_id in ("7", "8", "9"))
    bench.service.end(bench.log_in().session.sid, "logout")
    bench.view.catch_up(bench.clock())
    go_back = snapshot(bench)
    keys.revoke("7", revoked)
    keys.rotate("8", rotated)
    keys.revoke_all("9")
    bench.view.catch_up(bench.clock())
    go_back()
    assert [each.key_id for user_id in ("7", "8", "9") for each in keys.list(user_id)] == [revoked, rotated, owned]
    bench.view.catch_up(bench.clock())
    assert [each.key_id for user_id in ("7", "8", "9") for each in keys.list(user_id)] == [rotated]


def test_F04_of_tokens_from_before_the_storage_is_asked_as_after_a_lost_log(bench):
    """Of what no worker has heard: a session that the storage does not know any more is refused."""
    bench.service.end(bench.log_in().session.sid, "logout")
    bench.view.catch_up(bench.clock())
    go_back = snapshot(bench)
    bench.clock.advance(100)
    lost = bench.log_in("8")
    bench.service.end(bench.log_in().session.sid, "logout")
    bench.view.catch_up(bench.clock())
    assert not bench.view.must_ask(bench.claims(lost))
    go_back()
    bench.view.catch_up(bench.clock())
    assert bench.view.must_ask(bench.claims(lost))
    with pytest.raises(SessionEndedError):
        bench.service.check_live(bench.claims(lost), at=bench.clock())


def test_F04_an_older_log_that_comes_back_in_place_of_a_later_one_is_trusted_no_more_than_a_lost_one(bench):
    """It has another name, so that no cursor tells that it has gone back."""
    bench.service.end(bench.log_in().session.sid, "logout")
    bench.view.catch_up(bench.clock())
    go_back = snapshot(bench)
    bench.clock.advance(100)
    bench.storage.revocations.restart(at=bench.clock(), valid_from=0)
    bench.view.catch_up(bench.clock())
    bench.clock.advance(100)
    lost = bench.log_in("8")
    assert not bench.view.must_ask(bench.claims(lost))
    go_back()
    bench.view.catch_up(bench.clock())
    assert bench.view.must_ask(bench.claims(lost))
    late = Bench(bench.storage, clock=bench.clock)
    late.view.catch_up(bench.clock())
    assert late.view.must_ask(bench.claims(lost))


def test_F04_what_was_about_to_end_is_still_undecided_after_a_loss():
    """It is announced again: whether it was carried out only the storage can tell."""
    if reason := why_not("redis8"):
        pytest.skip(reason)
    with fresh("redis8") as url:
        bench = heal(Bench(open_storage(url)))
        one, all_of_one = bench.log_in(), bench.log_in("8")
        forget_at = bench.clock() + 900
        intents = (
            Revocation(forget_at, "logout", one.session.sid, is_intent=True),
            Revocation(forget_at, "kick", b"", "", "8", 1, is_intent=True),
        )
        bench.storage.revocations.append(intents, at=bench.clock())
        bench.view.catch_up(bench.clock())
        bench.storage.revocations.restart(at=bench.clock() + 1, valid_from=0)
        address, _, prefix = url.partition("?prefix=")
        with redis.Redis.from_url(address) as server:
            entries = next(key for key in server.scan_iter(f"*{prefix}*") if key.endswith(b"entries"))
            server.xtrim(entries, maxlen=0)
        for _ in range(2):
            bench.view.catch_up(bench.clock())
        for issued in (one, all_of_one):
            with pytest.raises(UndecidedError):
                bench.use(issued)
        assert bench.storage.revocations.after(0, at=bench.clock()).entries == intents
        assert [bench.storage.sessions.find(each.session.sid).session.ended_at for each in (one, all_of_one)] == [0, 0]
        bench.storage.close()


def test_F04_a_worker_that_finds_that_another_has_healed_it_writes_nothing(bench, caplog):
    other = heal(Bench(bench.storage, clock=bench.clock))
    for each in (bench, other):
        each.view.catch_up(bench.clock())
    go_back = snapshot(bench)
    ended = bench.log_in()
    bench.service.end(ended.session.sid, "logout")
    for each in (bench, other):
        each.view.catch_up(bench.clock())
    go_back()
    for each in (bench, other, bench, other):
        each.view.catch_up(bench.clock())
    assert [record.getMessage() for record in caplog.records] == [
        "the storage has gone back in time: 1 revocations were written again, 0 to go"
    ]
    assert len(bench.storage.revocations.after(0, at=bench.clock()).entries) == 1


def test_F04_very_many_are_written_again_in_several_turns_and_after_a_failure(bench, monkeypatch):
    bench.view.catch_up(bench.clock())
    go_back = snapshot(bench)
    sessions = [bench.log_in(str(number)) for number in range(450)]
    for issued in sessions:
        bench.service.end(issued.session.sid, "kick")
    bench.view.catch_up(bench.clock())
    go_back()

    def broken(entries, *, at):
        raise StorageUnavailableError("away")

    with monkeypatch.context() as patch:
        patch.setattr(bench.storage.revocations, "append", broken)
        with pytest.raises(StorageUnavailableError):
            bench.view.catch_up(bench.clock())
    assert {bench.use(each) for each in sessions} == {"kick"}
    for _ in range(3):
        bench.view.catch_up(bench.clock())
    assert len(bench.storage.revocations.after(0, at=bench.clock()).entries) == 450
    assert bench.view._lost == {}


def test_F04_a_redis_that_crashes_back_to_its_last_snapshot_is_healed(tmp_path):
    """With its default persistence it forgets what came since, while sessions live on."""
    if reason := why_not("redis8"):
        pytest.skip(reason)
    with RedisServer("redis8", tmp_path / "redis", options={"save": "3600 1"}) as server:
        bench = heal(Bench(open_storage(server.url)))
        ended, kicked, live = bench.log_in(), bench.log_in("8"), bench.log_in("9")
        bench.view.catch_up(bench.clock())
        server.ask("SAVE")
        bench.service.end(ended.session.sid, "logout")
        bench.service.end_user("8", "kick")
        bench.view.catch_up(bench.clock())
        server.restart()
        again = partial(bench.view.catch_up, bench.clock())
        again()
        assert [bench.use(each) for each in (ended, kicked, live)] == ["logout", "kick", ""]
        assert reason_of(bench.refresh, ended.refresh_token) == "logout"
        assert reason_of(bench.refresh, kicked.refresh_token) == "kick"
        bench.refresh(live.refresh_token)
        assert any("snapshots" in warning for warning in bench.storage.describe().warnings)
        bench.storage.close()
