"""Combinations of shared layers, precision, memory layout, best weights and the end of a run."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from kd_core.analysis.replay import Replay
from kd_core.base.events import Event, Failed, Finished, Restored, Step, Validated
from kd_core.base.metrics import accuracy
from kd_core.config.run import RunConfig, from_flat
from kd_core.datasets import load
from kd_core.methods import LossInputs, LossPart
from kd_core.methods.soft_targets import SoftTargets
from kd_core.nn.inference import predict_logits
from kd_core.runs.manager import RunManager
from kd_core.training.learner import NetworkTrainer
from kd_core.training.loop import Trainer
from tools.testing.waiting import wait, wait_for_end

SHARED = {"dataset": "digits", "scheme": "own_teacher", "student": "cnn", "student_width": "8", "epochs": "3"}


def of(kind: type[Event], events: list[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, kind)]


def norms(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the gradient norm of the owner of shared layers at each of its optimiser steps."""
    gradient_norms = []
    update = NetworkTrainer.update_average

    def recording_update(self: NetworkTrainer, done: int) -> None:
        if self.role == "student":
            gradient_norms.append(
                float(nn.utils.get_total_norm([p.grad for p in self.trainable_parameters() if p.grad is not None]))
            )
        update(self, done)

    with monkeypatch.context() as patch:
        patch.setattr(NetworkTrainer, "update_average", recording_update)
        list(Trainer(config))
    return gradient_norms


def test_shared_layers_are_clipped_after_all_gradients_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    assert max(norms(from_flat({**SHARED, "clip": "0.01"}), monkeypatch)) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.slow
def test_shared_layers_have_one_loss_scale_in_float16(monkeypatch: pytest.MonkeyPatch) -> None:
    exact, short = (norms(from_flat({**SHARED, "precision": name}), monkeypatch)[0] for name in ("float32", "float16"))
    assert short == pytest.approx(exact, rel=0.05)


def test_networks_with_shared_layers_restore_weights_of_the_same_epoch() -> None:
    config = from_flat(
        {"dataset": "moons", "scheme": "rocket", "epochs": "25", "learning_rate": "0.03", "keep": "best"}
    )
    training = Trainer(config)
    events = list(training)
    evaluations = [event for event in of(Validated, events) if "booster" in event.accuracy and event.step]
    (restored,) = of(Restored, events)
    assert restored.epochs["student"] == restored.epochs["booster"]
    split = load(config.dataset).validation
    best = max(event.accuracy["student"] for event in evaluations[:-1])
    assert accuracy(predict_logits(training.networks["student"], split.inputs), split.labels) == best


def test_a_nan_gradient_ends_a_run_in_float16_too(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = SoftTargets.parts

    def broken(self: SoftTargets, signals: LossInputs) -> list[LossPart]:
        # The square root of 0 is 0, and its gradient is infinite.
        return [*parts(self, signals), LossPart("odd", 1.0, (signals.student_logits.sum() * 0).sqrt() * 0)]

    monkeypatch.setattr(SoftTargets, "parts", broken)
    flat = {"dataset": "moons", "epochs": "30", "teacher_epochs": "1", "labelled": "40", "precision": "float16"}
    events = list(Trainer(from_flat(flat)))
    assert of(Failed, events)
    assert events[-1].outcome == "failed"


class BackwardWithoutMemory(torch.autograd.Function):
    """Identity whose backward pass is out of memory."""

    @staticmethod
    def forward(_: object, value: torch.Tensor) -> torch.Tensor:
        return value.clone()

    @staticmethod
    def backward(*_: object) -> torch.Tensor:
        raise torch.OutOfMemoryError


def test_out_of_memory_in_the_backward_pass_names_the_batch_size_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    loss = NetworkTrainer.loss

    def loss_without_memory(self: NetworkTrainer, *arguments: object) -> list[LossPart]:
        parts = loss(self, *arguments)
        if self.role == "baseline" and len(self.logits) > 5:
            parts[0] = replace(parts[0], value=BackwardWithoutMemory.apply(parts[0].value))
        return parts

    monkeypatch.setattr(NetworkTrainer, "loss", loss_without_memory)
    flat = {"dataset": "moons", "epochs": "2", "teacher_epochs": "1", "batch_size": "16", "precision": "float16"}
    (failed,) = of(Failed, list(Trainer(from_flat(flat))))
    assert failed.batch_size == 4


@pytest.mark.slow
def test_channels_last_survives_storage_and_an_interruption(tmp_path: Path) -> None:
    config = from_flat(
        {"dataset": "digits", "student": "cnn", "student_width": "8", "epochs": "30", "teacher_epochs": "2",
         "channels_last": "true", "labelled": "100"}
    )  # fmt: skip
    whole = list(Trainer(config))
    runs = RunManager(tmp_path)
    run = runs.start(config, pace=0.03)
    wait(lambda: len(runs.store.events(run, kinds=["validated"])) > 8)
    runs.close()
    runs = RunManager(tmp_path)
    runs.resume_from_checkpoint(run)
    assert wait_for_end(runs, run) == "completed"
    assert [event for _, event in runs.store.events(run)] == whole
    runs.close()


@pytest.mark.slow
def test_a_stopped_run_keeps_its_best_weights_if_so_configured() -> None:
    config = from_flat(
        {"dataset": "moons", "epochs": "60", "teacher_epochs": "1", "learning_rate": "0.1", "labelled": "30",
         "keep": "best", "batch_size": "4"}
    )  # fmt: skip
    training, events = Trainer(config), []
    for event in training:
        events.append(event)
        if isinstance(event, Validated) and event.phase == "students" and event.epoch == 20:
            training.stop()
    evaluations = [event for event in of(Validated, events) if event.phase == "students" and event.step]
    split = load(config.dataset).validation
    kept_accuracy = accuracy(predict_logits(training.networks["student"], split.inputs), split.labels)
    assert kept_accuracy == max(event.accuracy["student"] for event in evaluations)
    assert events[-1].outcome == "stopped"


def test_an_untrained_teacher_can_be_replayed(tmp_path: Path) -> None:
    runs = RunManager(tmp_path)
    run = runs.start(from_flat({"dataset": "moons", "epochs": "2", "teacher_epochs": "0"}))
    assert wait_for_end(runs, run) == "completed"
    replay = Replay(runs.store, runs.store.run(run))
    assert set(replay.networks(replay.snapshot_at(-1))) == {"teacher", "student", "baseline"}
    runs.close()


def test_the_last_event_has_the_number_of_steps_taken() -> None:
    config = from_flat(
        {"dataset": "moons", "epochs": "200", "teacher_epochs": "1", "patience": "2", "learning_rate": "0.05"}
    )
    events = list(Trainer(config))
    assert isinstance(events[-1], Finished)
    assert events[-1].step == of(Step, events)[-1].step < 200 * 4


def test_a_run_whose_uploaded_weights_are_missing_fails_with_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing_weights(*_: object, **__: object) -> None:
        raise ValueError("weights = 12: they are no longer here.")

    runs = RunManager(tmp_path)
    monkeypatch.setattr("kd_core.runs.worker.Trainer", missing_weights)
    run = runs.start(from_flat({"dataset": "moons"}))
    assert wait_for_end(runs, run) == "failed"
    ((_, failed),) = runs.store.events(run)
    assert failed.message == "weights = 12: they are no longer here."
    runs.close()
