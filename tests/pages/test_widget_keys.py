"""Widget keys that change when a widget must show another value."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.widgets import keys

Open = Callable[..., AppTest]


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    state: dict[str, Any] = {}
    monkeypatch.setattr(keys, "st", SimpleNamespace(session_state=state))
    return state


def test_a_widget_keeps_its_key_while_it_shows_the_right_value(session: dict[str, Any]) -> None:
    key = keys.key("alpha", 0.9)
    session[key] = 0.9
    assert keys.key("alpha", 0.9) == key
    session[key] = 0.25  # moved by the user, and written to the settings
    assert keys.key("alpha", 0.25) == key
    assert keys.current_value("alpha") == 0.25


def test_a_value_set_elsewhere_makes_a_new_widget_and_the_old_one_is_ignored(session: dict[str, Any]) -> None:
    old = keys.key("alpha", 0.9)
    session[old] = 0.9
    new = keys.key("alpha", 0.5)
    assert new != old
    session[old] = 0.0  # sent by a browser that does not have the new widget yet
    session[new] = 0.5
    assert keys.current_value("alpha") == 0.5
    assert keys.key("alpha", 0.5) == new


def test_a_widget_that_the_server_has_forgotten_is_replaced_if_its_value_changes(session: dict[str, Any]) -> None:
    old = keys.key("epoch", 80)
    assert keys.key("epoch", 80) == old
    assert keys.key("epoch", 100) != old


def test_a_difference_in_the_eleventh_digit_makes_no_new_widget(session: dict[str, Any]) -> None:
    key = keys.key("temperature", 0.15)
    session[key] = 0.1 + 0.05
    assert keys.key("temperature", 0.15) == key


KINDS = ("number_input", "slider", "checkbox", "selectbox")


@pytest.mark.parametrize("page", ["distill", "sweep"])
def test_the_default_of_every_widget_is_the_value_that_it_shows(open_page: Open, page: str) -> None:
    app = open_page(page, dataset="moons", temperature="7.5", alpha="0.3", epochs="77", seed="5")
    checked = set()
    for kind in KINDS:
        for widget in app.get(kind):
            default, value = widget.proto.default, widget.value
            if kind == "slider":
                (default,) = default
            if kind == "selectbox":
                default, value = widget.options[default], widget.format_func(value)
            assert default == pytest.approx(value) if isinstance(value, float) else default == value, widget.label
            checked.add(kind)
    assert {"number_input", "selectbox"} <= checked


@pytest.mark.slow
@pytest.mark.parametrize(("name", "value"), [("epochs", 7), ("labelled", 33)])
def test_a_click_on_start_is_not_lost_if_a_number_changes_at_the_same_moment(
    open_page: Open, name: str, value: int
) -> None:
    app = open_page("distill", dataset="moons", epochs="6")
    app.number_input(key=f"set {name}").set_value(value)
    next(button for button in app.button if button.label == "Start training").click()
    app.run()
    app.run()
    assert "run" in app.query_params
    assert app.query_params[name] == str(value)
