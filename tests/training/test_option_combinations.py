"""Options that meet: shared layers, sixteen bits, layouts, the best weights and the end of a run."""

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
from kd_core.training.learner import Loss, NetworkTrainer
from kd_core.training.loop import Trainer
from tools.testing.waiting import wait, wait_for_end

SHARED = {"dataset": "digits", "scheme": "own_teacher", "student": "cnn", "student_width": "8", "epochs": "3"}


def of(kind: type[Event], said: list[Event]) -> list[Event]:
    return [event for event in said if isinstance(event, kind)]


def norms(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Of the owner's gradient when its optimiser uses it."""
    found = []
    update = NetworkTrainer.update

    def watched(self: NetworkTrainer) -> None:
        if self.role == "student":
            found.append(
                float(nn.utils.get_total_norm([p.grad for p in self.trainable_parameters() if p.grad is not None]))
            )
        update(self)

    with monkeypatch.context() as patch:
        patch.setattr(NetworkTrainer, "update", watched)
        list(Trainer(config))
    return found


def test_shared_layers_are_clipped_after_everybody_has_added_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert max(norms(from_flat({**SHARED, "clip": "0.01"}), monkeypatch)) == pytest.approx(0.01, rel=1e-3)


def test_shared_layers_have_one_scale_in_sixteen_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    exact, short = (norms(from_flat({**SHARED, "precision": name}), monkeypatch)[0] for name in ("float32", "float16"))
    assert short == pytest.approx(exact, rel=0.05)


def test_networks_with_shared_layers_go_back_to_one_moment() -> None:
    config = from_flat(
        {"dataset": "moons", "scheme": "rocket", "epochs": "25", "learning_rate": "0.03", "keep": "best"}
    )
    training = Trainer(config)
    said = list(training)
    looks = [event for event in of(Validated, said) if "booster" in event.accuracy and event.step]
    (restored,) = of(Restored, said)
    assert restored.epochs["student"] == restored.epochs["booster"]
    split = load(config.dataset).validation
    best = max(event.accuracy["student"] for event in looks[:-1])
    assert accuracy(predict_logits(training.networks["student"], split.inputs), split.labels) == best


def test_gradients_that_are_no_numbers_end_a_run_in_sixteen_bits_too(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = SoftTargets.parts

    def broken(self: SoftTargets, signals: LossInputs) -> list[LossPart]:
        # The square root of 0 is 0, and its slope is infinite.
        return [*parts(self, signals), LossPart("odd", 1.0, (signals.student_logits.sum() * 0).sqrt() * 0)]

    monkeypatch.setattr(SoftTargets, "parts", broken)
    monkeypatch.setattr(SoftTargets, "closed_form", lambda *_: None)
    flat = {"dataset": "moons", "epochs": "30", "teacher_epochs": "1", "labelled": "40", "precision": "float16"}
    said = list(Trainer(from_flat(flat)))
    assert of(Failed, said)
    assert said[-1].outcome == "failed"


def test_too_little_memory_on_the_way_back_is_answered_too(monkeypatch: pytest.MonkeyPatch) -> None:
    differentiate = NetworkTrainer.backward

    def cramped(self: NetworkTrainer, loss: Loss) -> None:
        if self.role == "baseline" and len(self.logits) > 5:
            raise torch.OutOfMemoryError
        differentiate(self, loss)

    monkeypatch.setattr(NetworkTrainer, "backward", cramped)
    flat = {"dataset": "moons", "epochs": "2", "teacher_epochs": "1", "batch_size": "16", "precision": "float16"}
    (failed,) = of(Failed, list(Trainer(from_flat(flat))))
    assert failed.batch_size == 4


def test_channels_last_survives_the_store_and_an_interruption(tmp_path: Path) -> None:
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


def test_a_stopped_run_is_judged_by_its_best_weights_where_they_are_kept() -> None:
    config = from_flat(
        {"dataset": "moons", "epochs": "60", "teacher_epochs": "1", "learning_rate": "0.1", "labelled": "30",
         "keep": "best", "batch_size": "4"}
    )  # fmt: skip
    training, said = Trainer(config), []
    for event in training:
        said.append(event)
        if isinstance(event, Validated) and event.phase == "students" and event.epoch == 20:
            training.stop()
    looks = [event for event in of(Validated, said) if event.phase == "students" and event.step]
    split = load(config.dataset).validation
    found = accuracy(predict_logits(training.networks["student"], split.inputs), split.labels)
    assert found == max(event.accuracy["student"] for event in looks)
    assert said[-1].outcome == "stopped"


def test_a_teacher_that_is_not_trained_can_be_asked_afterwards(tmp_path: Path) -> None:
    runs = RunManager(tmp_path)
    run = runs.start(from_flat({"dataset": "moons", "epochs": "2", "teacher_epochs": "0"}))
    assert wait_for_end(runs, run) == "completed"
    recall = Replay(runs.store, runs.store.run(run))
    assert set(recall.networks(recall.snapshot_at(-1))) == {"teacher", "student", "baseline"}
    runs.close()


def test_the_end_says_how_many_steps_were_taken() -> None:
    config = from_flat(
        {"dataset": "moons", "epochs": "200", "teacher_epochs": "1", "patience": "2", "learning_rate": "0.05"}
    )
    said = list(Trainer(config))
    assert isinstance(said[-1], Finished)
    assert said[-1].step == of(Step, said)[-1].step < 200 * 4


def test_a_run_whose_weights_have_gone_is_answered_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise ValueError("weights = 12: they are no longer here.")

    runs = RunManager(tmp_path)
    monkeypatch.setattr("kd_core.runs.manager.Trainer", gone)
    run = runs.start(from_flat({"dataset": "moons"}))
    assert wait_for_end(runs, run) == "failed"
    ((_, failed),) = runs.store.events(run)
    assert failed.message == "weights = 12: they are no longer here."
    runs.close()
