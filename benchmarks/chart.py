"""Curves as SVG: what a cost does when a table grows, how delays are distributed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from .plot import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Iterator

    Points = list[tuple[float, float]]

WIDTH, HEIGHT = 960, 460
LEFT, TOP, BOTTOM = 72, 48, 410
RIGHT = 640
"""Where the plane ends and the legend begins."""
COLOURS = ("#1565c0", "#c62828", "#2e7d32", "#ef6c00", "#6a1b9a", "#00838f", "#5d4037", "#455a64", "#ad1457")
STEPS = 5
"""Lines across a linear axis."""


@dataclass(frozen=True, slots=True)
class Axis:
    """What is along it, and how it is divided; `lowest` of a linear axis is 0."""

    label: str
    is_logarithmic: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """Several curves in one plane, each with its name; `limit` is drawn as a line across."""

    title: str
    x: Axis
    y: Axis
    curves: dict[str, Points] = field(default_factory=dict)
    limit: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {"title": self.title, "x": self.x.label, "y": self.y.label, "curves": self.curves, "limit": self.limit}


@dataclass(frozen=True, slots=True)
class _Scale:
    """From values to pixels."""

    lowest: float
    highest: float
    start: float
    end: float
    is_logarithmic: bool

    def pixel(self, value: float) -> float:
        if self.is_logarithmic:
            share = math.log(max(value, self.lowest) / self.lowest) / math.log(self.highest / self.lowest)
        else:
            share = (value - self.lowest) / (self.highest - self.lowest)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        if self.is_logarithmic:
            powers = range(round(math.log10(self.lowest)), round(math.log10(self.highest)) + 1)
            return [10.0**power for power in powers]
        return [self.highest * step / STEPS for step in range(STEPS + 1)]


def draw(chart: Chart) -> str:
    """The text of an SVG file."""
    points = [point for curve in chart.curves.values() for point in curve] or [(1.0, 1.0)]
    x = _scale([point[0] for point in points], LEFT, RIGHT, chart.x)
    y = _scale([*(point[1] for point in points), *([chart.limit] if chart.limit else [])], BOTTOM, TOP, chart.y)
    parts = [
        f'<svg xmlns="{NAMESPACE}" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="12" y="22" font-size="16">{escape(chart.title)}</text>',
        *_grid(chart, x, y),
        *_limit(chart, y),
        *_curves(chart, x, y),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _scale(values: list[float], start: float, end: float, axis: Axis) -> _Scale:
    if not axis.is_logarithmic:
        return _Scale(0.0, _round_up(max(values)), start, end, is_logarithmic=False)
    positive = [value for value in values if value > 0] or [1.0]
    lowest, highest = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
    return _Scale(10.0**lowest, 10.0 ** max(highest, lowest + 1), start, end, is_logarithmic=True)


def _round_up(value: float) -> float:
    """The next number that five steps divide well."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(factor * unit for factor in (1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10) if factor * unit >= value * 0.999)


def _grid(chart: Chart, x: _Scale, y: _Scale) -> Iterator[str]:
    for value in x.ticks():
        at = x.pixel(value)
        yield f'<line x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{BOTTOM}" stroke="#e0e0e0"/>'
        yield f'<text x="{at:.1f}" y="{BOTTOM + 18}" text-anchor="middle">{value:,.6g}</text>'
    for value in y.ticks():
        at = y.pixel(value)
        yield f'<line x1="{LEFT}" y1="{at:.1f}" x2="{RIGHT}" y2="{at:.1f}" stroke="#e0e0e0"/>'
        yield f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{value:,.6g}</text>'
    yield f'<text x="{(LEFT + RIGHT) / 2}" y="{BOTTOM + 40}" text-anchor="middle">{escape(chart.x.label)}</text>'
    yield f'<text x="{LEFT}" y="{TOP - 8}">{escape(chart.y.label)}</text>'


def _limit(chart: Chart, y: _Scale) -> Iterator[str]:
    if chart.limit is not None:
        at = y.pixel(chart.limit)
        yield f'<line x1="{LEFT}" y1="{at:.1f}" x2="{RIGHT}" y2="{at:.1f}" stroke="#212121" stroke-dasharray="4 3"/>'
        yield f'<text x="{RIGHT + 8}" y="{at + 4:.1f}">limit</text>'


def _curves(chart: Chart, x: _Scale, y: _Scale) -> Iterator[str]:
    for index, (name, curve) in enumerate(chart.curves.items()):
        colour = COLOURS[index % len(COLOURS)]
        points = " ".join(f"{x.pixel(across):.1f},{y.pixel(up):.1f}" for across, up in curve)
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        top = TOP + 40 + 22 * index
        yield f'<line x1="{RIGHT + 60}" y1="{top}" x2="{RIGHT + 84}" y2="{top}" stroke="{colour}" stroke-width="3"/>'
        yield f'<text x="{RIGHT + 92}" y="{top + 5}">{escape(name)}</text>'
