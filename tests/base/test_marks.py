"""Marks, colours and number formats."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from kd_core.base import marks
from tools import palette

CASES = json.loads((Path(__file__).parents[1] / "components" / "number_formats.json").read_text(encoding="utf-8"))


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.2."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(("fraction", "decimals", "text"), CASES["percent"])
def test_percentages_are_written_as_in_the_browser(fraction: float, decimals: int, text: str) -> None:
    assert marks.percent(fraction, decimals) == text


@pytest.mark.parametrize(("difference", "decimals", "text"), CASES["points"])
def test_points_are_written_as_in_the_browser(difference: float, decimals: int, text: str) -> None:
    assert marks.points(difference, decimals) == text


def test_no_line_ends_between_a_number_and_its_unit() -> None:
    assert marks.unbroken("83.7 % over 5 seeds: +7.0 points") == "83.7\u00a0% over 5 seeds: +7.0\u00a0points"
    assert (
        marks.unbroken("At T = 0.5, with α = 1 or rate = 2") == "At T\u00a0=\u00a00.5, with α\u00a0=\u00a01 or rate = 2"
    )


def test_the_browser_has_the_constants_of_python() -> None:
    assert palette.PALETTE.read_text(encoding="utf-8") == palette.module(), "run python -m tools.palette"


@pytest.mark.parametrize("scale", [marks.SEQUENTIAL, marks.DIVERGING])
def test_brighter_is_higher_on_maps_in_every_step(scale: list[str]) -> None:
    brightness = [luminance(colour) for colour in scale]
    assert brightness == sorted(brightness)
    assert (brightness[-1] + 0.05) / (brightness[0] + 0.05) > 6


def test_the_marks_of_networks_and_labels_differ() -> None:
    glyphs = [*(role["glyph"] for role in marks.ROLES.values()), marks.WRONG_LABEL]
    assert len(set(glyphs)) == len(glyphs)
    assert all(
        re.fullmatch("#[0-9A-F]{6}", role[theme]) for role in marks.ROLES.values() for theme in ("light", "dark")
    )
