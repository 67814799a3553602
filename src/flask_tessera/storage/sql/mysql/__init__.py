"""Records in a MySQL or MariaDB database, our own or a host's."""

from ....errors import missing_extra

try:
    # Asked for here, once for all modules below.
    import pymysql as _pymysql  # noqa: F401
except ImportError as error:
    raise missing_extra("STORE_URL: MySQL needs PyMySQL", "mysql") from error

from .storage import MySQLStorage

__all__ = ["MySQLStorage"]
