"""GET /security, and the password on it: how one's own account is kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from flask import redirect, url_for

from ..errors import TesseraError
from ..services.keys import parse_sid, sid_text
from ..services.user_agents import guess
from ..web.app_state import states_of
from ..web.current import current_app_object, current_request_object
from ..web.endpoints.body import read_form
from ..web.endpoints.password import PasswordRequest, change_password
from ..web.freshness import is_recent_login
from ..web.session_owner import owner_of_request
from .forms import refused
from .own_paths import with_query
from .signed_in import render_signed_in, utc
from .ways import has_password, takes_passkeys

if TYPE_CHECKING:
    import datetime as dt

    from flask import Response

    from ..services.trusted_devices import TrustedDevice
    from .console import Console

DONE: Final = frozenset(("password", "totp_removed", "passkey_added", "passkey_removed", "trusted_removed"))
"""What the query may say was done: each has its words, `done_…`."""


@dataclass(frozen=True, slots=True)
class ShownTrustedDevice:
    """A device that is asked for no second factor; its texts come from whoever logged in. Times are in UTC."""

    id: str
    name: str
    ip: str
    begun: dt.datetime
    until: dt.datetime


@dataclass(frozen=True, slots=True)
class ShownPasskey:
    """A passkey; `name` comes from its owner, `last_used` is None for never. Times are in UTC."""

    id: str
    name: str
    begun: dt.datetime
    last_used: dt.datetime | None


def show(console: Console) -> Response:
    """How the account is kept."""
    console.look()
    done = current_request_object().args.get("done", "")
    return page(console, done=done if done in DONE else "")


def page(console: Console, *, at: str = "", error: str = "", status: int = 200, done: str = "") -> Response:
    """The page of who is signed in, who was looked at already.

    Args:
        console: the pages.
        at: the form at which `error` is shown.
        error: what was wrong; empty for nothing.
        status: of the answer.
        done: one of `DONE`; empty for none.
    """
    auth = console.look()
    runtime, user_id = auth.runtime, str(auth.identity.user_id)
    services = runtime.accounts
    factors = services.second_factors.names_of(user_id)
    with_address = is_recent_login(runtime, auth.identity.authenticated_at)
    return render_signed_in(
        console,
        auth,
        "security.html",
        status=status,
        at=at,
        error=error,
        done=done,
        has_users=services.passwords is not None,
        has_password=has_password(console, auth.user),
        shortest=runtime.settings.PASSWORD_MIN_LENGTH,
        has_totp=services.totp.is_active(user_id),
        has_factors=bool(factors),
        codes_left=services.recovery_codes.left(user_id) if factors else 0,
        takes_passkeys=takes_passkeys(runtime),
        passkeys=[
            ShownPasskey(sid_text(each.passkey_id), each.name, utc(each.created_at), _utc_or_none(each.last_used_at))
            for each in services.passkeys.list(user_id)
        ],
        trusted=[_trusted(each, with_address=with_address) for each in services.trusted_devices.list(user_id)],
    )


def change(console: Console) -> Any:
    """Change the password, or set the first one; all other sessions end."""
    console.look()
    form = read_form()
    try:
        change_password(console.tessera, PasswordRequest(form.get("new", ""), form.get("old") or None))
    except TesseraError as error:
        return refused(error, partial(page, console, at="password"))
    return back("password")


def revoke_trusted(console: Console, device_id: str) -> Any:
    """Trust a device no longer."""
    console.look()
    user_id = str(owner_of_request(console.tessera).user_id)
    console.tessera.runtime.accounts.trusted_devices.revoke(user_id, parse_sid(device_id))
    return back("trusted_removed")


def back(done: str) -> Any:
    """To the page, which says what was done."""
    return redirect(with_query(url_for(".security"), done=done), code=303)


def _trusted(device: TrustedDevice, *, with_address: bool) -> ShownTrustedDevice:
    language = states_of(current_app_object()).responses.language()
    told = guess(device.user_agent)
    browser = " · ".join(filter(None, (told.program[language == "en"], told.system)))
    return ShownTrustedDevice(
        id=sid_text(device.device_id),
        name=device.device.name or browser,
        ip=device.ip if with_address else "",
        begun=utc(device.created_at),
        until=utc(device.expires_at),
    )


def _utc_or_none(seconds: int) -> dt.datetime | None:
    return utc(seconds) if seconds else None
