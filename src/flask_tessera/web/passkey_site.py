"""For which site passkeys are made and used, by the settings; by the request where somebody develops."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Final, NoReturn
from urllib.parse import urlsplit

from ..accounts.passkeys import RelyingParty
from ..errors import NotFoundError
from ..setting_checks import is_within, origin_of
from .cookies import is_local
from .current import current_app_object, current_request_object

if TYPE_CHECKING:
    from ..config import Settings

_LOCALHOST: Final = "localhost"
_log = logging.getLogger("flask_tessera")


def relying_party(settings: Settings) -> RelyingParty:
    """The site that the present request is about.

    Its domain (RP ID) is `PASSKEY_RP_ID`, else the host of `PUBLIC_URL`. Its pages are those of `PUBLIC_URL` and
    `CSRF_ORIGINS`, else those of https with that domain. In debug, in tests and on this machine, where neither is set,
    it is localhost, and the origin that the request was sent to.

    Raises:
        NotFoundError: that is not known, or there are no passkeys of it; logged once, with what is to be set.
    """
    domain = settings.PASSKEY_RP_ID or urlsplit(settings.PUBLIC_URL).hostname or ""
    origins = [origin_of(each) for each in (settings.PUBLIC_URL, *settings.CSRF_ORIGINS) if each]
    if _is_development():
        origins.append(origin_of(current_request_object().host_url))
        domain = domain or _LOCALHOST
    if not domain:
        _refuse(
            "passkeys belong to a domain: set TESSERA_PUBLIC_URL to the origin of your pages, as"
            " 'https://app.example.com'; or TESSERA_PASSKEY_RP_ID to their domain, as 'example.com'"
        )
    if settings.PUBLIC_URL and not is_within(urlsplit(settings.PUBLIC_URL).hostname or "", domain):
        _refuse(
            f"browsers know no passkeys of {domain!r}, which is the host of TESSERA_PUBLIC_URL: name a domain there"
        )
    return RelyingParty(domain, tuple(dict.fromkeys(origins)) or (f"https://{domain}",))


def _is_development() -> bool:
    app = current_app_object()
    return bool(app.debug or app.testing or is_local(current_request_object().host))


@functools.cache
def _warn(text: str) -> None:
    _log.warning("requests for passkeys are answered with 404: %s", text)


def _refuse(text: str) -> NoReturn:
    _warn(text)
    raise NotFoundError(text)
