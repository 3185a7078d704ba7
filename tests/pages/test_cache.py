"""What follows from a run that is over."""

from __future__ import annotations

import plotly.graph_objects as go
import plotly.io
import plotly.tools
import pytest

from pages.ui.app.cache import cached
from pages.ui.widgets import charts


def test_an_answer_is_worked_out_for_the_first_who_asks_alone() -> None:
    asked = []
    answers = [cached("a run, and all that matters", lambda: asked.append(1) or [len(asked)]) for _ in range(3)]
    assert answers == [[1]] * 3


def test_another_key_is_another_answer() -> None:
    assert cached("how many, here", lambda: 1) == 1
    assert cached("how many, there", lambda: 2) == 2


def test_whoever_changes_an_answer_changes_nobody_elses() -> None:
    cached("a list of two", lambda: [1, 2]).append(3)
    assert cached("a list of two", lambda: [4]) == [1, 2]


def test_a_kept_figure_is_sent_as_plotly_would_send_it(drawn: list[go.Figure]) -> None:
    def points() -> go.Figure:
        return charts.small_figure(go.Scatter(x=[1.0, 2.5], y=["a", "<b>"], text=["x", None])).add_annotation(
            text="here"
        )

    charts.chart(points(), "points", "Two points.", height=300)
    for _ in range(2):
        charts.cached_chart("two points", points, "points", "Two points.", height=300)
    assert len({_sent(each) for each in drawn}) == 1


def test_a_kept_figure_follows_the_theme(drawn: list[go.Figure], monkeypatch: pytest.MonkeyPatch) -> None:
    for theme in ("light", "dark"):
        monkeypatch.setattr(charts, "theme", lambda theme=theme: theme)
        charts.cached_chart("a line", lambda: charts.small_figure(go.Scatter(y=[1, 2])), "line", "A line.")
    assert [charts.PAPER[theme] in _sent(each) for theme, each in zip(("light", "dark"), drawn, strict=True)] == [
        True
    ] * 2


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[go.Figure]:
    """What is given to Streamlit to be drawn."""
    found: list[go.Figure] = []
    monkeypatch.setattr(charts.st, "plotly_chart", lambda figure, **_: found.append(figure))
    return found


def _sent(figure: go.Figure) -> str:
    """As Streamlit writes it."""
    found = plotly.tools.return_figure_from_figure_or_data(figure, validate_figure=True)
    return str(plotly.io.to_json(found, validate=False))
