"""What a request tells of the client: address, user agent, device. All of it is hearsay, so all of it is bounded."""

from __future__ import annotations

import re
from typing import Final

from flask import request

from ..services.ports import Caller
from ..sessions.record import Device

_LONGEST_USER_AGENT: Final = 256
_LONGEST_ADDRESS: Final = 64
_LONGEST_TYPE: Final = 32
_LONGEST_NAME: Final = 128
# Controls and lone surrogates, and what turns the direction of writing: none may forge a log line or a page.
_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str, longest: int) -> str:
    """`text` without control characters, at most `longest` characters of it."""
    return _UNSAFE.sub("", text[: 4 * longest])[:longest]


def clean_device(device: Device) -> Device:
    """A device as it may be stored."""
    return Device(clean(device.type, _LONGEST_TYPE), clean(device.id, _LONGEST_NAME), clean(device.name, _LONGEST_NAME))


def caller_from_request(trusted_proxies: int) -> Caller:
    """Who sent the present request, believing so many proxies."""
    user_agent = request.environ.get("HTTP_USER_AGENT", "")
    return Caller(clean(address(trusted_proxies), _LONGEST_ADDRESS), clean(user_agent, _LONGEST_USER_AGENT))


def address(trusted_proxies: int) -> str:
    """The client's address: the peer's, or what the farthest trusted proxy saw (X-Forwarded-For, from the right)."""
    peer = request.remote_addr or ""
    if not trusted_proxies:
        return peer
    hops = [hop.strip() for hop in request.environ.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
    return _without_port(hops[-trusted_proxies]) if len(hops) >= trusted_proxies else peer


def _without_port(hop: str) -> str:
    """Some proxies add the port; an IPv6 address stands in brackets then (RFC 3986 §3.2.2)."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
