"""Promises of the training loop, one test each."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

from kd_core.base.events import Adjusted, Event, Failed, Finished, Prepared, Probed, Step, Surface, Validated, to_json
from kd_core.base.metrics import pack_mask
from kd_core.config.run import RunConfig, from_flat
from kd_core.datasets import load
from kd_core.methods import LossPart
from kd_core.nn.inference import predict_logits
from kd_core.training.loop import Trainer
from kd_core.training.phase import PhaseTrainer

With = Callable[..., RunConfig]


def of(kind: type[Event], events: list[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, kind)]


def test_the_same_configuration_gives_the_same_events(small: RunConfig) -> None:
    first = list(Trainer(small))
    torch.manual_seed(12345)  # what else happens in the process
    torch.rand(7)
    assert [to_json(event) for event in Trainer(small)] == [to_json(event) for event in first]


def test_training_leaves_the_global_generator_and_the_thread_count_alone(small: RunConfig) -> None:
    torch.manual_seed(5)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    list(Trainer(small))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_large_networks_get_all_threads_and_small_ones_one(monkeypatch: pytest.MonkeyPatch) -> None:
    all_threads, threads, train = torch.get_num_threads(), [], PhaseTrainer.train_steps

    def record(self: PhaseTrainer, *arguments: int) -> object:
        threads.append(torch.get_num_threads())
        return train(self, *arguments)

    monkeypatch.setattr(PhaseTrainer, "train_steps", record)
    for flat, expected in (({"epochs": "1"}, 1), ({"epochs": "1", "student": "cnn", "batch_size": "512"}, all_threads)):
        threads.clear()
        for event in Trainer(from_flat({"dataset": "digits", "teacher_epochs": "1", **flat})):
            assert torch.get_num_threads() == all_threads  # the caller's are not touched
            if isinstance(event, Step):
                break
        assert set(threads) == {expected}


def test_another_seed_gives_another_run(small_with: With) -> None:
    assert list(Trainer(small_with(seed="0"))) != list(Trainer(small_with(seed="1")))


def test_the_baseline_differs_from_the_student_in_the_loss_alone(small: RunConfig) -> None:
    events = list(Trainer(small))
    start = next(e for e in of(Validated, events) if e.phase == "students" and e.epoch == 0)
    assert start.loss["student"] == start.loss["baseline"]  # the same initial weights
    first = next(e for e in of(Step, events) if e.phase == "students")
    assert first.parts["student"]["CE"][0] == first.parts["baseline"]["CE"][0]  # the same first batch
    assert of(Validated, events)[-1].loss["student"] != of(Validated, events)[-1].loss["baseline"]


def test_alpha_0_makes_the_student_bitwise_equal_to_its_baseline(small_with: With) -> None:
    trainer = Trainer(small_with(alpha="0"))
    list(trainer)
    for student, baseline in zip(
        trainer.networks["student"].parameters(), trainer.networks["baseline"].parameters(), strict=True
    ):
        assert torch.equal(student, baseline)


def test_a_run_without_baseline_has_the_same_student(small_with: With) -> None:
    without, with_baseline = list(Trainer(small_with(control="false"))), list(Trainer(small_with()))
    assert set(without[-1].test) == {"teacher", "student"}
    # Some processors add up the rows of a stack of two in another order than those of a single network.
    for measure in ("accuracy", "loss", "entropy"):
        expected = with_baseline[-1].test["student"][measure]
        assert without[-1].test["student"][measure] == pytest.approx(expected, rel=1e-6)


def test_the_teacher_is_frozen_and_in_eval_mode_while_the_student_learns() -> None:
    config = from_flat({"epochs": "2", "teacher_epochs": "1", "teacher_normalisation": "batch"})
    trainer = Trainer(config)
    for event in trainer:
        if isinstance(event, Step) and event.phase == "students":
            teacher = trainer.networks["teacher"]
            assert not teacher.training
            assert not any(parameter.requires_grad for parameter in teacher.parameters())
            after = {name: value.clone() for name, value in teacher.state_dict().items()}
    final = trainer.networks["teacher"].state_dict()
    assert all(torch.equal(final[name], value) for name, value in after.items())


def test_the_teacher_is_evaluated_on_the_batch_of_the_student(small: RunConfig) -> None:
    trainer = Trainer(small)
    for event in trainer:
        if isinstance(event, Step) and event.phase == "students":
            break
    student = trainer._phase_trainer.trainers[0]
    batch = student.examples.batch(torch.tensor([3, 1, 2]), 0)
    logits, _ = student.criteria[0].teachers[0].outputs(batch)
    torch.testing.assert_close(logits, predict_logits(trainer.networks["teacher"], batch.inputs))


def test_the_parts_are_named_and_their_weighted_sum_is_the_loss(small_with: With) -> None:
    events = list(Trainer(small_with(alpha="0.7", temperature="3")))
    for event in of(Step, events):
        for role, parts in event.parts.items():
            assert set(parts) == ({"CE", "T²·KL"} if role == "student" else {"CE"})
            assert event.loss[role] == pytest.approx(sum(weighted for _, weighted in parts.values()), rel=1e-6)
    raw, weighted = of(Step, events)[-1].parts["student"]["T²·KL"]
    assert weighted == pytest.approx(0.7 * raw)


def test_the_test_split_is_read_at_the_end_only(small: RunConfig) -> None:
    trainer = Trainer(small)
    read_attributes = []

    class RecordingSplit:
        def __getattr__(self, name: str) -> object:
            read_attributes.append(name)
            return getattr(test, name)

        def __len__(self) -> int:
            return len(test)

    test = trainer.data.test
    trainer.data = replace(trainer.data, test=RecordingSplit())
    for event in trainer:
        assert isinstance(event, Finished) == bool(read_attributes)


def test_a_stopped_run_is_a_valid_run(small: RunConfig) -> None:
    trainer = Trainer(small)
    events = []
    for event in trainer:
        events.append(event)
        if isinstance(event, Step) and event.phase == "students" and event.step == 4:
            trainer.stop()
    assert events[-1].outcome == "stopped"
    assert events[-1].step == 4
    assert set(events[-1].test_accuracy) == {"teacher", "student", "baseline"}


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.4, 0.7, 0.99])
def test_a_resumed_run_ends_with_the_same_numbers_as_one_never_interrupted(small_with: With, fraction: float) -> None:
    config = small_with(batch_size="7")
    whole = list(Trainer(config))
    interrupted_after = round(fraction * len(whole))
    trainer = Trainer(config)
    stream = iter(trainer)
    events = [next(stream) for _ in range(interrupted_after)]
    state = trainer.checkpoint()
    stream.close()
    assert events + list(Trainer(config, resume=state)) == whole


def test_a_checkpoint_of_another_version_is_refused_with_what_to_do(small: RunConfig) -> None:
    state = Trainer(small).checkpoint()
    del state.values["version"]  # as in the first version
    with pytest.raises(ValueError, match=r"version = 1: .* Start the run again"):
        Trainer(small, resume=state)


def test_a_cached_teacher_is_not_trained_again_and_gives_the_same_events(
    small: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = {}
    first = list(Trainer(small, cache=cache))
    trained = []
    train_steps = PhaseTrainer.train_steps
    monkeypatch.setattr(
        PhaseTrainer, "train_steps", lambda self, *a: (trained.append(self.phase.name), train_steps(self, *a))[1]
    )
    assert list(Trainer(small, cache=cache)) == first
    assert "teacher" not in trained
    assert "students" in trained


@pytest.mark.parametrize(
    "change", [{"teacher_seed": "1"}, {"teacher_epochs": "3"}, {"teacher_widths": "8"}, {"dataset_noise": "0.3"}]
)
def test_another_teacher_is_another_cache_entry(small: RunConfig, small_with: With, change: dict[str, str]) -> None:
    cache = {}
    list(Trainer(small, cache=cache))
    list(Trainer(small_with(**change), cache=cache))
    assert len(cache) == 2


def test_a_cached_teacher_serves_every_student(small: RunConfig, small_with: With) -> None:
    cache = {}
    list(Trainer(small, cache=cache))
    list(Trainer(small_with(seed="3", temperature="2", student_widths="4", wrong="0.4"), cache=cache))
    assert len(cache) == 1


def test_adjustments_are_recorded_and_repeating_them_gives_the_same_run(small: RunConfig) -> None:
    trainer, events = Trainer(small), []
    for event in trainer:
        events.append(event)
        if isinstance(event, Step) and (event.phase, event.step) == ("students", 3):
            trainer.adjust(temperature=2.0, learning_rate=0.01)
        if isinstance(event, Step) and (event.phase, event.step) == ("students", 6):
            trainer.adjust(alpha=0.25)
    changes = of(Adjusted, events)
    assert [(e.step, e.option, e.new) for e in changes] == [
        (3, "temperature", 2.0),
        (3, "learning_rate", 0.01),
        (6, "alpha", 0.25),
    ]
    assert of(Step, events)[-1].learning_rate == 0.01
    weighted = of(Step, events)[-1].parts["student"]
    assert weighted["T²·KL"][1] == pytest.approx(0.25 * weighted["T²·KL"][0])
    assert list(Trainer(small, adjustments=changes)) == events
    assert list(Trainer(small)) != events


def test_an_adjustment_waits_until_the_cached_teacher_is_trained(small: RunConfig) -> None:
    cache = {}
    trainer, events = Trainer(small, cache=cache), []
    for event in trainer:
        events.append(event)
        if isinstance(event, Step) and (event.phase, event.step) == ("teacher", 1):
            trainer.adjust(temperature=9.0)
    assert [(e.phase, e.step) for e in of(Adjusted, events)] == [("students", 0)]
    assert list(Trainer(small, adjustments=of(Adjusted, events), cache=cache)) == events


def test_an_adjustment_out_of_range_is_refused_with_name_value_and_range(small: RunConfig) -> None:
    trainer = Trainer(small)
    with pytest.raises(ValueError, match=r"temperature = 99.* from 0\.5 to 20"):
        trainer.adjust(temperature=99)
    with pytest.raises(ValueError, match="epochs: cannot be changed while a run trains; temperature, alpha"):
        trainer.adjust(epochs=3)


def test_a_loss_that_is_not_finite_stops_the_run_names_the_part_and_keeps_the_weights(
    small: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = type(small.method).parts, []

    def broken(self: object, signals: object) -> list[LossPart]:
        calls.extend([1] * signals.student_logits.requires_grad)  # not of a check before the first step
        label, soft = original(self, signals)
        return [label, replace(soft, value=soft.value * (float("nan") if len(calls) == 5 else 1.0))]

    monkeypatch.setattr(type(small.method), "parts", broken)
    monkeypatch.setattr(type(small.method), "vectorized_options", frozenset())  # so that the parts are asked for
    trainer, events, before = Trainer(small), [], {}
    for event in trainer:
        events.append(event)
        if isinstance(event, Step) and event.phase == "students":
            before = {name: value.clone() for name, value in trainer.networks["student"].state_dict().items()}
    failed, finished = events[-2:]
    assert isinstance(failed, Failed)
    assert (failed.step, failed.role, failed.part) == (5, "student", "T²·KL")
    assert "T²·KL of the student is not finite at step 5" in failed.message
    assert finished.outcome == "failed"
    assert set(finished.test_accuracy) == {"teacher", "student", "baseline"}
    for name, value in trainer.networks["student"].state_dict().items():
        assert torch.equal(value, before[name])


def test_the_first_event_gives_training_data_and_cost_of_each_network() -> None:
    config = from_flat({"labelled": "50", "wrong": "0.2", "omitted": "3", "epochs": "1", "teacher_epochs": "1"})
    prepared = next(iter(Trainer(config)))
    assert isinstance(prepared, Prepared)
    saw = {network.role: network.saw for network in prepared.networks}
    assert saw["teacher"] == "1,000 labelled images, the full training set, no label noise"
    assert saw["student"] == saw["baseline"] == "50 labelled images, 10 of them with a wrong label, none of class 3"
    student = next(network for network in prepared.networks if network.role == "student")
    assert student.parameters == 64 * 64 + 64 + 64 * 10 + 10
    assert student.flops == 2 * (64 * 64 + 64 * 10)  # a multiply-add is two
    assert student.size == 4 * student.parameters


def test_planar_data_give_a_surface_per_evaluation_and_images_give_none(small: RunConfig) -> None:
    planar = list(Trainer(small))
    assert len(of(Surface, planar)) == len(of(Validated, planar))
    assert not of(Surface, list(Trainer(from_flat({"epochs": "1", "teacher_epochs": "1"}))))


def test_the_pinned_examples_are_probed_in_every_evaluation_and_the_teacher_once(small: RunConfig) -> None:
    probed = of(Probed, list(Trainer(small)))
    assert [event.epoch for event in probed] == list(range(7))
    assert set(probed[0].logits) == {"teacher", "student", "baseline"}
    assert all(set(event.logits) == {"student", "baseline"} for event in probed[1:])


@pytest.mark.parametrize("more", [{}, {"patience": "1", "epochs": "40"}, {"keep": "best"}])
def test_the_last_evaluation_of_a_phase_says_which_examples_were_right(small_with: With, more: dict[str, str]) -> None:
    training = Trainer(small_with(**more))
    evaluations = of(Validated, list(training))
    last = {event.phase: event for event in evaluations}
    validation = training.data.validation
    assert all(bool(event.correct) == (event.step == last[event.phase].step) for event in evaluations)
    for event in last.values():
        for role, text in event.correct.items():
            is_right = predict_logits(training.networks[role], validation.inputs).argmax(1) == validation.labels
            assert text == pack_mask(is_right)
    assert {"student", "baseline", "teacher"} == set().union(*(event.correct for event in last.values()))


@pytest.mark.slow
def test_a_long_run_is_evaluated_a_limited_number_of_times(small_with: With) -> None:
    events = list(Trainer(small_with(epochs="450", labelled="8", control="false")))
    evaluations = [event for event in of(Validated, events) if event.phase == "students"]
    assert len(evaluations) <= 202
    assert evaluations[-1].epoch == 450


def test_predictions_are_made_in_eval_mode_and_leave_the_mode_unchanged() -> None:
    network = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.BatchNorm1d(8), nn.Linear(8, 2))
    inputs = load(from_flat({"dataset": "moons"}).dataset).validation.inputs
    first = predict_logits(network, inputs)
    assert network.training  # as it was before
    assert torch.equal(first, predict_logits(network, inputs))
    assert not first.requires_grad


def test_a_diverging_run_ends_with_finite_numbers_and_the_last_finite_weights() -> None:
    config = from_flat(
        {"optimiser": "sgd", "learning_rate": "1", "student_widths": "512-512-512-512", "teacher_epochs": "1",
         "student_activation": "leaky_relu", "labelled": "200", "epochs": "40"}
    )  # fmt: skip
    trainer = Trainer(config)
    events = list(trainer)
    failed, finished = events[-2:]
    assert isinstance(failed, Failed)
    assert finished.outcome == "failed"
    assert [to_json(event) for event in events]  # strict JSON: no NaN anywhere
    for network in trainer.networks.values():
        assert predict_logits(network, trainer.data.validation.inputs).isfinite().all()


def test_an_adjustment_requested_during_the_teacher_phase_survives_an_interruption(small: RunConfig) -> None:
    def until(trainer: Trainer, phase: str, step: int) -> list[Event]:
        events = []
        for event in trainer:
            events.append(event)
            if isinstance(event, Step) and (event.phase, event.step) == (phase, step):
                break
        return events

    whole = Trainer(small)
    events = until(whole, "teacher", 1)
    whole.adjust(temperature=9.0)
    state = whole.checkpoint()
    events += list(whole)
    again = list(Trainer(small, resume=state))
    assert events[-len(again) :] == again
    assert [change.new for change in of(Adjusted, again)] == [9.0]


def test_a_teacher_resumed_in_its_own_phase_is_cached_with_all_its_events(small: RunConfig) -> None:
    whole = list(Trainer(small))
    trainer = Trainer(small)
    stream = iter(trainer)
    events = [next(stream) for _ in range(9)]
    state, cache = trainer.checkpoint(), {}
    stream.close()
    assert events + list(Trainer(small, resume=state, cache=cache)) == whole
    assert list(Trainer(small, cache=cache)) == whole
