"""The body of a login, which the application's authenticator reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...accounts.account_names import WELL_KNOWN_MEMBERS

if TYPE_CHECKING:
    from ..hooks import Hooks


def credentials_body(hooks: Hooks, device: dict[str, Any], *, has_cookies: bool) -> dict[str, Any]:
    """A Media Type Object for the credentials: one of the members that name an account, and what the host asks for.

    Args:
        hooks: of the application.
        device: the schema of what a client says of its device.
        has_cookies: whether the pair may be asked for in cookies.
    """
    delivery = {"transport": {"enum": ["header", "cookie"]}, "remember": {"type": "boolean"}} if has_cookies else {}
    members = hooks.account_members or WELL_KNOWN_MEMBERS
    account = {"description": "Names the account.", "type": ["string", "integer"]}
    schema = {
        "description": "What the application's authenticator takes; one member at least names the account.",
        "type": "object",
        "properties": {
            **dict.fromkeys(members, account),
            "password": {"type": "string", "format": "password"},
            "device": device,
            **delivery,
        },
    }
    return {"schema": schema, "example": {members[0]: "string", "password": "string"}}
