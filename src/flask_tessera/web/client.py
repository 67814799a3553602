"""What a request tells of the client: address, user agent, device. All of it is hearsay, so all of it is bounded."""

from __future__ import annotations

import logging
import re
from typing import Final

from flask import has_request_context

from ..services.ports import UNKNOWN_CLIENT, ClientInfo
from ..sessions.model import Device
from .current import current_app_object, current_request_object

LONGEST_NAME_READ: Final = 512
"""Characters that are looked at of a name that somebody gives something."""
_LONGEST_USER_AGENT: Final = 256
_LONGEST_ADDRESS: Final = 64
_LONGEST_TYPE: Final = 32
_LONGEST_NAME: Final = 128
# Controls, lone surrogates, and of the format characters (Unicode category Cf) those that show nothing or turn the
# direction of writing: none may forge a log line or a page, or hide text in a name. The joiners U+200C and U+200D stay,
# with which Persian, Indian scripts and emoji are written, and so do signs that are seen, such as U+06DD.
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)
_WARNED: Final = "tessera_forwarded_warned"
_log = logging.getLogger("flask_tessera")


def clean(text: str, most: int) -> str:
    """`text` without what controls or hides, at most so many characters of it."""
    return _UNSAFE.sub("", text[: 4 * most])[:most]


def clean_device(device: Device) -> Device:
    """A device as it may be stored."""
    return Device(clean(device.type, _LONGEST_TYPE), clean(device.id, _LONGEST_NAME), clean(device.name, _LONGEST_NAME))


def client_info(trusted_proxies: int) -> ClientInfo:
    """Who sent the present request, believing so many proxies; nobody outside a request."""
    if not has_request_context():
        return UNKNOWN_CLIENT
    user_agent = _as_sent(current_request_object().environ.get("HTTP_USER_AGENT", ""))
    return ClientInfo(clean(address(trusted_proxies), _LONGEST_ADDRESS), clean(user_agent, _LONGEST_USER_AGENT))


def address(trusted_proxies: int) -> str:
    """The client's address: the peer's, or what the farthest trusted proxy saw (X-Forwarded-For, from the right)."""
    request = current_request_object()
    peer = request.remote_addr or ""
    forwarded = request.environ.get("HTTP_X_FORWARDED_FOR", "")
    if not trusted_proxies:
        if forwarded:
            _warn_once()
        return peer
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    return _without_port(hops[-trusted_proxies]) if len(hops) >= trusted_proxies else peer


def _warn_once() -> None:
    extensions = current_app_object().extensions
    if not extensions.get(_WARNED):
        extensions[_WARNED] = True
        _log.warning(
            "requests carry X-Forwarded-For while TESSERA_TRUSTED_PROXIES is 0: if a proxy of yours adds it, all"
            " clients have the proxy's address here and share one login limit; set it to the number of proxies"
        )


def _as_sent(header: str) -> str:
    """WSGI gives the bytes of a header as Latin-1 (PEP 3333); what is UTF-8 is read as that."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header


def _without_port(hop: str) -> str:
    """Some proxies add the port; an IPv6 address stands in brackets then (RFC 3986 §3.2.2)."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
