"""Which session the cookies of a request carry, live or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import TokenAmbiguousError, TokenInvalidError, TokenMissingError

if TYPE_CHECKING:
    from collections.abc import Container

    from .app_state import Runtime
    from .cookies import SessionCookies


def cookie_session(runtime: Runtime, cookies: SessionCookies) -> bytes:
    """The sid of the session that the cookies of the present request carry.

    Raises:
        TokenMissingError: they carry none.
        TokenInvalidError: one of them carries what is no token of ours.
        TokenAmbiguousError: there are two that differ.
    """
    if access := cookies.access_token():
        return runtime.access_reader.session_of(access, at=runtime.clock())
    if refresh := cookies.refresh_token():
        return runtime.sessions.sid_of(refresh[0])
    raise TokenMissingError("no cookie carries a session")


def forget_cookies(runtime: Runtime, over: Container[bytes]) -> None:
    """Clear the cookies of the present request if their session is one of these, which are over."""
    if runtime.cookies is None:
        return
    try:
        sid = cookie_session(runtime, runtime.cookies)
    except (TokenMissingError, TokenInvalidError, TokenAmbiguousError):
        # Of two that differ a page of another host may have planted one: whichever is ours is dead by now.
        return
    if sid in over:
        runtime.cookies.clear()
