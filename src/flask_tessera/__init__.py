"""Token authentication for Flask, whole: log in, carry a token, know who is calling, renew it, take it back."""

from __future__ import annotations

from .errors import (
    ConfigError,
    CredentialsError,
    LoginRefusedError,
    NotFoundError,
    OutsideRequestError,
    SessionEndedError,
    StorageUnavailableError,
    TesseraError,
    TicketInvalidError,
    TokenExpiredError,
    TokenInvalidError,
    TokenMissingError,
    UserGoneError,
)
from .sessions.model import Device, Session
from .web.ending_actions import RevokeResult
from .web.extension import Tessera
from .web.guards import current_identity, current_user, login_required
from .web.http_errors import TesseraHTTPError
from .web.identity import Identity
from .web.tickets import RedeemedTicket
from .web.token_pair import TokenPair

__all__ = [
    "ConfigError",
    "CredentialsError",
    "Device",
    "Identity",
    "LoginRefusedError",
    "NotFoundError",
    "OutsideRequestError",
    "RedeemedTicket",
    "RevokeResult",
    "Session",
    "SessionEndedError",
    "StorageUnavailableError",
    "Tessera",
    "TesseraError",
    "TesseraHTTPError",
    "TicketInvalidError",
    "TokenExpiredError",
    "TokenInvalidError",
    "TokenMissingError",
    "TokenPair",
    "UserGoneError",
    "current_identity",
    "current_user",
    "login_required",
]
__version__ = "0.2.0"
