"""What the faults came to: the invariants, counted."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

READY_WITHIN = 5.0
"""Seconds after a kill within which a fresh process must answer (F01)."""


@dataclass
class Tally:
    """Counts of one part; times in seconds."""

    faults_injected: int = 0
    refreshes_raced: int = 0
    sessions_lost: int = 0
    double_spends: int = 0
    revoked_accepted: int = 0
    answers_outside_the_contract: int = 0
    worst_time_to_recover: float = 0.0
    notes: list[str] = field(default_factory=list)

    def fail(self, count: str, note: str) -> None:
        """Count a broken invariant, and say how it broke."""
        setattr(self, count, getattr(self, count) + 1)
        self.notes.append(f"{count}: {note}")

    def recovered_in(self, seconds: float) -> None:
        """Keep the longest time."""
        self.worst_time_to_recover = max(self.worst_time_to_recover, seconds)

    @property
    def is_clean(self) -> bool:
        """Whether every invariant held."""
        return not self.notes and self.worst_time_to_recover <= READY_WITHIN

    def rows(self) -> list[tuple[str, str]]:
        """For a table."""
        named = [
            (each.name.replace("_", " "), getattr(self, each.name)) for each in fields(self) if each.name != "notes"
        ]
        return [(name, f"{value:.2f} s" if isinstance(value, float) else str(value)) for name, value in named]
