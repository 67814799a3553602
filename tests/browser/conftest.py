"""A browser for each process of the tests, the service that it visits, and people who sit before it.

Playwright runs an event loop in its thread. Whatever else runs in that thread would take itself for a part of it: so
the browser has a thread of its own, and the tests of this folder run there.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from . import accounts, chromium
from .sites import Visitors, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_threads: dict[str, ThreadPoolExecutor] = {}


def _in_thread(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    if "browser" not in _threads:
        _threads["browser"] = ThreadPoolExecutor(1, thread_name_prefix="browser")
    return _threads["browser"].submit(function, *arguments, **named).result()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool:
    """Run a test in the thread of the browser."""
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    _in_thread(pyfuncitem.obj, **arguments)
    return True


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One for each process."""
    stack = ExitStack()
    home = tmp_path_factory.mktemp("browser")
    started = _in_thread(stack.enter_context, chromium.running(home))
    yield started
    _in_thread(stack.close)
    _threads.pop("browser").shutdown()


@pytest.fixture(scope="session")
def _password_hash() -> str:
    from flask_tessera.accounts.hash_slots import HashSlots
    from flask_tessera.accounts.passwords import Passwords

    from .sites import PASSWORD

    return Passwords(HashSlots(1)).hash(PASSWORD)


@pytest.fixture
def service(tmp_path, _password_hash):
    """The ready service with one user, on a port of its own; its clock is the test's."""
    with serving(tmp_path, _password_hash) as running:
        yield running


@pytest.fixture
def visitors(browser: Any, service: Any) -> Iterator[Visitors]:
    """Makes people with a browser of their own, and sees to it that nothing was refused or went wrong on a page."""
    made = Visitors(browser, service)
    yield made
    _in_thread(made.leave)
    assert made.violations == []
    assert made.mistakes == []


@pytest.fixture
def accounts_service(tmp_path, _password_hash):
    """The ready service with one user, which sends messages into a file; its clock is the test's."""
    with accounts.accounts_service(tmp_path, _password_hash) as running:
        yield running


@pytest.fixture
def guests(browser: Any, accounts_service: Any) -> Iterator[Visitors]:
    """As `visitors`, of that service."""
    made = Visitors(browser, accounts_service)
    # A refusal is an error to Chromium.
    made.expected = ("Failed to load resource: the server responded with a status of 4",)
    yield made
    _in_thread(made.leave)
    assert made.violations == []
    assert made.mistakes == []
