"""/passkeys: the current user's passkeys; and what a browser logs anybody in with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ...services.keys import parse_sid, sid_text
from ...services.passkey_options import CreationOptions, RequestOptions
from ..client import LONGEST_NAME_READ, clean
from ..current import call_host
from ..second_step import tell_if_missing
from ..session_owner import fresh_owner_of_request, look_again, owner_of_request
from ..user_loading import load_user
from .row import Endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...services.passkey_data import Passkey
    from ..extension import Tessera
    from ..identity import Identity

_NAMES: Final = ("phone", "email", "account", "username", "name")
"""Members of the user view by which a person tells his accounts apart, the best first."""
_DISPLAY_NAMES: Final = ("display_name", "name", "nickname")


class NoBody(msgspec.Struct, frozen=True):
    """A body in which nothing need be."""


class NewPasskeyRequest(msgspec.Struct, frozen=True):
    """Body of the request: what the passkey is to be called, and what `PublicKeyCredential.toJSON()` gave."""

    name: str
    credential: dict[str, Any]


class PasskeyResponse(msgspec.Struct, frozen=True):
    """What an owner sees of a passkey. Times are Unix seconds; `last_used_at` is null for never."""

    id: str
    name: str
    created_at: int
    last_used_at: int | None


class PasskeyRemovedResponse(msgspec.Struct, frozen=True):
    """Nothing is left to say."""


def options(tessera: Tessera[Any], _wanted: NoBody) -> dict[str, Any]:
    """What a browser makes a passkey with, within five minutes; needs a fresh login."""
    identity = fresh_owner_of_request(tessera)
    tell_if_missing(tessera)
    user_name, display_name = _names_of(tessera, identity)
    return tessera.runtime.accounts.passkeys.registration_options(
        str(identity.user_id), user_name, display_name, session_id=identity.session_id
    )


def register(tessera: Tessera[Any], wanted: NewPasskeyRequest) -> PasskeyResponse:
    """Keep a passkey that was made with the options of this session; needs a fresh login."""
    runtime, identity = tessera.runtime, fresh_owner_of_request(tessera)
    passkey = runtime.accounts.passkeys.register(
        str(identity.user_id),
        clean(wanted.name, LONGEST_NAME_READ),
        wanted.credential,
        session_id=identity.session_id,
        user_stamp=identity.user_stamp,
        check=lambda: look_again(runtime),
    )
    user_id, subject = str(identity.user_id), f"passkey {sid_text(passkey.passkey_id)}"
    runtime.record("factor_added", user_id=user_id, session_id=identity.session_id, subject=subject)
    return _shown(passkey)


def list_passkeys(tessera: Tessera[Any]) -> list[PasskeyResponse]:
    """The passkeys of the current user, the newest first."""
    identity = owner_of_request(tessera)
    return [_shown(each) for each in tessera.runtime.accounts.passkeys.list(str(identity.user_id))]


def remove(tessera: Tessera[Any], passkey_id: str) -> PasskeyRemovedResponse:
    """Remove a passkey; needs a fresh login. The devices that are trusted are not any longer."""
    accounts, identity = tessera.runtime.accounts, fresh_owner_of_request(tessera)
    user_id, subject = str(identity.user_id), f"passkey {passkey_id}"
    accounts.passkeys.remove(user_id, parse_sid(passkey_id))
    accounts.second_factors.factor_removed(user_id)
    tessera.runtime.record("factor_removed", user_id=user_id, session_id=identity.session_id, subject=subject)
    return PasskeyRemovedResponse()


def login_options(tessera: Tessera[Any], _wanted: NoBody) -> dict[str, Any]:
    """What a browser logs anybody in with, by a passkey that tells whose it is; nothing is kept of it."""
    return tessera.runtime.accounts.passkeys.login_options()


def _names_of(tessera: Tessera[Any], identity: Identity[Any]) -> tuple[str, str]:
    """What the browser shows of the user: by the user view, where the application has one; else the user id."""
    hooks = tessera.runtime.hooks
    view: Any = None
    if hooks.user_view is not None:
        view = call_host(hooks.user_view, load_user(hooks, identity.user_id, identity.user_stamp))
    members = view if isinstance(view, dict) else {}
    return _first_text(members, _NAMES) or str(identity.user_id), _first_text(members, _DISPLAY_NAMES)


def _first_text(members: Mapping[str, Any], names: tuple[str, ...]) -> str:
    found = (members.get(name) for name in names)
    return next((each for each in found if isinstance(each, str) and each), "")


def _shown(passkey: Passkey) -> PasskeyResponse:
    return PasskeyResponse(sid_text(passkey.passkey_id), passkey.name, passkey.created_at, passkey.last_used_at or None)


ROWS: Final = (
    Endpoint(
        "passkey_options",
        "POST",
        "/passkeys/options",
        options,
        request=NoBody,
        response=CreationOptions,
        errors=("step_up_required", "not_found"),
        is_guarded=True,
        may_be_empty=True,
    ),
    Endpoint(
        "register_passkey",
        "POST",
        "/passkeys",
        register,
        request=NewPasskeyRequest,
        response=PasskeyResponse,
        errors=("code_wrong", "already_exists", "step_up_required", "not_found"),
        is_guarded=True,
    ),
    Endpoint("passkeys", "GET", "/passkeys", list_passkeys, response=list[PasskeyResponse], is_guarded=True),
    Endpoint(
        "remove_passkey",
        "DELETE",
        "/passkeys/<passkey_id>",
        remove,
        response=PasskeyRemovedResponse,
        errors=("not_found", "step_up_required"),
        is_guarded=True,
    ),
    Endpoint(
        "passkey_login_options",
        "POST",
        "/login/passkey/options",
        login_options,
        request=NoBody,
        response=RequestOptions,
        errors=("not_found",),
        may_be_empty=True,
    ),
)
