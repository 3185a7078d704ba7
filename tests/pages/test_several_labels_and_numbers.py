"""Tests of pages on multi-label classification and regression without a browser."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.config.run import from_flat
from kd_core.datasets import load
from kd_core.runs.manager import RunManager
from kd_core.store.records import COMPLETED
from pages.ui.run import live_view
from pages.ui.run.frames import run_frames
from tests.pages.conftest import show_on_pages
from tools.testing.waiting import wait_for_end

pytestmark = pytest.mark.slow

Open = Callable[..., AppTest]
RunOn = Callable[[str], str]
SHORT = {"epochs": "2", "teacher_epochs": "1"}
MEASURES = {"several_digits": {"F1", "Right answers"}, "friedman": {"RMSE", "RMSE to the true function"}}
LOSSES = {"several_digits": "NLL, nats", "friedman": "mean squared error"}
SCORES = {"several_digits": "mean average precision", "friedman": "R²"}


@pytest.fixture(scope="module")
def run_on(lab: RunManager) -> Callable[[str], str]:
    @functools.cache
    def run_on(dataset: str) -> str:
        run = lab.start(from_flat({"dataset": dataset, **SHORT}))
        assert wait_for_end(lab, run, 120) == COMPLETED
        return run

    return run_on


@pytest.fixture
def shared(lab: RunManager, monkeypatch: pytest.MonkeyPatch) -> RunManager:
    show_on_pages(lab, monkeypatch)
    return lab


def texts_of(app: AppTest) -> str:
    return "\n".join(element.value for element in [*app.markdown, *app.info, *app.error, *app.caption])


@pytest.mark.parametrize("dataset", MEASURES)
def test_distill_offers_the_data_and_shows_the_result(open_page: Open, run_on: RunOn, dataset: str) -> None:
    assert not open_page("distill", dataset=dataset).error
    app = open_page("distill", run=run_on(dataset))
    assert not app.error
    assert MEASURES[dataset] <= set(app.dataframe[0].value.columns)
    assert f"test {SCORES[dataset]}" in app.dataframe[0].value.columns
    assert f"{SCORES[dataset]} on the test set" in texts_of(app)
    for toggle in [one for one in app.toggle if one.label == "Look for possible improvements"]:
        assert not toggle.set_value(True).run().error


@pytest.mark.parametrize("page", ["temperature", "inspect", "compress"])
@pytest.mark.parametrize(
    ("dataset", "sentence"),
    [("several_digits", "no class per example"), ("friedman", "neither probabilities nor a temperature")],
)
def test_pages_on_one_class_say_that_they_do_not_apply(
    open_page: Open, run_on: RunOn, page: str, dataset: str, sentence: str
) -> None:
    assert sentence in texts_of(open_page(page, run=run_on(dataset)))


@pytest.mark.parametrize("dataset", MEASURES)
def test_compare_and_sweep_have_the_score_of_the_task(open_page: Open, run_on: RunOn, dataset: str) -> None:
    run = run_on(dataset)
    app = open_page("compare", runs=run)
    assert not app.error
    heads = {head for frame in app.dataframe for head in frame.value.columns}
    assert heads & {"NLL, nats", "mean squared error"} == {LOSSES[dataset]}
    assert not open_page("sweep", dataset=dataset, **SHORT, across="method").error


@pytest.mark.usefixtures("shared")
def test_bars_of_several_labels_are_of_examples_with_all_their_classes(run_on: RunOn) -> None:
    run = run_on("several_digits")
    frames, config = run_frames(run), from_flat({"dataset": "several_digits", **SHORT})
    assert frames.pinned is not None
    assert {len(row) for frame in frames.bars for rows in frame["logits"].values() for row in rows} == {10}
    images = live_view._images(config, tuple(frames.pinned.indices))
    for label, image in zip(frames.pinned.labels, images, strict=True):
        assert label in image["label"]
        assert image["src"]
    assert load(config.dataset).has_answers
    assert not load(from_flat({"dataset": "digits"}).dataset).has_answers


def test_a_run_of_numbers_has_no_bars_and_says_why(open_page: Open, run_on: RunOn) -> None:
    run = run_on("friedman")
    assert run_frames(run).pinned is None
    assert "neither soft targets nor a temperature" in texts_of(open_page("distill", run=run))
