"""Records in a PostgreSQL database, our own or a host's."""

from ....errors import ConfigError

try:
    # Asked for here, once for all modules below.
    import psycopg as _psycopg  # noqa: F401
except ImportError as error:
    raise ConfigError("STORE_URL: PostgreSQL needs psycopg; run: pip install 'flask-tessera[postgres]'") from error

from .storage import PostgresStorage

__all__ = ["PostgresStorage"]
