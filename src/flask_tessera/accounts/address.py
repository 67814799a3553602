"""Client addresses, reduced to the network that one person can be taken to hold."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import Final

UNKNOWN: Final = "unknown"
"""The one bucket of everything that is no address, so that garbage buys no fresh counter."""
LONGEST_ADDRESS: Final = 64
"""Characters; an IPv6 address has at most 45, and a zone."""
HOST_BITS: Final = 64
"""One subscriber holds a whole /64 of IPv6 and may change within it at will (RFC 6177 §2)."""


def network_of(address: object) -> str:
    """The IPv4 address, the IPv6 /64, or `unknown`; IPv4 mapped into IPv6 counts as IPv4 (RFC 4291 §2.5.5.2).

    Args:
        address: the client's address as the server gives it, without a port; any object is safe.
    """
    if not isinstance(address, str) or len(address) > LONGEST_ADDRESS:
        return UNKNOWN
    try:
        parsed = ip_address(address)
    except ValueError:
        return UNKNOWN
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    # By number, which leaves out the zone: its text is the client's to choose.
    return str(IPv6Network((int(parsed) >> HOST_BITS << HOST_BITS, 128 - HOST_BITS)))
