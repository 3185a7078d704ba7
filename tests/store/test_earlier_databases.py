"""Tests of the data folder of version 0.1, which opens with every number and begins its unfinished runs again.

``fixtures/data-folder-89d1298.tar.xz`` was written by the run manager of commit 89d1298; the JSON file beside it holds
what that commit read from it. Runs are trained again on other machines, so only stored numbers are compared exactly.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from kd_core.analysis.replay import Replay
from kd_core.analysis.sweep_results import collect_results
from kd_core.analysis.verdict import verdict
from kd_core.base.events import Adjusted, Event, Finished, from_json, to_json
from kd_core.base.registry import find_plugin
from kd_core.config.run import RunConfig, from_flat
from kd_core.datasets import forget
from kd_core.files import uploads
from kd_core.files.checkpoint import OTHER_VERSION, Checkpoint
from kd_core.nn import weights
from kd_core.nn.inference import predict_logits
from kd_core.runs.manager import COMPLETED, INTERRUPTED, STOPPED, RunManager
from kd_core.schemes import comparison_of
from kd_core.store.annotations import Annotations, AnnotationStore
from kd_core.store.queries import RunQueries, Search
from kd_core.store.records import Run
from kd_core.store.store import Store
from kd_core.store.teacher_cache import TeacherCache
from kd_core.store.trash import Trash
from kd_core.training.loop import Trainer
from tools.testing.waiting import wait_for_end

FIXTURES = Path(__file__).parent / "fixtures"
STORED: dict[str, Any] = json.loads((FIXTURES / "data-folder-89d1298.json").read_text(encoding="utf-8"))
IDS: dict[str, str] = STORED["names"]
SINGLE_RUNS: list[dict[str, Any]] = STORED["runs"]
ALL_RUNS = [*SINGLE_RUNS, *(run for sweep in STORED["sweeps"] for run in sweep["runs"])]
LATER_OPTIONS = {"layers": ""}  # with their defaults
BY_ID = {run["id"]: run for run in ALL_RUNS}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tarfile.open(FIXTURES / "data-folder-89d1298.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path))
    yield tmp_path
    for upload in STORED["uploads"]:
        forget(find_plugin("datasets", "upload")(id=upload["id"]))


@pytest.fixture
def store(folder: Path) -> Store:
    return Store(folder / "distillery.sqlite")


@pytest.fixture
def manager(folder: Path) -> Iterator[RunManager]:
    runs = RunManager(folder)
    yield runs
    runs.close()


def sha256(content: str | bytes) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def canonical(event: Event) -> str:
    return json.dumps(json.loads(to_json(event)), sort_keys=True, separators=(",", ":"))


def event_lines(store: Store, run: str) -> list[str]:
    return [canonical(event) for _, event in store.events(run)]


def outline(events: list[str]) -> list[tuple[Any, ...]]:
    """Return kind, phase, step and epoch of events without the numbers, whose last digits depend on the processor."""
    parsed = map(json.loads, events)
    return [tuple(event.get(key) for key in ("event", "phase", "step", "epoch")) for event in parsed]


def without_later_options(settings: dict[str, str]) -> dict[str, str]:
    """Return settings without the options that version 0.1 did not have, which must be at their defaults."""
    assert {name: settings.get(name, text) for name, text in LATER_OPTIONS.items()} == LATER_OPTIONS
    return {name: text for name, text in settings.items() if name not in LATER_OPTIONS}


def actual_row(run: Run) -> dict[str, Any]:
    """Return the row of a stored run in the form of the JSON file."""
    common, settings = STORED["settings of all runs"], without_later_options(run.config.flat())
    assert common.items() <= settings.items()
    return {
        "id": run.id,
        "state": run.state,
        "seed": run.seed,
        "settings": {name: text for name, text in settings.items() if name not in common},
        "config": sha256(run.config_json),
        "family": sha256(run.family),
        "link": without_later_options(run.config.differences()),
        "created": run.created,
        "seconds": run.seconds,
        "test": run.test,
        "sweep": run.sweep,
        "labels": as_stored(run.annotations),
    }


def as_stored(annotations: Annotations) -> dict[str, Any]:
    return vars(annotations) | {"tags": list(annotations.tags)}


def expected_row(run: dict[str, Any]) -> dict[str, Any]:
    """Return a run of the JSON file in the form of :func:`actual_row`."""
    return {
        name: value for name, value in run.items() if name not in ("events", "digest", "weights", "changed", "verdict")
    }


def test_every_run_is_listed_with_its_settings_result_and_annotations(store: Store) -> None:
    assert [actual_row(run) for run in store.runs()] == [expected_row(run) for run in SINGLE_RUNS]
    assert [row.id for row in store.sweeps()] == [sweep["id"] for sweep in STORED["sweeps"]]
    for sweep in STORED["sweeps"]:
        assert [actual_row(run) for run in store.members(sweep["id"])] == [expected_row(run) for run in sweep["runs"]]


def test_the_short_link_of_a_run_gives_its_whole_configuration(store: Store) -> None:
    for run in ALL_RUNS:
        assert from_flat(run["link"]) == store.run(run["id"]).config  # type: ignore[union-attr]


def test_every_event_is_decoded_to_the_same_numbers(store: Store) -> None:
    assert {run["id"]: store.count(run["id"]) for run in ALL_RUNS} == {run["id"]: run["events"] for run in ALL_RUNS}
    digests = {run["id"]: sha256("\n".join(event_lines(store, run["id"]))) for run in ALL_RUNS}
    assert digests == {run["id"]: run["digest"] for run in ALL_RUNS}


def test_the_option_changes_are_read(store: Store) -> None:
    run = IDS["moons, changed by hand"]
    changes = [event for _, event in store.events(run, kinds=["adjusted"]) if isinstance(event, Adjusted)]
    assert [(change.option, change.old, change.new) for change in changes] == [
        ("temperature", 4.0, 1.5),
        ("alpha", 0.9, 0.25),
    ]
    assert [other["id"] for other in ALL_RUNS if store.was_adjusted(other["id"])] == [run]


def test_stored_weights_are_the_same_bytes(store: Store) -> None:
    for run in ALL_RUNS:
        stored_weights = {str(number): store.weights(run["id"], number) for number, _ in store.snapshots(run["id"])}
        assert {number: sha256(content or b"") for number, content in stored_weights.items()} == run["weights"]


@pytest.mark.parametrize("name", ["digits", "hints", "mutual", "failed", "stopped", "uploaded data"])
def test_networks_rebuilt_from_stored_weights_reach_the_stored_test_accuracy(store: Store, name: str) -> None:
    run = store.run(IDS[name])
    assert run is not None
    replay = Replay(store, run)
    networks, test = replay.networks(replay.snapshot_at(-1)), replay.data.test
    for role, measured in BY_ID[run.id]["test"].items():
        correct = predict_logits(networks[role], test.inputs).argmax(1) == test.labels
        # One example may lie so close to a boundary that another processor classifies it differently.
        assert correct.float().mean().item() == pytest.approx(measured["accuracy"], abs=1.5 / len(test))


def test_every_verdict_has_the_same_outcome_and_gain_and_an_interval_that_holds_the_former(store: Store) -> None:
    for stored in ALL_RUNS:
        run = store.run(stored["id"])
        assert run is not None
        if not run.test:
            assert stored["verdict"] is None
            continue
        is_whole = run.state == COMPLETED and not store.was_adjusted(run.id)
        family = store.siblings(run.family) if is_whole else [run]
        tests = [other.test for other in family if other.test and (not is_whole or other.state == COMPLETED)]
        result = verdict(tests, comparison_of(run.config))
        expected = stored["verdict"]
        assert (result.outcome, result.seeds) == (expected["outcome"], expected["seeds"])
        assert result.gain == pytest.approx(expected["gain"])
        assert (result.interval is None) == (expected["interval"] is None)
        if result.interval and expected["interval"]:  # which counted the seeds and not the test examples
            assert result.interval[0] < expected["interval"][0] or result.interval[0] == -100
            assert result.interval[1] > expected["interval"][1] or result.interval[1] == 100


def test_the_results_of_the_sweeps_have_the_same_cells(store: Store) -> None:
    for stored in STORED["sweeps"]:
        row = store.sweep(stored["id"])
        assert row is not None
        assert [[axis.option, list(axis.values)] for axis in row.sweep.axes] == stored["sweep"]
        assert (list(row.sweep.seeds), row.state, row.seconds) == (stored["seeds"], stored["state"], stored["seconds"])
        assert as_stored(row.annotations) == stored["labels"]
        cells = collect_results(row.sweep, RunQueries(store).latest_evaluations(row.id, "student", "baseline")).cells
        assert len(cells) == len(stored["cells"])
        for cell, expected in zip(cells, stored["cells"], strict=True):
            assert (list(cell.values), list(cell.epochs)) == (expected["values"], expected["epochs"])
            assert cell.accuracies == pytest.approx(expected["accuracies"])
            assert cell.controls == pytest.approx(expected["controls"])
            assert cell.gains == pytest.approx(expected["gains"])
            assert (cell.mean, cell.gain) == pytest.approx((expected["mean"], expected["gain"]))


def test_annotations_can_be_searched_and_pinned_runs_come_first(store: Store) -> None:
    run_queries = RunQueries(store)
    assert AnnotationStore(store.path).tags() == STORED["tags"] == ["by hand", "Größe", "paper"]
    assert [run.id for run in run_queries.page(Search("GRÖSSE"), 0, 9)] == [IDS["digits"]]
    assert [run.id for run in run_queries.page(Search(facets={"tag": "by hand"}), 0, 9)] == [
        IDS["moons, changed by hand"]
    ]
    assert run_queries.page(Search(), 0, 1)[0].id == IDS["digits"]


def test_a_deleted_run_can_be_restored(store: Store) -> None:
    trash = Trash(store.path)
    assert store.run(IDS["deleted"]) is None
    assert [{"id": item.id, "count": item.count, "state": item.run.state} for item in trash.all()] == STORED["deleted"]
    trash.restore(IDS["deleted"])
    restored = store.run(IDS["deleted"])
    assert restored is not None
    assert (restored.state, restored.config.dataset.name, restored.seed) == (COMPLETED, "moons", 9)
    assert isinstance(store.events(restored.id)[-1][1], Finished)


def test_a_deleted_run_is_removed_with_its_files_when_the_app_starts(folder: Path, manager: RunManager) -> None:
    assert manager.trash.all() == []
    on_disk = {path.name for path in (folder / "runs").iterdir()}
    assert on_disk == {run["id"] for run in SINGLE_RUNS}


@pytest.mark.parametrize(("name", "state"), [("stopped", STOPPED), ("interrupted", INTERRUPTED)])
def test_a_checkpoint_of_version_0_1_is_refused_in_a_sentence_and_its_run_begins_again(
    folder: Path, manager: RunManager, name: str, state: str
) -> None:
    run = IDS[name]
    before = event_lines(manager.store, run)
    event_count = Checkpoint.read(folder / "runs" / run / "checkpoint.safetensors").values["events"]
    assert event_count > 20
    assert manager.status(run).state == state
    manager.resume_from_checkpoint(run)
    assert wait_for_end(manager, run) == COMPLETED
    assert manager.status(run).notice == OTHER_VERSION
    after = event_lines(manager.store, run)
    config = manager.store.run(run).config
    assert outline(after) == outline([canonical(event) for event in Trainer(config, device="cpu")])
    assert outline(after)[:event_count] == outline(before)[:event_count]
    losses, expected = (
        [json.loads(event)["loss"]["student"] for event in events if '"event":"validated","loss":{"b' in event]
        for events in (after, before[:event_count])
    )
    assert len(losses) == config.recipe.epochs + 1
    assert losses[: len(expected)] == pytest.approx(expected, rel=1e-2)  # only their last digits differ


def test_a_sweep_of_version_0_1_begins_again(folder: Path, manager: RunManager) -> None:
    sweep = IDS["stopped sweep"]
    manager.resume_from_checkpoint(sweep)
    assert wait_for_end(manager, sweep, 60) == COMPLETED
    assert manager.status(sweep).notice == OTHER_VERSION
    for run in manager.store.members(sweep):
        validated = [event for _, event in manager.store.events(run.id, kinds=["validated"])]
        students = [event.epoch for event in validated if event.phase == "students"]  # type: ignore[attr-defined]
        assert run.state == COMPLETED
        assert students == sorted(set(students))
        assert (students[0], students[-1]) == (0, 400)


def test_a_cached_teacher_is_reused(folder: Path, manager: RunManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", STORED["torch"])  # part of the key of a cached teacher
    cache = TeacherCache(folder / "teachers")
    assert sorted(cache) == STORED["teachers"]
    times = {path: path.stat().st_mtime_ns for path in (folder / "teachers").iterdir()}
    config = manager.store.run(IDS["digits"]).config
    run = manager.start(config.with_flat(seed=5, device="cpu"))
    assert wait_for_end(manager, run) == COMPLETED
    assert {path: path.stat().st_mtime_ns for path in (folder / "teachers").iterdir()} == times
    assert teacher_events(manager.store, run) == teacher_events(manager.store, IDS["digits"])


def teacher_events(store: Store, run: str) -> list[str]:
    """Return the stored events of the phase in which the teacher is trained."""
    events = [
        event for event in event_lines(store, run) if '"phase":"teacher"' in event and '"event":"prepared"' not in event
    ]
    assert len(events) == 10  # two evaluations around eight steps
    return events


def test_uploaded_data_and_weights_can_be_used(manager: RunManager) -> None:
    listed = [
        {
            "id": item.id,
            "name": item.name,
            "kind": item.kind,
            "classes": list(item.classes),
            "counts": list(item.counts),
            "shape": list(item.shape),
        }
        for item in uploads.list_all()
    ]
    assert listed == STORED["uploads"]
    uploaded_weights = [{**vars(item), "shape": list(item.shape)} for item in weights.list_all()]
    assert uploaded_weights == STORED["weights"]
    for name in ("uploaded data", "uploaded weights"):
        config: RunConfig = manager.store.run(IDS[name]).config
        run = manager.start(config)
        assert wait_for_end(manager, run) == COMPLETED
        assert outline(event_lines(manager.store, run)) == outline(event_lines(manager.store, IDS[name]))


def test_a_checkpoint_names_the_configuration_of_its_run(folder: Path, store: Store) -> None:
    for path in sorted((folder / "runs").glob("*/checkpoint.safetensors")):
        run = store.run(path.parent.name)
        values = Checkpoint.read(path).values
        assert run is None or values["config"] == run.config_json
        assert all(isinstance(from_json(text), Event) for text in values["pending"])
