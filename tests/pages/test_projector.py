"""Projector mode."""

from __future__ import annotations

import pandas  # noqa: F401  # Plotly would import it while a thread of the app does
import plotly.graph_objects as go
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.ui.widgets import projector
from tests.pages.test_distill import Open


def frame() -> None:
    """Draw what the frame of every page draws."""
    from pages.ui.widgets import projector

    projector.restore()
    projector.switch()


def test_projector_mode_is_read_from_the_link_and_written_into_the_address_of_every_page() -> None:
    app = AppTest.from_function(frame)
    app.query_params["projector"] = "1"
    assert app.run().toggle[0].value is True
    app.query_params.clear()  # as a link in the menu does
    app.run()
    assert app.query_params["projector"] == "1"
    app.toggle[0].set_value(False).run()
    assert "projector" not in app.query_params
    app.query_params["projector"] = "1"  # a browser that sends its previous address
    app.run()
    assert app.toggle[0].value is False
    assert "projector" not in app.query_params


def test_a_link_without_the_parameter_opens_the_plain_page() -> None:
    app = AppTest.from_function(frame).run()
    assert app.toggle[0].value is False
    assert "projector" not in app.query_params


def test_the_parameter_is_no_setting_of_a_page(open_page: Open) -> None:
    app = open_page("compare", projector="1")
    assert not app.error


def test_lengths_of_a_chart_are_enlarged_and_its_values_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def figure() -> go.Figure:
        chart = go.Figure(go.Scatter(x=[1, 2], y=[3, 4], marker={"size": 9}, line={"width": 3, "dash": "9px,6px"}))
        chart.add_annotation(x=1, y=3, text="a", font={"size": 9}, yshift=6)
        return chart.update_layout(height=300, width=500, margin={"t": 30}, yaxis={"range": [0, 5]})

    monkeypatch.setattr(st, "session_state", {})
    assert projector.enlarge(figure()) == figure()
    monkeypatch.setattr(st, "session_state", {projector.PARAMETER: True})
    large = projector.enlarge(figure())
    (trace,) = large.data
    assert (trace.marker.size, trace.line.width, trace.line.dash) == pytest.approx((15, 5, "15px,10px"))
    assert (large.layout.height, large.layout.margin.t, large.layout.annotations[0].yshift) == (500, 50, 10)
    assert large.layout.annotations[0].font.size >= 20  # 9 pixels would become 15
    assert large.layout.xaxis.tickfont.size >= 20
    assert (trace.x, trace.y, large.layout.yaxis.range) == ((1, 2), (3, 4), (0, 5))
    assert large.layout.width == 500  # set by the page
