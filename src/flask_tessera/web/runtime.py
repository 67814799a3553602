"""What runs in one process of one application: shared by its realms, and for each of them. Both are frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Unpack

    from flask import Flask

    from ..config import Settings
    from ..services.activity import ActivityWriter
    from ..services.api_keys import ApiKeys
    from ..services.follower import RevocationFollower
    from ..services.legacy import LegacyLogins
    from ..services.login import LoginAttempts
    from ..services.open_connections import OpenConnections
    from ..services.ports import Clock
    from ..services.revocation import RevocationView
    from ..services.sessions import SessionService
    from ..services.tickets import Tickets
    from ..sessions.model import Session
    from ..storage.engine import Storage
    from .account_services import AccountServices
    from .audit import Audit, Details
    from .cookies import SessionCookies
    from .hooks import Hooks
    from .outages import OutageLog
    from .readers import CredentialReader
    from .readers.access_token import AccessTokenReader
    from .responses import CachePolicy, Responses
    from .revocation_signal import RevocationSignal
    from .transports import Transport


@dataclass(frozen=True, slots=True)
class AppState:
    """What all realms of one application share in one process."""

    app: Flask = field(repr=False)
    settings: Settings = field(repr=False)
    clock: Clock = field(repr=False)
    storage: Storage = field(repr=False)
    view: RevocationView = field(repr=False)
    follower: RevocationFollower = field(repr=False)
    activity: ActivityWriter = field(repr=False)
    audit: Audit = field(repr=False)
    attempts: LoginAttempts | None = field(repr=False)
    responses: Responses = field(repr=False)
    outages: OutageLog = field(repr=False)
    cache_policy: CachePolicy = field(repr=False)
    connections: OpenConnections = field(repr=False)
    revocation_signal: RevocationSignal = field(repr=False)
    """Held here only: what listens to the view is not held by it."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What requests of one realm use."""

    shared: AppState
    realm: str
    hooks: Hooks = field(repr=False)
    sessions: SessionService = field(repr=False)
    legacy: LegacyLogins | None = field(repr=False)
    api_keys: ApiKeys = field(repr=False)
    tickets: Tickets = field(repr=False)
    accounts: AccountServices = field(repr=False)
    access_reader: AccessTokenReader = field(repr=False)
    readers: tuple[CredentialReader, ...] = field(repr=False)
    responses: Responses = field(repr=False)
    settings: Settings = field(repr=False)
    clock: Clock = field(repr=False)
    storage: Storage = field(repr=False)
    transports: tuple[Transport, ...] = field(repr=False)
    cache_policy: CachePolicy = field(repr=False)
    cookies: SessionCookies | None = field(repr=False)
    """None where the setting `COOKIES` is off."""

    def record(self, event: str, **details: Unpack[Details]) -> None:
        """Record an authentication event of this realm; arguments as of `Audit.record`."""
        self.shared.audit.record(event, realm=self.realm, **details)

    def effective_by(self, ended: Iterable[Session] = ()) -> int:
        """Unix second from which every worker refuses what has just been ended.

        Args:
            ended: the sessions; where nothing asks the storage, their tokens live on until they expire.
        """
        at = self.clock()
        if self.settings.REVOCATION == "stateless":
            longest = max(self.settings.ACCESS_LIFETIME, self.settings.TOKEN_LIFETIME)
            return max((min(each.until, at + each.access_lifetime) for each in ended), default=at + longest)
        return at + self.bound

    @property
    def bound(self) -> int:
        """Seconds within which every worker learns of an ending; 0 where each looks for itself."""
        is_heard = self.settings.REVOCATION == "bounded" and self.storage.revocations.bound
        return self.settings.REVOCATION_BOUND if is_heard else 0
