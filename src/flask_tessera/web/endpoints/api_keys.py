"""/api-keys: the current user's API keys; who they belong to is told by the session alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ...services.api_key_data import NewApiKey
from ...services.keys import parse_sid, sid_text
from ..client import LONGEST_NAME_READ, clean
from ..session_owner import fresh_owner_of_request, look_again, owner_of_request
from .row import Endpoint

if TYPE_CHECKING:
    from ...services.api_key_data import ApiKey
    from ..extension import Tessera


class RenameRequest(msgspec.Struct, frozen=True):
    """Body of a request that calls a key otherwise."""

    name: str


class RotateRequest(msgspec.Struct, frozen=True):
    """Body of a request for a new secret; the old one works `overlap` seconds longer. An empty body is one too."""

    overlap: int = 0


class ApiKeyResponse(msgspec.Struct, frozen=True):
    """What an owner sees of a key. Times are Unix seconds; `expires_at` and `last_used_at` are null for never."""

    id: str
    name: str
    scope: str
    created_at: int
    expires_at: int | None
    last_used_at: int | None
    addresses: tuple[str, ...]


class NewApiKeyResponse(ApiKeyResponse, frozen=True):
    """The same with the key itself, which is told only here."""

    key: str


class ApiKeyRevokedResponse(msgspec.Struct, frozen=True):
    """Which key has ended, and the Unix second by which every worker refuses it."""

    revoked: str
    effective_by: int


def create(tessera: Tessera[Any], wanted: NewApiKey) -> NewApiKeyResponse:
    """Make a key; needs a fresh login."""
    runtime, identity = tessera.runtime, fresh_owner_of_request(tessera)
    runtime.api_keys.count_change(str(identity.user_id))
    key, text = runtime.api_keys.create(
        str(identity.user_id),
        msgspec.structs.replace(wanted, name=clean(wanted.name, LONGEST_NAME_READ)),
        user_stamp=identity.user_stamp,
        within=identity.scopes,
        check=lambda: look_again(runtime),
    )
    return _shown_once(key, text)


def list_keys(tessera: Tessera[Any]) -> list[ApiKeyResponse]:
    """The keys that work, the newest first."""
    identity = owner_of_request(tessera)
    return [_shown(each) for each in tessera.runtime.api_keys.list(str(identity.user_id))]


def rename(tessera: Tessera[Any], wanted: RenameRequest, key_id: str) -> ApiKeyResponse:
    """Rename a key."""
    identity = owner_of_request(tessera)
    name = clean(wanted.name, LONGEST_NAME_READ)
    return _shown(tessera.runtime.api_keys.rename(str(identity.user_id), parse_sid(key_id), name))


def rotate(tessera: Tessera[Any], wanted: RotateRequest, key_id: str) -> NewApiKeyResponse:
    """Give a key a new secret; needs a fresh login, whose scopes reach as far as the key's."""
    runtime, identity = tessera.runtime, fresh_owner_of_request(tessera)
    user_id = str(identity.user_id)
    runtime.api_keys.count_change(user_id)
    # Before: afterwards the old secret would be over. What ends the owner meanwhile ends the key, old or new.
    look_again(runtime)
    key, text = runtime.api_keys.rotate(user_id, parse_sid(key_id), overlap=wanted.overlap, within=identity.scopes)
    return _shown_once(key, text)


def revoke(tessera: Tessera[Any], key_id: str) -> ApiKeyRevokedResponse:
    """End a key."""
    runtime, identity = tessera.runtime, owner_of_request(tessera)
    revoked = runtime.api_keys.revoke(str(identity.user_id), parse_sid(key_id))
    return ApiKeyRevokedResponse(sid_text(revoked.key_id), runtime.clock() + runtime.bound)


def _shown(key: ApiKey) -> ApiKeyResponse:
    return ApiKeyResponse(
        id=sid_text(key.key_id),
        name=key.name,
        scope=key.scope,
        created_at=key.created_at,
        expires_at=key.expires_at or None,
        last_used_at=key.last_used_at or None,
        addresses=key.addresses,
    )


def _shown_once(key: ApiKey, text: str) -> NewApiKeyResponse:
    return NewApiKeyResponse(key=text, **msgspec.structs.asdict(_shown(key)))


_ONE: Final = "/api-keys/<key_id>"
ROWS: Final = (
    Endpoint(
        "create_api_key",
        "POST",
        "/api-keys",
        create,
        request=NewApiKey,
        response=NewApiKeyResponse,
        errors=("step_up_required", "scope_missing", "login_refused", "too_many_requests", "api_key_limit_reached"),
        is_guarded=True,
    ),
    Endpoint("api_keys", "GET", "/api-keys", list_keys, response=list[ApiKeyResponse], is_guarded=True),
    Endpoint(
        "rename_api_key",
        "PATCH",
        _ONE,
        rename,
        request=RenameRequest,
        response=ApiKeyResponse,
        errors=("not_found",),
        is_guarded=True,
    ),
    Endpoint(
        "revoke_api_key",
        "DELETE",
        _ONE,
        revoke,
        response=ApiKeyRevokedResponse,
        errors=("not_found",),
        is_guarded=True,
    ),
    Endpoint(
        "rotate_api_key",
        "POST",
        f"{_ONE}/rotate",
        rotate,
        request=RotateRequest,
        response=NewApiKeyResponse,
        errors=("not_found", "step_up_required", "scope_missing", "too_many_requests"),
        is_guarded=True,
        may_be_empty=True,
    ),
)
