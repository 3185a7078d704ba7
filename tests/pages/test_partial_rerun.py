"""Partial reruns of the form."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

pytestmark = pytest.mark.slow

Open = Callable[..., AppTest]
KINDS = ("number_input", "slider", "selectbox", "checkbox", "text_input", "warning", "error", "expander", "button")
WITHOUT_VALUE = ("expander", "button")


def elements(app: AppTest, exclude: str) -> list[tuple[object, ...]]:
    """Return labels, options and values of all elements of the form except the widget with the key ``exclude``."""
    rows = []
    for kind in KINDS:
        attributes = ("label", "disabled", "options", *(() if kind in WITHOUT_VALUE else ("value",)))
        for element in app.get(kind):
            if getattr(element, "key", None) != exclude:
                rows.append((kind, *(getattr(element, attribute, None) for attribute in attributes)))
    return rows


def test_a_changed_number_that_is_refused_shows_an_error_and_disables_the_start(open_page: Open) -> None:
    app = open_page("distill", autoplay="0")
    app.number_input(key="set labelled").set_value(60).run()
    app.run()
    app.number_input(key="set labelled").set_value(5000).run()
    assert any("5000" in error.value for error in app.error)
    assert next(button for button in app.button if button.label == "Start training").disabled


def test_alpha_0_disables_the_temperature_at_once(open_page: Open) -> None:
    app = open_page("distill", autoplay="0")
    app.slider(key="set alpha").set_value(0.0).run()
    assert app.slider(key="set temperature").disabled


def test_a_number_that_causes_a_partial_rerun_changes_no_other_element(open_page: Open) -> None:
    tried, changed = set(), set()
    for link in ({}, {"dataset": "moons", "method": "dist"}):
        app = open_page("distill", autoplay="0", **link)
        for key in [
            widget.key for widget in (*app.number_input, *app.slider) if widget.key and widget.key not in tried
        ]:
            widget = next(widget for widget in (*app.number_input, *app.slider) if widget.key == key)
            if widget.disabled or not key.startswith("set "):
                continue
            tried.add(key)
            layout, before = app.session_state["layout"], elements(app, key)
            up = widget.value + widget.step
            widget.set_value(up if widget.max is None or up <= widget.max else widget.value - widget.step).run()
            app.run()  # the whole page
            if app.session_state["layout"] == layout:
                changed.add(key)
                assert elements(app, key) == before, key
    assert {"set labelled", "set seed", "set epochs"} <= changed
