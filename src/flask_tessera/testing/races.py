"""Threads that all start in one moment."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


def race(count: int, function: Callable[[int], Result]) -> list[Result]:
    """Call `function` in `count` threads at once, each with its number from 0.

    Gives the results in the order of the numbers.

    Raises:
        Exception: what the first of the threads has raised, once all are done.
    """
    gate = threading.Barrier(count)

    def run(number: int) -> Result:
        gate.wait()
        return function(number)

    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(run, number) for number in range(count)]
    return [future.result() for future in futures]
