"""Records in a PostgreSQL database, our own or a host's."""

from ....errors import missing_extra

try:
    # Asked for here, once for all modules below.
    import psycopg as _psycopg  # noqa: F401
except ImportError as error:
    raise missing_extra("STORE_URL: PostgreSQL needs psycopg", "postgres") from error

from .storage import PostgresStorage

__all__ = ["PostgresStorage"]
