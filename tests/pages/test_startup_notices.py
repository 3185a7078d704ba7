"""Notices about interrupted runs, missing files and full disks."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.config.run import from_flat
from kd_core.config.sweep import Sweep
from kd_core.runs import event_writer, manager
from kd_core.runs.manager import RunManager
from kd_core.store import database
from kd_core.store.store import Store
from kd_core.training.loop import Trainer
from tools.testing.waiting import wait

SMALL = from_flat({"dataset": "moons", "epochs": "4", "teacher_epochs": "1"})


def texts(app: AppTest) -> str:
    return "\n".join(str(element.value) for kind in (app.caption, app.warning, app.info) for element in kind)


def links(app: AppTest) -> str:
    return "\n".join(link.proto.label for link in app.get("page_link"))


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunManager:
    monkeypatch.setattr(database, "TIMEOUT", 0.2)
    monkeypatch.setattr(event_writer, "RETRY_SECONDS", 0.05)
    store = Store(tmp_path / "distillery.sqlite")
    for run, state in (("first", "training"), ("second", "queued"), ("third", "stopped")):
        store.add(run, SMALL, state)
    runs = manager.RunManager(tmp_path)
    monkeypatch.setattr(manager, "_shared", runs)
    yield runs
    runs.close()


def test_interrupted_runs_are_linked_until_they_are_completed(
    open_page: Callable[..., AppTest], shared: RunManager
) -> None:
    app = open_page("distill")
    assert [run for run in ("first", "second", "third") if f"Run {run} was interrupted" in links(app)] == [
        "first",
        "second",
    ]
    assert "run third" in texts(app)  # whose checkpoint is missing
    shared.store.set_state("first", "completed")
    app = open_page("distill", run="second")  # the page shows the other interrupted run itself
    assert "interrupted" not in links(app)
    assert "Resume" in [button.label for button in app.button]


def test_a_problem_with_the_files_of_a_run_is_shown_on_its_page(
    open_page: Callable[..., AppTest], shared: RunManager
) -> None:
    shared._states.set_notice("first", "The checkpoint cannot be written. The disk is full: free some space.")
    assert "free some space" in texts(open_page("distill", run="first"))


@pytest.fixture
def holder(shared: RunManager) -> Iterator[sqlite3.Connection]:
    """A connection of another program that holds the database, since before two runs ended."""
    shared.store.append("second", 1, [(0.0, event) for event in Trainer(SMALL)], {})
    shared.store.set_states({"first": ("training", None), "second": ("training", None)})
    other = sqlite3.connect(shared.store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    shared._states.end("first", "interrupted", None)
    shared._states.end("second", "completed", 1.0)
    yield other
    other.close()


@pytest.mark.slow
@pytest.mark.parametrize(("page", "run"), [("distill", "first"), ("distill", "second"), ("compare", "second")])
def test_every_page_says_that_the_end_of_a_run_could_not_be_stored_until_it_is(
    open_page: Callable[..., AppTest], shared: RunManager, holder: sqlite3.Connection, page: str, run: str
) -> None:
    app = open_page(page, **{"runs" if page == "compare" else "run": run})
    assert "Another program holds it" in texts(app)
    assert "could not be stored yet" in texts(app)
    if page == "distill":
        assert ("Resume" in [button.label for button in app.button]) == (run == "first")
        assert "Pause" not in [button.label for button in app.button]
    holder.execute("ROLLBACK")
    wait(lambda: shared.status(run).notice == "")
    assert "could not be stored yet" not in texts(app.run())


def test_the_page_of_a_run_of_a_sweep_leads_to_the_sweep(open_page: Callable[..., AppTest], shared: RunManager) -> None:
    shared.store.add_sweep("s", Sweep.over_seeds(SMALL, [0, 1]), ["s0", "s1"], "interrupted")
    app = open_page("distill", run="s0")
    assert "Resume its sweep" in [button.label for button in app.button]
    shared.store.set_states({"s": ("training", None), "s0": ("training", None)})
    app.run()
    assert "part of a sweep" in links(app)
    assert not {"Pause", "Stop and keep"} & {button.label for button in app.button}
