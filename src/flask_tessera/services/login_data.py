"""What a login is made of: who logs in, the terms of the new session, and what the client is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ..sessions.model import UNKNOWN_DEVICE, Device, Session
from ..tokens.claims import is_safe_text
from .ports import UNKNOWN_CLIENT, ClientInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..sessions.limits import Limits
    from ..storage.model import Checkpoint

_LONGEST_USER_ID: Final = 255


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """How long sessions live (seconds) and how many a user may have.

    `longest_access` is the longest usual life of an access token; of one that was asked to live longer the storage
    knows the session. `issued_for` names issuer and audience, for which refresh tokens are good.
    """

    idle: int
    lifetime: int
    access_lifetime: int
    leeway: int
    limits: Limits
    longest_access: int = 0
    issued_for: str = ""


@dataclass(frozen=True, slots=True)
class Issued:
    """What a client is given. Lives in seconds from now."""

    session: Session
    access_token: str = field(repr=False)
    access_expires_in: int
    refresh_token: str = field(default="", repr=False)
    refresh_expires_in: int = 0


@dataclass(frozen=True, slots=True)
class Login:
    """Who logs in, how and on what. `scope` and `amr` are separated by spaces.

    `checkpoint` is where the revocation log ended before the credentials were read: whoever changes the password
    meanwhile ends this login too. `claims` are those of the session's own, as JSON, which it
    keeps; `loaded_claims` belong to its first access token only. `user_stamp` is the digest of the user's stamp.
    """

    user_id: str
    device: Device = UNKNOWN_DEVICE
    caller: ClientInfo = UNKNOWN_CLIENT
    scope: str = ""
    amr: str = "pwd"
    checkpoint: Checkpoint | None = None
    user_stamp: str = ""
    claims: str = ""
    loaded_claims: Mapping[str, Any] = field(default_factory=dict)


def session_of(login: Login, policy: SessionPolicy, *, sid: bytes, realm: str, at: int) -> Session:
    """The session that a login at Unix second `at` begins, of which nothing is stored yet."""
    return Session(
        sid=sid,
        realm=realm,
        user_id=login.user_id,
        created_at=at,
        auth_at=at,
        rotated_at=at,
        last_seen_at=at,
        idle_until=at + min(policy.idle, policy.lifetime),
        until=at + policy.lifetime,
        access_lifetime=policy.access_lifetime,
        device_type=login.device.type,
        device_id=login.device.id,
        device_name=login.device.name,
        ip=login.caller.ip,
        user_agent=login.caller.user_agent,
        scope=login.scope,
        amr=login.amr,
        user_stamp=login.user_stamp,
        issued_for=policy.issued_for,
        claims=login.claims,
    )


def refuse_unusable(user_id: str) -> None:
    """Refuse what not every storage and token can hold.

    Raises:
        ValueError: so it is.
    """
    if not user_id or len(user_id) > _LONGEST_USER_ID or not is_safe_text(user_id):
        raise ValueError(f"a user id has 1 to {_LONGEST_USER_ID} characters, none of them a control character")
