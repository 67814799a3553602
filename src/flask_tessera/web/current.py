"""The application and the request at hand, and calls of the host's own functions, plain or `async`."""

from __future__ import annotations

import contextvars
import importlib.util
import inspect
from typing import TYPE_CHECKING, Any, cast

from flask import current_app, request

from ..errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from flask import Flask, Request

_app: Any = current_app
_request: Any = request
# What Flask's documentation tells extensions to call, its underscore notwithstanding: a proxy looks the object up at
# every access.
current_app_object = cast("Callable[[], Flask]", _app._get_current_object)  # noqa: SLF001 - see above
"""The current application; RuntimeError outside one."""
current_request_object = cast("Callable[[], Request]", _request._get_current_object)  # noqa: SLF001 - see above
"""The present request; RuntimeError outside one."""


def call_host(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """What a function of the host gives; an awaitable is awaited, also where an event loop is running already.

    Then it is awaited in a thread of its own: a view that is `async` may call the synchronous methods of `Tessera`.
    """
    result = function(*arguments, **named)
    return _wait_for(result) if inspect.isawaitable(result) else result


def refuse_async_without_support(function: Any, what: str) -> None:
    """Refuse a coroutine function where Flask cannot run one.

    Raises:
        ConfigError: asgiref is not installed.
    """
    if is_async(function) and importlib.util.find_spec("asgiref") is None:
        raise ConfigError(f"{what} is async, which needs Flask's extra: install Flask[async]")


def is_async(function: Any) -> bool:
    """Whether `function` is a coroutine function, or an object that is called like one."""
    called = getattr(function, "__call__", None)  # noqa: B004 - looked at, not tested for
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)


def _wait_for(awaitable: Awaitable[Any]) -> Any:
    # Here, since asyncio takes a seventh of the time that all of this package takes to import.
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    async def wait() -> Any:
        return await awaitable

    run = current_app_object().async_to_sync(wait)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run()
    with ThreadPoolExecutor(1, thread_name_prefix="tessera-async") as executor:
        return executor.submit(contextvars.copy_context().run, run).result()
