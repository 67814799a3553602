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
    [SimpleNamespace(), SimpleNamespace(clock_gettime=read), SimpleNamespace(CLOCK_BOOTTIME=7)],
    ids=["neither (Windows)", "no CLOCK_BOOTTIME (macOS)", "no clock_gettime"],
)
def test_X12_without_a_boot_clock_the_monotonic_one_is_taken(module):
    assert steady_clock_of(module) is time.monotonic


def test_X12_the_boot_clock_is_taken_where_there_is_one():
    assert steady_clock_of(SimpleNamespace(clock_gettime=lambda clock: clock * 2.0, CLOCK_BOOTTIME=7))() == 14.0


@pytest.mark.skipif(sys.platform != "linux", reason="there is no CLOCK_BOOTTIME")
def test_X12_on_linux_time_in_suspension_counts():
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= boot_clock() <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_the_system_clock_gives_whole_unix_seconds():
    before = int(time.time())
    assert before <= system_clock() <= int(time.time())
    assert type(system_clock()) is int
