"""Which devices an account has logged in from: for how long, how many, and whose."""

from __future__ import annotations

import pytest

from flask_tessera.services.known_devices import KNOWN_FOR, KnownDevices
from flask_tessera.services.ports import ClientInfo
from flask_tessera.sessions.model import Device
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing import Clock, race
from tests.cli.stores import STORES, store_url

CALLER = ClientInfo("203.0.113.7", "curl/8.0")
DAY = 86_400


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def devices(clock):
    return KnownDevices(open_storage("memory:").values, "", clock)


def login(devices, name, user="7"):
    return devices.is_news(user, Device(id=name), CALLER)


def test_the_first_device_is_no_news_another_one_is_once(devices):
    assert [login(devices, name) for name in "aabbab"] == [False, False, True, False, False, False]


def test_users_have_devices_of_their_own(devices):
    assert not login(devices, "a")
    assert not login(devices, "a", "8")
    assert login(devices, "b", "8")
    assert login(devices, "b")


def test_a_device_that_is_used_stays_known_and_an_account_is_forgotten_in_the_end(devices, clock):
    login(devices, "a")
    for _ in range(20):
        clock.advance(40 * DAY)
        assert not login(devices, "a")
    clock.advance(KNOWN_FOR)
    assert not login(devices, "b"), "nothing is known of it any more: as at the first login"


def test_only_the_last_devices_are_kept(devices):
    names = [str(number) for number in range(51)]
    for name in names:
        login(devices, name)
    assert not login(devices, names[-50])
    assert login(devices, names[0])


def test_a_browser_is_known_after_an_update_and_not_in_another_network(devices):
    agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{0}) Gecko/20100101 Firefox/{0}"
    told = [
        devices.is_news("7", Device(), ClientInfo(ip, agent.format(version)))
        for ip, version in (("203.0.113.7", "128.0"), ("203.0.113.7", "129.0"), ("203.0.113.8", "129.0"))
    ]
    assert told == [False, False, True]
    assert not devices.is_news("7", Device(name="new name"), ClientInfo("203.0.113.8", agent.format("1.0")))


def test_the_devices_of_who_is_gone_are_forgotten(devices):
    login(devices, "a")
    devices.owner_ended("7", "password_change")
    assert login(devices, "b")
    devices.owner_ended("7", "user_gone")
    assert not login(devices, "c")


@pytest.mark.repeats("kind")
@pytest.mark.parametrize("kind", STORES)
def test_logins_at_once_lose_no_device(kind, tmp_path, clock):
    with store_url(kind, tmp_path) as url:
        storage = open_storage(url)
        storage.check()
        devices = KnownDevices(storage.values, "", clock)
        login(devices, "first")
        assert race(3, lambda number: login(devices, f"new {number}")) == [True] * 3
        assert not any(login(devices, f"new {number}") for number in range(3))
