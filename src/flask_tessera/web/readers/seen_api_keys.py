"""API keys that this worker has read before, until it hears of a change."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...services.api_key_data import Network
    from ...services.revocation import RevocationView
    from ...sessions.revocations import Revocation
    from ..identity import Identity

MOST_REMEMBERED: Final = 4096
REMEMBERED_FOR: Final = 60
"""Seconds after which a key is read again in any case; and then its use is recorded."""


class SeenKey(NamedTuple):
    """What a key says, as it was read at Unix second `read_at`; good until `until`."""

    identity: Identity[Any]
    networks: tuple[Network, ...]
    key_id: bytes
    owner: tuple[str, str]
    """Realm and user id."""
    read_at: int
    until: int

    @property
    def names(self) -> tuple[bytes, tuple[str, str]]:
        """What the log would tell of, where something of the key changes."""
        return self.key_id, self.owner


class SeenKeys:
    """Remembers keys by their text. What an entry of the log is about is forgotten at once.

    Args:
        view: tells what is new in the log.
        most: keys to remember; then all are forgotten.
    """

    def __init__(self, view: RevocationView, *, most: int = MOST_REMEMBERED) -> None:
        self._view = view
        self._most = most
        self._lock = threading.Lock()
        self._keys: dict[str, SeenKey] = {}
        self._texts: dict[Any, set[str]] = {}
        self.get = self._keys.get
        """What was remembered of a text; None for nothing."""
        view.listen(self.hear)

    def remember(self, text: str, key: SeenKey, *, heard: int) -> None:
        """Keep what was read, unless it may have changed meanwhile, or be about to.

        Args:
            text: the API key.
            key: what was read.
            heard: that of the view before the reading.
        """
        with self._lock:
            if self._view.heard != heard or self._view.is_undecided(*key.owner):
                return
            if len(self._keys) >= self._most:
                self._forget_all()
            self._forget([text])
            self._keys[text] = key
            for name in key.names:
                self._texts.setdefault(name, set()).add(text)

    def hear(self, entries: Sequence[Revocation]) -> None:
        """Forget what these entries are about; without any, everything."""
        with self._lock:
            if not entries:
                self._forget_all()
            elif self._keys:
                for entry in entries:
                    self._forget(tuple(self._texts.get(entry.sid or (entry.realm, entry.user_id), ())))

    def _forget(self, texts: Sequence[str]) -> None:
        for text in texts:
            known = self._keys.pop(text, None)
            for name in known.names if known else ():
                self._texts[name].discard(text)
                if not self._texts[name]:
                    del self._texts[name]

    def _forget_all(self) -> None:
        self._keys.clear()
        self._texts.clear()
