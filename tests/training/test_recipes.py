"""Training recipes, compared with torch's own optimisers on the same batches."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from kd_core.base.events import Event, Failed, Finished, Restored, Skipped, Step, Validated
from kd_core.base.metrics import accuracy
from kd_core.config.run import RunConfig, from_flat
from kd_core.datasets import load
from kd_core.nn.inference import predict_logits
from kd_core.training.data import split_batches
from kd_core.training.learner import NetworkTrainer
from kd_core.training.loop import Trainer
from kd_core.training.vectorized.loss import Losses
from kd_core.training.vectorized.step import StackedBatch, VectorizedStep

pytestmark = pytest.mark.slow

With = Callable[..., RunConfig]


def of(kind: type[Event], events: list[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, kind)]


def started(config: RunConfig) -> Trainer:
    """Return a trainer that is about to take the first step of the students."""
    training = Trainer(config)
    for event in training:
        if isinstance(event, Validated) and event.phase == "students":
            return training
    raise AssertionError


@pytest.mark.parametrize(
    ("options", "make"),
    [
        ({"optimiser": "adam", "weight_decay": "0.01"}, lambda p: torch.optim.Adam(p, 0.003, weight_decay=0.01)),
        ({"optimiser": "adamw", "weight_decay": "0.01"}, lambda p: torch.optim.AdamW(p, 0.003, weight_decay=0.01)),
        (
            {"optimiser": "sgd", "weight_decay": "0.0005", "clip": "0.1"},
            lambda p: torch.optim.SGD(p, 0.003, momentum=0.9, weight_decay=5e-4),
        ),
    ],
)
def test_the_baseline_is_trained_as_torch_would(small_with: With, options: dict[str, str], make: Callable) -> None:
    config = small_with(**options, epochs="3")
    training = started(config)
    phase_trainer = training._phase_trainer
    assert phase_trainer is not None
    baseline = next(trainer for trainer in phase_trainer.trainers if trainer.role == "baseline")
    with torch.random.fork_rng():
        network = config.student.build(training.data.shape, 2)
    network.load_state_dict(baseline.network.state_dict())
    optimiser = make(list(network.parameters()))
    for done in range(phase_trainer.steps):
        batch = baseline.sampler.batch(done)
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(batch.inputs), batch.labels).backward()
        if "clip" in options:
            nn.utils.clip_grad_norm_(network.parameters(), 0.1)
        optimiser.step()
    list(training)
    for ours, theirs in zip(training.networks["baseline"].parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_the_schedule_sets_the_rate_of_every_step_and_an_adjustment_scales_it(small_with: With) -> None:
    training = Trainer(small_with(schedule="cosine", learning_rate="0.01"))
    rates = []
    for event in training:
        if isinstance(event, Step) and event.phase == "students":
            rates.append(event.learning_rate)
            if len(rates) == 9:
                training.adjust(learning_rate=0.02)
    assert rates[0] == pytest.approx(0.01)
    assert rates == sorted(rates[:9], reverse=True) + sorted(rates[9:], reverse=True)
    assert rates[9] == pytest.approx(0.02 * 0.5)  # half of the 18 steps are done
    assert rates[-1] < 0.001


def test_the_moving_average_is_the_network_that_is_kept(small_with: With) -> None:
    training = started(small_with(ema="0.5", control="false"))
    phase_trainer = training._phase_trainer
    assert phase_trainer is not None
    student: NetworkTrainer = phase_trainer.trainers[0]
    weights_by_step = []
    for event in training:
        if isinstance(event, Step):
            weights_by_step.append([p.detach().clone() for p in student.network.parameters()])
    expected = weights_by_step[0]
    for weights in weights_by_step[1:]:
        expected = [0.5 * old + 0.5 * new for old, new in zip(expected, weights, strict=True)]
    for ours, average in zip(training.networks["student"].parameters(), expected, strict=True):
        torch.testing.assert_close(ours, average)
        assert not ours.requires_grad


def test_early_stopping_restores_the_best_weights() -> None:
    config = from_flat(
        {"dataset": "moons", "epochs": "200", "teacher_epochs": "2", "patience": "4", "keep": "best",
         "learning_rate": "0.05", "labelled": "20"}
    )  # fmt: skip
    training = Trainer(config)
    events = list(training)
    evaluations = [event for event in of(Validated, events) if event.phase == "students" and event.step]
    assert evaluations[-1].epoch < 200
    best = {role: max(event.accuracy[role] for event in evaluations) for role in ("student", "baseline")}
    (restored,) = of(Restored, events)
    first = {role: next(e.epoch for e in evaluations if e.accuracy[role] == best[role]) for role in restored.epochs}
    assert restored.epochs == first
    split = load(config.dataset).validation
    for role, network in training.networks.items():
        if role != "teacher":
            assert accuracy(predict_logits(network, split.inputs), split.labels) == best[role]
    assert training.is_last_evaluation(evaluations[-1])
    assert evaluations[-1].accuracy == best


def test_label_smoothing_changes_the_teacher_alone(small_with: With) -> None:
    plain, smooth = (list(Trainer(small_with(teacher_smoothing=fraction))) for fraction in ("0", "0.2"))
    first = [next(event for event in events if isinstance(event, Step)) for events in (plain, smooth)]
    assert first[0].loss["teacher"] != first[1].loss["teacher"]
    begin = [next(e for e in of(Step, events) if e.phase == "students") for events in (plain, smooth)]
    assert begin[0].loss["baseline"] == begin[1].loss["baseline"]


EVERYTHING = {
    "ema": "0.9", "patience": "50", "keep": "best", "schedule": "one-cycle", "rate_warm_up": "0.1", "clip": "1",
    "optimiser": "adamw", "weight_decay": "0.01",
}  # fmt: skip


@pytest.mark.parametrize("flat", [EVERYTHING, {"precision": "bfloat16"}, {"precision": "float16"}], ids=str)
def test_a_resumed_run_has_the_same_events(flat: dict[str, str]) -> None:
    config = from_flat({"dataset": "moons", "epochs": "6", "teacher_epochs": "2", "labelled": "40", **flat})
    whole = list(Trainer(config))
    for stop in (5, len(whole) // 2, len(whole) - 3):
        training, events = Trainer(config), []
        for event in training:
            events.append(event)
            if len(events) >= stop and not training.has_pending_events:
                break
        assert events + list(Trainer(config, resume=training.checkpoint())) == whole


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_16_bit_precision_trains_nearly_as_well(precision: str) -> None:
    flat = {"dataset": "digits", "epochs": "10", "teacher_epochs": "3", "labelled": "200"}
    exact, short = ([*Trainer(from_flat({**flat, "precision": name}))][-1] for name in ("float32", precision))
    assert isinstance(exact, Finished)
    assert isinstance(short, Finished)
    assert short.outcome == "completed"
    assert short.test != exact.test
    assert short.test_accuracy["student"] == pytest.approx(exact.test_accuracy["student"], abs=0.05)


def test_channels_last_changes_the_layout_and_the_accuracy_little() -> None:
    flat = {"dataset": "digits", "student": "cnn", "student_width": "8", "epochs": "2", "teacher_epochs": "1"}
    training = Trainer(from_flat({**flat, "channels_last": "true"}))
    last = [*training][-1]
    convolution = next(
        m for m in training.networks["student"].modules() if isinstance(m, nn.Conv2d) and m.in_channels > 1
    )
    assert convolution.weight.is_contiguous(memory_format=torch.channels_last)
    plain = [*Trainer(from_flat(flat))][-1]
    assert isinstance(last, Finished)
    assert isinstance(plain, Finished)
    assert last.test_accuracy["student"] == pytest.approx(plain.test_accuracy["student"], abs=0.02)


def test_out_of_memory_names_the_batch_size_that_fits(monkeypatch: pytest.MonkeyPatch, small_with: With) -> None:
    forward = NetworkTrainer.forward

    def forward_without_memory(self: NetworkTrainer, batch: object, step: int) -> None:
        if self.role == "student" and len(batch.rows) > 5:
            raise torch.OutOfMemoryError
        forward(self, batch, step)

    step = VectorizedStep.__call__

    def step_without_memory(self: VectorizedStep, batch: StackedBatch, factor: float = 1.0) -> Losses:
        if self.objective.taught and batch.labels.shape[1] > 5:
            raise torch.OutOfMemoryError
        return step(self, batch, factor)

    monkeypatch.setattr(NetworkTrainer, "forward", forward_without_memory)
    monkeypatch.setattr(VectorizedStep, "__call__", step_without_memory)
    training = Trainer(small_with(batch_size="16"))
    *_, failed, finished = training
    assert isinstance(failed, Failed)
    assert isinstance(finished, Finished)
    assert failed.batch_size == 4
    assert failed.message == "cpu has too little memory for batches of 16: batches of 4 fit."
    assert finished.outcome == "failed"
    again = list(Trainer(small_with(batch_size=str(failed.batch_size))))
    assert again[-1].outcome == "completed"


@pytest.mark.parametrize(
    ("flat", "name"),
    [({"student": "vgg", "batch_size": "1"}, "batch_size = 1"), ({"student": "vgg", "labelled": "1"}, "labelled = 1")],
)
def test_batches_of_one_example_are_refused_for_networks_that_normalise_over_them(
    flat: dict[str, str], name: str
) -> None:
    with pytest.raises(ValueError, match=f"{name}: the student .* Choose at least 2"):
        from_flat({"dataset": "digits", **flat})


def test_a_rest_of_one_example_joins_the_batch_before_it() -> None:
    config = from_flat({"dataset": "digits", "student": "vgg", "labelled": "65", "epochs": "1", "teacher_epochs": "0"})
    events = list(Trainer(config))
    assert isinstance(events[-1], Finished)
    assert events[-1].outcome == "completed"
    assert [(event.phase, event.step) for event in of(Step, events)] == [("students", 1)]
    sizes = [len(batch) for batch in split_batches(torch.arange(7), 3)]
    assert sizes == [3, 4]
    assert [len(batch) for batch in split_batches(torch.arange(3), 1)] == [1, 1, 1]


def test_a_float16_step_that_overflows_is_skipped_by_all_networks_and_recorded() -> None:
    """The loss of the student is so large that its gradient overflows first."""
    flat = {"dataset": "digits", "method": "logit_mse", "weight": "100", "precision": "float16", "student": "cnn",
            "epochs": "4", "teacher_epochs": "1", "labelled": "50"}  # fmt: skip
    training = Trainer(from_flat(flat))
    before: dict[str, list[torch.Tensor]] = {}
    after: dict[str, list[torch.Tensor]] = {}
    scales: list[float] = []
    for event in training:
        if isinstance(event, Step | Validated) and event.phase == "students":
            before = after
            after = {
                role: [p.detach().clone() for p in training.networks[role].parameters()]
                for role in ("student", "baseline")
            }
        if isinstance(event, Skipped) and event.phase == "students":
            scales.append(event.scale)
            for role, weights in after.items():
                assert all(torch.equal(*pair) for pair in zip(weights, before[role], strict=True))
    assert scales == [2.0**16 / 2**number for number in range(len(scales))]
    assert scales
