"""Names, tags, notes, pins and deletion, without a browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.config.run import from_flat
from kd_core.config.sweep import Sweep
from kd_core.runs.manager import RunManager
from kd_core.store.annotations import normalize
from tests.pages.test_distill import Open, button, run_to_end, texts
from tools.testing.waiting import wait, wait_for_end

SMALL = {"dataset": "moons", "epochs": "3", "teacher_epochs": "1", "labelled": "40"}
HOSTILE = "<b>bold</b> **stars** [link](http://a.b) :red[x] $y$"
Ended = Callable[..., str]


@pytest.fixture
def ended(shared: RunManager) -> Ended:
    return lambda **changes: run_to_end(shared, **{**SMALL, **changes})


def lab(open_page: Open, run: str) -> AppTest:
    return open_page("distill", run=run, autoplay="0")


def said(app: AppTest) -> str:
    return "\n".join([texts(app), *(each.value for each in (*app.warning, *app.info))])


def field(app: AppTest, label: str):
    return next(one for kind in (app.text_input, app.text_area, app.multiselect) for one in kind if one.label == label)


def test_a_run_is_named_tagged_and_noted_and_shown_letter_by_letter(
    open_page: Open, shared: RunManager, ended: Ended
) -> None:
    run = ended()
    app = lab(open_page, run)
    field(app, "Name").set_value(HOSTILE)
    field(app, "Note").set_value("First line\n===\n# second")
    button(app, "Save").click().run()
    kept = shared.store.run(run).annotations
    assert (kept.name, kept.note) == (HOSTILE, "First line\n===\n# second")
    shown = [markdown.value for markdown in app.markdown]
    assert (
        "**\\<b\\>bold\\</b\\> \\*\\*stars\\*\\* \\[link\\]\\(http\\:\u200b//a\\.b\\) \\:red\\[x\\] \\$y\\$**" in shown
    )
    assert "First line  \n\\=\\=\\=  \n\\# second" in shown


def test_what_is_refused_is_said_and_what_was_typed_stays(open_page: Open, shared: RunManager, ended: Ended) -> None:
    run = ended()
    app = lab(open_page, run)
    field(app, "Name").set_value("seen\u202enot seen")
    button(app, "Save").click().run()
    assert "Character 5 of the name cannot be seen" in said(app).replace("\\", "")
    assert field(app, "Name").value == "seen\u202enot seen"
    assert shared.store.run(run).annotations.name == ""


def test_a_pinned_run_comes_first_among_the_earlier_ones_by_its_name(
    open_page: Open, shared: RunManager, ended: Ended
) -> None:
    old, _, newest = (ended(seed=str(seed)) for seed in range(3))
    shared.annotation_store.write(old, normalize("The old one", ["paper"]))
    app = lab(open_page, old)
    button(app, "Pin").click().run()
    assert shared.store.run(old).annotations.is_pinned
    assert button(app, "Unpin")
    links = [link.proto.label for link in lab(open_page, newest).get("page_link") if "seed" in link.proto.label]
    assert links[0].startswith("The old one · ")
    assert ":gray-badge[paper]" in links[0]
    assert "seed 1" in links[1]


def test_deleting_asks_hides_the_run_and_can_be_undone_from_the_link(
    open_page: Open, shared: RunManager, ended: Ended
) -> None:
    run, other = ended(), ended(seed="1")
    app = lab(open_page, run)
    button(app, "Delete …").click().run()
    assert "The verdict of another run with the same settings then counts fewer seeds" in said(app)
    assert shared.store.run(run) is not None
    button(app, "Delete").click().run()
    assert shared.store.run(run) is None
    assert "This run was deleted. It can be had back until the app is restarted." in said(app)
    linked = open_page("compare", runs=f"{run},{other}", autoplay="0")
    assert "This run was deleted" in said(linked)
    assert next(frame.value["run"].tolist() for frame in linked.dataframe if "run" in frame.value.columns) == [other]
    for page in ("inspect", "temperature"):
        assert "This run was deleted" in said(open_page(page, run=run, autoplay="0"))
    app = lab(open_page, run)
    button(app, "Undo").click().run()
    assert shared.store.run(run) is not None
    assert "One seed" not in said(app)  # of two, as before


def test_deleted_runs_are_listed_with_the_way_back(open_page: Open, shared: RunManager, ended: Ended) -> None:
    run = ended()
    shared.annotation_store.write(run, normalize("Gone?"))
    shared.trash.delete(run)
    app = open_page("distill", autoplay="0")
    assert any(expander.label == "Deleted (1)" for expander in app.expander)
    assert "Gone?" in said(app)
    button(app, "Undo").click().run()
    assert shared.trash.all() == []


def test_a_run_that_trains_is_stopped_before_it_is_deleted(open_page: Open, shared: RunManager) -> None:
    slow = shared.start(from_flat({**SMALL, "epochs": "400"}), pace=0.5)
    wait(lambda: shared.store.run(slow).state == "training")
    app = lab(open_page, slow)
    assert "Stop this run before you delete it." in said(app)
    assert not any(found.label == "Delete …" for found in app.button)
    shared.stop(slow)


def test_the_runs_of_a_sweep_are_deleted_together(open_page: Open, shared: RunManager) -> None:
    sweep = shared.start_sweep(Sweep.over_seeds(from_flat(SMALL), range(3)))
    wait_for_end(shared, sweep)
    first = shared.store.members(sweep)[0].id
    app = lab(open_page, first)
    button(app, "Delete …").click().run()
    assert "is one of 3 runs of a sweep" in said(app)
    button(app, "Delete 3 runs").click().run()
    assert shared.store.members(sweep) == []
    button(app, "Undo").click().run()
    assert len(shared.store.members(sweep)) == 3
