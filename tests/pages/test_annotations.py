"""Annotations and deletion of runs on the pages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.config.run import from_flat
from kd_core.config.sweep import Axis, Sweep
from kd_core.runs.manager import RunManager
from kd_core.store.annotations import normalize
from tests.pages.test_distill import Open, button, run_to_end, texts
from tools.testing.waiting import wait, wait_for_end

SMALL = {"dataset": "moons", "epochs": "3", "teacher_epochs": "1", "labelled": "40"}
HOSTILE = "<b>bold</b> **stars** [link](http://a.b) :red[x] $y$"
FinishedRun = Callable[..., str]


@pytest.fixture
def finished_run(shared: RunManager) -> FinishedRun:
    return lambda **changes: run_to_end(shared, **{**SMALL, **changes})


def distill_page(open_page: Open, run: str) -> AppTest:
    return open_page("distill", run=run)


def all_texts(app: AppTest) -> str:
    return "\n".join([texts(app), *(element.value for element in (*app.warning, *app.info))])


def field(app: AppTest, label: str):
    widgets = (*app.text_input, *app.text_area, *app.multiselect)
    return next(widget for widget in widgets if widget.label == label)


@pytest.mark.slow
def test_name_and_note_of_a_run_are_stored_and_shown_literally(
    open_page: Open, shared: RunManager, finished_run: FinishedRun
) -> None:
    run = finished_run()
    app = distill_page(open_page, run)
    field(app, "Name").set_value(HOSTILE)
    field(app, "Note").set_value("First line\n===\n# second")
    button(app, "Save").click().run()
    annotations = shared.store.run(run).annotations
    assert (annotations.name, annotations.note) == (HOSTILE, "First line\n===\n# second")
    markdowns = [markdown.value for markdown in app.markdown]
    assert (
        "**\\<b\\>bold\\</b\\> \\*\\*stars\\*\\* \\[link\\]\\(http\\:\u200b//a\\.b\\) \\:red\\[x\\] \\$y\\$**"
        in markdowns
    )
    assert "First line  \n\\=\\=\\=  \n\\# second" in markdowns


def test_a_refused_name_shows_the_reason_and_stays_in_the_form(
    open_page: Open, shared: RunManager, finished_run: FinishedRun
) -> None:
    run = finished_run()
    app = distill_page(open_page, run)
    field(app, "Name").set_value("seen\u202enot seen")
    button(app, "Save").click().run()
    assert "Character 5 of the name" in all_texts(app).replace("\\", "")
    assert field(app, "Name").value == "seen\u202enot seen"
    assert shared.store.run(run).annotations.name == ""


@pytest.mark.slow
def test_a_sweep_is_one_entry_among_the_earlier_runs_and_opens_its_page(open_page: Open, shared: RunManager) -> None:
    sweep = shared.start_sweep(Sweep(from_flat({"dataset": "moons", "epochs": "2"}), (Axis("alpha", ("0.3", "0.9")),)))
    assert wait_for_end(shared, sweep, 60) == "completed"
    links = [element.proto for element in open_page("distill").get("page_link")]
    (link,) = [link for link in links if "Sweep of 2 runs" in link.label]
    assert link.page.endswith("sweep")
    assert link.query_string == f"sweep={sweep}"
    assert not [link for link in links if "run=" in link.query_string]


@pytest.mark.slow
def test_a_pinned_run_comes_first_among_the_earlier_runs_with_its_name(
    open_page: Open, shared: RunManager, finished_run: FinishedRun
) -> None:
    old, _, newest = (finished_run(seed=str(seed)) for seed in range(3))
    shared.annotation_store.write(old, normalize("The old one", ["paper"]))
    app = distill_page(open_page, old)
    button(app, "Pin").click().run()
    assert shared.store.run(old).annotations.is_pinned
    assert button(app, "Unpin")
    links = [
        link.proto.label for link in distill_page(open_page, newest).get("page_link") if "seed" in link.proto.label
    ]
    assert links[0].startswith("The old one · ")
    assert ":gray-badge[paper]" in links[0]
    assert "seed 1" in links[1]


@pytest.mark.slow
def test_a_deletion_is_confirmed_hides_the_run_and_can_be_undone_from_its_link(
    open_page: Open, shared: RunManager, finished_run: FinishedRun
) -> None:
    run, other = finished_run(), finished_run(seed="1")
    app = distill_page(open_page, run)
    button(app, "Delete …").click().run()
    assert "fewer seeds" in all_texts(app)
    assert shared.store.run(run) is not None
    button(app, "Delete").click().run()
    assert shared.store.run(run) is None
    assert "This run was deleted. It can be restored" in all_texts(app)
    linked = open_page("compare", runs=f"{run},{other}")
    assert "This run was deleted" in all_texts(linked)
    assert next(frame.value["run"].tolist() for frame in linked.dataframe if "run" in frame.value.columns) == [other]
    for page in ("inspect", "temperature"):
        assert "This run was deleted" in all_texts(open_page(page, run=run))
    app = distill_page(open_page, run)
    button(app, "Undo").click().run()
    assert shared.store.run(run) is not None
    assert "One seed" not in all_texts(app)  # the result counts both seeds again


def test_deleted_runs_are_listed_and_can_be_restored(
    open_page: Open, shared: RunManager, finished_run: FinishedRun
) -> None:
    run = finished_run()
    shared.annotation_store.write(run, normalize("Gone?"))
    shared.trash.delete(run)
    app = open_page("distill")
    assert any(expander.label == "Deleted (1)" for expander in app.expander)
    assert "Gone?" in all_texts(app)
    button(app, "Undo").click().run()
    assert shared.trash.all() == []


def test_a_training_run_must_be_stopped_before_it_can_be_deleted(open_page: Open, shared: RunManager) -> None:
    slow = shared.start(from_flat({**SMALL, "epochs": "400"}), pace=0.5)
    wait(lambda: shared.store.run(slow).state == "training")
    app = distill_page(open_page, slow)
    assert "Stop this run before you delete it." in all_texts(app)
    assert "Delete …" not in [element.label for element in app.button]
    shared.stop(slow)


def test_the_runs_of_a_sweep_are_deleted_together(open_page: Open, shared: RunManager) -> None:
    sweep = shared.start_sweep(Sweep.over_seeds(from_flat(SMALL), range(3)))
    wait_for_end(shared, sweep)
    first = shared.store.members(sweep)[0].id
    app = distill_page(open_page, first)
    button(app, "Delete …").click().run()
    assert "3 runs of a sweep" in all_texts(app)
    button(app, "Delete 3 runs").click().run()
    assert shared.store.members(sweep) == []
    button(app, "Undo").click().run()
    assert len(shared.store.members(sweep)) == 3
