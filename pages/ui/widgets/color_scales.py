"""Colour scales of heat maps, and readable text colours."""

from __future__ import annotations

from collections.abc import Sequence

# Cividis, from the colour nearest to the background to the farthest.
SCALES = {
    "light": ((0.0, "#DCCB6B"), (0.35, "#A59C74"), (0.7, "#575D6D"), (1.0, "#00224E")),
    "dark": ((0.0, "#45506B"), (0.4, "#7C7B78"), (0.75, "#C3B369"), (1.0, "#FEE838")),
}
DIVERGING = {
    "light": ((0.0, "#0072B2"), (0.5, "#E4E2DD"), (1.0, "#D55E00")),
    "dark": ((0.0, "#56B4E9"), (0.5, "#2B303B"), (1.0, "#E69F00")),
}


def colour_at(scale: Sequence[tuple[float, str]], position: float) -> tuple[float, float, float]:
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
