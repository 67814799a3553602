"""The service's own users: in its SQLite file, or beside the sessions in PostgreSQL."""

from .opening import open_users
from .operations import Users
from .user import User

__all__ = ["User", "Users", "open_users"]
