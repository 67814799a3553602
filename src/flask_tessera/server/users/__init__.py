"""The service's own users: one table, in whichever SQL database `TESSERA_USERS_URL` names."""

from .opening import SQL, USERS_URL, open_users, scheme_of
from .repository import Users
from .store import ServiceUsers
from .user import User

__all__ = ["SQL", "USERS_URL", "ServiceUsers", "User", "Users", "open_users", "scheme_of"]
