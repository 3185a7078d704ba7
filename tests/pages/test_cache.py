"""Process-wide cache of values derived from finished runs."""

from __future__ import annotations

import plotly.graph_objects as go
import plotly.io
import plotly.tools
import pytest

from pages.ui.app.cache import cached
from pages.ui.widgets import charts


def test_a_value_is_computed_once_per_key() -> None:
    calls = []
    values = [cached("a key", lambda: calls.append(1) or [len(calls)]) for _ in range(3)]
    assert values == [[1]] * 3


def test_different_keys_have_different_values() -> None:
    assert cached("one key", lambda: 1) == 1
    assert cached("another key", lambda: 2) == 2


def test_changing_a_returned_value_does_not_change_the_cached_one() -> None:
    cached("a list of two", lambda: [1, 2]).append(3)
    assert cached("a list of two", lambda: [4]) == [1, 2]


def test_a_cached_figure_is_sent_exactly_as_an_uncached_one(drawn: list[go.Figure]) -> None:
    def points() -> go.Figure:
        return charts.small_figure(go.Scatter(x=[1.0, 2.5], y=["a", "<b>"], text=["x", None])).add_annotation(
            text="here"
        )

    charts.chart(points(), "points", "Two points.", height=300)
    for _ in range(2):
        charts.cached_chart("two points", points, "points", "Two points.", height=300)
    assert len({_sent(figure) for figure in drawn}) == 1


def test_a_cached_figure_follows_the_theme(drawn: list[go.Figure], monkeypatch: pytest.MonkeyPatch) -> None:
    for theme in ("light", "dark"):
        monkeypatch.setattr(charts, "theme", lambda theme=theme: theme)
        charts.cached_chart("a line", lambda: charts.small_figure(go.Scatter(y=[1, 2])), "line", "A line.")
    for theme, figure in zip(("light", "dark"), drawn, strict=True):
        assert charts.PAPER[theme] in _sent(figure)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[go.Figure]:
    """Return the list of figures that are passed to Streamlit."""
    figures: list[go.Figure] = []
    monkeypatch.setattr(charts.st, "plotly_chart", lambda figure, **_: figures.append(figure))
    return figures


def _sent(figure: go.Figure) -> str:
    """Return the JSON that Streamlit sends for a figure."""
    validated = plotly.tools.return_figure_from_figure_or_data(figure, validate_figure=True)
    return str(plotly.io.to_json(validated, validate=False))
