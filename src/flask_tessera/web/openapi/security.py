"""How a request may carry its credential, as security schemes: one row for each transport, and the table of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..cookies import cookie_names
from ..csrf import HEADER, SAFE_METHODS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ...config import Settings
    from ..requirements import Requirements

Scheme = dict[str, Any]
"""A Security Scheme Object (OpenAPI 3.1 §4.8.27)."""
_NEW: Final = "The access token of a login, or an API key."


@dataclass(frozen=True, slots=True)
class Carrier:
    """One place of a request where a credential may stand.

    `schemes` makes its security schemes of the settings and the realm, by name; none where the settings leave it out.
    `opens` tells whether a guard that asks for this takes a credential from there in a request of this method.
    `together` tells that a request of an unsafe method needs all of the schemes at once, and another one the first
    alone; otherwise each is enough.
    """

    schemes: Callable[[Settings, str], Mapping[str, Scheme]]
    opens: Callable[[Requirements, str], bool]
    together: bool = False


def _headers(settings: Settings, _realm: str) -> dict[str, Scheme]:
    """`Authorization` carries the scheme Bearer (RFC 6750 §2.1), any other header the bare token."""
    found: dict[str, Scheme] = {}
    for name in settings.HEADERS:
        if name.lower() == "authorization":
            found["bearer"] = {"type": "http", "scheme": "bearer", "description": _NEW}
        else:
            found[name] = {"type": "apiKey", "in": "header", "name": name, "description": _NEW}
    return found


def _cookies(settings: Settings, realm: str) -> dict[str, Scheme]:
    """The cookie, and what a request that changes something sends beside it."""
    if not settings.COOKIES:
        return {}
    access, _, csrf = cookie_names(realm, is_secure=settings.COOKIE_SECURE)
    told = 'Set by a login with `"transport": "cookie"`.'
    value = f"What the cookie `{csrf}` holds; for requests that change something."
    return {
        "cookie": {"type": "apiKey", "in": "cookie", "name": access, "description": told},
        "csrf": {"type": "apiKey", "in": "header", "name": HEADER, "description": value},
    }


def _tickets(_settings: Settings, _realm: str) -> dict[str, Scheme]:
    told = "Good once, for this and for a short time."
    return {"ticket": {"type": "apiKey", "in": "query", "name": "ticket", "description": told}}


CARRIERS: Final[dict[str, Carrier]] = {
    "header": Carrier(_headers, lambda wanted, _: not wanted.transports.isdisjoint(("header", "api_key"))),
    "cookie": Carrier(_cookies, lambda wanted, _: "cookie" in wanted.transports, together=True),
    "ticket": Carrier(_tickets, lambda wanted, method: bool(wanted.ticket) and method == "GET"),
}
"""What describes each place, by name."""


def security_schemes(settings: Settings, realm: str) -> dict[str, Scheme]:
    """All security schemes of a realm, by name."""
    return {name: scheme for each in CARRIERS.values() for name, scheme in each.schemes(settings, realm).items()}


def security_of(
    guards: Sequence[Requirements], settings: Settings, realm: str, method: str
) -> list[dict[str, list[str]]]:
    """The security requirements of an operation behind these guards: each is enough by itself.

    Scopes stand in them as OpenAPI 3.1 (§4.8.30) has it for schemes that are not OAuth 2. An empty one says that nobody
    need log in.

    Args:
        guards: what stands before it; no requirements for none.
        settings: of the application.
        realm: whose guards they are.
        method: of HTTP, in upper case.
    """
    scopes = sorted({scope for wanted in guards for scope in wanted.scopes})
    found = [dict.fromkeys(names, scopes) for names in _alternatives(guards, settings, realm, method)]
    is_open = all(wanted.optional != "no" for wanted in guards)
    return [*found, {}] if found and is_open else found


def _alternatives(
    guards: Iterable[Requirements], settings: Settings, realm: str, method: str
) -> Iterator[tuple[str, ...]]:
    for carrier in CARRIERS.values():
        names = tuple(carrier.schemes(settings, realm))
        if not names or not all(carrier.opens(wanted, method) for wanted in guards):
            continue
        if not carrier.together:
            yield from ((name,) for name in names)
        else:
            yield names[:1] if method in SAFE_METHODS else names
