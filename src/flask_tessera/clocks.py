"""The clocks of this machine: the time of day, and a steady one for intervals."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def system_clock() -> int:
    """Now, in whole Unix seconds. It steps in either direction when the machine's clock is set."""
    return int(time.time())


def steady_clock_of(module: object) -> Callable[[], float]:
    """The best steady clock that a `time` module has.

    Returns:
        One that also counts while the machine is suspended: CLOCK_BOOTTIME of Linux, CLOCK_MONOTONIC_RAW of macOS;
        else `time.monotonic`, which does so on Windows.
    """
    clock_id = getattr(module, "CLOCK_BOOTTIME", None)
    # Only macOS has this one, which stands still there as `time.monotonic` does. Elsewhere "raw" means something else.
    if hasattr(module, "CLOCK_UPTIME_RAW"):
        clock_id = getattr(module, "CLOCK_MONOTONIC_RAW", None)
    read: Callable[[int], float] | None = getattr(module, "clock_gettime", None)
    if clock_id is None or read is None:
        return time.monotonic
    return partial(read, clock_id)


boot_clock = steady_clock_of(time)
"""Seconds that only grow, counted from an arbitrary moment. Only intervals may be taken from them."""
