"""A stack of runs tells of each what it would tell of itself alone: the oracle is ``Trainer``."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
import torch

from kd_core.base.events import Event, Failed, Finished, Pinned, Prepared, Probed, Step, Surface, Validated, to_json
from kd_core.config.run import RunConfig, from_flat
from kd_core.files.checkpoint import Checkpoint
from kd_core.training.loop import PhaseCache, Trainer
from kd_core.training.vectorized import loss
from kd_core.training.vectorized.loss import Losses, ReplicaLoss
from kd_core.training.vectorized.multi_run.loop import StackedTrainer, stack_incompatibility
from kd_core.training.vectorized.multi_run.phase import StackedPhase
from kd_core.training.vectorized.multi_run.train_all import stack_groups, train_all

DIGITS = {"dataset": "digits", "labelled": "50", "epochs": "6", "teacher_epochs": "2", "teacher_width": "4"}
MOONS = {"dataset": "moons", "labelled": "40", "epochs": "4", "teacher_epochs": "1", "batch_size": "16"}
KEPT: PhaseCache = {}  # one teacher for all tests


def grid(**flat: str) -> list[RunConfig]:
    """Temperature × alpha × seed, two of each."""
    return [
        from_flat(DIGITS | {"temperature": t, "alpha": a, "seed": s} | flat)
        for t in ("2", "9")
        for a in ("0.4", "1")
        for s in ("0", "1")
    ]


def points(**flat: str) -> list[RunConfig]:
    return [from_flat(MOONS | {"alpha": a, "seed": s} | flat) for a, s in (("0", "0"), ("0.5", "0"), ("0.9", "3"))]


def by_run(told: Iterable[tuple[int, Event]]) -> dict[int, list[Event]]:
    found: dict[int, list[Event]] = {}
    for number, event in told:
        found.setdefault(number, []).append(event)
    return found


def alone(config: RunConfig) -> tuple[Trainer, list[Event]]:
    """The run by itself, and what of its events a stack tells."""
    training = Trainer(config, cache=KEPT)
    said = list(training)
    ends = {(phase.name, at) for phase in training.phases for at in (0, training.steps(phase))}
    return training, [
        event
        for event in said
        if not isinstance(event, Step)
        and (not isinstance(event, Probed | Surface) or (event.phase, event.step) in ends)
    ]


def assert_close(ours: Any, theirs: Any, where: str = "") -> None:
    """Equal in kind, order and words; numbers but for rounding."""
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


def assert_as_alone(configs: list[RunConfig], chosen: Iterable[int] | None = None) -> None:
    stacked = StackedTrainer(configs, cache=KEPT, compiling="never")
    told = by_run(stacked)
    for number in range(len(configs)) if chosen is None else chosen:
        training, said = alone(configs[number])
        assert_close(told[number], said)
        networks = stacked.networks(number)
        assert networks.keys() == training.networks.keys()
        for role, network in training.networks.items():
            torch.testing.assert_close(networks[role].state_dict(), network.state_dict(), rtol=1e-4, atol=5e-5)


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_a_grid_of_temperatures_alphas_and_seeds_is_each_of_its_runs(optimiser: str) -> None:
    assert_as_alone(grid(optimiser=optimiser))


def test_batch_normalisation_keeps_the_statistics_of_every_replica() -> None:
    cnn = {"student": "cnn", "student_width": "4", "student_depth": "1", "student_normalisation": "batch"}
    assert_as_alone(grid(epochs="2", optimiser="sgd", **cnn), [0, 3, 6])


def test_another_method_rates_schedule_and_average_are_those_of_each_run() -> None:
    more = {"method": "dist", "schedule": "cosine", "ema": "0.8", "clip": "1", "labelled": "150"}
    configs = [from_flat(DIGITS | more | {"learning_rate": r, "inter": i}) for r, i in (("0.01", "1"), ("0.002", "3"))]
    assert_as_alone(configs)


def test_a_run_without_control_with_fine_tuning_on_points_shows_the_plane_at_both_ends() -> None:
    configs = points(scheme="offline", fine_tune="2", control="false")
    assert_as_alone(configs)
    told = by_run(StackedTrainer(configs, cache=KEPT))[1]
    assert [event.step for event in told if isinstance(event, Surface) and event.phase == "students"] == [0, 12]


def test_a_teacher_that_sees_what_the_student_sees_is_trained_for_each_seed() -> None:
    assert_as_alone(points(teacher_view="student"))


def test_examples_without_labels_and_wrong_ones_are_shown_as_in_each_run() -> None:
    assert_as_alone(points(wrong="0.2"))
    unlabelled = points(scheme="unlabelled")
    assert not stack_incompatibility(unlabelled)
    assert_as_alone(unlabelled)


def test_a_control_and_a_teacher_are_trained_once_for_all_who_share_them(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[StackedPhase] = []
    enter = StackedPhase.__init__
    monkeypatch.setattr(StackedPhase, "__init__", lambda self, *a, **k: (seen.append(self), enter(self, *a, **k))[1])
    list(StackedTrainer(grid(epochs="1"), cache=KEPT))
    (cohort,) = seen
    assert len(cohort.members) == 8 + 2  # a control for each seed
    assert len(cohort.teachers) == 1


def test_position_counts_the_steps_of_every_student() -> None:
    stacked = StackedTrainer(points(), cache=KEPT)
    assert stacked.position == (0, 3 * 4 * 3)
    list(stacked)
    assert stacked.position == (36, 36)


@pytest.mark.parametrize("cut", [1, 5, 10, 17, 25])
def test_a_resumed_stack_ends_with_the_same_numbers(cut: int, tmp_path: Any) -> None:
    configs = points(scheme="offline", fine_tune="2")
    whole = list(StackedTrainer(configs, cache=KEPT, compiling="never"))
    begun, first = StackedTrainer(configs, cache=KEPT, compiling="never"), []
    for told in begun:
        first.append(told)
        if len(first) == cut:
            begun.checkpoint().write(tmp_path / "state")
            break
    resumed = StackedTrainer(configs, resume=Checkpoint.read(tmp_path / "state"), compiling="never")
    assert [(n, to_json(e)) for n, e in [*first, *resumed]] == [(n, to_json(e)) for n, e in whole]


def test_a_checkpoint_of_other_runs_is_refused() -> None:
    state = StackedTrainer(points()).checkpoint()
    with pytest.raises(ValueError, match="belongs to other runs"):
        StackedTrainer(points(epochs="5"), resume=state)


def test_a_stopped_stack_judges_what_was_learned() -> None:
    stacked, told = StackedTrainer(points(), cache=KEPT), []
    for number, event in stacked:
        told.append((number, event))
        if isinstance(event, Validated) and (event.phase, event.epoch) == ("students", 2):
            stacked.stop()
    for said in by_run(told).values():
        assert isinstance(said[-1], Finished)
        assert (said[-1].outcome, said[-1].step) == ("stopped", 6)
        assert set(said[-1].test) == {"teacher", "student", "baseline"}


def test_a_stack_that_is_stopped_before_its_teachers_are_trained_ends_every_run() -> None:
    stacked = StackedTrainer(points(teacher_view="student", teacher_epochs="3"))
    stacked.stop()
    for said in by_run(stacked).values():
        assert isinstance(said[0], Prepared)
        assert isinstance(said[-1], Finished)
        assert said[-1].outcome == "stopped"


def test_a_replica_whose_numbers_overflow_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    configs = points(optimiser="sgd")
    calls, usual = [0], ReplicaLoss.__call__

    def poisoned(self: ReplicaLoss, *signals: torch.Tensor) -> Losses:
        losses = usual(self, *signals)
        calls[0] += 1
        if calls[0] == 5:  # in the second epoch
            losses.gradients[1] = torch.nan
            losses.totals[1] = torch.nan
        return losses

    unharmed = by_run(StackedTrainer(configs, cache=KEPT, compiling="never"))
    monkeypatch.setattr(loss.ReplicaLoss, "__call__", poisoned)
    stacked = StackedTrainer(configs, cache=KEPT, compiling="never")
    told = by_run(stacked)
    assert told[0] == unharmed[0]
    assert told[2] == unharmed[2]
    failed, finished = told[1][-2:]
    assert isinstance(failed, Failed)
    assert isinstance(finished, Finished)
    assert (failed.step, failed.role, failed.phase, finished.outcome) == (6, "student", "students", "failed")
    last = next(event for event in reversed(told[1]) if isinstance(event, Validated))
    assert last.epoch == 1
    assert all(value.isfinite().all() for value in stacked.networks(1)["student"].state_dict().values())


def test_a_failed_control_ends_the_runs_that_are_compared_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = ReplicaLoss.__call__

    def poisoned(self: ReplicaLoss, *signals: torch.Tensor) -> Losses:
        losses = usual(self, *signals)
        losses.gradients[-1] = torch.inf  # the control of the last seed
        return losses

    monkeypatch.setattr(loss.ReplicaLoss, "__call__", poisoned)
    told = by_run(StackedTrainer(points(), cache=KEPT, compiling="never"))
    outcomes = [said[-1].outcome for said in told.values() if isinstance(said[-1], Finished)]
    assert outcomes == ["completed", "completed", "failed"]


REFUSED = {
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
    "the phase “students”": [{"scheme": "mutual"}],
    "several teachers": [{"scheme": "ensemble"}],
    "not trained once for all": [{"assistants": "1"}],
}


@pytest.mark.parametrize("clause", REFUSED)
def test_runs_that_are_not_alike_are_refused(clause: str) -> None:
    configs = [from_flat(MOONS | flat) for flat in REFUSED[clause]]
    assert clause in stack_incompatibility(configs)
    with pytest.raises(ValueError, match="cannot be trained together"):
        StackedTrainer(configs)


def test_what_cannot_be_stacked_is_trained_one_after_the_other() -> None:
    configs = [*points(), from_flat(MOONS | {"patience": "9"}), *points(epochs="2")]
    assert stack_groups(configs) == [[0, 1, 2], [3], [4, 5, 6]]
    told = by_run(train_all(configs, cache=KEPT))
    assert_close(told[3], alone(configs[3])[1])
    for number in (0, 5):
        assert_close(told[number], alone(configs[number])[1])
    assert sum(isinstance(event, Pinned) for event in told[3]) == 1
