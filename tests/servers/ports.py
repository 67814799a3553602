"""Free ports that stay free: below those that the system gives to clients, which could take a dead server's."""

from __future__ import annotations

import secrets
import socket

LOWEST, HIGHEST = 12_000, 21_999
"""With the bus ports, all lie below 32768, where Linux's `ip_local_port_range` begins."""
BUS = 10_000
"""How far the bus port of a cluster's node lies above its port: Redis Cluster specification, "Cluster bus"."""


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Choose a port at random that is free, as is its bus port. It can be lost before it is used: try again.

    Raises:
        RuntimeError: There is none among a thousand.
    """
    for _ in range(1_000):
        port = LOWEST + secrets.randbelow(HIGHEST - LOWEST + 1)
        if is_free(port) and is_free(port + BUS):
            return port
    raise RuntimeError(f"no free port between {LOWEST} and {HIGHEST} on 127.0.0.1")
