"""All records of a storage, for moving them to another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..sessions import transitions
from .model import Page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..sessions.model import Session, SessionWithPrincipal
    from ..sessions.transitions import Changes
    from .contract import RevocationLog, SessionStore
    from .key_value import KeyValue

_VALUES: Final = "values:"


class Records:
    """All records, for moving them to another storage. Not one step: nobody else may write meanwhile."""

    def __init__(self, sessions: SessionStore, log: RevocationLog, values: KeyValue) -> None:
        self._sessions = sessions
        self._log = log
        self._values = values

    def read(self, cursor: str, *, most: int) -> Page:
        """About `most` records after `cursor`, from an empty text on; one may come twice, none is passed over."""
        if not cursor.startswith(_VALUES):
            page = self._sessions.read(cursor, most=most)
            return page if page.cursor else Page(page.sessions, page.principals, cursor=_VALUES)
        page = self._values.read(cursor.removeprefix(_VALUES), most=most)
        return Page(values=page.values, cursor=_VALUES + page.cursor if page.cursor else "")

    def write(self, page: Page, *, at: int) -> None:
        """Put records as they are, epochs included, at Unix second `at`; what is there already is never turned back."""
        principals = {(each.realm, each.user_id): each for each in page.principals}
        if principals:
            self._sessions.change_principals(
                list(principals),
                lambda present: transitions.merge_principal(present, principals[present.realm, present.user_id]),
                at=at,
            )
        if page.sessions:
            self._write_sessions(page.sessions, at)
        for value in page.values:
            self._values.restore(value, at=at)

    def _write_sessions(self, sessions: Sequence[Session], at: int) -> None:
        moved = {each.sid: each for each in sessions}
        valid_from = self._log.head(at=at).valid_from

        def decide(sid: bytes, found: SessionWithPrincipal | None) -> tuple[Changes, None]:
            present = found.session if found else None
            return transitions.merge_session(present, moved[sid], valid_from=valid_from), None

        self._sessions.change_sessions(list(moved), decide, at=at)
