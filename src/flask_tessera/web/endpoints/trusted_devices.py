"""/trusted-devices: the devices at which the current user is asked for no second factor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ...services.keys import parse_sid, sid_text
from ...sessions.model import Device
from ..freshness import is_recent_login
from ..session_owner import owner_of_request
from .row import Endpoint
from .totp import NothingResponse

if TYPE_CHECKING:
    from ..extension import Tessera


class TrustedDeviceResponse(msgspec.Struct, frozen=True):
    """What an owner sees of a trusted device. Times are Unix seconds.

    `ip` is empty where the login is older than `DEVICES_FRESH`.
    """

    id: str
    device: Device
    ip: str
    user_agent: str
    created_at: int
    expires_at: int


def list_devices(tessera: Tessera[Any]) -> list[TrustedDeviceResponse]:
    """The devices that are trusted now, the newest first."""
    runtime, identity = tessera.runtime, owner_of_request(tessera)
    with_address = is_recent_login(runtime, identity.authenticated_at)
    return [
        TrustedDeviceResponse(
            id=sid_text(each.device_id),
            device=each.device,
            ip=each.ip if with_address else "",
            user_agent=each.user_agent,
            created_at=each.created_at,
            expires_at=each.expires_at,
        )
        for each in runtime.accounts.trusted_devices.list(str(identity.user_id))
    ]


def revoke(tessera: Tessera[Any], device_id: str) -> NothingResponse:
    """Trust a device no longer."""
    user_id = str(owner_of_request(tessera).user_id)
    tessera.runtime.accounts.trusted_devices.revoke(user_id, parse_sid(device_id))
    return NothingResponse()


ROWS: Final = (
    Endpoint(
        "trusted_devices",
        "GET",
        "/trusted-devices",
        list_devices,
        response=list[TrustedDeviceResponse],
        is_guarded=True,
    ),
    Endpoint(
        "revoke_trusted_device",
        "DELETE",
        "/trusted-devices/<device_id>",
        revoke,
        response=NothingResponse,
        errors=("not_found",),
        is_guarded=True,
    ),
)
