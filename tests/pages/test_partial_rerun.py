from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

Open = Callable[..., AppTest]
KINDS = ("number_input", "slider", "selectbox", "checkbox", "text_input", "warning", "error", "expander", "button")
BARE = ("expander", "button")  # without a value that stays


def standing(app: AppTest, but: str) -> list[tuple[object, ...]]:
    """What the form offers and warns of, beside the widget that is turned."""
    found = []
    for kind in KINDS:
        for one in app.get(kind):
            if getattr(one, "key", None) != but:
                facts = ("label", "disabled", "options") if kind in BARE else ("label", "disabled", "options", "value")
                found.append((kind, *(getattr(one, fact, None) for fact in facts)))
    return found


def test_a_value_that_is_refused_after_a_turn_is_said_and_stops_the_start(open_page: Open) -> None:
    app = open_page("distill", autoplay="0")
    app.number_input(key="set labelled").set_value(60).run()
    app.run()
    app.number_input(key="set labelled").set_value(5000).run()
    assert any("5000" in error.value for error in app.error)
    assert next(one for one in app.button if one.label == "Start training").disabled


def test_alpha_at_its_end_takes_the_temperature_out_of_play_at_once(open_page: Open) -> None:
    app = open_page("distill", autoplay="0")
    app.slider(key="set alpha").set_value(0.0).run()
    assert app.slider(key="set temperature").disabled


@pytest.mark.parametrize("link", [{}, {"dataset": "moons", "method": "dist"}], ids=["digits", "moons"])
def test_no_number_that_draws_the_answers_alone_changes_anything_else(open_page: Open, link: dict[str, str]) -> None:
    app = open_page("distill", autoplay="0", **link)
    turned = []
    for key in [one.key for kind in ("number_input", "slider") for one in app.get(kind) if one.key]:
        widget = next(one for kind in ("number_input", "slider") for one in app.get(kind) if one.key == key)
        if widget.disabled or not key.startswith("set "):
            continue
        ground, before = app.session_state["stands"], standing(app, key)
        up = widget.value + widget.step
        widget.set_value(up if widget.max is None or up <= widget.max else widget.value - widget.step).run()
        app.run()  # the whole page
        if app.session_state["stands"] == ground:
            turned.append(key)
            assert standing(app, key) == before, key
    assert {"set labelled", "set seed", "set epochs"} <= set(turned)
