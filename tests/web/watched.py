"""A storage that notes what is asked of it."""

from __future__ import annotations

from flask_tessera.storage.memory import MemoryStorage


class Port:
    """One port of a storage; tells `note` what is called, and with what."""

    def __init__(self, port, note):
        self._port = port
        self._note = note

    def __getattr__(self, name):
        found = getattr(self._port, name)
        if not callable(found):
            return found

        def step(*given, **named):
            self._note(name, given)
            return found(*given, **named)

        return step


class WatchedStorage(MemoryStorage):
    """Keeps in `calls` what `noted` makes of each call of its sessions and values, in their order; None is left out."""

    def __init__(self, noted=lambda name, _given: name):
        super().__init__()
        self.calls = []
        self._noted = noted
        self.sessions = Port(self.sessions, self._note)
        self.values = Port(self.values, self._note)

    def _note(self, name, given):
        call = self._noted(name, given)
        if call is not None:
            self.calls.append(call)
