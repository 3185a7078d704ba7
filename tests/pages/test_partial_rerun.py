"""Partial reruns of the form."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.widgets import partial_rerun

pytestmark = pytest.mark.slow

Open = Callable[..., AppTest]
KINDS = ("number_input", "slider", "selectbox", "checkbox", "text_input", "warning", "error", "expander", "button")
WITHOUT_VALUE = ("expander", "button")


def elements(app: AppTest) -> list[tuple[object, ...]]:
    """Return kind, key, labels and options of all elements of the form, and the value at the end."""
    rows = []
    for kind in KINDS:
        for element in app.get(kind):
            attributes = (getattr(element, name, None) for name in ("key", "label", "disabled", "options"))
            rows.append((kind, *attributes, None if kind in WITHOUT_VALUE else getattr(element, "value", None)))
    return rows


def numbers(app: AppTest) -> dict[str, Any]:
    """Return the widgets of numbers by key; those of data sets, networks and schemes always change the layout."""
    keys = {f"set {name}" for name in partial_rerun._numbers(app.session_state["settings"])}
    return {
        widget.key: widget for widget in (*app.number_input, *app.slider) if widget.key in keys and not widget.disabled
    }


def step(widget: Any) -> float:
    """Return the value one step above that of a number, or below it where it is the largest."""
    up = widget.value + widget.step
    return up if widget.max is None or up <= widget.max else widget.value - widget.step


def change_alone(app: AppTest, keys: Sequence[str]) -> set[str]:
    """Change numbers, all at once where none of them changes the layout, and return those that do not.

    These must change no other element. Numbers that change the layout have their old values at the end.
    """
    layout, before, widgets = app.session_state["layout"], elements(app), numbers(app)
    old = {key: widgets[key].value for key in keys}
    new = {key: step(widgets[key]) for key in keys}
    for key in keys:
        widgets[key].set_value(new[key])
    app.run()
    app.run()  # the whole page
    if app.session_state["layout"] == layout:
        assert elements(app) == [(*row[:-1], new.get(str(row[1]), row[-1])) for row in before]
        return set(keys)
    for key, widget in numbers(app).items():
        if key in old:
            widget.set_value(old[key])
    app.run()
    middle = len(keys) // 2
    return change_alone(app, keys[:middle]) | change_alone(app, keys[middle:]) if middle else set()


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
    app = open_page("distill", autoplay="0")
    changed = change_alone(app, list(numbers(app)))
    assert {"set labelled", "set seed", "set epochs"} <= changed
    app = open_page("distill", autoplay="0", dataset="moons", method="dist")
    assert change_alone(app, [key for key in numbers(app) if key not in changed])
