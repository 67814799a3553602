"""Sessions of users whose SQLAlchemy objects are deleted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from ..errors import TesseraError

if TYPE_CHECKING:
    from .actions import Actions

_KEY: Final = "tessera_deleted_users"
_log = logging.getLogger("flask_tessera")


def revoke_on_delete(actions: Actions[Any], model: type) -> None:
    """End all sessions of each deleted `model`, once its deletion has committed; see `Tessera.revoke_on_delete`."""
    from sqlalchemy import event, inspect
    from sqlalchemy.orm import Session

    def on_delete(_mapper: Any, _connection: Any, user: Any) -> None:
        session: Any = inspect(user).session
        session.info.setdefault(_KEY, []).append((actions, actions.id_of(user)))

    event.listen(model, "after_delete", on_delete, propagate=True)
    # Listening twice to the same function counts once.
    event.listen(Session, "after_commit", _on_commit)
    event.listen(Session, "after_rollback", _on_rollback)


def _on_commit(session: Any) -> None:
    # Not before: our write would wait for the host's transaction, where both are in one SQLite file.
    for actions, user_id in session.info.pop(_KEY, ()):
        _revoke(actions, user_id)


def _on_rollback(session: Any) -> None:
    session.info.pop(_KEY, None)


def _revoke(actions: Actions[Any], user_id: str) -> None:
    try:
        actions.revoke_user_id(user_id, "user_gone")
    except TesseraError:
        # The deletion is done: an error now would hide that from the view. The loader knows no such user any more.
        _log.exception("the sessions of a deleted user could not be ended; end them with `flask tessera sessions`")
