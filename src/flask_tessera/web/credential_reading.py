"""Which credential a request carries, and who it speaks for: steps 1 and 2 of `request_auth.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import TokenAmbiguousError, TokenInvalidError, TokenMissingError
from ..services.keys import parse_sid
from ..tokens.encoding import plain
from .csrf import SAFE_METHODS
from .requirements import TRANSPORTS

if TYPE_CHECKING:
    from flask import Request

    from .app_state import Runtime
    from .identity import Identity


def identify_request(
    runtime: Runtime,
    request: Request,
    *,
    strict: bool = False,
    transports: frozenset[str] = TRANSPORTS,
    csrf_token: str | None = None,
) -> Identity[Any]:
    """Who a request speaks for: steps 1 and 2.

    Args:
        runtime: of the realm.
        request: the present one.
        strict: ask the storage, whatever the setting of `REVOCATION`.
        transports: what is accepted (`requirements.TRANSPORTS`); anything else is as good as an invalid token.
        csrf_token: that of a form, if it is one; by default the header counts.

    Raises:
        TokenMissingError: there is no credential.
        TokenAmbiguousError: there are two that differ.
        CsrfError: it stands in a cookie, and another site may have caused the request.
        TesseraError: as of `verify_credential`.
    """
    text, transport = find_credential(runtime, request)
    identity = verify_credential(runtime, text, strict=strict)
    if transport == "cookie":
        _check_cookie(runtime, request, identity, csrf_token)
    refuse_transport(identity, transport, transports)
    return identity


def refuse_transport(identity: Identity[Any], transport: str, accepted: frozenset[str]) -> None:
    """Refuse a credential that is not accepted where it stands, or not of its kind.

    Raises:
        TokenInvalidError: so it is.
    """
    if accepted is not TRANSPORTS:
        presented = "api_key" if identity.credential == "api_key" else transport
        if presented not in accepted:
            raise TokenInvalidError(f"not accepted here: {presented}")


def _check_cookie(runtime: Runtime, request: Request, identity: Identity[Any], csrf_token: str | None) -> None:
    """Only what we put into cookies is taken out of them, and only our own pages change anything with it."""
    if identity.credential != "access" or runtime.cookies is None:
        raise TokenInvalidError("a cookie carries the access token of a session")
    if request.method not in SAFE_METHODS:
        runtime.cookies.refuse_forged(parse_sid(identity.session_id), in_form=csrf_token)


def find_credential(runtime: Runtime, request: Request) -> tuple[str, str]:
    """The one credential of a request, and the name of its transport; an empty header is one, if a bad one.

    Raises:
        TokenMissingError: there is none.
        TokenAmbiguousError: there are two that differ (RFC 6750 §2).
    """
    found: tuple[str, str] | None = None
    for transport in runtime.transports:
        text = transport.find(request.environ)
        if text is not None:
            if found is None:
                # Where one token stands in two places it counts as the first: no other site can set a header.
                found = text, transport.name
            elif found[0] != text:
                raise TokenAmbiguousError("the request carries two tokens in two places")
    if found is None:
        raise TokenMissingError("the request carries no token")
    return found


def verify_credential(runtime: Runtime, text: str, *, strict: bool = False) -> Identity[Any]:
    """Who a credential speaks for.

    Raises:
        TokenInvalidError: not a credential of ours.
        TokenExpiredError: ours, but too old.
        SessionEndedError: its session is over.
        ThrottledError: an API key that does not exist, as too many from this network.
        StorageUnavailableError: it cannot be told whether its session is over.
    """
    if type(text) is not str:
        # A subclass could lie about what it is, and be remembered for it.
        text = plain(text)
    at = int(runtime.clock())
    for reader in runtime.readers:
        identity = reader.identify(text, at=at, strict=strict)
        if identity is not None:
            return identity
    raise TokenInvalidError
