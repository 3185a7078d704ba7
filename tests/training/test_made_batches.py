"""Batches that a scheme makes in the place of stored examples."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from kd_core.base.events import Event, Finished, Prepared, Step
from kd_core.config.plan import BatchMaker, MakerInputs, PhasePlan
from kd_core.config.run import RunConfig, from_flat
from kd_core.export.code import left_out
from kd_core.files.checkpoint import Checkpoint
from kd_core.nn.inference import predict_logits
from kd_core.schemes.offline import Offline
from kd_core.training.loop import Trainer
from kd_core.training.vectorized.compatibility import group_incompatibility

SETTINGS = {"dataset": "digits", "labelled": "100", "epochs": "3", "batch_size": "16", "teacher": "mlp",
            "teacher_epochs": "1", "student": "cnn", "student_width": "4"}  # fmt: skip


@dataclass(frozen=True)
class Same(BatchMaker):
    def make(self, stored: MakerInputs) -> tuple[Tensor, Tensor]:
        return stored.inputs, stored.labels

    def in_words(self) -> str:
        return "examples of the test"


@dataclass(frozen=True)
class Blended(Same):
    """Sum of the batch, of noise and of the last batch, weighted by how certain the student is."""

    def make(self, stored: MakerInputs) -> tuple[Tensor, Tensor]:
        assert not torch.is_grad_enabled()
        noise = torch.randn(stored.inputs.shape, generator=torch.Generator().manual_seed(stored.seed))
        before = stored.memory.get("inputs", stored.inputs)
        probabilities = predict_logits(stored.networks["student"], stored.inputs).softmax(1)
        certainty = probabilities.max(1).values.reshape(-1, 1, 1, 1)
        blend = certainty * stored.inputs + 0.1 * noise + before.mean(0)
        stored.memory.update(inputs=blend, steps=torch.tensor([stored.step]))
        return blend, torch.full_like(stored.labels, -1)


def config_of(monkeypatch: pytest.MonkeyPatch, maker: BatchMaker | None, **flat: str) -> RunConfig:
    phases = Offline.phases

    def planned(self: Offline, config: RunConfig) -> tuple[PhasePlan, ...]:
        teacher, students = phases(self, config)
        learners = [replace(one, maker=maker) if one.role == "student" else one for one in students.learners]
        return teacher, replace(students, learners=tuple(learners))

    with monkeypatch.context() as patch:
        patch.setattr(Offline, "phases", phases)
        config = from_flat({**SETTINGS, **flat})
    monkeypatch.setattr(Offline, "phases", planned)
    return config


def student_losses(events: list[Event]) -> list[float]:
    return [event.loss["student"] for event in events if isinstance(event, Step) and "student" in event.loss]


@pytest.mark.slow
@pytest.mark.parametrize("more", [{}, {"crop": "1", "flip": "true", "mixup": "0.3"}], ids=["stored", "augmented"])
def test_a_batch_that_is_passed_on_gives_the_losses_of_stored_examples(
    monkeypatch: pytest.MonkeyPatch, more: dict[str, str]
) -> None:
    expected = student_losses(list(Trainer(config_of(monkeypatch, None, **more))))
    monkeypatch.undo()
    assert student_losses(list(Trainer(config_of(monkeypatch, Same(), **more)))) == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_a_run_goes_on_with_the_memory_of_its_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of(monkeypatch, Blended())
    whole, place = list(Trainer(config)), 0
    assert isinstance(whole[-1], Finished)
    training = Trainer(config)
    for event in training:
        place += 1
        if isinstance(event, Step) and event.phase == "students" and event.step == 9:
            break
    state = training.checkpoint()
    copied = Checkpoint({name: tensor.clone() for name, tensor in state.tensors.items()}, state.values)
    assert int(copied.get("made/student")["steps"]) == 8
    assert list(Trainer(config, resume=copied)) == whole[place:]


def test_steps_that_are_undone_leave_the_memory_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    training = Trainer(config_of(monkeypatch, Blended()))
    for event in training:
        if isinstance(event, Step) and event.phase == "students" and event.step == 4:
            break
    assert training._phase_trainer is not None
    path, student = training._phase_trainer.path, training._phase_trainer.trainers[0]
    before = student.memory["inputs"]
    path.take(4, 2)
    assert int(student.memory["steps"]) == 5
    seen: list[Tensor] = []
    make = Blended.make

    def recorded(self: Blended, stored: MakerInputs) -> tuple[Tensor, Tensor]:
        seen.append(stored.memory["inputs"])
        return make(self, stored)

    monkeypatch.setattr(Blended, "make", recorded)
    path.take(4, 1)  # the caller has undone the two steps
    assert torch.equal(seen[0], before)
    assert int(student.memory["steps"]) == 4


def test_the_examples_are_named_and_several_runs_are_trained_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of(monkeypatch, Same())
    prepared = next(iter(Trainer(config)))
    assert isinstance(prepared, Prepared)
    assert {network.role: network.saw for network in prepared.networks}["student"] == "examples of the test"
    assert "The student is trained on examples of the test, and here on stored examples." in left_out(config)
    clause = group_incompatibility([config, config.with_flat(seed="1")])
    assert clause.startswith("the student has batches that are made")
