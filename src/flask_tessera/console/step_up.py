"""GET and POST /step-up: who is signed in proves again who he is, and comes back to what needed it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from flask import redirect, url_for

from ..errors import InputError, TesseraError
from ..services.second_factors import PASSKEY, TOTP
from ..web.current import current_request_object
from ..web.endpoints.body import read_form
from ..web.endpoints.step_up import StepUpRequest, step_up
from .code_steps import is_asking, send_code_for
from .forms import credential_of, refused
from .own_paths import next_of
from .signed_in import render_signed_in
from .ways import CODE, PASSWORD, proofs_of, recipients_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Response

    from ..web.request_auth import RequestAuth
    from .console import Console


def show(console: Console) -> Any:
    """The page; who can prove nothing signs in again."""
    auth, next_ = console.look(), next_of(current_request_object().args)
    if not proofs_of(console):
        return redirect(console.sign_in_url(reason="step_up_required", back_to=next_))
    return _form(console, auth, next_)


def take(console: Console) -> Any:
    """Send a code, or make the login of this session a fresh one, by what was filled in."""
    auth, form = console.look(), read_form()
    show = partial(_form, console, auth, next_of(form), filled=form)
    if is_asking(form):
        if form.get("recipient") not in recipients_of(console, auth.user):
            raise InputError("a code is sent to a recipient of one's own", member="recipient")
        return send_code_for(console, form, "login", show)
    try:
        step_up(console.tessera, StepUpRequest(**_shown(form)))
    except TesseraError as error:
        return refused(error, partial(show, is_sent=CODE in form), credentials_wrong="password_wrong")
    return redirect(next_of(form) or url_for(".security"), code=303)


def _shown(form: Mapping[str, str]) -> dict[str, Any]:
    """The one proof that was filled in: the passkey before what was typed."""
    if passkey := form.get(PASSKEY):
        return {PASSKEY: credential_of(passkey)}
    if totp := "".join(form.get(TOTP, "").split()):
        return {TOTP: totp}
    if CODE in form:
        return {CODE: form[CODE].strip(), "recipient": form.get("recipient", "")}
    return {PASSWORD: form.get(PASSWORD, "")}


def _form(
    console: Console,
    auth: RequestAuth,
    next_: str,
    *,
    filled: Mapping[str, str] | None = None,
    is_sent: bool = False,
    error: str = "",
    status: int = 200,
    **more: Any,
) -> Response:
    filled, proofs = filled or {}, proofs_of(console)
    passkeys, user_id = console.tessera.runtime.accounts.passkeys, str(auth.identity.user_id)
    return render_signed_in(
        console,
        auth,
        "step_up.html",
        status=status,
        error=error,
        next=next_,
        is_sent=is_sent,
        recipient=filled.get("recipient", ""),
        recipients=recipients_of(console, auth.user),
        was_totp=bool(filled.get(TOTP)),
        has_password=PASSWORD in proofs,
        has_totp=TOTP in proofs,
        passkey_options=passkeys.options_for(user_id) if PASSKEY in proofs and not is_sent else None,
        script_url=console.script_url,
        **more,
    )
