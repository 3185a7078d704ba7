"""Line charts of reports as SVG, drawn without a library, since a report holds all that it needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from kd_core.base.marks import ROLES

WIDTH, HEIGHT = 520, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 40
MAX_TICKS = 6


@dataclass(frozen=True)
class Line:
    """Curve of one network; ``kind`` gives dash and marker, ``index`` the colour by the class ``network-index``."""

    title: str
    kind: str
    index: int
    x: Sequence[float]
    y: Sequence[float]


def line_chart(lines: Sequence[Line], x_title: str, y_title: str) -> str:
    """Return an SVG with a description of every curve. Raises ValueError without any point."""
    x_low, x_high = _range([value for line in lines for value in line.x])
    y_low, y_high = _range([value for line in lines for value in line.y])

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - (y - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM),
        )

    ends = "; ".join(f"{line.title} from {line.y[0]:.4g} to {line.y[-1]:.4g}" for line in lines)
    title = escape(f"{y_title} over {x_title}: {ends}.")
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}"><title>{title}</title>']
    for tick in ticks(y_low, y_high):
        _, y = place(x_low, tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:,.10g}</text>')
    for tick in ticks(x_low, x_high):
        x, _ = place(tick, y_low)
        parts.append(f'<text class="tick" x="{x:.1f}" y="{HEIGHT - 20}" text-anchor="middle">{tick:,.10g}</text>')
    parts.append(f'<text class="tick" x="{WIDTH / 2}" y="{HEIGHT - 3}" text-anchor="middle">{escape(x_title)}</text>')
    for line in lines:
        look = ROLES[line.kind]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*pair) for pair in zip(line.x, line.y, strict=True)))
        dash = "" if look["dash"] == "solid" else f' stroke-dasharray="{look["dash"].replace("px", "")}"'
        parts.append(
            f'<g class="network-{line.index}"><polyline points="{points}" fill="none" stroke="var(--colour)" '
            f'stroke-width="{look["width"]}"{dash}/>{_marker(line.kind, *place(line.x[-1], line.y[-1]))}</g>'
        )
    return "".join([*parts, "</svg>"])


@dataclass(frozen=True)
class Column:
    """Values of one column of a chart, one per seed, with the mark of their mean, and what was predicted."""

    title: str
    kind: str
    values: Sequence[float]
    predicted: float | None = None


def column_chart(columns: Sequence[Column], y_title: str, low: float, high: float) -> str:
    """Return an SVG of columns, each with its seeds as dots, their mean, and the prediction as a hollow diamond."""
    width = (WIDTH - LEFT - RIGHT) / len(columns)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (min(high, max(low, value)) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    words = "; ".join(
        f"{column.title}: {sum(column.values) / len(column.values):.1f}"
        + (f", predicted {column.predicted:.1f}" if column.predicted is not None else "")
        for column in columns
    )
    title = escape(f"{y_title}. {words}.")
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}"><title>{title}</title>']
    for tick in ticks(low, high):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:,.10g}</text>')
    for number, column in enumerate(columns):
        x, mean = LEFT + (number + 0.5) * width, sum(column.values) / len(column.values)
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{HEIGHT - 20}" text-anchor="middle">{escape(column.title)}</text>'
        )
        dots = [
            f'<circle cx="{x - 12:.1f}" cy="{y(value):.1f}" r="2" fill="var(--colour)"/>' for value in column.values
        ]
        parts.append(f'<g class="role-{column.kind}">{"".join(dots)}{_marker(column.kind, x, y(mean))}</g>')
        if column.predicted is not None:
            at = y(column.predicted)
            parts.append(
                f'<path d="M{x},{at - 7:.1f}l7,7l-7,7l-7,-7z" fill="none" stroke="var(--text)" stroke-width="1.5"/>'
                f'<line x1="{x}" x2="{x}" y1="{at:.1f}" y2="{y(mean):.1f}" stroke="var(--muted)" '
                'stroke-dasharray="3 3"/>'
            )
    return "".join([*parts, "</svg>"])


def ticks(low: float, high: float) -> list[float]:
    """Return at most :data:`MAX_TICKS` round numbers in a range, 1, 2 or 5 times a power of ten apart."""
    least = (high - low) / (MAX_TICKS - 1)
    power = 10.0 ** math.floor(math.log10(least))
    step = next((factor * power for factor in (1, 2, 5) if factor * power >= least), 10 * power)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 12) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _marker(kind: str, x: float, y: float) -> str:
    if kind == "teacher":
        return f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="var(--colour)"/>'
    fill = "var(--background)" if kind == "baseline" else "var(--colour)"
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{fill}" stroke="var(--colour)" stroke-width="2"/>'
