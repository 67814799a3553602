"""Sends the signal `session_revoked_here`: this worker has learned of a revocation."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ..errors import StorageUnavailableError
from ..services.keys import sid_text
from ..services.ports import RevocationNotice
from ..signals import session_revoked_here
from .signal_sending import send

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask import Flask

    from ..sessions.revocations import Revocation
    from ..storage.engine import Sessions

_PAUSE: Final = 0.2
"""Seconds between two looks whether it has happened."""
_TRIES: Final = 25


class RevocationSignal:
    """Listens to the view of a worker, whose lock is held meanwhile, and calls receivers in a thread of its own.

    The thread is started when there is something to tell to somebody, and ends when all of it is told. What was only
    announced is told once the storage says that it has happened: the log need not say so.

    Args:
        app: the sender.
        sessions: of the storage.
    """

    def __init__(self, app: Flask, sessions: Sessions) -> None:
        self._app = app
        self._sessions = sessions
        self._lock = threading.Lock()
        self._waiting: deque[Revocation] = deque()
        self._thread: threading.Thread | None = None

    def hear(self, entries: Sequence[Revocation]) -> None:
        """Have the receivers told; without any of them this costs nothing."""
        if not entries or not session_revoked_here.has_receivers_for(self._app):
            return
        with self._lock:
            self._waiting.extend(entries)
            if self._thread is None:
                # Where no thread can be started, the next revocation tells of this one too.
                with suppress(RuntimeError):
                    thread = threading.Thread(target=self._tell, name="tessera-revocation-signal", daemon=True)
                    thread.start()
                    self._thread = thread

    def _tell(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                entry = self._waiting.popleft()
            if not entry.is_intent or self._will_happen(entry):
                send(self._app, session_revoked_here, revocation=_notice_of(entry))

    def _will_happen(self, entry: Revocation) -> bool:
        """Whether what was announced happens soon; who announces it carries it out at once, or never."""
        pause = threading.Event()
        for _ in range(_TRIES):
            with suppress(StorageUnavailableError):
                if self._has_happened(entry):
                    return True
            pause.wait(_PAUSE)
        return False

    def _has_happened(self, entry: Revocation) -> bool:
        if not entry.sid:
            return self._sessions.principal(entry.realm, entry.user_id).epoch >= entry.epoch
        found = self._sessions.find(entry.sid)
        return found is None or bool(found.session.ended_at)


def _notice_of(entry: Revocation) -> RevocationNotice:
    if entry.sid:
        return RevocationNotice(entry.reason, session_id=sid_text(entry.sid))
    excepted = sid_text(entry.except_sid) if entry.except_sid else ""
    return RevocationNotice(entry.reason, realm=entry.realm, user_id=entry.user_id, except_session_id=excepted)
