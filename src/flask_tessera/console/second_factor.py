"""POST /second-factor: the second step of a login, by whichever factor the person has chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import redirect

from ..errors import TicketInvalidError
from ..services.second_factors import PASSKEY, RECOVERY, TOTP
from ..web.endpoints.body import read_form
from ..web.endpoints.second_factor import SecondFactorRequest, second_factor
from ..web.second_step import next_step_of
from .entering import enter
from .forms import credential_of
from .own_paths import next_of
from .rendering import word
from .second_page import ask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..web.cookies import Delivery
    from .console import Console


def show(console: Console) -> Any:
    """There is nothing to show without a ticket, which no address holds: one signs in first."""
    return redirect(console.sign_in_url())


def take(console: Console) -> Any:
    """Begin the session, or ask once more; where the ticket is over, the login begins anew."""
    form = read_form()
    ticket = form.get("ticket", "")

    def begin(how: Delivery) -> None:
        shown = _shown(form)
        second_factor(
            console.tessera,
            SecondFactorRequest(
                ticket=ticket, trust="trust" in form, transport=how.transport, remember=how.remember, **shown
            ),
        )

    def again(**wrong: Any) -> Any:
        if not any(form.get(name, "").strip() for name in (PASSKEY, TOTP, RECOVERY)):
            wrong["error"] = word("nothing_shown")
        return ask(console, next_step_of(console.tessera, ticket), form, **wrong)

    try:
        return enter(console, form, begin, again)
    except TicketInvalidError:
        return redirect(console.sign_in_url(reason="token_expired", back_to=next_of(form)), code=303)


def _shown(form: Mapping[str, str]) -> dict[str, Any]:
    """The one factor that was filled in, the passkey before what was typed."""
    if passkey := form.get(PASSKEY):
        return {PASSKEY: credential_of(passkey)}
    typed = {name: "".join(form.get(name, "").split()) for name in (TOTP, RECOVERY)}
    return next(({name: text} for name, text in typed.items() if text), {})
