"""Marks, colours and number formats of charts and texts, the same on every page, in reports and in browser code.

``python -m tools.palette`` writes the constants into ``pages/ui/components/shared/palette.js``.

Colour is never the only distinction: each network also has its own dash, marker and fill, each class its own marker
shape. ``dash`` and ``symbol`` are Plotly's names; ``glyph`` is the same marker as text.
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypedDict

Theme = Literal["light", "dark"]


class Role(TypedDict):
    """Style of the networks of one role, or of the labels."""

    name: str
    light: str
    dark: str
    dash: str
    width: float
    symbol: str
    glyph: str
    fill: str


TRUE_LABEL: Final = "✓"  # the true class of an example
WRONG_LABEL: Final = "✕"  # a training label that differs from the true class

ROLES: Final[dict[str, Role]] = {
    "teacher": {
        "name": "Teacher", "light": "#0072B2", "dark": "#56B4E9", "dash": "9px,5px", "width": 2.0,
        "symbol": "square", "glyph": "■", "fill": "solid",
    },
    "student": {
        "name": "Student", "light": "#D55E00", "dark": "#E69F00", "dash": "solid", "width": 2.5,
        "symbol": "circle", "glyph": "●", "fill": "solid",
    },
    "baseline": {
        "name": "Baseline student", "light": "#6B6B6B", "dark": "#B3B3B3", "dash": "2px,3px", "width": 2.0,
        "symbol": "circle-open", "glyph": "○", "fill": "hatch",
    },
    "labels": {
        "name": "Labels", "light": "#000000", "dark": "#FFFFFF", "dash": "solid", "width": 1.25,
        "symbol": "line-ew-open", "glyph": TRUE_LABEL, "fill": "outline",
    },
}  # fmt: skip

# Of networks beyond teacher, student and baseline; marker and line show their kind.
EXTRA_COLOURS: Final[dict[Theme, list[str]]] = {
    "light": ["#007A5A", "#9B4F96", "#8A6D00", "#4B57C8", "#7A4B2A", "#00808A", "#B0568C", "#5B6B00"],
    "dark": ["#3DD6A3", "#D59BD0", "#E0C84A", "#9AA5FF", "#C99A76", "#4FC7D1", "#F2A0CF", "#B9CC4A"],
}

# The Okabe-Ito palette, reordered. Roles use four of its eight colours, so classes start with the others. Green and
# yellow come first, since blended into a decision surface they stay farther apart under every simulated colour
# blindness (ΔE 30 on light, 35 on dark) than purple and yellow (15, 19). Beyond eight classes, write the names.
CLASSES: Final[dict[Theme, list[str]]] = {
    "light": ["#009E73", "#F0E442", "#CC79A7", "#56B4E9", "#E69F00", "#0072B2", "#D55E00", "#000000"],
    "dark": ["#009E73", "#F0E442", "#CC79A7", "#56B4E9", "#E69F00", "#0072B2", "#D55E00", "#FFFFFF"],
}
CLASS_MARKERS: Final = ["circle", "triangle", "square", "diamond"]
CLASS_GLYPHS: Final = ["●", "▲", "■", "◆"]

# Cividis, the same in both themes: dark is low, bright is high. The stops are equally spaced.
SEQUENTIAL: Final = [
    "#00224E", "#123570", "#3B496C", "#575D6D", "#707173", "#8A8678", "#A59C74", "#C3B369", "#E1CC55", "#FEE838",
]  # fmt: skip
# Of signed values, zero in the middle, as bright as it is high. Purple belongs to no network.
DIVERGING: Final = ["#2E1560", "#8C8A91", "#F5A21B"]

SPACE: Final = "\u00a0"  # between a number and its unit, so that no line ends between them
MINUS: Final = "−"


def percent(fraction: float, decimals: int = 1) -> str:
    """Return a fraction as a percentage, such as "99.0 %"; only exactly 0 and 1 are "0 %" and "100 %"."""
    if fraction in (0, 1):
        return f"{100 * fraction:.0f}{SPACE}%"
    least = 10.0**-decimals
    if 0 < 100 * fraction < least / 2:
        return f"<{SPACE}{least:.{decimals}f}{SPACE}%"
    if 100 - least / 2 <= 100 * fraction < 100:
        return f">{SPACE}{100 - least:.{decimals}f}{SPACE}%"
    return f"{100 * fraction:.{decimals}f}{SPACE}%".replace("-", MINUS)


def signed(value: float, decimals: int = 1) -> str:
    """Return a number with its sign, such as "+7.0" or "−0.3"; one that is rounded to zero has a plus."""
    return f"{round(value, decimals) + 0.0:+.{decimals}f}".replace("-", MINUS)


def points(difference: float, decimals: int = 1) -> str:
    """Return a difference in percentage points, such as "+7.0 points"."""
    return f"{signed(difference, decimals)}{SPACE}points"


def unbroken(text: str) -> str:
    """Return a text in which no line ends between a number and "%" or "points", or within "T = 4"."""
    text = re.sub(r"(?<=\d) (?=%|points)", SPACE, text)
    return re.sub(r"\b(\w) = (?=[\d.])", rf"\1{SPACE}={SPACE}", text)
