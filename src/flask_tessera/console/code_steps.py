"""Forms in two steps, which need no script: where a code is to go; and the code, with whatever else is asked."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

from ..errors import TesseraError, ThrottledError
from ..web.endpoints.codes import CodeRequest, send_code
from ..web.http_errors import TesseraHTTPError
from .forms import refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flask import Response

    from .console import Console


def is_asking(form: Mapping[str, str]) -> bool:
    """Whether the form asks for a code; else it brings one."""
    return form.get("step") == "send"


def send_code_for(
    console: Console,
    form: Mapping[str, str],
    purpose: Literal["login", "register", "reset"],
    show: Callable[..., Response],
) -> Response:
    """Send a code to the `recipient` of a form, and show the second step; alike for known and unknown ones.

    Args:
        console: the pages.
        form: what was sent.
        purpose: what the code is to be good for.
        show: makes the page, given `is_sent` and maybe `is_limited`, and what `refused` gives.

    Raises:
        TesseraError: as of `refused`.
    """
    try:
        console.cookies.refuse_foreign_origin()
        send_code(console.tessera, CodeRequest(form.get("recipient", ""), purpose))
    except TesseraError as error:
        # Where it was too many, one of them may have arrived: it can be typed in.
        core = error.cause if isinstance(error, TesseraHTTPError) else error
        is_limited = isinstance(core, ThrottledError)
        return refused(error, partial(show, is_sent=is_limited, is_limited=is_limited))
    return show(is_sent=True)
