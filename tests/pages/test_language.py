"""Tests of the Language page without a browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.analysis.replay import open_replay
from kd_core.config.run import from_flat
from kd_core.runs.manager import RunManager
from kd_core.runs.questions.family_runs import FamilyRuns
from kd_core.store.records import ACTIVE, COMPLETED
from pages.ui.networks.language import coverage
from pages.ui.run.frames import run_frames
from tests.pages.conftest import show_on_pages
from tools.testing.waiting import wait_for_end
from tools.testing.widgets import open_tables

pytestmark = pytest.mark.slow

Open = Callable[..., AppTest]
TINY = {
    "dataset": "python_docs", "teacher_hidden": "16", "teacher_epochs": "1", "student_hidden": "4", "epochs": "2",
    "teacher_batch_size": "512", "batch_size": "512",
}  # fmt: skip


@pytest.fixture(scope="module")
def run(lab: RunManager) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kd_core.tasks.language.SAMPLES", 8)  # texts that each network is judged by
        run = lab.start(from_flat(TINY))
        assert wait_for_end(lab, run, 120) == COMPLETED
    return run


@pytest.fixture
def shared(lab: RunManager, monkeypatch: pytest.MonkeyPatch) -> RunManager:
    show_on_pages(lab, monkeypatch)
    return lab


def texts_of(app: AppTest) -> str:
    return "\n".join(element.value for element in [*app.markdown, *app.info, *app.error, *app.caption])


def test_without_a_run_one_button_trains_a_small_language_model(open_page: Open, shared: RunManager) -> None:
    app = open_page("language")
    app.button(key="first run").click().run()
    run = shared.store.runs(1)[0]
    assert run.config == from_flat({"dataset": "python_docs"})
    assert app.query_params["run"] == run.id
    shared.stop(run.id)


def test_a_finished_run_has_texts_a_sentence_and_a_picture(open_page: Open, run: str) -> None:
    app = open_page("language", run=run, beginning="the file")
    assert not app.error
    assert "instead of" in texts_of(app)
    assert len(app.get("plotly_chart")) == 1
    frames = run_frames(run)
    assert {role for frame in frames.texts for role in frame["texts"]} == {"teacher", "student", "baseline"}
    assert frames.texts[-1]["surprise"].keys() == frames.texts[-1]["texts"].keys()
    assert open_tables(app).dataframe[-1].value["trained by"].tolist()[-2:] == ["Baseline", "Teacher"]


def test_unknown_characters_of_a_beginning_are_named(open_page: Open, run: str) -> None:
    app = open_page("language", run=run, beginning="The É")
    assert "T É" in app.error[0].value
    assert "know only the characters" in app.error[0].value


def test_a_run_whose_networks_do_not_write_is_refused_in_a_sentence(open_page: Open, shared: RunManager) -> None:
    other = shared.start(from_flat({"dataset": "moons", "epochs": "1"}))
    wait_for_end(shared, other, 60)
    assert "do not write" in open_page("language", run=other).info[0].value


def test_the_other_divergences_are_queued_once_each(
    open_page: Open, shared: RunManager, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coverage, "SEEDS", (1, 2))
    app = open_page("language", run=run)
    app.button(key="train coverage").click().run()
    sweeps = shared.store.sweeps()
    configs = [member.config for sweep in sweeps for member in shared.store.members(sweep.id)]
    ways = {(config.scheme.name, config.method.values()["divergence"]) for config in configs}
    expected = {("offline", "reverse"), ("offline", "jensen-shannon"), ("offline", "skewed-forward"),
                ("offline", "skewed-reverse"), ("on_policy", "reverse"),
                ("sequence_level", "forward")}  # fmt: skip
    assert {(way, kind) for way, kind in ways if way != "on_policy"} <= expected
    for sweep in sweeps:
        if sweep.state in ACTIVE:
            shared.stop(sweep.id)


@pytest.mark.parametrize(
    ("seeds", "label"), [(1, "Repeat with 4 more seeds"), (5, "Repeat with 5 more seeds"), (10, None)]
)
def test_ways_are_repeated_with_five_seeds_and_then_with_ten(
    open_page: Open, run: str, monkeypatch: pytest.MonkeyPatch, seeds: int, label: str | None
) -> None:
    class Trained(FamilyRuns):
        """Runs of a store in which the first ``seeds`` seeds of every way have been trained."""

        @property
        def missing(self) -> dict[str, list[int]]:
            return {way: list(self.seeds[seeds:]) for way in self.families}

    monkeypatch.setattr(coverage, "stored_family_runs", lambda _, families, wanted: Trained(families, wanted, {}))
    labels = [button.label for button in open_page("language", run=run).button]
    assert [one for one in labels if "Repeat" in one or "divergences" in one] == ([label] if label else [])


@pytest.mark.parametrize("page", ["temperature", "inspect", "compress"])
def test_pages_on_one_class_say_that_they_do_not_apply_to_texts(open_page: Open, run: str, page: str) -> None:
    app = open_page(page, run=run)
    assert "no class per example" in texts_of(app)
    assert not app.exception


def test_distill_shows_the_result_of_a_run_on_texts(open_page: Open, run: str) -> None:
    app = open_page("distill", run=run)
    assert not app.error
    assert {"Bits per character", "Real words"} <= set(app.dataframe[0].value.columns)


def test_texts_with_a_class_are_examples_like_any_other(open_page: Open, shared: RunManager) -> None:
    run = shared.start(from_flat({"dataset": "python_lines", "epochs": "1", "teacher_epochs": "1"}))
    assert wait_for_end(shared, run, 120) == COMPLETED
    for page in ("temperature", "inspect"):
        app = open_page(page, run=run)
        assert not app.error, page
        assert not app.info, page
    row = shared.store.run(run)
    assert row is not None
    examples = open_replay(shared.store, row).browser_examples
    assert examples["sheet"]["src"].startswith("data:image/svg+xml")
    assert examples["sheet"]["count"] == len(examples["splits"]["test"]["labels"])
