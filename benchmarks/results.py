"""What a benchmark found: a table, and how it stands to the goals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from .chart import Chart
    from .timing import Timing

Verdict = Literal["met", "MISSED", "not measured"]


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure and its limit.

    Medians judge; minima stand beside them, None where there is no such thing. `median` is None where the peer is
    not installed.
    """

    what: str
    limit: float
    at_least: bool
    median: float | None
    minimum: float | None = None
    unit: str = ""

    @property
    def verdict(self) -> Verdict:
        if self.median is None:
            return "not measured"
        return "met" if self._is_within(self.median) else "MISSED"

    @property
    def is_disputed(self) -> bool:
        """Whether minima and medians disagree: look at the machine before believing either."""
        if self.median is None or self.minimum is None:
            return False
        return self._is_within(self.median) != self._is_within(self.minimum)

    @property
    def score(self) -> float:
        """How many times better than the limit; of a limit of nothing, 1 or 0; 0 where nothing was measured."""
        if self.median is None or not self.limit:
            return float(self.verdict == "met")
        return self.median / self.limit if self.at_least else self.limit / max(self.median, self.limit / 100)

    @property
    def bound(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}{self.unit}"

    def _is_within(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


def ratio_goal(what: str, above: Timing | None, below: Timing | None, limit: float, *, at_least: bool = True) -> Goal:
    """A goal for the ratio of two timings, either of which may be missing."""
    if above is None or below is None:
        return Goal(what, limit, at_least, None)
    return Goal(what, limit, at_least, *above.over(below))


@dataclass(frozen=True, slots=True)
class Result:
    """One benchmark's outcome; `notes` say what was compared, and what was left out; `charts` show more than goals."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    goals: list[Goal]
    notes: list[str] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        goals = [
            {
                "what": goal.what,
                "goal": goal.bound,
                "by medians": goal.median,
                "by minima": goal.minimum,
                "verdict": goal.verdict,
            }
            for goal in self.goals
        ]
        rows = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        charts = [chart.to_json() for chart in self.charts]
        return {"title": self.title, "rows": rows, "goals": goals, "notes": self.notes, "charts": charts}


TIMING_COLUMNS = ("who", "version", "CPU µs min", "CPU µs median", "÷ ours (medians)", "÷ ours (minima)")


def timing_rows(timings: dict[str, Timing], versions: dict[str, str], ours: str) -> list[tuple[Any, ...]]:
    """A row for each contestant, beside the one that is `ours`."""
    return [
        (name, versions.get(name, ""), timing.minimum, timing.median, *timing.over(timings[ours]))
        for name, timing in timings.items()
    ]
