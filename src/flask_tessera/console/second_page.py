"""The page of the second step of a login: its ticket stands in a hidden field, never in an address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..services.second_factors import PASSKEY, RECOVERY, TOTP
from .own_paths import next_of
from .rendering import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Response

    from .console import Console


def ask(
    console: Console,
    next_step: Mapping[str, Any],
    filled: Mapping[str, str],
    *,
    error: str = "",
    status: int = 200,
    **more: Any,
) -> Response:
    """The page.

    Args:
        console: the pages.
        next_step: as of `SecondFactorRequiredError`.
        filled: the form that has led here: `next` and `remember` of it go on, and `trust`.
        error: what was wrong with what was shown; empty for nothing.
        status: of the answer.
        **more: for the template; `url_for`, where another blueprint answers.
    """
    factors = next_step["factors"]
    return render(
        "second_factor.html",
        status=status,
        error=error,
        ticket=next_step["ticket"],
        next=next_of(filled),
        remember="remember" in filled,
        trust="trust" in filled,
        was_recovery=bool(filled.get(RECOVERY) and not filled.get(TOTP)),
        has_totp=TOTP in factors,
        has_recovery=RECOVERY in factors,
        passkey_options=next_step.get("passkey") if PASSKEY in factors else None,
        script_url=console.script_url,
        **more,
    )
