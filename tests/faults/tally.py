"""What the faults came to: the invariants, counted."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, fields

READY_WITHIN = 5.0
"""Seconds after a fault within which a fresh process, or a running one, must answer as before (F01, F02)."""
ANSWERED_WITHIN = 3.0
"""Seconds that an answer may take, whatever is broken (F02)."""
ALLOWANCE = 0.5
"""Seconds that it takes client and application to send, to notice and to read."""


@dataclass
class Tally:
    """Counts of one part; times in seconds."""

    faults_injected: int = 0
    refreshes_raced: int = 0
    sessions_lost: int = 0
    double_spends: int = 0
    revoked_accepted: int = 0
    answers_outside_the_contract: int = 0
    unavailable: int = 0
    """Responses of 503: allowed, but their number tells whether a fault was felt at all."""
    worst_answer: float = 0.0
    worst_delay: float = 0.0
    """From the answer to an ending until no worker accepted the token any more."""
    worst_time_to_recover: float = 0.0
    notes: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    """What came too late: judged by the long form only, on a machine that does nothing else."""
    context: str = ""
    """What is just being done, for the notes."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def add(self, count: str) -> None:
        """Count one more of something; any thread may."""
        with self._lock:
            setattr(self, count, getattr(self, count) + 1)

    def fail(self, count: str, note: str) -> None:
        """Count a broken invariant, and say how it broke."""
        self.add(count)
        self.notes.append(f"{count}: {self.context}{': ' if self.context else ''}{note}")

    def come_late(self, note: str) -> None:
        """Note what came too late."""
        self.late.append(f"late: {self.context}{': ' if self.context else ''}{note}")

    def recovered_in(self, seconds: float) -> None:
        """Keep the longest time; one that is too long is late."""
        self.worst_time_to_recover = max(self.worst_time_to_recover, seconds)
        if seconds > READY_WITHIN:
            self.come_late(f"it worked again after {seconds:.1f} s")

    def refused_after(self, seconds: float) -> None:
        """Keep the longest time."""
        self.worst_delay = max(self.worst_delay, seconds)

    def answered_in(self, seconds: float, what: str, *, late: float = 0.0) -> None:
        """Keep the longest time; one that is too long is late.

        Args:
            seconds: from the request to the whole answer.
            what: for the note.
            late: seconds by which the machine itself has been late.
        """
        self.took(seconds)
        if seconds > ANSWERED_WITHIN + ALLOWANCE + late:
            self.come_late(f"{what} took {seconds:.1f} s")

    def took(self, seconds: float) -> None:
        """Keep the longest time of an answer, however long."""
        self.worst_answer = max(self.worst_answer, seconds)

    @property
    def is_clean(self) -> bool:
        """Whether every invariant held that no load of the machine decides."""
        return not self.notes

    @property
    def is_timely(self) -> bool:
        """Whether nothing was late."""
        return not self.late

    def rows(self) -> list[tuple[str, str]]:
        """For a table."""
        named = [
            (each.name.replace("_", " "), getattr(self, each.name))
            for each in fields(self)
            if each.name not in ("notes", "late", "context")
        ]
        return [(name, f"{value:.2f} s" if isinstance(value, float) else str(value)) for name, value in named]
