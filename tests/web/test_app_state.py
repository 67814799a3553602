"""What runs in one process of an application: shared by its realms, made anew in children, let go of on demand."""

from __future__ import annotations

import datetime as dt
import gc
import logging
import os
import threading
import traceback

import pytest
from flask import Flask

from flask_tessera import ConfigError, Tessera, login_required
from flask_tessera.errors import StorageUnavailableError
from flask_tessera.storage.memory import MemoryStorage
from flask_tessera.testing import Clock, race

from .conftest import SECRET, BrokenStorage

REALMS = ("", "admin", "partner")
can_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no process can be forked here")


def make_app(**config):
    app = Flask("app")
    app.config.update({"SECRET_KEY": SECRET, "TESSERA_STORE_URL": "memory:", **config})
    return app


def bare_app():
    """One whose storage is given to its `Tessera`."""
    return make_app(TESSERA_STORE_URL="")


def in_child(step) -> None:
    """Run `step` in a forked child; fails where it fails."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        fault = ""
        try:
            step()
        except BaseException:  # noqa: BLE001 - told to the parent
            fault = traceback.format_exc()
        os.write(writing, fault.encode()[:60_000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        fault = pipe.read().decode()
    os.waitpid(child, 0)
    assert not fault, fault


# Realms


def three_realms(**how):
    app = make_app() if "storage" not in how else bare_app()
    tesseras = [Tessera(app, realm=realm, user_id_type=int, **how) for realm in REALMS]
    return app, tesseras


def test_three_realms_share_one_storage_one_follower_and_one_activity_writer():
    app, tesseras = three_realms()
    with app.app_context():
        runtimes = [each.runtime for each in tesseras]
        (shared,) = {id(each.shared): each.shared for each in runtimes}.values()
        for runtime in runtimes:
            assert runtime.storage is shared.storage
            assert runtime.access_reader._follower is shared.follower
            assert runtime.access_reader._activity is shared.activity
            assert runtime.access_reader._view is shared.view
        assert len({id(each.sessions) for each in runtimes}) == 3


def test_three_realms_have_one_thread_that_follows():
    storage = BrokenStorage()
    storage.be_far()
    before = set(threading.enumerate())
    app, tesseras = three_realms(storage=storage)
    with app.app_context():
        for tessera in tesseras:
            tessera.verify(tessera.create_token(7))
    names = [each.name for each in set(threading.enumerate()) - before]
    assert names.count("tessera-follower") == 1
    tesseras[0].close(app)


def test_of_each_realm_the_tokens_are_its_own_though_the_storage_is_shared():
    app, tesseras = three_realms()
    with app.app_context():
        tokens = [tessera.create_token(7) for tessera in tesseras]
        found = [[tessera.verify_token(token) for token in tokens] for tessera in tesseras]
    assert found == [[7, None, None], [None, 7, None], [None, None, 7]]


@pytest.mark.parametrize(
    ("name", "make"), [("storage", MemoryStorage), ("clock", Clock)], ids=lambda each: getattr(each, "__name__", each)
)
def test_realms_that_are_given_different_ones_are_refused(name, make):
    app, one = make_app() if name == "clock" else bare_app(), make()
    Tessera(app, **{name: one})
    Tessera(app, realm="same", **{name: one})
    Tessera(app, realm="none")
    with pytest.raises(ConfigError, match=f"share one {name}"):
        Tessera(app, realm="other", **{name: make()})
    other: Tessera = Tessera(realm="other")
    other.init_app(app)
    with app.app_context():
        assert other.create_token("7")


def test_the_clock_of_one_realm_is_that_of_all():
    app, clock = make_app(), Clock()
    first: Tessera = Tessera(app)
    second: Tessera = Tessera(app, realm="second", clock=clock)
    with app.app_context():
        token = first.create_token("7", expires_in=60)
        assert first.verify_token(token) == "7"
        clock.advance(60)
        assert first.verify_token(token) is None
        assert second.runtime.clock is clock


def test_many_threads_that_come_first_build_one_state():
    app, tesseras = three_realms()

    def build(number):
        with app.app_context():
            return tesseras[number % 3].runtime

    runtimes = race(32, build)
    assert len({id(each) for each in runtimes}) == 3
    assert len({id(each.shared) for each in runtimes}) == 1


# Children


@can_fork
def test_a_forked_child_builds_its_own(tmp_path):
    app = make_app(TESSERA_STORE_URL=f"sqlite:///{tmp_path}/tessera.db")
    tesseras = [Tessera(app, realm=realm, user_id_type=int) for realm in REALMS]
    with app.app_context():
        before = [each.runtime for each in tesseras]
        token = tesseras[0].create_token(7)

        def step():
            after = [each.runtime for each in tesseras]
            assert all(one is not two for one, two in zip(before, after, strict=True))
            assert after[0].shared is not before[0].shared
            assert after[0].storage is not before[0].storage
            assert {id(each.shared) for each in after} == {id(after[0].shared)}
            assert tesseras[0].verify_token(token) == 7
            tesseras[0].revoke_user(7)

        in_child(step)
        assert [each.runtime for each in tesseras] == before
        assert tesseras[0].verify_token(token) is None
        assert tesseras[0].verify_token(tesseras[0].create_token(7)) == 7
    tesseras[0].close(app)


class SlowStorage:
    """A storage whose parts are not ready before a test says so; in children they are at once."""

    def __init__(self) -> None:
        self._inner = MemoryStorage()
        self._pid = os.getpid()
        self.is_asked, self.is_ready = threading.Event(), threading.Event()

    @property
    def sessions(self):
        if os.getpid() == self._pid:
            self.is_asked.set()
            assert self.is_ready.wait(30)
        return self._inner.sessions

    def __getattr__(self, name):
        return getattr(self._inner, name)


@can_fork
def test_a_child_that_is_forked_while_its_parent_builds_is_not_stuck():
    app, storage = bare_app(), SlowStorage()
    tessera: Tessera = Tessera(app, storage=storage)

    def build():
        with app.app_context():
            assert tessera.runtime

    thread = threading.Thread(target=build)
    thread.start()
    assert storage.is_asked.wait(30)

    def step():
        signal_after(30)
        with app.app_context():
            assert tessera.verify_token(tessera.create_token("7")) == "7"

    try:
        in_child(step)
    finally:
        storage.is_ready.set()
        thread.join()
    with app.app_context():
        assert tessera.verify_token(tessera.create_token("7")) == "7"


def signal_after(seconds):
    """Have a child that is stuck die, so that the parent sees no empty report."""
    import signal

    def stuck(*_):
        raise TimeoutError

    signal.signal(signal.SIGALRM, stuck)
    signal.alarm(seconds)


# Letting go


class CountingStorage(BrokenStorage):
    """Counts how often it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def test_close_ends_the_threads_closes_the_storage_and_the_next_use_goes_on():
    storage = CountingStorage()
    storage.be_far()
    before = set(threading.enumerate())
    app = bare_app()
    tesseras = [Tessera(app, realm=realm, storage=storage) for realm in REALMS]
    with app.app_context():
        token = tesseras[0].create_token("7")
        assert tesseras[0].verify_token(token) == "7"
        old = tesseras[0].runtime
        threads = [each for each in set(threading.enumerate()) - before if each.name.startswith("tessera-")]
        assert threads
        tesseras[1].close(app)
        assert not any(each.is_alive() for each in threads if each.name == "tessera-follower")
        assert storage.closed == 1
        tesseras[2].close(app)
        assert storage.closed == 1
        assert tesseras[0].verify_token(token) == "7"
        assert tesseras[0].runtime is not old
        assert tesseras[0].runtime.shared is not old.shared
        tesseras[0].close(app)
    assert storage.closed == 2
    # The thread that writes activity ends with its writer.
    del old
    gc.collect()
    for thread in threads:
        thread.join(30)
    assert not any(each.is_alive() for each in threads)


def test_close_writes_what_waits(tmp_path):
    now = [2_000_000_000]
    app = make_app(TESSERA_STORE_URL=f"sqlite:///{tmp_path}/tessera.db")
    tessera: Tessera = Tessera(app, clock=lambda: now[0])
    with app.app_context():
        token = tessera.create_token("7")
        now[0] += 600
        assert tessera.verify_token(token) == "7"
        tessera.close(app)
        (session,) = tessera.sessions("7")
        assert session.last_seen_at >= now[0] // 60 * 60
        tessera.close(app)


def test_close_lets_go_of_a_storage_that_takes_nothing_any_more():
    storage = CountingStorage()
    app = bare_app()
    tessera: Tessera = Tessera(app, storage=storage)
    with app.app_context():
        tessera.verify_token(tessera.create_token("7"))
        storage.is_broken = True
        with pytest.raises(StorageUnavailableError):
            tessera.close(app)
    storage.is_broken = False
    assert storage.closed == 1


def test_close_before_any_use_does_nothing_and_of_no_tessera_is_told():
    app = make_app()
    tessera: Tessera = Tessera(app)
    tessera.close(app)
    with pytest.raises(ConfigError, match="no Tessera"):
        tessera.close(Flask("other"))


# Settings

WRONG = {
    "unknown": ({"TESSERA_STORE_URI": "x"}, "did you mean TESSERA_STORE_URL"),
    "out of range": ({"TESSERA_REFRESH_LEEWAY": 61}, "TESSERA_REFRESH_LEEWAY"),
    "a choice": ({"TESSERA_LOCALE": "xx"}, "TESSERA_LOCALE"),
    "no secret": ({"SECRET_KEY": None}, "SECRET_KEY is not set"),
    "weak secret": ({"SECRET_KEY": "dev"}, "SECRET_KEY"),
    "weak secret of its own": ({"TESSERA_SECRET_KEY": "secret"}, "TESSERA_SECRET_KEY"),
    "weak fallback": ({"SECRET_KEY_FALLBACKS": ["dev"]}, "SECRET_KEY_FALLBACKS"),
    "no storage": ({"TESSERA_STORE_URL": ""}, "no storage: set TESSERA_STORE_URL"),
    "a storage of no kind": ({"TESSERA_STORE_URL": "mongodb://x"}, "mongodb"),
    "microseconds": ({"TESSERA_ACCESS_LIFETIME": dt.timedelta(milliseconds=1500)}, "whole seconds"),
    "a limit": ({"TESSERA_LOGIN_LIMIT_ACCOUNT": "ten"}, "TESSERA_LOGIN_LIMIT_ACCOUNT"),
}


@pytest.mark.parametrize(("config", "what"), WRONG.values(), ids=WRONG)
def test_H07_a_wrong_setting_fails_in_init_app_and_leaves_nothing_behind(config, what):
    app = make_app(**config)
    tessera: Tessera = Tessera()
    with pytest.raises(ConfigError, match=what):
        tessera.init_app(app)
    assert "tessera" not in app.extensions
    for key in config:
        del app.config[key]
    app.config.update(SECRET_KEY=SECRET, TESSERA_STORE_URL="memory:")
    tessera.init_app(app)
    with app.app_context():
        assert tessera.create_token("7")


@pytest.mark.parametrize(("config", "what"), WRONG.values(), ids=WRONG)
def test_H07_what_is_set_after_init_app_is_checked_at_the_first_use(config, what):
    app = make_app()
    tessera: Tessera = Tessera(app)
    app.config.update(config)
    with app.app_context(), pytest.raises(ConfigError, match=what):
        tessera.create_token("7")


def test_what_is_set_after_init_app_counts_until_the_first_use():
    app = make_app()
    tessera: Tessera = Tessera(app)
    app.config.update(TESSERA_HEADERS=["X-Token"], TESSERA_RESPONSE_FORMAT="plain", TESSERA_LOCALE="en")
    app.add_url_rule("/view", "view", login_required(lambda: "in"))
    with app.app_context():
        token = tessera.create_token("7")
    assert app.test_client().get("/view", headers={"X-Token": token}).text == "in"
    assert app.test_client().get("/view").get_json()["title"] == "The request carries no token."
    app.config["TESSERA_HEADERS"] = ["X-Other"]
    assert app.test_client().get("/view", headers={"X-Token": token}).text == "in"


def test_init_app_connects_to_nothing_and_makes_no_folder(tmp_path):
    app = Flask("app", instance_path=str(tmp_path / "instance"))
    app.config.update(SECRET_KEY=SECRET, TESSERA_STORE_URL="sqlite:///tessera.db")
    tessera: Tessera = Tessera(app)
    assert list(tmp_path.iterdir()) == []
    with app.app_context():
        tessera.create_token("7")
        assert (tmp_path / "instance" / "tessera.db").exists()
        tessera.close(app)


KUBERNETES = {
    "TESSERA_SERVICE_HOST": "10.0.0.1",
    "TESSERA_SERVICE_PORT": "80",
    "TESSERA_SERVICE_PORT_HTTP": "80",
    "TESSERA_PORT": "tcp://10.0.0.1:80",
    "TESSERA_PORT_80_TCP": "tcp://10.0.0.1:80",
    "TESSERA_PORT_80_TCP_PROTO": "tcp",
    "TESSERA_PORT_80_TCP_PORT": "80",
    "TESSERA_PORT_80_TCP_ADDR": "10.0.0.1",
}


def test_what_kubernetes_puts_into_the_environment_is_warned_about_and_ignored(caplog):
    app = make_app(**KUBERNETES)
    with caplog.at_level(logging.WARNING, "flask_tessera"):
        tessera: Tessera = Tessera(app)
    text = caplog.text
    assert all(f"{name} is ignored: Kubernetes" in text for name in KUBERNETES)
    with app.app_context():
        assert tessera.create_token("7")


@pytest.mark.parametrize("name", ["TESSERA_SERVICE", "TESSERA_PORTS", "TESSERA_PORT_80", "TESSERA_PORT_80_TCP_X"])
def test_H07_what_only_looks_like_it_is_refused(name):
    with pytest.raises(ConfigError, match=name):
        Tessera(make_app(**{name: "x"}))


@pytest.mark.parametrize(
    ("name", "span", "read"),
    [
        ("ACCESS_LIFETIME", dt.timedelta(minutes=5), lambda pair: 255 <= pair.access_expires_in <= 300),
        ("SESSION_IDLE", dt.timedelta(hours=2), lambda pair: pair.refresh_expires_in == 7200),
        (
            "SESSION_LIFETIME",
            dt.timedelta(days=40),
            lambda pair: pair.issued.session.until == 2_000_000_000 + 3_456_000,
        ),
    ],
)
def test_spans_may_be_timedeltas(name, span, read):
    app = make_app(**{f"TESSERA_{name}": span})
    tessera: Tessera = Tessera(app, clock=lambda: 2_000_000_000)
    with app.app_context():
        assert read(tessera.login("7"))


@pytest.mark.parametrize("name", ["MAX_SESSIONS", "HASH_SLOTS", "LOCALE"])
def test_H07_what_is_no_span_takes_no_timedelta(name):
    with pytest.raises(ConfigError, match=name):
        Tessera(make_app(**{f"TESSERA_{name}": dt.timedelta(seconds=5)}))


def test_the_life_of_a_single_token_may_be_a_timedelta():
    app = make_app()
    tessera: Tessera = Tessera(app)
    with app.app_context():
        identity = tessera.verify(tessera.create_token("7", expires_in=dt.timedelta(hours=1, seconds=1)))
        assert identity.expires_at - identity.issued_at == 3601
        for wrong in (dt.timedelta(0), dt.timedelta(seconds=-1), dt.timedelta(milliseconds=1500)):
            with pytest.raises(ValueError, match="expires_in"):
                tessera.create_token("7", expires_in=wrong)
