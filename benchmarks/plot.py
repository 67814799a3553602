"""All goals as bars in one SVG: how many times better than the limit."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .results import Goal, Result

# The name by which XML knows SVG (Scalable Vector Graphics 1.1 §5.1); nothing is fetched from it.
NAMESPACE = "http://www.w3.org/2000/svg"
WIDTH = 960
LABEL_WIDTH = 400
TOP = 56
STEP = 26
UNIT = 170
"""Pixels from nothing to the goal."""
LARGEST_SCORE = 2.4
COLOURS = {"met": "#2e7d32", "MISSED": "#c62828", "not measured": "#9e9e9e"}


def draw(results: Sequence[Result]) -> str:
    """The text of an SVG file."""
    goals = [(result.name, goal) for result in results for goal in result.goals]
    height = TOP + STEP * len(goals) + 24
    line = LABEL_WIDTH + UNIT
    parts = [
        f'<svg xmlns="{NAMESPACE}" width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        '<text x="12" y="22" font-size="16">Flask-Tessera: how many times better than the goal (by medians)</text>',
        *(_bar(TOP + STEP * index, name, goal) for index, (name, goal) in enumerate(goals)),
        f'<line x1="{line}" y1="{TOP - 8}" x2="{line}" y2="{height - 20}" stroke="#212121" stroke-dasharray="4 3"/>',
        f'<text x="{line}" y="{TOP - 12}" text-anchor="middle">goal</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _bar(top: int, name: str, goal: Goal) -> str:
    width = max(2.0, UNIT * min(goal.score, LARGEST_SCORE))
    measured = "" if goal.median is None else f"{goal.median:.2f}{goal.unit}; "
    return (
        f'<text x="{LABEL_WIDTH - 8}" y="{top + 15}" text-anchor="end">{escape(f"{name} {goal.what}")}</text>'
        f'<rect x="{LABEL_WIDTH}" y="{top + 2}" width="{width:.1f}" height="{STEP - 8}"'
        f' fill="{COLOURS[goal.verdict]}"/>'
        f'<text x="{LABEL_WIDTH + max(width, UNIT) + 8:.1f}" y="{top + 15}">'
        f"{escape(f'{measured}{goal.bound}: {goal.verdict}')}</text>"
    )
