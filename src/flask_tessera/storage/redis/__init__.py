"""Records in Redis or Valkey: one server, one watched by sentinels, or a cluster."""

from .storage import RedisStorage

__all__ = ["RedisStorage"]
