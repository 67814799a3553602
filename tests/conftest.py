"""What all tests share: the run that their servers belong to, and which of them are run."""

from __future__ import annotations

import gc
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from hypothesis import HealthCheck, settings
from jinja2 import BytecodeCache
from werkzeug.routing import Rule

from .servers import NoServerError, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jinja2.bccache import Bucket

run.join()  # before the workers of pytest-xdist start, which inherit it
gc.disable()  # until the tests are collected, of which nothing is garbage


class CompiledTemplates(BytecodeCache):
    """Of all applications of a process: the tests make hundreds that render the same ones."""

    def __init__(self) -> None:
        self._compiled: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Take what is here; Jinja compares it with the template."""
        if bucket.key in self._compiled:
            bucket.bytecode_from_string(self._compiled[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep it."""
        self._compiled[bucket.key] = bucket.bytecode_to_string()


def share_builders() -> None:
    """Let equal rules of all applications share what builds their URLs: the tests make thousands of each.

    Werkzeug compiles it for each rule anew, which took a tenth of the time of tests of views.
    """
    compile_builder = Rule._compile_builder
    made: dict[object, object] = {}

    def builder(rule: Rule, append_unknown: bool = True) -> object:
        if rule.defaults:
            return compile_builder(rule, append_unknown)
        key = (append_unknown, *rule._trace)
        if key not in made:
            made[key] = compile_builder(rule, append_unknown)
        return made[key]

    Rule._compile_builder = builder


share_builders()
Flask.jinja_options = {"bytecode_cache": CompiledTemplates()}


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--slow` and `--all` run what is left out by default."""
    parser.addoption("--slow", action="store_true", help="run the tests that are marked as slow or as repeats too")
    parser.addoption("--all", action="store_true", help="run those that are marked as long too")


def pytest_configure(config: pytest.Config) -> None:
    """Try fewer examples where not all tests are run; whatever the machine is busy with, none is too slow."""
    patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("short", patient, max_examples=30)
    settings.register_profile("long", patient, max_examples=100)
    settings.load_profile("long" if config.getoption("--all") else "short")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what was not asked for, but not where somebody names a single test.

    Skip what Windows cannot do there.
    """
    for item in items:
        if os.name == "nt" and (unix := item.get_closest_marker("unix")):
            item.add_marker(pytest.mark.skip(reason=f"Windows has no {unix.args[0]}"))
    if config.getoption("--all") or any("::" in argument for argument in config.args):
        return
    seen: dict[object, object] = {}
    slow = config.getoption("--slow")
    left_out = [item for item in items if item.get_closest_marker("long") or (not slow and is_slow(item, seen))]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        unwanted = set(left_out)
        items[:] = [item for item in items if item not in unwanted]


def is_slow(item: pytest.Item, seen: dict[object, object]) -> bool:
    """Whether a test is marked as slow, or repeats with another value what it shows with the first, kept in `seen`."""
    if item.get_closest_marker("slow"):
        return True
    repeated = [(name, item.callspec.params[name]) for marker in item.iter_markers("repeats") for name in marker.args]
    return any(seen.setdefault((item.cls, item.function, name), value) is not value for name, value in repeated)


def pytest_collection_finish() -> None:
    """Spare the garbage collector what lives to the end: thousands of tests, through which it would go each time."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Skip a test whose fixtures need a server that cannot be started here."""
    with skipping_without_servers():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Skip a test that needs a server that cannot be started here."""
    with skipping_without_servers():
        return (yield)


@contextmanager
def skipping_without_servers() -> Iterator[None]:
    """What cannot be started is a reason to skip."""
    try:
        yield
    except NoServerError as error:
        pytest.skip(str(error))
