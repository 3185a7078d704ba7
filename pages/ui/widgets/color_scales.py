"""Colour scales of heat maps, and readable text colours."""

from __future__ import annotations

from collections.abc import Sequence

from kd_core.base.marks import DIVERGING, SEQUENTIAL

Scale = Sequence[tuple[float, str]]  # positions in [0, 1] and colours


def sequential() -> Scale:
    """Return the scale of values, from dark (low) to bright (high)."""
    return _equally_spaced(SEQUENTIAL)


def diverging() -> Scale:
    """Return the scale of signed values, with zero in the middle, from dark (low) to bright (high)."""
    return _equally_spaced(DIVERGING)


def colour_at(scale: Scale, position: float) -> tuple[float, float, float]:
    """Return red, green and blue in [0, 1] at a position in [0, 1] of a colour scale, interpolated as by Plotly."""
    position = min(max(position, 0.0), 1.0)
    right = next(at for at, (stop, _) in enumerate(scale) if at and position <= stop)
    (start, low), (end, high) = scale[right - 1], scale[right]
    fraction = (position - start) / (end - start)
    mixed = [int(low[k : k + 2], 16) * (1 - fraction) + int(high[k : k + 2], 16) * fraction for k in (1, 3, 5)]
    return mixed[0] / 255, mixed[1] / 255, mixed[2] / 255


def text_colour(colour: tuple[float, float, float]) -> str:
    """Return black or white, whichever has more contrast on a colour (WCAG 2.2, relative luminance)."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "#FFFFFF"


def _equally_spaced(colours: Sequence[str]) -> Scale:
    return tuple((place / (len(colours) - 1), colour) for place, colour in enumerate(colours))
