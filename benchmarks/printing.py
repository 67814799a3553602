"""Results as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .results import Goal, Result

GOAL_COLUMNS = ("goal", "limit", "by medians", "by minima", "verdict")


def show(result: Result) -> None:
    """Print one benchmark: what was compared, the figures, the goals."""
    print(f"\n{result.name}  {result.title}")
    for note in result.notes:
        print(f"    {note}")
    _print_table(result.columns, result.rows)
    if result.goals:
        print()
        _print_table(GOAL_COLUMNS, [_goal_row(goal) for goal in result.goals])


def summarise(results: Sequence[Result]) -> None:
    """Print which goals were met, in one line for each that was not."""
    goals = [(result.name, goal) for result in results for goal in result.goals]
    counts = {
        verdict: sum(goal.verdict == verdict for _, goal in goals) for verdict in ("met", "MISSED", "not measured")
    }
    print("\n" + ", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    for name, goal in goals:
        if goal.verdict != "met":
            print(f"    {goal.verdict}: {name} {goal.what} {goal.bound}, measured {_text(goal.median)}{goal.unit}")


def _goal_row(goal: Goal) -> tuple[str, ...]:
    verdict = goal.verdict + (" (medians and minima disagree)" if goal.is_disputed else "")
    return (goal.what, goal.bound, _text(goal.median), _text(goal.minimum), verdict)


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    lines = [tuple(columns), *(tuple(_text(value) for value in row) for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    is_number = [all(isinstance(row[index], int | float | None) for row in rows) for index in range(len(columns))]
    for line in lines:
        cells = zip(line, widths, is_number, strict=True)
        print("    " + "  ".join(f"{text:>{width}}" if right else f"{text:<{width}}" for text, width, right in cells))


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}"
    return str(value)
