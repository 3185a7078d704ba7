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


def test_a_widget_keeps_its_key_while_it_shows_what_it_should(session: dict[str, Any]) -> None:
    key = keys.key("alpha", 0.9)
    session[key] = 0.9
    assert keys.key("alpha", 0.9) == key
    session[key] = 0.25  # turned, and the settings have followed
    assert keys.key("alpha", 0.25) == key
    assert keys.current_value("alpha") == 0.25


def test_a_value_that_somebody_else_sets_makes_another_widget_and_the_former_one_is_not_heard(
    session: dict[str, Any],
) -> None:
    former = keys.key("alpha", 0.9)
    session[former] = 0.9
    now = keys.key("alpha", 0.5)
    assert now != former
    session[former] = 0.0  # a browser that has not heard of the other one yet
    session[now] = 0.5
    assert keys.current_value("alpha") == 0.5
    assert keys.key("alpha", 0.5) == now


def test_a_widget_that_the_server_has_forgotten_is_another_one_if_it_is_to_show_something_else(
    session: dict[str, Any],
) -> None:
    former = keys.key("epoch", 80)
    assert keys.key("epoch", 80) == former
    assert keys.key("epoch", 100) != former


def test_the_eleventh_digit_of_a_slider_makes_no_other_widget(session: dict[str, Any]) -> None:
    key = keys.key("temperature", 0.15)
    session[key] = 0.1 + 0.05
    assert keys.key("temperature", 0.15) == key


DEFAULTS = {"number_input": "default", "slider": "default", "checkbox": "default", "selectbox": "default"}


@pytest.mark.parametrize("page", ["distill", "sweep"])
def test_every_widget_begins_with_what_it_shows_so_no_browser_can_miss_it(open_page: Open, page: str) -> None:
    app = open_page(page, autoplay="0", dataset="moons", temperature="7.5", alpha="0.3", epochs="77", seed="5")
    seen = []
    for kind in DEFAULTS:
        for one in app.get(kind):
            begins = one.proto.default
            if kind == "slider":
                (begins,) = begins
            if kind == "selectbox":
                begins = one.options[begins]
                shown = one.format_func(one.value)
            else:
                shown = one.value
            assert begins == pytest.approx(shown) if isinstance(shown, float) else begins == shown, one.label
            seen.append(kind)
    assert {"number_input", "selectbox"} <= set(seen)


@pytest.mark.parametrize(("name", "value"), [("epochs", 7), ("labelled", 33)])
def test_a_press_of_start_counts_also_when_a_number_was_turned_in_the_same_moment(
    open_page: Open, name: str, value: int
) -> None:
    app = open_page("distill", autoplay="0", dataset="moons", epochs="6")
    app.number_input(key=f"set {name}").set_value(value)
    next(one for one in app.button if one.label == "Start training").click()
    app.run()
    app.run()
    assert "run" in app.query_params
    assert app.query_params[name] == str(value)
