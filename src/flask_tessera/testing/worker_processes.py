"""Processes that wait for orders: for races between processes, and for deaths of them."""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess
    from multiprocessing.synchronize import Barrier


_DRIVERS: Final = ("sqlalchemy.dialects.sqlite", "psycopg", "redis")
"""What most processes import, where it is installed."""
_LONGEST: Final = 150
"""Seconds that one order may take; on a busy machine most of the first goes by with imports."""


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: Connection


class WorkerProcesses:
    """So many fresh processes, each of which has called `make(*arguments)`.

    They are not forked from this one, with its threads and connections, but from a process that has imported modules
    and done nothing else (multiprocessing's "forkserver"); on Windows they are spawned. What `make` gave is called with
    each order. Both must be found by name from another process, so they are no functions inside functions.

    Args:
        count: how many processes.
        make: called in each of them, gives the function that carries out orders.
        *arguments: for `make`; anything that can be pickled.
    """

    def __init__(self, count: int, make: Callable[..., Callable[[Any], Any]], *arguments: Any) -> None:
        self._context = _context(make)
        self._make = make
        self._arguments = arguments
        self._gate = self._context.Barrier(count)
        self._workers = [self._start() for _ in range(count)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def race(self, order: Any) -> list[Any]:
        """Give `order` to all at once, through a barrier; their results, in order.

        Raises:
            Exception: what one of them raised.
            TimeoutError: one of them did not answer.
            EOFError: one of them has died.
        """
        for worker in self._workers:
            worker.pipe.send((True, order))
        return [_result_of(answer) for answer in [_receive(worker.pipe) for worker in self._workers]]

    def call(self, number: int, order: Any) -> Any:
        """Give `order` to one process and wait for its result; errors as of `race`."""
        self.send(number, order)
        return self.receive(number)

    def send(self, number: int, order: Any) -> None:
        """Give `order` to one process without waiting."""
        self._workers[number].pipe.send((False, order))

    def receive(self, number: int) -> Any:
        """Wait for the result of what was sent; errors as of `race`."""
        return _result_of(_receive(self._workers[number].pipe))

    def kill(self, number: int) -> None:
        """End one process as `kill -9` does, and wait until it is gone."""
        worker = self._workers[number]
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()

    def restart(self, number: int) -> None:
        """Put a fresh process in the place of one that was killed."""
        self._workers[number] = self._start()

    def close(self) -> None:
        """End all processes."""
        for worker in self._workers:
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join(_LONGEST)
            worker.process.close()

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_work, args=(theirs, self._gate, self._make, self._arguments), daemon=True
        )
        process.start()
        theirs.close()
        return _Worker(process, ours)


def _context(make: Callable[..., Any]) -> Any:
    if not hasattr(os, "fork"):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    # Counts for the first processes of this process: later ones find there what that one needs.
    context.set_forkserver_preload([make.__module__, *_DRIVERS])
    return context


def _receive(pipe: Connection) -> tuple[bool, Any]:
    if not pipe.poll(_LONGEST):
        raise TimeoutError(f"a process did not answer within {_LONGEST} s")
    answer: tuple[bool, Any] = pipe.recv()
    return answer


def _result_of(answer: tuple[bool, Any]) -> Any:
    has_failed, result = answer
    if has_failed:
        raise result
    return result


def _work(pipe: Connection, gate: Barrier, make: Callable[..., Callable[[Any], Any]], arguments: Any) -> None:
    carry_out = make(*arguments)
    while True:
        try:
            is_race, order = pipe.recv()
        except EOFError:
            return
        try:
            if is_race:
                gate.wait(_LONGEST)
            answer = False, carry_out(order)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised where the order came from
            answer = True, error
        pipe.send(answer)
