"""For which site passkeys are made and used, by the settings; by the request where somebody develops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ..accounts.passkeys import RelyingParty
from ..errors import ConfigError
from .cookies import is_local
from .current import current_app_object, current_request_object

if TYPE_CHECKING:
    from ..config import Settings

_PORTS: Final = {"http": 80, "https": 443}
_LOCALHOST: Final = "localhost"


def relying_party(settings: Settings) -> RelyingParty:
    """The site that the present request is about.

    Its domain (RP ID) is `PASSKEY_RP_ID`, else the host of `PUBLIC_URL`. Its pages are those of `PUBLIC_URL` and
    `CSRF_ORIGINS`, else those of https with that domain. In debug, in tests and on this machine, where neither is set,
    it is localhost, and the origin that the request was sent to.

    Raises:
        ConfigError: that is not known, or the domain is not that of `PUBLIC_URL`.
    """
    domain = settings.PASSKEY_RP_ID or urlsplit(settings.PUBLIC_URL).hostname or ""
    origins = [_origin(each) for each in (settings.PUBLIC_URL, *settings.CSRF_ORIGINS) if each]
    if _is_development():
        origins.append(_origin(current_request_object().host_url))
        domain = domain or _LOCALHOST
    if not domain:
        raise ConfigError(
            "passkeys belong to a domain: set TESSERA_PUBLIC_URL to the origin of your pages, as"
            " 'https://app.example.com'; or TESSERA_PASSKEY_RP_ID to their domain, as 'example.com'"
        )
    if settings.PUBLIC_URL and not _is_within(urlsplit(settings.PUBLIC_URL).hostname or "", domain):
        raise ConfigError(
            f"TESSERA_PASSKEY_RP_ID must be the host of TESSERA_PUBLIC_URL or a domain above it, not {domain!r}"
        )
    return RelyingParty(domain, tuple(dict.fromkeys(origins)) or (f"https://{domain}",))


def _is_development() -> bool:
    app = current_app_object()
    return bool(app.debug or app.testing or is_local(current_request_object().host))


def _is_within(host: str, domain: str) -> bool:
    """Whether browsers let pages of a host use passkeys of a domain; an address is no domain (WebAuthn §5.1.3)."""
    is_address = ":" in domain or domain.replace(".", "").isdigit()
    return not is_address and (host == domain or host.endswith(f".{domain}"))


def _origin(url: str) -> str:
    """As browsers write it: in small letters, without the usual port and what comes after it (RFC 6454 §6.2)."""
    parts = urlsplit(url.lower())
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in (None, _PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"
