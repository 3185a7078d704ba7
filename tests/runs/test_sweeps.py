"""Sweeps in the queue, paused, stopped and resumed like a run."""

import itertools
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from kd_core.analysis.replay import Replay
from kd_core.base.events import Finished, Step, Validated
from kd_core.config.run import RunConfig, from_flat
from kd_core.config.sweep import MAX_RUNS, Axis, Sweep
from kd_core.nn.inference import predict_logits
from kd_core.runs.control import Control
from kd_core.runs.manager import COMPLETED, INTERRUPTED, STOPPED, RunManager
from kd_core.store.database import migrate
from kd_core.store.store import Store
from kd_core.training.loop import Trainer
from tools.testing.waiting import wait, wait_for_end

pytestmark = pytest.mark.slow

With = Callable[..., RunConfig]
GRID = (Axis("temperature", ("1", "4")), Axis("alpha", ("0.3", "0.9")))


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[RunManager]:
    runs = RunManager(tmp_path / "data")
    yield runs
    runs.close()


def test_a_sweep_is_every_combination_over_the_same_seeds(small: RunConfig) -> None:
    sweep = Sweep(small, GRID, (0, 5))
    assert [(c.method.temperature, c.method.alpha, c.seed) for c in sweep.configs()] == list(
        itertools.product((1.0, 4.0), (0.3, 0.9), (0, 5))
    )
    assert sweep.count == 8
    assert Sweep.from_json(sweep.to_json()) == sweep


@pytest.mark.parametrize(
    ("axes", "seeds", "message"),
    [
        ((Axis("temperature", ()),), (0,), "temperature: choose at least one value"),
        ((Axis("temperature", ("4", "4.0")),), (0,), "4.0 is given twice"),
        ((Axis("alpha", ("0.1",)), Axis("alpha", ("0.2",))), (0,), "alpha is varied twice"),
        ((Axis("seed", ("1", "2")),), (0,), "seed cannot be an axis"),
        (GRID, (1, 1), "each seed once"),
        (GRID, (), "at least one seed"),
        (GRID, tuple(range(MAX_RUNS)), "maximum is 2,000"),
        ((Axis("temperature", ("900",)),), (0,), "choose a number from 0.5 to 20"),
        ((Axis("warmth", ("1",)),), (0,), "warmth"),
        ((*GRID, Axis("epochs", ("1", "2")), Axis("clip", ("0", "1"))), (0,), "at most 3 settings"),
        ((Axis("device", ("cpu",)),), (0,), "device cannot be an axis"),
    ],
)
def test_an_invalid_sweep_is_refused_with_what_to_change(
    small: RunConfig, axes: tuple[Axis, ...], seeds: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Sweep(small, axes, seeds)


def test_one_value_is_a_sweep_too_and_values_keep_their_order(small: RunConfig) -> None:
    assert [c.method.temperature for c in Sweep(small, (Axis("temperature", ("9",)),)).configs()] == [9.0]
    assert [c.method.temperature for c in Sweep(small, (Axis("temperature", ("9", "2")),)).configs()] == [9.0, 2.0]


def test_the_runs_of_a_sweep_have_the_evaluations_of_single_runs_up_to_rounding(
    runs: RunManager, small: RunConfig
) -> None:
    name = runs.start_sweep(Sweep(small, GRID, (0, 1)))
    assert wait_for_end(runs, name) == COMPLETED
    members = runs.store.members(name)
    assert [member.config for member in members] == Sweep(small, GRID, (0, 1)).configs()
    for member in (members[0], members[-1]):
        events = [event for _, event in runs.store.events(member.id)]
        alone = [event for event in Trainer(member.config) if isinstance(event, Validated)]
        evaluations = [event for event in events if isinstance(event, Validated)]
        assert [(event.phase, event.step) for event in evaluations] == [(event.phase, event.step) for event in alone]
        for event, other in zip(evaluations, alone, strict=True):
            assert event.loss == pytest.approx(other.loss, rel=1e-4)
            assert event.correct.keys() == other.correct.keys()
        assert isinstance(events[-1], Finished)
        assert member.state == COMPLETED
        assert member.test == events[-1].test
        assert not any(isinstance(event, Step) for event in events)


def test_the_weights_of_a_run_of_a_sweep_are_stored(runs: RunManager, small: RunConfig) -> None:
    name = runs.start_sweep(Sweep(small, GRID))
    wait_for_end(runs, name)
    member = runs.store.members(name)[1]
    replay = Replay(runs.store, member)
    trained = Trainer(member.config)
    list(trained)
    logits = replay.logits(replay.snapshot_at(-1))  # of the test set, since the run is over
    assert set(replay.snapshot_at(-1).roles) == {"student", "baseline"}
    for role in ("teacher", "student", "baseline"):
        expected = predict_logits(trained.networks[role], trained.data.test.inputs[replay.rows("test")])
        torch.testing.assert_close(logits[role]["test"], expected, rtol=1e-3, atol=1e-3)


def test_runs_that_cannot_be_stacked_are_trained_one_by_one(runs: RunManager, small_with: With) -> None:
    name = runs.start_sweep(Sweep(small_with(patience="2"), (Axis("temperature", ("1", "4")),)))
    assert wait_for_end(runs, name) == COMPLETED
    for member in runs.store.members(name):
        alone = [event for event in Trainer(member.config) if isinstance(event, Validated)]
        assert [event for _, event in runs.store.events(member.id, kinds=["validated"])] == alone


@pytest.mark.parametrize("more", [{}, {"patience": "50"}], ids=["stacked", "one by one"])
def test_the_progress_of_a_sweep_has_one_total(
    runs: RunManager, small_with: With, more: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    positions: list[tuple[int, int]] = []
    progress = Control.progress
    monkeypatch.setattr(
        Control,
        "progress",
        lambda self, position, seconds: positions.append(position) or progress(self, position, seconds),
    )
    name = runs.start_sweep(Sweep(small_with(**more), (Axis("epochs", ("2", "9")), Axis("alpha", ("0.3", "0.9")))))
    assert wait_for_end(runs, name) == COMPLETED
    steps = [Trainer(member.config) for member in runs.store.members(name)]
    of_teachers = 0 if not more else sum(trainer.steps(trainer.phases[0]) for trainer in steps)
    of_students = sum(trainer.steps(trainer.phases[1]) for trainer in steps)
    assert {total for _, total in positions} == {of_students + of_teachers}
    done = [done for done, _ in positions]
    assert done == sorted(done)
    assert done[-1] == of_students + of_teachers


@pytest.mark.parametrize(
    "more", [{"epochs": "150"}, {"epochs": "40", "patience": "500"}], ids=["stacked", "one by one"]
)
def test_an_interrupted_sweep_ends_with_the_same_numbers(
    tmp_path: Path, small_with: With, more: dict[str, str]
) -> None:
    sweep = Sweep(small_with(**more), (Axis("temperature", ("1", "4")),), (0, 1))

    def tests(runs: RunManager, name: str) -> list:
        return [member.test for member in runs.store.members(name)]

    whole = RunManager(tmp_path / "whole")
    name = whole.start_sweep(sweep)
    wait_for_end(whole, name)
    expected, counts = tests(whole, name), [whole.store.count(member.id) for member in whole.store.members(name)]
    whole.close()

    runs = RunManager(tmp_path / "halves")
    name = runs.start_sweep(sweep)
    first = runs.store.members(name)[0].id
    wait(lambda: runs.store.count(first) > 10)
    runs.close()
    runs = RunManager(tmp_path / "halves")
    assert runs.store.sweep(name).state == INTERRUPTED
    runs.resume_from_checkpoint(name)
    assert wait_for_end(runs, name) == COMPLETED
    assert tests(runs, name) == expected
    assert [runs.store.count(member.id) for member in runs.store.members(name)] == counts
    assert {member.state for member in runs.store.members(name)} == {COMPLETED}
    runs.close()


def test_a_sweep_is_paused_stopped_and_resumed(runs: RunManager, small_with: With) -> None:
    sweep = Sweep(small_with(epochs="300"), GRID)
    name = runs.start_sweep(sweep)
    first = runs.store.members(name)[0].id
    wait(lambda: runs.status(name).done)
    runs.pause(name)
    wait(lambda: runs.status(name).state == "paused")
    status = runs.status(name)
    assert 0 < status.done < status.total
    runs.stop(name)
    assert wait_for_end(runs, name) == STOPPED
    members = runs.store.members(name)
    assert {member.state for member in members} == {STOPPED}
    assert all(member.test for member in members)
    runs.resume_from_checkpoint(name)
    assert wait_for_end(runs, name) == COMPLETED
    evaluations = [event for _, event in runs.store.events(first, kinds=["validated"])]
    assert evaluations[-1].epoch == 300
    assert len({(event.phase, event.step) for event in evaluations}) == len(evaluations)


def test_the_runs_of_a_sweep_are_siblings_but_not_listed_as_runs(runs: RunManager, small: RunConfig) -> None:
    alone = runs.start(small)
    wait_for_end(runs, alone)
    name = runs.start_sweep(Sweep.over_seeds(small, [1, 2]))
    wait_for_end(runs, name)
    row = runs.store.run(alone)
    assert [run.seed for run in runs.store.siblings(row.family)] == [0, 1, 2]
    assert [run.id for run in runs.store.runs()] == [alone]
    assert [sweep.id for sweep in runs.store.sweeps()] == [name]


def test_a_database_from_before_sweeps_opens(tmp_path: Path, small: RunConfig) -> None:
    path = tmp_path / "earlier.sqlite"
    with sqlite3.connect(path) as db:
        migrate(db, 0, 3)
        db.execute(
            "INSERT INTO runs (id, created, config, family, seed, state) VALUES ('old', 1, ?, 'f', 0, 'completed')",
            (small.to_json(),),
        )
    db.close()
    store = Store(path)
    assert [run.id for run in store.runs()] == ["old"]
    store.add_sweep("s", Sweep(from_flat(small.flat()), GRID), ["a", "b", "c", "d"], "queued")
    assert [run.id for run in store.members("s")] == ["a", "b", "c", "d"]
