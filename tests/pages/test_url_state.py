"""Tests of the options in the URL of a page."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.base.options import Options, boolean, choice, number
from pages.ui.app import url_state
from pages.ui.app.url_state import UrlState


@dataclass(frozen=True)
class Drink(Options):
    degrees: float = number(60.0, 0.0, 100.0, "Temperature in °C.")
    kind: str = choice("tea", ("tea", "coffee"), "What is in the cup.")
    sugar: bool = boolean(False, "With sugar.")


def script(action, extra):  # its source runs without the imports of this module
    import streamlit as st

    from pages.ui.app.url_state import UrlState
    from tests.pages.test_url_state import Drink

    st.session_state["result"] = action(UrlState("drink", Drink, extra, always=("kind",)))


def run(
    action: Callable[[UrlState[Drink]], object],
    url: dict[str, str],
    app: AppTest | None = None,
    extra: tuple[str, ...] | None = ("cup",),
) -> AppTest:
    """Run ``action`` on a page that is opened at ``url``, in the session of ``app`` if there is one."""
    app = app or AppTest.from_function(script)
    app.kwargs = {"action": action, "extra": extra}  # type: ignore[attr-defined]
    app.query_params.clear()
    for name, text in url.items():
        app.query_params[name] = text
    return app.run()


def url_of(app: AppTest) -> dict[str, str]:
    return {name: value[0] if isinstance(value, list) else value for name, value in app.query_params.items()}


def read(state: UrlState[Drink]) -> object:
    options, errors = state.read()
    return options, errors


def test_parameters_become_options_and_others_have_their_defaults() -> None:
    options, errors = run(read, {"degrees": "80", "sugar": "true"}).session_state["result"]
    assert options == Drink(degrees=80.0, sugar=True)
    assert errors == {}


def test_invalid_and_unknown_parameters_are_reported_by_name() -> None:
    options, errors = run(read, {"degrees": "hot", "milk": "1", "cup": "7", "autoplay": "0"}).session_state["result"]
    assert options == Drink()
    assert set(errors) == {"degrees", "milk"}
    assert "from 0 to 100" in errors["degrees"]


def test_a_page_may_accept_any_other_parameter() -> None:
    app = run(lambda state: (state.read()[1], state.other_parameters()), {"milk": "1", "sugar": "true"}, extra=None)
    assert app.session_state["result"] == ({}, {"milk": "1"})


def test_defaults_of_the_caller_replace_those_of_the_class() -> None:
    options, _ = run(lambda state: state.read(degrees=5.0), {}).session_state["result"]
    assert options.degrees == 5.0


def test_an_update_leaves_defaults_out_and_keeps_other_parameters() -> None:
    app = run(
        lambda state: state.update(degrees=60.0, sugar=True, kind="tea"), {"degrees": "80", "cup": "7", "autoplay": "0"}
    )
    assert url_of(app) == {"cup": "7", "autoplay": "0", "sugar": "true", "kind": "tea"}


def test_an_update_may_replace_the_parameters_that_are_no_options() -> None:
    app = run(lambda state: state.update({"cup": "8"}, sugar=True), {"degrees": "80", "saucer": "7"}, extra=None)
    assert url_of(app) == {"degrees": "80", "cup": "8", "sugar": "true"}


def test_only_a_url_that_the_page_has_not_seen_is_new() -> None:
    app = run(UrlState.remember, {"degrees": "80"})
    for url, is_new in (({"degrees": "80", "autoplay": "0"}, False), ({}, False), ({"degrees": "20"}, True)):
        assert run(UrlState.is_new, url, app).session_state["result"] is is_new


def test_an_empty_url_gets_the_last_parameters_back() -> None:
    app = run(UrlState.restore, {"degrees": "80", "cup": "7", "milk": "1"})
    run(UrlState.restore, {"autoplay": "0"}, app)
    assert url_of(app) == {"autoplay": "0", "degrees": "80", "cup": "7"}  # milk is no parameter of the page


def test_a_new_link_replaces_the_last_parameters() -> None:
    app = run(UrlState.restore, {"degrees": "80", "cup": "7"})
    run(UrlState.restore, {"cup": "8"}, app)
    assert url_of(app) == {"cup": "8"}


@pytest.mark.parametrize(("outdated", "degrees"), [(60.0, "20"), (0.0, "80")])
def test_a_url_that_was_just_replaced_does_not_return(
    monkeypatch: pytest.MonkeyPatch, outdated: float, degrees: str
) -> None:
    monkeypatch.setattr(url_state, "OUTDATED", outdated)
    app = run(lambda state: state.update(degrees=20.0), {"degrees": "80"})
    run(UrlState.restore, {"degrees": "80"}, app)
    assert url_of(app)["degrees"] == degrees


def test_the_seconds_of_drawing_the_page_do_not_count_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(url_state, "OUTDATED", 0.0)

    def update(state: UrlState[Drink]) -> None:
        state.update(degrees=20.0)
        url_state.discount(60.0)

    app = run(update, {"degrees": "80"})
    run(UrlState.restore, {"degrees": "80"}, app)
    assert url_of(app)["degrees"] == "20"


def test_reset_options_have_the_defaults_of_the_class() -> None:
    state = UrlState("drink", Drink)
    assert state.reset(Drink(degrees=5.0, sugar=True), ["degrees"]) == Drink(sugar=True)
