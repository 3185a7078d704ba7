"""What follows from a run that is over."""

from __future__ import annotations

import plotly.graph_objects as go
import plotly.io
import plotly.tools
import pytest

from pages.ui import charts
from pages.ui.once import once


def test_an_answer_is_worked_out_for_the_first_who_asks_alone() -> None:
    asked = []
    answers = [once("a run, and all that matters", lambda: asked.append(1) or [len(asked)]) for _ in range(3)]
    assert answers == [[1]] * 3


def test_another_key_is_another_answer() -> None:
    assert once("how many, here", lambda: 1) == 1
    assert once("how many, there", lambda: 2) == 2


def test_whoever_changes_an_answer_changes_nobody_elses() -> None:
    once("a list of two", lambda: [1, 2]).append(3)
    assert once("a list of two", lambda: [4]) == [1, 2]


def test_a_kept_figure_is_sent_as_plotly_would_send_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "theme", lambda: "dark")
    usual = charts.figure(go.Scatter(x=[1.0, 2.5], y=["a", "<b>"], text=["x", None]), height=300)
    usual.add_annotation(x=1, y="a", text="here")
    kept = [charts.kept("two points", lambda: usual) for _ in range(2)]
    assert {_sent(each) for each in kept} == {_sent(usual)}


def test_a_kept_figure_follows_the_theme(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    for theme in ("light", "dark"):
        monkeypatch.setattr(charts, "theme", lambda theme=theme: theme)
        line = {"color": charts.INK[theme]}
        sent.append(
            _sent(charts.kept("a line", lambda line=line: charts.figure(go.Scatter(y=[1, 2], line=line), height=90)))
        )
    assert charts.INK["light"] in sent[0]
    assert charts.INK["dark"] in sent[1]


def _sent(figure: go.Figure) -> str:
    """As Streamlit writes it."""
    found = plotly.tools.return_figure_from_figure_or_data(figure, validate_figure=True)
    return str(plotly.io.to_json(found, validate=False))
