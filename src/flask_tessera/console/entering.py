"""What the pages on which a session begins have in common."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from flask import redirect, url_for

from ..errors import TesseraError
from ..sessions.model import Device
from ..web.cookie_session import cookie_session
from ..web.cookies import Delivery, checked
from .forms import refused
from .insecure import INSECURE, would_lose_cookies
from .own_paths import next_of
from .rendering import render
from .ways import ways_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flask import Response

    from .console import Console

BROWSER: Final = Device(type="web")


def enter(
    console: Console, form: Mapping[str, str], begin: Callable[[Delivery], object], show: Callable[..., Response]
) -> Any:
    """Begin a session and lead to where the browser was to go; the one that it had before ends.

    Args:
        console: the pages.
        form: what was sent; `remember` in it lets the session outlive the browser, `next` is where to go.
        begin: logs in, and hands the pair out in this way.
        show: makes the page once more, as of `refused`.

    Raises:
        TesseraError: as of `refused`.
    """
    if would_lose_cookies(console):
        return show(status=INSECURE.row.status)
    try:
        begin(checked(console.cookies, Delivery("cookie", "remember" in form)))
    except TesseraError as error:
        return refused(error, show)
    _end_former(console)
    return redirect(next_of(form) or url_for(".devices"), code=303)


def render_entry(
    console: Console,
    template: str,
    filled: Mapping[str, str],
    *,
    error: str = "",
    status: int = 200,
    **values: Any,
) -> Response:
    """A page on which a session begins, or may; `filled` holds what was typed, of which no secret is shown again."""
    return render(
        template,
        status=status,
        error=error,
        next=next_of(filled),
        remember="remember" in filled,
        ways=ways_of(console),
        shortest=console.tessera.runtime.settings.PASSWORD_MIN_LENGTH,
        is_insecure=would_lose_cookies(console),
        **values,
    )


def _end_former(console: Console) -> None:
    """The session whose cookies have just been replaced: nobody could end it from this browser any more."""
    runtime = console.tessera.runtime
    # Whatever they carried, and whether it can be ended now: the new session has begun.
    with suppress(TesseraError):
        runtime.sessions.end(cookie_session(runtime, console.cookies), "logout", console.tessera.client_info())
