"""Waitress with a bounded share of the connections for each client address, and short times to wait for a request.

Waitress gives a thread to each request, but none to a connection that waits: that costs it only a file descriptor, of
which it takes `connection_limit`. With its defaults (100, and two minutes), one client's 100 idle connections keep
everybody else out. Here the limit is what the machine's limit of open files allows, a connection beyond its address'
share is closed at once, and so is one that does not send a complete request in time, however slowly it sends.
"""

from __future__ import annotations

import ipaddress
import logging
import select
import time
from typing import TYPE_CHECKING, Any, Final

from waitress.channel import HTTPChannel

from .framing import StrictParser

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from waitress.server import TcpWSGIServer

HEADERS_TIME: Final = 10
"""Seconds in which the header of a connection's first request must be complete."""
IDLE_TIME: Final = 30
"""Seconds for which a connection that was served waits for a further request, and any for the body of one."""
LEAST_SHARE: Final = 16
"""Connections of one address in any case: a browser opens six, and several people may share an address."""
_PARTS: Final = 8
"""One address may hold one part of so many of all connections."""
_MOST: Final = 2048
_MOST_OF_SELECT: Final = 400
"""Windows' select takes 512 sockets."""
_OTHER_FILES: Final = 128
"""Descriptors for the log, the storage, the users and whatever else."""
_WARNING_PAUSE: Final = 60.0
_log = logging.getLogger("flask_tessera")


def connection_limit() -> int:
    """How many connections this process can hold."""
    if not hasattr(select, "poll"):
        return _MOST_OF_SELECT
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if soft == resource.RLIM_INFINITY else max(LEAST_SHARE, min(_MOST, soft - _OTHER_FILES))


def share_of(limit: int) -> int:
    """How many of `limit` connections one client address may hold."""
    return max(LEAST_SHARE, limit // _PARTS)


def network_of(address: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 network in which an IPv6 client chooses its addresses."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))


class PatientChannel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    """A connection that is closed when it waits for too long; a request that is being served is never cut off."""

    parser_class = StrictParser
    network = ""
    clock: Callable[[], float] = staticmethod(time.time)
    _was_served = False
    _waits_since = 0.0
    """When it was last served; 0 for never."""

    def readable(self) -> bool:
        """Whether to read from it; waitress asks at least once a second, so it is closed here."""
        now = self.clock()
        if self.requests or self.total_outbufs_len:
            self._was_served, self._waits_since = True, now
        elif now - (self._waits_since or self.creation_time) > self._patience():
            self.will_close = True
        return bool(super().readable())

    def _patience(self) -> int:
        request: Any = self.request
        if request is None:
            return IDLE_TIME if self._was_served else HEADERS_TIME
        has_more_time = self._was_served or request.headers_finished
        return HEADERS_TIME + IDLE_TIME if has_more_time else HEADERS_TIME


class FairAccept:
    """Takes the place of a waitress server's `channel_class`: makes a channel, unless its address has its share.

    Args:
        share: how many connections one address may hold; 0 for any number: behind a proxy, one address is everybody.
    """

    def __init__(self, share: int) -> None:
        self._share = share
        self._warned_at = float("-inf")

    def __call__(self, server: TcpWSGIServer, connection: socket.socket, address: Any, *rest: Any, **more: Any) -> None:
        """Take or close a connection."""
        network = network_of(str(address[0]))
        held = sum(each.network == network for each in server.active_channels.values())
        if self._share and held >= self._share:
            connection.close()
            self._warn(network)
            return
        channel = PatientChannel(server, connection, address, *rest, **more)
        channel.network = network

    def _warn(self, network: str) -> None:
        if time.monotonic() - self._warned_at > _WARNING_PAUSE:
            self._warned_at = time.monotonic()
            _log.warning(
                "%s holds its share of %d connections, and any more are closed at once;"
                " if it is a proxy, set TESSERA_TRUSTED_PROXIES",
                network,
                self._share,
            )
