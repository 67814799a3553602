"""What it costs to read an API key, and when a worker may rely on what it has read (A02, A05)."""

from __future__ import annotations

import pytest

from flask_tessera import Tessera, TokenInvalidError, login_required
from flask_tessera.errors import ThrottledError
from flask_tessera.sessions.revocations import Revocation
from flask_tessera.storage.memory import MemoryStorage
from flask_tessera.tokens.api_key import parse, render
from flask_tessera.web.readers.api_key import ApiKeyReader
from tests.far import far_storage, make_far
from tests.servers import wait_until

from .conftest import BrokenStorage
from .watched import WatchedStorage

READS, WRITES = ("get", "principal"), ("put", "increment", "increment_many")
INVALID = (401, "token_invalid")
THROTTLED = (429, "too_many_requests")


class CountingStorage(WatchedStorage):
    """Counts what is asked of its sessions and values."""

    def counted(self, function):
        """How often `function` has read from it, and written to it."""
        del self.calls[:]
        function()
        return sum(each in READS for each in self.calls), sum(each in WRITES for each in self.calls)


@pytest.fixture
def storage():
    return CountingStorage()


def make(new_site, storage, **config):
    site = new_site(storage=storage, **config)
    site.app.add_url_rule("/who", "who", login_required(lambda: "in"))
    site.app.add_url_rule("/strict", "strict", login_required(strict=True)(lambda: "in"))
    site.app.add_url_rule("/maybe", "maybe", login_required(optional="invalid")(lambda: "in"))
    site.app.add_url_rule("/open", "open", lambda: "somebody" if site.tessera.current_user else "nobody")
    return site


def create(site, user=7, **wanted):
    with site.app.app_context():
        return site.tessera.api_keys.create(user, name="till", **wanted)


def told(answer):
    return answer.status_code, (answer.get_json() or {}).get("error") if answer.status_code != 200 else answer.text


def last_used(site):
    with site.app.app_context():
        return site.tessera.api_keys.list(7)[0].last_used_at


# -- Costs -------------------------------------------------------------------------------------------------------------


def test_A05_a_seen_key_costs_no_look_into_the_storage_for_a_minute(new_site, storage):
    site, key = (made := make(new_site, storage)), create(made).key
    assert storage.counted(lambda: site.get("/who", key)) == (2, 1)
    site.clock.advance(59)
    assert storage.counted(lambda: [site.get("/who", key) for _ in range(100)]) == (0, 0)
    site.clock.advance(1)
    assert storage.counted(lambda: site.get("/who", key)) == (2, 1)


@pytest.mark.slow
def test_A05_a_wrong_checksum_costs_nothing(new_site, storage):
    site, key = (made := make(new_site, storage)), create(made).key
    wrong = [key[:-1] + ("A" if key[-1] != "A" else "B"), key[:-1], key + "A", "tsk_", "tsk_" + "A" * 70, key.upper()]
    site.get("/who", "x")
    assert storage.counted(lambda: [site.get("/who", each) for each in wrong * 200]) == (0, 0)
    assert [told(site.get("/who", each)) for each in wrong] == [INVALID] * len(wrong)


@pytest.mark.parametrize(("path", "config"), [("/who", {"TESSERA_REVOCATION": "strict"}), ("/strict", {})])
def test_A05_a_strict_view_asks_each_time_and_writes_once_a_minute(new_site, storage, path, config):
    site, key = (made := make(new_site, storage, **config)), create(made).key
    site.clock.set(site.clock() // 60 * 60 + 60)
    assert storage.counted(lambda: [site.get(path, key) for _ in range(10)]) == (20, 1)
    site.clock.advance(59)
    assert storage.counted(lambda: [site.get(path, key) for _ in range(10)]) == (20, 0)
    site.clock.advance(1)
    assert storage.counted(lambda: [site.get(path, key) for _ in range(10)]) == (20, 1)


def test_A02_the_last_use_is_told_to_the_minute_in_which_it_was_read_and_never_goes_back(new_site, storage):
    site, key = (made := make(new_site, storage)), create(made).key
    minute = site.clock() // 60 * 60 + 60
    assert last_used(site) == 0
    for second, shown in ((30, 0), (59, 0), (90, 60), (155, 120), (20, 120), (600, 600)):
        site.clock.set(minute + second)
        assert site.get("/who", key).status_code == 200
        assert last_used(site) == minute + shown


def test_A05_what_cannot_be_recorded_fails_no_request_and_is_tried_once_a_minute(new_site):
    storage = BrokenStorage()
    site, key = (made := make(new_site, storage)), create(made).key
    storage.is_broken, storage.works = True, ("get", "principal", "head", "after", "stamp", "wait")
    tried = []
    put = storage.values.put
    storage.values.put = lambda *given, **named: tried.append(1) or put(*given, **named)
    assert [site.get("/strict", key).status_code for _ in range(5)] == [200] * 5
    assert len(tried) == 1


def test_a_use_does_not_bring_back_a_key_that_is_revoked_meanwhile(new_site, storage):
    site, made = (made_site := make(new_site, storage)), create(made_site)
    key_id, secret = parse(made.key)
    with site.app.app_context():
        keys = site.tessera.runtime.api_keys
        found = keys.find(key_id, secret, at=site.clock())
        site.tessera.api_keys.revoke(7, made.id)
        keys.record_use(found, at=site.clock())
        assert keys.find(key_id, secret, at=site.clock()) is None
        assert site.tessera.api_keys.list(7) == []


# -- What a worker relies on -------------------------------------------------------------------------------------------


@pytest.fixture
def reader_of():
    """A reader of one worker over an application's keys, and what it is told by."""

    def make_reader(site):
        with site.app.app_context():
            runtime = site.tessera.runtime
        return next(each for each in runtime.readers if isinstance(each, ApiKeyReader)), runtime.shared.view

    return make_reader


@pytest.mark.parametrize(
    ("entry", "reads"),
    [
        (lambda key_id: [Revocation(9**11, "kick", sid=key_id)], 2),
        (lambda key_id: [Revocation(9**11, "suspension", user_id="7", epoch=5)], 2),
        (lambda key_id: [Revocation(9**11, "suspension", user_id="7", epoch=5, is_intent=True)], 2),
        (lambda key_id: [], 2),
        (lambda key_id: [Revocation(9**11, "kick", sid=key_id[::-1])], 0),
        (lambda key_id: [Revocation(9**11, "kick", user_id="8", epoch=5)], 0),
        (lambda key_id: [Revocation(9**11, "kick", user_id="7", realm="admin", epoch=5)], 0),
    ],
)
def test_what_an_entry_is_about_is_forgotten_at_once_and_nothing_else(new_site, storage, reader_of, entry, reads):
    site, key = (made := make(new_site, storage)), create(made).key
    site.get("/who", key)
    reader, _ = reader_of(site)
    reader._seen.hear(entry(parse(key)[0]))
    assert storage.counted(lambda: site.get("/who", key))[0] == reads
    assert storage.counted(lambda: site.get("/who", key))[0] == 0


def test_what_was_heard_while_a_key_was_read_keeps_it_from_being_remembered(new_site, storage):
    site, made = (made_site := make(new_site, storage)), create(made_site)
    with site.app.app_context():
        runtime = site.tessera.runtime
        principal = storage.sessions.principal

        def principal_late(*given):
            # Another request of this worker hears of it after the key was read, and before it is remembered.
            storage.sessions.principal = principal
            runtime.api_keys.revoke("7", parse(made.key)[0])
            runtime.shared.view.look(at=site.clock())
            return principal(*given)

        storage.sessions.principal = principal_late
        assert site.get("/who", made.key).status_code == 200
    assert told(site.get("/who", made.key)) == INVALID


def test_while_an_ending_of_the_owner_is_announced_the_storage_is_asked(new_site, storage, reader_of):
    site, key = (made := make(new_site, storage)), create(made).key
    site.get("/who", key)
    intent = Revocation(site.clock() + 100, "suspension", user_id="7", epoch=1, is_intent=True)
    _, view = reader_of(site)
    view.take_ahead([intent], at=site.clock())
    for _ in range(3):
        assert storage.counted(lambda: site.get("/who", key))[0] == 2
    done = Revocation(site.clock() + 100, "suspension", user_id="7", epoch=1)
    view.take_ahead([done], at=site.clock())
    assert storage.counted(lambda: site.get("/who", key))[0] == 2
    assert storage.counted(lambda: site.get("/who", key))[0] == 0


def test_a_log_that_is_another_one_makes_everything_be_forgotten(new_site, storage):
    site, key = (made := make(new_site, storage)), create(made).key
    site.get("/who", key)
    storage.revocations.restart(at=site.clock(), valid_from=0)
    assert storage.counted(lambda: site.get("/who", key))[0] == 2


def test_F04_keys_from_before_a_restored_backup_are_over(new_site, storage):
    site, made = (made_site := make(new_site, storage)), create(made_site)
    assert site.get("/who", made.key).status_code == 200
    site.clock.advance(1)
    storage.revocations.restart(at=site.clock(), valid_from=site.clock())
    assert told(site.get("/who", made.key)) == INVALID
    with site.app.app_context():
        assert site.tessera.api_keys.list(7) == []
        with pytest.raises(Exception, match="does not work"):
            site.tessera.api_keys.rotate(7, made.id)
    assert site.get("/who", create(site).key).status_code == 200


def test_the_memory_is_bounded_and_keeps_nothing_of_what_it_has_forgotten(new_site, storage, reader_of):
    site = make(new_site, storage)
    reader, _ = reader_of(site)
    seen = reader._seen
    seen._most = 3
    keys = [create(site) for _ in range(5)]
    for number, made in enumerate(keys):
        assert site.get("/who", made.key).status_code == 200
        assert len(seen._keys) == number % 3 + 1
    with site.app.app_context():
        for made in keys:
            site.tessera.api_keys.revoke(7, made.id)
            site.get("/who", made.key)
    assert (seen._keys, seen._texts) == ({}, {})


@pytest.mark.parametrize("mode", ["stateless", "strict"])
def test_only_a_worker_that_hears_of_changes_relies_on_what_it_has_read(new_site, mode):
    storage = make_far(CountingStorage())
    site, made = (made_site := make(new_site, storage, TESSERA_REVOCATION=mode)), create(made_site)
    assert storage.counted(lambda: [site.get("/who", made.key) for _ in range(3)])[0] == 6
    with site.app.app_context():
        assert site.tessera.api_keys.revoke(7, made.id) == site.clock()
    assert told(site.get("/who", made.key)) == INVALID


def test_a_worker_whose_follower_is_behind_asks_the_storage(new_site):
    storage = make_far(CountingStorage())
    site, made = (made_site := make(new_site, storage)), create(made_site)
    with site.app.app_context():
        follower = site.tessera.runtime.shared.follower
    site.get("/who", made.key)
    wait_until(follower.is_current, "the follower has read the log")
    site.get("/who", made.key)
    assert storage.counted(lambda: [site.get("/who", made.key) for _ in range(3)])[0] == 0
    follower.stop()
    assert storage.counted(lambda: [site.get("/who", made.key) for _ in range(3)])[0] == 6
    with site.app.app_context():
        site.tessera.api_keys.revoke(7, made.id)
    assert told(site.get("/who", made.key)) == INVALID


def test_F03_a_key_that_was_seen_outlives_an_outage_and_another_is_answered_503(new_site):
    storage = BrokenStorage()
    site, key = (made := make(new_site, storage)), create(made).key
    other = create(site).key
    site.get("/who", key)
    storage.is_broken, storage.works = True, ("stamp",)
    assert site.get("/who", key).status_code == 200
    assert told(site.get("/who", other)) == (503, "storage_read_failed")
    storage.is_broken = False
    assert site.get("/who", other).status_code == 200


# -- Steps that fail ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("works", "is_over"),
    [
        (("get", "list", "head"), False),
        (("get", "list", "put", "head"), True),
        (("get", "put", "append", "head"), True),
    ],
)
def test_a_revocation_that_fails_in_between_is_completed_by_the_same_call(new_site, works, is_over):
    storage = BrokenStorage()
    site = make(new_site, storage)
    made = create(site)
    assert site.get("/who", made.key).status_code == 200
    with site.app.app_context():
        storage.is_broken, storage.works = True, works
        with pytest.raises(Exception, match="away"):
            site.tessera.api_keys.revoke(7, made.id)
        storage.is_broken = False
        assert (site.tessera.api_keys.list(7) == []) == is_over
        assert (site.get("/strict", made.key).status_code == 401) == is_over
        site.tessera.api_keys.revoke(7, made.id)
        assert told(site.get("/who", made.key)) == INVALID
        with pytest.raises(Exception, match="no such API key"):
            site.tessera.api_keys.revoke(7, made.id)


@pytest.mark.parametrize("works", [("get", "head"), ("get", "put", "head")])
def test_a_rotation_that_fails_in_between_is_completed_by_the_same_call(new_site, works):
    storage = BrokenStorage()
    site = make(new_site, storage)
    made = create(site)
    assert site.get("/who", made.key).status_code == 200
    with site.app.app_context():
        storage.is_broken, storage.works = True, works
        with pytest.raises(Exception, match="away"):
            site.tessera.api_keys.rotate(7, made.id, overlap=0)
        storage.is_broken = False
        again = site.tessera.api_keys.rotate(7, made.id, overlap=0)
    assert told(site.get("/who", made.key)) == INVALID
    assert site.get("/who", again.key).status_code == 200


@pytest.mark.parametrize("works", [("get", "list", "head"), ("get", "list", "put", "head")])
def test_an_end_of_the_owner_that_fails_in_between_is_completed_by_the_same_call(new_site, works):
    storage = BrokenStorage()
    site = make(new_site, storage)
    keys = [create(site).key for _ in range(3)]
    assert [site.get("/who", key).status_code for key in keys] == [200] * 3
    with site.app.app_context():
        storage.is_broken, storage.works = True, (*works, "end_user", "after")
        with pytest.raises(Exception, match="away"):
            site.tessera.revoke_user(7, "password_change")
        storage.is_broken = False
        site.tessera.revoke_user(7, "password_change")
        assert site.tessera.api_keys.list(7) == []
    assert [told(site.get("/who", key)) for key in keys] == [INVALID] * 3


def test_a_key_that_nobody_was_told_of_is_removed_again(new_site):
    storage = BrokenStorage()
    site = make(new_site, storage)
    site.login()
    put = storage.values.put

    def put_and_break(kind, *given, **named):
        version = put(kind, *given, **named)
        assert kind == "api_key"
        storage.is_broken, storage.works = True, ("delete",)
        return version

    storage.values.put = put_and_break
    with site.app.app_context():
        with pytest.raises(Exception, match="away"):
            site.tessera.api_keys.create(7, name="till")
        storage.is_broken = False
        assert site.tessera.api_keys.list(7) == []


# -- Keys that do not exist --------------------------------------------------------------------------------------------


def unknown(number):
    return render(bytes(15) + bytes([number]), bytes(32))


def test_a_network_may_present_so_many_unknown_keys_and_known_ones_always(new_site, storage):
    site, key = (made := make(new_site, storage, TESSERA_LOGIN_LIMIT_ADDRESS="5 per 5 minutes")), create(made).key
    answers = [told(site.get("/who", unknown(number))) for number in range(8)]
    assert answers == [INVALID] * 5 + [THROTTLED] * 3
    assert int(site.get("/who", unknown(0)).headers["Retry-After"]) == 300
    assert [site.get(path, key).status_code for path in ("/who", "/strict")] == [200, 200]
    elsewhere = {"REMOTE_ADDR": "192.0.2.9"}
    assert told(site.get("/who", unknown(0), environ_base=elsewhere)) == INVALID
    # A network that is full writes nothing more.
    assert storage.counted(lambda: [site.get("/who", unknown(0)) for _ in range(5)]) == (5, 0)
    site.clock.advance(300)
    assert told(site.get("/who", unknown(0))) == INVALID


def test_workers_count_unknown_keys_together(new_site):
    storage = MemoryStorage()
    sites = [make(new_site, storage, TESSERA_LOGIN_LIMIT_ADDRESS="5 per 5 minutes") for _ in range(2)]
    answers = [told(sites[number % 2].get("/who", unknown(number))) for number in range(8)]
    assert answers == [INVALID] * 5 + [THROTTLED] * 3


def test_a_key_of_another_secret_counts_and_one_of_a_wrong_form_or_an_expired_one_does_not(new_site, storage):
    site = make(new_site, storage, TESSERA_LOGIN_LIMIT_ADDRESS="2 per 5 minutes")
    made = create(site, expires_in=60)
    site.clock.advance(60)
    for _ in range(5):
        assert told(site.get("/who", made.key)) == (401, "token_expired")
        assert told(site.get("/who", made.key[:-1] + "!")) == INVALID
    other_secret = render(parse(made.key)[0], bytes(32))
    assert [told(site.get("/who", other_secret)) for _ in range(3)] == [INVALID, INVALID, THROTTLED]


@pytest.mark.parametrize("is_remembered", [False, True])
def test_A03_a_key_that_is_not_good_here_is_answered_and_counted_as_one_that_does_not_exist(new_site, is_remembered):
    storage = CountingStorage()
    site = make(new_site, storage, TESSERA_LOGIN_LIMIT_ADDRESS="3 per 5 minutes")
    admins = Tessera(realm="admin", user_id_type=int, clock=site.clock)
    admins.init_app(site.app)
    other = make(new_site, storage, TESSERA_AUDIENCE="elsewhere")
    elsewhere = {"REMOTE_ADDR": "192.0.2.9"}
    with site.app.app_context():
        of_admin = admins.api_keys.create(7, name="till").key
    within = create(site, addresses=["127.0.0.1"])
    expiring = create(site, addresses=["127.0.0.1"], expires_in=60)
    site.clock.advance(60)
    if is_remembered:
        assert told(site.get("/who", within.key)) == (200, "in")
    bad = [within.key, expiring.key, of_admin, create(other).key]
    answers = [site.get("/who", each, environ_base=elsewhere) for each in (*bad[:3], *bad, unknown(0))]
    assert [told(each) for each in answers] == [INVALID] * 3 + [THROTTLED] * 5
    assert len({each.get_data() for each in answers[:3]}) == len({each.get_data() for each in answers[3:]}) == 1
    # Whom nobody keeps out.
    assert told(site.get("/who", create(site).key, environ_base=elsewhere)) == (200, "in")
    assert told(site.get("/who", within.key)) == (200, "in")


def test_who_is_throttled_is_nobody_where_nobody_may_come_in(new_site, storage):
    site = make(new_site, storage, TESSERA_LOGIN_LIMIT_ADDRESS="1 per 5 minutes")
    for _ in range(3):
        assert told(site.get("/maybe", unknown(0))) == (200, "in")
        assert told(site.get("/open", unknown(0))) == (200, "nobody")
    assert told(site.get("/who", unknown(0))) == THROTTLED


def test_outside_a_request_nobody_is_counted(new_site, storage):
    site = make(new_site, storage, TESSERA_LOGIN_LIMIT_ADDRESS="1 per 5 minutes")
    with site.app.app_context():
        for number in range(5):
            assert site.tessera.verify_token(unknown(number)) is None
            with pytest.raises(TokenInvalidError):
                site.tessera.verify(unknown(number))
    with site.app.test_request_context():
        assert site.tessera.verify_token(unknown(0)) is None
        with pytest.raises(ThrottledError):
            site.tessera.verify(unknown(0))
        assert site.tessera.verify_token(unknown(0)) is None


def test_what_cannot_be_counted_is_refused_all_the_same(new_site):
    storage = BrokenStorage()
    site = make(new_site, storage, TESSERA_LOGIN_LIMIT_ADDRESS="1 per 5 minutes")
    create(site)
    storage.is_broken, storage.works = True, ("get", "stamp", "head", "after")
    assert [told(site.get("/who", unknown(0))) for _ in range(3)] == [INVALID] * 3


def test_the_follower_tells_the_reader(new_site):
    storage = far_storage()
    one, other = make(new_site, storage), make(new_site, storage)
    made = create(one)
    with other.app.app_context():
        follower = other.tessera.runtime.shared.follower
    other.get("/who", made.key)
    wait_until(follower.is_current, "the follower has read the log")
    assert other.get("/who", made.key).status_code == 200
    with one.app.app_context():
        one.tessera.api_keys.revoke(7, made.id)
    wait_until(lambda: other.get("/who", made.key).status_code == 401, "the other worker has heard of it")
