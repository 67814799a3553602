"""The clocks: which one is taken where the machine has fewer."""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace

import pytest

from flask_tessera.clocks import boot_clock, steady_clock_of, system_clock


def read(_clock_id):
    return 5.0


@pytest.mark.parametrize(
    "module",
    [
        SimpleNamespace(),
        SimpleNamespace(clock_gettime=read, CLOCK_MONOTONIC_RAW=4),
        SimpleNamespace(CLOCK_BOOTTIME=7),
        SimpleNamespace(clock_gettime=read, CLOCK_UPTIME_RAW=8),
    ],
    ids=["none (Windows)", "none that counts suspensions", "no clock_gettime", "one that counts no suspensions"],
)
def test_X12_without_a_boot_clock_the_monotonic_one_is_taken(module):
    assert steady_clock_of(module) is time.monotonic


def test_X12_the_boot_clock_is_taken_where_there_is_one():
    assert steady_clock_of(SimpleNamespace(clock_gettime=lambda clock: clock * 2.0, CLOCK_BOOTTIME=7))() == 14.0


def test_X12_on_macos_the_clock_is_taken_that_counts_suspensions():
    macos = SimpleNamespace(clock_gettime=lambda clock: clock * 2.0, CLOCK_UPTIME_RAW=8, CLOCK_MONOTONIC_RAW=4)
    assert steady_clock_of(macos)() == 8.0


@pytest.mark.skipif(sys.platform != "linux", reason="there is no CLOCK_BOOTTIME")
def test_X12_on_linux_time_in_suspension_counts():
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= boot_clock() <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_the_system_clock_gives_whole_unix_seconds():
    before = int(time.time())
    assert before <= system_clock() <= int(time.time())
    assert type(system_clock()) is int
