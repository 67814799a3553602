"""What is kept of a session and of the person it belongs to."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from .rotation import RotationState

EndReason = Literal[
    "logout", "kick", "replaced", "limit", "expiry", "reuse", "suspension", "password_change", "user_gone"
]


LAST_SEEN_RESOLUTION: Final = 60
"""Seconds; a finer last-seen time would let a thief time his refreshes by it."""


class Device(msgspec.Struct, frozen=True):
    """What a client says of the device it runs on; empty where it said nothing."""

    type: str = ""
    id: str = ""
    name: str = ""


UNKNOWN_DEVICE: Final = Device()
"""Of a client that said nothing."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One login on one device. Times are Unix seconds, lifetimes seconds.

    `sid` has 16 bytes. `gen`, `predecessor`, `rotated_at` and `confirmed` are the state of its rotation.
    `idle_until` and `until` are the first seconds in which it is over; once it has ended, `idle_until` is the first
    second in which its record may be removed. `access_lifetime` is the longest that an access token of it may live;
    `ended_at` is 0 and `end_reason` empty while it has not ended. `user_stamp` is a short text of the application's,
    up to 64 characters, empty where there is none. `issued_for` is the JSON array of the issuer and audience
    that it was begun under, empty for sessions of release 0.1.
    """

    sid: bytes
    realm: str
    user_id: str
    created_at: int
    auth_at: int
    idle_until: int
    until: int
    access_lifetime: int
    gen: int = 0
    predecessor: int = -1
    rotated_at: int = 0
    confirmed: bool = False
    epoch: int = 0
    last_seen_at: int = 0
    ended_at: int = 0
    end_reason: str = ""
    device_type: str = ""
    device_id: str = ""
    device_name: str = ""
    ip: str = ""
    user_agent: str = ""
    scope: str = ""
    amr: str = ""
    user_stamp: str = ""
    issued_for: str = ""
    claims: str = ""

    @property
    def rotation(self) -> RotationState:
        """The part that the decision table of a refresh sees."""
        return RotationState(self.gen, self.predecessor, self.rotated_at, self.confirmed)

    @property
    def device(self) -> Device:
        """The device as the client described it."""
        return Device(self.device_type, self.device_id, self.device_name)

    @property
    def last_seen_shown(self) -> int:
        """When it was last seen, as it may be shown: a Unix second, floored to the minute, never before it began."""
        return max(self.created_at, self.last_seen_at // LAST_SEEN_RESOLUTION * LAST_SEEN_RESOLUTION)

    def with_rotation(self, state: RotationState, *, at: int, idle: int) -> Session:
        """Take over `state` after a refresh at `at`: the idle limit moves, neither back nor past the absolute one.

        Nor does the last-seen time move back with a clock: `forget_at` goes by it.
        """
        return msgspec.structs.replace(
            self,
            gen=state.gen,
            predecessor=state.predecessor,
            rotated_at=state.rotated_at,
            confirmed=state.confirmed,
            last_seen_at=max(self.last_seen_at, at),
            idle_until=max(self.idle_until, min(at + idle, self.until)),
        )


class Principal(msgspec.Struct, frozen=True):
    """What is kept of a user: how often all sessions were ended at once, and until when none may live.

    `suspended_until` is a Unix second, 0 when the user is not suspended.
    """

    realm: str
    user_id: str
    epoch: int = 0
    suspended_until: int = 0


class SessionWithPrincipal(msgspec.Struct, frozen=True):
    """A session together with its principal, read in one step."""

    session: Session
    principal: Principal

    def rejection_reason(self, at: int, *, valid_from: int = 0) -> str:
        """Why nothing is granted to this session: an end reason, or an empty text.

        Args:
            at: now, Unix seconds.
            valid_from: Unix second; sessions that began before it are over.
        """
        session, principal = self.session, self.principal
        if session.ended_at:
            return session.end_reason
        if session.created_at < valid_from:
            return "expiry"
        if principal.suspended_until > at:
            return "suspension"
        if principal.epoch > session.epoch:
            return "kick"
        return "expiry" if at >= min(session.idle_until, session.until) else ""
