"""Stacked runs, compared with single ones."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
import torch

from kd_core.base.events import Event, Failed, Finished, Pinned, Prepared, Probed, Step, Surface, Validated, to_json
from kd_core.config.run import RunConfig, from_flat
from kd_core.files.checkpoint import Checkpoint
from kd_core.training.learner import NotFiniteError
from kd_core.training.loop import GroupTrainer, PhaseCache, Trainer, train_all
from kd_core.training.phase import PhaseTrainer
from kd_core.training.vectorized import loss
from kd_core.training.vectorized.compatibility import group_incompatibility, split_into_groups
from kd_core.training.vectorized.loss import Losses, ReplicaLoss

pytestmark = pytest.mark.slow

DIGITS = {"dataset": "digits", "labelled": "50", "epochs": "6", "teacher_epochs": "2", "teacher_width": "4"}
MOONS = {"dataset": "moons", "labelled": "40", "epochs": "4", "teacher_epochs": "1", "batch_size": "16"}
CACHE: PhaseCache = {}  # one teacher for all tests


def grid(**flat: str) -> list[RunConfig]:
    """Return runs with two temperatures, alphas and seeds each."""
    return [
        from_flat(DIGITS | {"temperature": t, "alpha": a, "seed": s} | flat)
        for t in ("2", "9")
        for a in ("0.4", "1")
        for s in ("0", "1")
    ]


def points(**flat: str) -> list[RunConfig]:
    return [from_flat(MOONS | {"alpha": a, "seed": s} | flat) for a, s in (("0", "0"), ("0.5", "0"), ("0.9", "3"))]


def by_run(numbered_events: Iterable[tuple[int, Event]]) -> dict[int, list[Event]]:
    events: dict[int, list[Event]] = {}
    for number, event in numbered_events:
        events.setdefault(number, []).append(event)
    return events


def single(config: RunConfig) -> tuple[Trainer, list[Event]]:
    """Return the trainer of a single run, and those of its events that a stack emits."""
    training = Trainer(config, cache=CACHE)
    run_events = list(training)
    ends = {(phase.name, at) for phase in training.phases for at in (0, training.steps(phase))}
    return training, [
        event
        for event in run_events
        if not isinstance(event, Step)
        and (not isinstance(event, Probed | Surface) or (event.phase, event.step) in ends)
    ]


def assert_close(ours: Any, theirs: Any, where: str = "") -> None:
    """Compare types, order and texts exactly, and numbers up to rounding."""
    if isinstance(theirs, Event):
        assert type(ours) is type(theirs), where
        if isinstance(theirs, Surface):  # rounded to bytes, where the last digit may fall either way
            ours, theirs = replace(ours, probabilities={}), replace(theirs, probabilities={})
        assert_close(vars(ours), vars(theirs), type(theirs).__name__)
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs), where
        for name, value in theirs.items():
            assert_close(ours[name], value, f"{where} {name}")
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs), where
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            assert_close(one, other, f"{where} {number}")
    elif isinstance(theirs, float):
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-5), where
    else:
        assert ours == theirs, where


def assert_as_single(configs: list[RunConfig], chosen: Iterable[int] | None = None) -> None:
    stacked = GroupTrainer(configs, cache=CACHE, compiling="never")
    events = by_run(stacked)
    for number in range(len(configs)) if chosen is None else chosen:
        training, run_events = single(configs[number])
        assert_close(events[number], run_events)
        networks = stacked.networks_of(number)
        assert networks.keys() == training.networks.keys()
        for role, network in training.networks.items():
            torch.testing.assert_close(networks[role].state_dict(), network.state_dict(), rtol=1e-4, atol=5e-5)


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_a_stacked_grid_agrees_with_each_single_run(optimiser: str) -> None:
    assert_as_single(grid(optimiser=optimiser))


def test_every_replica_has_batch_normalisation_statistics_of_its_own() -> None:
    cnn = {"student": "cnn", "student_width": "4", "student_depth": "1", "student_normalisation": "batch"}
    assert_as_single(grid(epochs="2", optimiser="sgd", **cnn), [0, 3, 6])


def test_runs_with_different_rates_and_options_of_another_method_agree_with_single_runs() -> None:
    more = {"method": "dist", "schedule": "cosine", "ema": "0.8", "clip": "1", "labelled": "150"}
    configs = [from_flat(DIGITS | more | {"learning_rate": r, "inter": i}) for r, i in (("0.01", "1"), ("0.002", "3"))]
    assert_as_single(configs)


def test_surfaces_are_emitted_at_both_ends_of_a_phase() -> None:
    configs = points(scheme="offline", fine_tune="2", control="false")
    assert_as_single(configs)
    events = by_run(GroupTrainer(configs, cache=CACHE))[1]
    assert [event.step for event in events if isinstance(event, Surface) and event.phase == "students"] == [0, 12]


def test_a_teacher_on_the_students_data_is_trained_for_each_seed() -> None:
    assert_as_single(points(teacher_view="student"))


def test_label_noise_and_missing_labels_agree_with_single_runs() -> None:
    assert_as_single(points(wrong="0.2"))
    unlabelled = points(scheme="unlabelled")
    assert not group_incompatibility(unlabelled)
    assert_as_single(unlabelled)


def test_assistants_of_each_run_are_trained_side_by_side() -> None:
    runs = points(assistants="1")
    assert not group_incompatibility(runs)
    assert_as_single(runs)


def test_shared_baselines_and_teachers_are_trained_once(monkeypatch: pytest.MonkeyPatch) -> None:
    phases: list[PhaseTrainer] = []
    init = PhaseTrainer.__init__
    monkeypatch.setattr(PhaseTrainer, "__init__", lambda self, *a, **k: (phases.append(self), init(self, *a, **k))[1])
    list(GroupTrainer(grid(epochs="1"), cache=CACHE))
    phase = phases[-1]
    assert len(phase.trainers) == 8 + 2  # a baseline for each seed
    assert len({trainer.criteria[0].teachers[0] for trainer in phase.trainers if trainer.criteria}) == 1


def test_position_counts_the_steps_of_every_student() -> None:
    stacked = GroupTrainer(points(), cache=CACHE)
    assert stacked.position == (0, 3 * 4 * 3)
    list(stacked)
    assert stacked.position == (36, 36)


@pytest.mark.parametrize("cut", [1, 5, 10, 17, 25])
def test_a_resumed_stack_ends_with_the_same_numbers(cut: int, tmp_path: Any) -> None:
    configs = points(scheme="offline", fine_tune="2")
    whole = list(GroupTrainer(configs, cache=CACHE, compiling="never"))
    interrupted, first = GroupTrainer(configs, cache=CACHE, compiling="never"), []
    for numbered_event in interrupted:
        first.append(numbered_event)
        if len(first) == cut:
            interrupted.checkpoint().write(tmp_path / "state")
            break
    resumed = GroupTrainer(configs, resume=Checkpoint.read(tmp_path / "state"), compiling="never")
    assert [(n, to_json(e)) for n, e in [*first, *resumed]] == [(n, to_json(e)) for n, e in whole]


def test_a_checkpoint_of_other_runs_is_refused() -> None:
    state = GroupTrainer(points()).checkpoint()
    with pytest.raises(ValueError, match="belongs to other runs"):
        GroupTrainer(points(epochs="5"), resume=state)


def test_a_stopped_stack_evaluates_its_networks() -> None:
    stacked, events = GroupTrainer(points(), cache=CACHE), []
    for number, event in stacked:
        events.append((number, event))
        if isinstance(event, Validated) and (event.phase, event.epoch) == ("students", 2):
            stacked.stop()
    for run_events in by_run(events).values():
        assert isinstance(run_events[-1], Finished)
        assert (run_events[-1].outcome, run_events[-1].step) == ("stopped", 6)
        assert set(run_events[-1].test) == {"teacher", "student", "baseline"}


def test_stopping_a_stack_during_teacher_training_ends_every_run() -> None:
    stacked = GroupTrainer(points(teacher_view="student", teacher_epochs="3"))
    stacked.stop()
    for run_events in by_run(stacked).values():
        assert isinstance(run_events[0], Prepared)
        assert isinstance(run_events[-1], Finished)
        assert run_events[-1].outcome == "stopped"


def test_only_the_run_whose_numbers_overflow_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    configs = points(optimiser="sgd")
    calls, original = [0], ReplicaLoss.__call__

    def with_nan(self: ReplicaLoss, *signals: torch.Tensor) -> Losses:
        losses = original(self, *signals)
        calls[0] += 1
        if calls[0] == 5:  # in the second epoch
            losses.gradients[1] = torch.nan
            losses.totals[1] = torch.nan
        return losses

    expected = by_run(GroupTrainer(configs, cache=CACHE, compiling="never"))
    monkeypatch.setattr(loss.ReplicaLoss, "__call__", with_nan)
    stacked = GroupTrainer(configs, cache=CACHE, compiling="never")
    events = by_run(stacked)
    assert events[0] == expected[0]
    assert events[2] == expected[2]
    failed, finished = events[1][-2:]
    assert isinstance(failed, Failed)
    assert isinstance(finished, Finished)
    assert (failed.step, failed.role, failed.phase, finished.outcome) == (6, "student", "students", "failed")
    last = next(event for event in reversed(events[1]) if isinstance(event, Validated))
    assert last.epoch == 1
    assert all(value.isfinite().all() for value in stacked.networks_of(1)["student"].state_dict().values())


def test_a_failed_baseline_ends_the_runs_that_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    original = ReplicaLoss.__call__

    def with_nan(self: ReplicaLoss, *signals: torch.Tensor) -> Losses:
        losses = original(self, *signals)
        losses.gradients[-1] = torch.inf  # the baseline of the last seed
        return losses

    monkeypatch.setattr(loss.ReplicaLoss, "__call__", with_nan)
    events = by_run(GroupTrainer(points(), cache=CACHE, compiling="never"))
    outcomes = [run_events[-1].outcome for run_events in events.values() if isinstance(run_events[-1], Finished)]
    assert outcomes == ["completed", "completed", "failed"]


INCOMPATIBLE = {
    "dataset differs": [{}, {"dataset_noise": "0.3"}],
    "student differs": [{}, {"student_widths": "8"}],
    "recipe differs": [{}, {"epochs": "5"}],
    "methods": [{}, {"method": "logit_mse"}],
    "option form differs": [{}, {"form": "ce"}],
    "patience": [{"patience": "3"}],
    "augmented": [{"dataset": "digits", "crop": "1"}],
    "compute in bfloat16": [{"precision": "bfloat16"}],
    "more than logits": [{"method": "relational"}],
    "at once": [{"method": "dkd", "dataset": "digits", "warm_up": "0"}],
    "in the same phase": [{"scheme": "mutual"}],
    "several teachers": [{"scheme": "ensemble"}],
}


@pytest.mark.parametrize("clause", INCOMPATIBLE)
def test_incompatible_runs_are_refused(clause: str) -> None:
    configs = [from_flat(MOONS | flat) for flat in INCOMPATIBLE[clause]]
    configs += [from_flat(configs[0].flat() | {"seed": "1"})]
    assert clause in group_incompatibility(configs)
    with pytest.raises(ValueError, match="cannot be trained together"):
        GroupTrainer(configs)


def test_incompatible_runs_are_trained_one_after_the_other() -> None:
    configs = [*points(), from_flat(MOONS | {"patience": "9"}), *points(epochs="2")]
    assert split_into_groups(configs) == [[0, 1, 2], [3], [4, 5, 6]]
    events = by_run(train_all(configs, cache=CACHE))
    assert_close(events[3], single(configs[3])[1])
    for number in (0, 5):
        assert_close(events[number], single(configs[number])[1])
    assert sum(isinstance(event, Pinned) for event in events[3]) == 1


def test_a_teacher_whose_numbers_overflow_ends_the_runs_that_share_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    train_steps = PhaseTrainer.train_steps

    def broken(self: PhaseTrainer, *arguments: int) -> Any:
        if self.phase.name == "teacher" and 0 in self.members:
            raise NotFiniteError("teacher", "CE")
        return train_steps(self, *arguments)

    configs = points(teacher_view="student")  # two seeds, and a teacher for each
    expected = by_run(GroupTrainer(configs, compiling="never"))[2]
    monkeypatch.setattr(PhaseTrainer, "train_steps", broken)
    group = GroupTrainer(configs, compiling="never")
    events = by_run(group)
    assert [run_events[-1].outcome for _, run_events in sorted(events.items())] == ["failed", "failed", "completed"]
    assert_close(events[2], expected)
    assert set(group.networks_of(0)) == {"teacher"}
