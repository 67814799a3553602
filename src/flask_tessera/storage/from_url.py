"""A URL, an engine or a Flask-SQLAlchemy object to a storage: the one place that names them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, missing_extra

if TYPE_CHECKING:
    import sqlalchemy

    from .engine import Storage

_KNOWN = "memory:, sqlite:///file.db, postgresql://host/database, mysql://host/database or redis://host:6379/0"


def open_storage(url: str, *, folder: str = "", make_folder: bool = False) -> Storage:
    """Make the storage that `url` names; it connects at first use.

    Args:
        url: `memory:`, `sqlite:///relative/path` or `sqlite:////absolute/path`;
            `postgresql://user:password@host:5432/database`, with `?schema=` for another than `tessera`;
            `mysql://user:password@host:3306/database` (or `mariadb:`), with `?pool=` for more or fewer than 16
            connections of a process;
            `redis://user:password@host:6379/0`, `redis+cluster://host:6379,host:6379` or
            `redis+sentinel://host:26379,host:26379/master/0`, with `rediss` in place of `redis` for TLS, or
            `redis+unix:///run/redis.sock?db=0`; with `?prefix=` to begin its keys otherwise than with `tessera`,
            `?pool=` for the connections per process and server, and for a cluster `?remap=there:port=here:port,…`.
        folder: what a relative path is relative to; the working directory by default.
        make_folder: whether `folder` may be created for a file in it, at first use.

    Raises:
        ConfigError: nothing of that name is known, or its driver is not installed.
    """
    scheme, colon, rest = url.partition(":")
    if not colon:
        raise ConfigError(f"STORE_URL: {url!r} is not a URL; use {_KNOWN}")
    if scheme == "memory":
        if rest:
            raise ConfigError("STORE_URL: memory: takes nothing after the colon")
        from .memory import MemoryStorage

        return MemoryStorage()
    if scheme == "sqlite":
        return _open_sqlite(rest, folder, make_folder)
    if scheme.partition("+")[0] in {"postgresql", "postgres"}:
        from .sql.postgres import PostgresStorage

        return PostgresStorage(url)
    if scheme.partition("+")[0] in {"mysql", "mariadb"}:
        from .sql.mysql import MySQLStorage

        return MySQLStorage(url)
    if scheme.partition("+")[0] in ("redis", "rediss", "unix"):
        return _open_redis(url)
    # The URL may hold a password: only its scheme is repeated.
    raise ConfigError(f"STORE_URL: {scheme!r} is not supported; use {_KNOWN}")


def open_engine(source: Any) -> Storage:
    """Make a storage in the database of an SQLAlchemy engine, or of an object that has one (`db.engine`).

    Flask-SQLAlchemy knows its engine within the application context only.

    Raises:
        ConfigError: `source` is neither, or the database is not supported, or it connects by more than a URL can say.
    """
    refuse_other(source)
    engine = _engine_of(source)
    name = engine.url.get_backend_name()
    if name == "sqlite":
        from .sql.sqlite import SQLiteStorage

        return SQLiteStorage.of_host(engine.url)
    if name == "postgresql":
        from .sql.postgres import PostgresStorage
        from .sql.url import url_of_engine

        return PostgresStorage(url_of_engine(engine))
    if name in {"mysql", "mariadb"}:
        from .sql.mysql import MySQLStorage
        from .sql.url import url_of_engine

        return MySQLStorage(url_of_engine(engine))
    known = "sqlite:///file, postgresql://host/db, mysql://host/db or memory:"
    raise ConfigError(f"STORE_URL: {name} is not supported; use {known}")


def refuse_other(source: Any) -> None:
    """Refuse what is no engine and has none, without asking for it.

    Raises:
        ConfigError: `source` is neither.
    """
    if not hasattr(source, "raw_connection") and not hasattr(type(source), "engine"):
        raise ConfigError(f"storage must be a URL, an engine or an object with .engine, not {type(source).__name__}")


def _open_sqlite(rest: str, folder: str, make_folder: bool) -> Storage:
    path = rest.removeprefix("///")
    if path == rest or not path or path == ":memory:":
        raise ConfigError("STORE_URL: SQLite needs a file, sqlite:///file.db; for tests use memory:")
    if "?" in path:
        raise ConfigError("STORE_URL: a sqlite URL takes no options")
    from .sql.sqlite import SQLiteStorage

    file = Path(folder, path).absolute()
    return SQLiteStorage(str(file), makes_folder=make_folder and file.parent == Path(folder).absolute())


def _open_redis(url: str) -> Storage:
    try:
        from .redis import RedisStorage
    except ImportError as error:
        raise missing_extra("STORE_URL: Redis needs the module redis", "redis") from error
    return RedisStorage(url)


def is_in_memory(source: Any) -> bool:
    """Whether the database of an engine, or of an object that has one, lives in the memory of one process."""
    url = url_of(source)
    if url.get_backend_name() != "sqlite":
        return False
    return not url.database or ":memory:" in url.database or url.query.get("mode") == "memory"


def url_of(source: Any) -> sqlalchemy.URL:
    """The URL of an engine, or of the engine that an object has."""
    url: sqlalchemy.URL = _engine_of(source).url
    return url


def _engine_of(source: Any) -> Any:
    return source if hasattr(source, "raw_connection") else source.engine
