"""Real servers for the tests, started by themselves: shared ones for a run, private ones to be broken."""

from .binaries import NoServerError
from .cluster import Cluster
from .mariadb import MariaDBServer
from .postgres import PostgresServer
from .redis import NoAnswerError, RedisServer
from .sentinel import Sentinel
from .server import ServerError
from .sharing import KINDS, Address, fresh, fresh_database, fresh_url, is_available, shared, why_not
from .tls import TlsRelay
from .waiting import wait_until

__all__ = [
    "KINDS",
    "Address",
    "Cluster",
    "MariaDBServer",
    "NoAnswerError",
    "NoServerError",
    "PostgresServer",
    "RedisServer",
    "Sentinel",
    "ServerError",
    "TlsRelay",
    "fresh",
    "fresh_database",
    "fresh_url",
    "is_available",
    "shared",
    "wait_until",
    "why_not",
]
