"""Distillation schemes train, resume and do what their papers define."""

import itertools
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from kd_core.base.events import Adjusted, Event, Finished, Prepared, Step, Validated
from kd_core.base.registry import plugins
from kd_core.config.plan import dependencies
from kd_core.config.run import RunConfig, from_flat, read_flat
from kd_core.datasets import load
from kd_core.files.checkpoint import Checkpoint
from kd_core.methods import total_loss
from kd_core.methods.soft_targets import soft_targets
from kd_core.models.mlp import Mlp
from kd_core.nn.composite import UNKNOWN, average_logits, average_probabilities
from kd_core.nn.inference import predict_logits
from kd_core.nn.pairs import Pair
from kd_core.schemes import plan_of
from kd_core.schemes._assistant_sizes import assistant_model
from kd_core.training.loop import PhaseCache, Trainer

pytestmark = pytest.mark.slow

# Those whose networks write are tested with language models, in tests/tasks.
SCHEMES = [name for name, cls in plugins("schemes").items() if not cls.writes_examples]  # type: ignore[attr-defined]
CACHE: PhaseCache = {}
QUICK = {"epochs": "2", "teacher_epochs": "1"}
QUICKER = {"data_free": {"images": "40", "iterations": "12"}, "snapshot": {"epochs": "3"}}  # an epoch for each cycle


def config_of(scheme: str, **flat: str) -> RunConfig:
    """As the scheme suggests, but quick."""
    chosen = {"dataset": "digits", "scheme": scheme, **QUICK, **QUICKER.get(scheme, {}), **flat}
    config, errors = read_flat(chosen)
    if "teacher_width" in config.flat():
        config, errors = read_flat({"teacher_width": "8", **chosen})
    assert errors == []
    return config


def run(config: RunConfig, **more: Any) -> list[Event]:
    return list(Trainer(config, cache=CACHE, **more))


def finished(events: list[Event]) -> Finished:
    assert isinstance(events[-1], Finished)
    return events[-1]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_scheme_trains_and_judges_every_network_it_prepared(scheme: str) -> None:
    config = config_of(scheme)
    events = run(config)
    assert finished(events).outcome == "completed"
    assert isinstance(events[0], Prepared)
    assert set(finished(events).test) == {network.role for network in events[0].networks}
    assert {network.kind for network in events[0].networks} <= {"teacher", "student", "baseline"}
    compares = config.scheme.comparison
    for role in (compares.role, compares.control):
        assert compares.measure in finished(events).test[role]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_scheme_goes_on_after_an_interruption_with_the_same_numbers(scheme: str) -> None:
    config = config_of(scheme)
    whole = run(config)
    steps = [number for number, event in enumerate(whole) if isinstance(event, Step)]
    places, checkpoints = (steps[len(steps) // 3], steps[-1]), []
    training = Trainer(config, cache=dict(CACHE))
    for number, event in enumerate(training):
        assert event == whole[number]
        if number in places:
            state = training.checkpoint()
            tensors = {name: tensor.clone() for name, tensor in state.tensors.items()}
            checkpoints.append(Checkpoint(tensors, state.values))
            if number == places[-1]:
                break
    for place, checkpoint in zip(places, checkpoints, strict=True):
        assert list(Trainer(config, cache=dict(CACHE), resume=checkpoint)) == whole[place + 1 :]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_was_changed_by_hand_is_repeated_in_every_scheme(scheme: str) -> None:
    config = config_of(scheme)
    training, events = Trainer(config, cache=CACHE), []
    for event in training:
        events.append(event)
        if isinstance(event, Step) and event.step == 1:
            training.adjust(learning_rate=0.001)
    changes = [event for event in events if isinstance(event, Adjusted)]
    assert changes
    assert run(config, adjustments=changes) == events


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_scheme_can_be_stopped_and_what_was_learned_is_judged(scheme: str) -> None:
    training, events = Trainer(config_of(scheme), cache=CACHE), []
    for event in training:
        events.append(event)
        if isinstance(event, Step) and training.position[0] > training.position[1] // 2:
            training.stop()
    assert finished(events).outcome == "stopped"
    assert finished(events).test


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_method_either_fits_a_scheme_or_is_refused_with_the_reason(scheme: str) -> None:
    for method, student in itertools.product(plugins("methods"), ("mlp", "cnn", "vit")):
        chosen = {"dataset": "digits", "scheme": scheme, "method": method, "student": student}
        try:
            from_flat(chosen)
        except ValueError as refusal:
            lines = str(refusal).splitlines()
            assert all(" = " in line and line.endswith(".") for line in lines), (chosen, lines)


@pytest.mark.parametrize(
    "scheme", ["offline", "mutual", "born_again", "ensemble", "reversed", "unlabelled", "snapshot"]
)
@pytest.mark.parametrize("method", ["hints", "contrastive", "curriculum_temperature"])
def test_features_and_adapters_work_beyond_the_offline_scheme(scheme: str, method: str) -> None:
    more = {"combine": "losses"} if scheme == "ensemble" else {}
    events = run(config_of(scheme, method=method, student="cnn", student_width="8", labelled="40", **more))
    assert finished(events).outcome == "completed"


def test_what_a_scheme_suggests_fits_the_data_as_they_are_chosen() -> None:
    config, errors = read_flat({"dataset": "blobs", "dataset_clouds": "2", "scheme": "missing_class"})
    assert errors == []
    assert config.labels.omitted == "A"


def test_a_scheme_without_what_it_needs_is_refused_and_the_usual_one_shown() -> None:
    chosen = {"dataset": "blobs", "dataset_clouds": "2", "scheme": "missing_class", "omitted": "E"}
    config, errors = read_flat(chosen)
    assert errors == ['omitted = "E": choose none, A, B.']
    assert config.dataset.name == "blobs"


@pytest.mark.parametrize(
    "odd",
    [
        {"scheme": "offline", "method": "reused_classifier", "fine_tune": "3"},
        {"scheme": "ensemble", "method": "binary"},
        {"scheme": "merge", "teacher_view": "student"},
        {"scheme": "missing_class", "teacher_view": "student"},
    ],
    ids=lambda odd: odd["scheme"],
)
def test_what_makes_no_sense_is_refused(odd: dict[str, str]) -> None:
    _, errors = read_flat({"dataset": "digits", **odd})
    assert len(errors) == 1


def test_the_virtual_teacher_beside_a_real_one_keeps_its_own_numbers() -> None:
    training = Trainer(config_of("teacher_free", temperature="3"), cache=CACHE)
    for event in training:
        if isinstance(event, Step) and event.phase == "students":
            break
    methods = {learner.role: learner.method for learner in training._phase_trainer.trainers}
    assert methods["student"].temperature == 3
    assert (methods["virtual"].temperature, methods["virtual"].weight) == (20, 10)


# -- offline and its variations --------------------------------------------------------------------------------------


def test_assistants_are_networks_of_sizes_in_between() -> None:
    pair = Pair(Mlp((8,)), Mlp((256, 256)), (1, 8, 8), 10)
    sizes = [
        sum(p.numel() for p in assistant_model(pair, fraction).build((1, 8, 8), 10).parameters())
        for fraction in (1 / 3, 2 / 3)
    ]
    large, small = (
        sum(p.numel() for p in model.build((1, 8, 8), 10).parameters()) for model in (pair.teacher, pair.student)
    )
    assert large > sizes[0] > sizes[1] > small
    events = run(config_of("offline", assistants="2"))
    assert {"teacher", "assistant 1", "assistant 2", "student", "baseline"} == set(finished(events).test)


def test_fine_tuning_goes_on_from_the_weights_of_the_student_without_its_teacher() -> None:
    events = run(config_of("offline", fine_tune="2"))
    evaluations = [event for event in events if isinstance(event, Validated)]
    before = [evaluation for evaluation in evaluations if evaluation.phase == "students"][-1]
    after = next(evaluation for evaluation in evaluations if evaluation.phase == "fine-tuning")
    assert after.accuracy == before.accuracy
    step = next(event for event in events if isinstance(event, Step) and event.phase == "fine-tuning")
    assert {role: list(parts) for role, parts in step.parts.items()} == {"student": ["CE"], "baseline": ["CE"]}


def test_the_teacher_stops_at_the_epoch_that_was_asked_for() -> None:
    events = run(config_of("offline", teacher_epochs="9", teacher_stop="2"))
    assert max(event.epoch for event in events if isinstance(event, Step) and event.phase == "teacher") == 2


def test_a_defective_teacher_stops_as_soon_as_it_is_as_good_as_it_may_be() -> None:
    events = run(config_of("defective", accuracy="0.4", stop="20"))
    evaluations = [
        event.accuracy["teacher"] for event in events if isinstance(event, Validated) and event.phase == "teacher"
    ]
    assert evaluations[-1] >= 0.4
    assert max(evaluations[:-1]) < 0.4


def test_reversed_the_small_network_teaches_the_large_one() -> None:
    events = run(config_of("reversed", teacher_width="16"))
    sizes = {network.role: network.parameters for network in events[0].networks}
    assert sizes["teacher"] < sizes["student"] == sizes["baseline"]


# -- online ----------------------------------------------------------------------------------------------------------


def test_peers_learn_from_each_other_as_in_the_paper() -> None:
    """CE + 1/(K-1) sum of KL(peer || self), with peers as they are at this step (Zhang et al. 2018, equation 7)."""
    config = config_of("mutual", peers="3", temperature="1", alpha="0.5")
    training = Trainer(config)
    training_events = iter(training)
    while not isinstance(next(training_events), Validated):
        pass
    phase_trainer = training._phase_trainer
    assert phase_trainer is not None
    rows = phase_trainer.trainers[0].sampler.rows(0)
    logits = {
        learner.role: predict_logits(learner.network, learner.examples.inputs[rows])
        for learner in phase_trainer.trainers
    }
    step = next(event for event in training_events if isinstance(event, Step))
    for role in ("student", "peer 2", "peer 3"):
        others = [other for other in ("student", "peer 2", "peer 3") if other != role]
        expected = sum(soft_targets(logits[role], logits[other], 1.0) for other in others) / 2
        assert step.parts[role]["T²·KL"][0] == pytest.approx(float(expected), rel=1e-4)


def test_students_and_teachers_networks_can_be_peers() -> None:
    config = config_of("mutual", peers="5", networks="teacher-mlp-student", student="cnn", student_width="8")
    models = {network.role: network.model for network in run(config)[0].networks}
    expected = [config.student, config.teacher, Mlp(), config.student, config.teacher]
    assert [models[role] for role in ("student", *(f"peer {n}" for n in range(2, 6)))] == [m.label() for m in expected]
    _, errors = read_flat({"dataset": "digits", "scheme": "mutual", "networks": "teacher-nobody"})
    allowed = ", ".join(["student", "teacher", *plugins("models")])
    assert errors == [f'networks = "teacher-nobody": join names by dashes, each of them {allowed}.']


def test_the_booster_shares_the_students_first_layers_and_its_gradient_does_not_flow_back() -> None:
    training = Trainer(config_of("rocket", student="cnn", student_width="8"))
    for event in training:
        if isinstance(event, Step):
            break
    light, booster = training.networks["student"], training.networks["booster"]
    shared = list(booster.trunk.parameters())
    assert shared
    assert all(any(p is q for q in light.parameters()) for p in shared)
    learners = {learner.role: learner for learner in training._phase_trainer.trainers}
    assert not any(any(p is q for q in learners["booster"].trainable_parameters()) for p in shared)  # updated once
    batch = training._phase_trainer.trainers[0].examples.batch(torch.arange(4), 0)
    light.zero_grad()
    booster.zero_grad()
    for learner in learners.values():
        learner.forward(batch, 0)
    total_loss(learners["student"].loss(batch, 0, 0)).backward()
    assert all(p.grad is None for p in booster.own.parameters())


# -- self ------------------------------------------------------------------------------------------------------------


def test_generations_differ_in_their_beginning_and_vote_by_probability() -> None:
    training = Trainer(config_of("born_again", generations="3"), cache=CACHE)
    for _ in training:
        pass
    inputs = training.data.test.inputs
    lives = [
        predict_logits(training.networks[role], inputs).softmax(1) for role in ("baseline", "generation 2", "student")
    ]
    voted = predict_logits(training.networks["ensemble"], inputs).softmax(1)
    torch.testing.assert_close(voted, torch.stack(lives).mean(0))
    assert len({life.sum().item() + life[0, 0].item() for life in lives}) == 3


def test_each_cycle_begins_where_the_last_one_ended_with_the_full_rate() -> None:
    events = run(config_of("snapshot", epochs="6", cycles="2"))
    rates = {
        phase: [e.learning_rate for e in events if isinstance(e, Step) and e.phase == phase]
        for phase in ("cycle 1", "cycle 2")
    }
    for falling in rates.values():
        assert falling[0] == pytest.approx(0.003)
        assert falling == sorted(falling, reverse=True)
    evaluations = [event for event in events if isinstance(event, Validated)]
    end = [evaluation for evaluation in evaluations if evaluation.phase == "cycle 1"][-1]
    start = next(evaluation for evaluation in evaluations if evaluation.phase == "cycle 2")
    assert start.accuracy["student"] == end.accuracy["cycle 1"]


def test_early_exits_cost_less_than_the_whole_network_and_share_its_layers() -> None:
    events = run(config_of("own_teacher"))
    flops = {network.role: network.flops for network in events[0].networks}
    assert flops["exit 1"] < flops["exit 2"] < flops["student"]


def test_a_stage_learns_from_the_next_one() -> None:
    config = config_of("self_attention")
    events = run(config)
    step = next(event for event in events if isinstance(event, Step))
    assert set(step.parts["student"]) == {"CE", "attention"}


# -- several teachers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("combine", ["probabilities", "logits", "losses"])
def test_several_teachers_teach_through_each_rule_and_are_judged_by_it(combine: str) -> None:
    training = Trainer(config_of("ensemble", combine=combine, count="2", shares="2-1"), cache=CACHE)
    assert {"teacher 1", "teacher 2", "teacher", "student", "student’s student"} <= set(finished([*training]).test)
    images = load(training.config.dataset).test.inputs
    logits = [predict_logits(training.networks[role], images) for role in ("teacher 1", "teacher 2")]
    average = average_logits if combine == "logits" else average_probabilities
    assert torch.equal(predict_logits(training.networks["teacher"], images), average(logits, (2, 1)))


def test_everybody_who_was_trained_for_an_answer_is_known() -> None:
    def trained(scheme: str, role: str) -> set[str]:
        return dependencies(plan_of(config_of(scheme)), role)

    assert trained("offline", "student") == {"student", "teacher"}
    assert trained("offline", "baseline") == {"baseline"}
    assert trained("mutual", "average") == {"student", "peer 2"}
    assert trained("born_again", "student") == {"baseline", "generation 2", "student"}  # the first generation
    assert trained("ensemble", "student") == {"student", "teacher 1", "teacher 2", "teacher 3"}


def test_weights_that_do_not_fit_the_teachers_are_refused() -> None:
    _, errors = read_flat({"dataset": "digits", "scheme": "ensemble", "count": "3", "shares": "1-2"})
    assert errors == ['shares = "1-2": choose 3 numbers from 0 up, joined by dashes, not all 0, or nothing.']


def test_a_teacher_of_half_the_classes_never_names_another_one() -> None:
    training = Trainer(config_of("merge", teacher_epochs="3"), cache=CACHE)
    for _ in training:
        pass
    inputs = training.data.test.inputs
    first, second = (predict_logits(training.networks[f"teacher {number}"], inputs) for number in (1, 2))
    assert first.argmax(1).max() == 4
    assert second.argmax(1).min() == 5
    assert (first[:, 5:] == UNKNOWN).all()
    together = predict_logits(training.networks["teacher"], inputs)
    assert set(together.argmax(1).tolist()) == set(range(10))


def test_a_network_for_some_classes_is_judged_by_their_examples_alone() -> None:
    training, events = Trainer(config_of("merge", teacher_epochs="3"), cache=CACHE), []
    for event in training:
        events.append(event)
    split = training.data.test
    in_half = split.labels < 5
    logits = training.networks["teacher 1"].network(split.inputs[in_half])  # of its five classes
    test = finished(events).test["teacher 1"]
    assert test["examples"] == in_half.sum()
    assert test["accuracy"] == pytest.approx((logits.argmax(1) == split.labels[in_half]).double().mean().item())
    assert test["loss"] == pytest.approx(F.cross_entropy(logits, split.labels[in_half]).item(), rel=1e-4)
    assert finished(events).test["student"]["examples"] == len(split)
    last = [event for event in events if isinstance(event, Validated) and event.phase == "teacher 1"][-1]
    assert last.loss["teacher 1"] < 10


# -- fewer labels ----------------------------------------------------------------------------------------------------


def test_without_labels_the_labels_are_ignored_to_the_bit() -> None:
    events = run(config_of("merge", wrong="0"))
    damaged = run(config_of("merge", wrong="0.5"))
    for one, other in zip(events, damaged, strict=True):
        if isinstance(one, Step) and one.phase == "students":
            assert one.parts == other.parts


def test_the_baseline_sees_the_labelled_examples_alone_and_takes_as_many_steps() -> None:
    training = Trainer(config_of("unlabelled", labelled="30"), cache=CACHE)
    for event in training:
        if isinstance(event, Step) and event.phase == "students":
            break
    phase_trainer = training._phase_trainer
    assert phase_trainer is not None
    pools = {trainer.role: trainer.sampler.pool for trainer in phase_trainer.trainers}
    labels = phase_trainer.trainers[0].labels
    assert len(pools["student"]) == len(load(training.config.dataset).train)
    assert len(pools["baseline"]) == 30
    assert (labels[pools["baseline"]] >= 0).all()
    assert (labels >= 0).sum() == 30


def test_only_what_the_teacher_is_sure_of_is_used_and_evenly_if_asked() -> None:
    def pseudo_labelled(**flat: str) -> tuple[torch.Tensor, torch.Tensor]:
        training = Trainer(config_of("unlabelled", teacher_width="16", **flat), cache=CACHE)
        for event in training:
            if isinstance(event, Step) and event.phase == "students":
                break
        phase_trainer = training._phase_trainer
        assert phase_trainer is not None
        trainer = phase_trainer.trainers[0]
        probabilities = predict_logits(training.networks["teacher"], trainer.examples.inputs).softmax(1)
        chosen = trainer.sampler.pool
        return probabilities[chosen[trainer.labels[chosen] < 0]], probabilities[trainer.labels < 0]

    used, all_of_them = pseudo_labelled(confidence="0.9")
    assert used.max(1).values.min() >= 0.9
    assert len(used) == int((all_of_them.max(1).values >= 0.9).sum()) < len(all_of_them)
    even, _ = pseudo_labelled(confidence="0.9", balanced="true")
    assert even.argmax(1).bincount().max() <= -(-(len(used) + 30) // 10)


def test_a_noisy_student_teaches_the_next_one() -> None:
    events = run(config_of("unlabelled", rounds="2", noise="0.5"))
    assert {"teacher", "round 1", "student", "baseline"} == set(finished(events).test)


def test_the_missing_class_is_missing_and_its_recall_is_measured() -> None:
    config = config_of("missing_class", omitted="3")
    view = config.view.apply(load(config.dataset))
    assert 3 not in view.labels
    test = finished(run(config)).test
    assert test["baseline"]["omitted"] == 0
    assert 0 <= test["corrected student"]["omitted"] <= 1
