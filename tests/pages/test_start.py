"""Start page."""

import time
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.config.run import from_flat
from kd_core.runs.manager import RunManager
from pages.ui.app import auth
from pages.ui.run.demonstration import own_run

Open = Callable[..., AppTest]


def test_the_first_visitor_starts_five_seeds_and_the_second_one_starts_none(
    open_page: Open, shared: RunManager
) -> None:
    open_page("start")
    started = len(shared.store.runs())
    open_page("start")
    assert started == len(shared.store.runs()) == 5


@pytest.mark.slow
def test_the_result_is_the_mean_over_the_five_runs(open_page: Open, shared: RunManager) -> None:
    app = open_page("start")
    for run in shared.store.runs():
        shared.set_pace(run.id, 0)
    end = time.monotonic() + 90
    while len(shared.store.in_state("completed")) < 5:
        assert time.monotonic() < end
        time.sleep(0.1)
    app.run()
    sentence = next(element.value for element in app.markdown if "over 5 seeds" in element.value)
    tests = [run.test for run in shared.store.runs()]
    for role in ("baseline", "student"):
        mean = sum(test[role]["accuracy"] for test in tests) / 5
        assert f"{100 * mean:.1f}\u00a0%" in sentence


def test_autoplay_0_starts_nothing_until_the_button_is_pressed(open_page: Open, shared: RunManager) -> None:
    app = open_page("start", autoplay="0")
    assert shared.store.runs() == []
    next(button for button in app.button if button.label == "Watch it learn").click().run()
    assert len(shared.store.runs()) == 5


def test_a_run_of_the_visitors_own_is_next_and_the_demonstration_no_longer_slowed_down(
    shared: RunManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "session", lambda: "visitor")
    demonstration = shared.start(from_flat({"dataset": "moons"}), 10.0)
    for seed in (1, 2):
        shared.start(from_flat({"dataset": "moons", "seed": seed}))
    run = own_run(shared.store.run(demonstration))["run"]
    assert shared.store.run(run).config.dataset.name == "digits"
    assert shared.status(demonstration).pace == 0
    assert shared.status(run).ahead <= 1
    for row in shared.store.runs():
        shared.stop(row.id)


def test_the_page_has_exactly_one_button_beside_those_of_the_frame(open_page: Open, shared: RunManager) -> None:
    (button,) = (button for button in open_page("start").button if button.key != "open room")
    assert button.label == "Train your own"


def test_a_demonstration_that_was_stopped_is_started_again_for_the_next_visitor(
    open_page: Open, shared: RunManager
) -> None:
    open_page("start")
    for run in shared.store.runs():
        shared.stop(run.id)
    end = time.monotonic() + 30
    while shared.store.in_state("queued", "training"):
        assert time.monotonic() < end
        time.sleep(0.05)
    open_page("start")
    assert shared.store.in_state("queued", "training")
