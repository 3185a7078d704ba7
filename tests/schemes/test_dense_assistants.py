"""Every larger network teaches every smaller one."""

from __future__ import annotations

import pytest
import torch

from kd_core.base.events import Finished, Prepared, Step, Validated
from kd_core.config.run import RunConfig, from_flat
from kd_core.export.code import Script
from kd_core.methods.soft_targets import soft_targets
from kd_core.nn.composite import remaining_weights
from kd_core.nn.inference import predict_logits
from kd_core.schemes import plan_of
from kd_core.training.loop import PhaseCache, Trainer
from pages.ui.form.plan_graph import PlanGraph

CACHE: PhaseCache = {}


def config_of(**flat: str) -> RunConfig:
    quick = {"epochs": "2", "teacher_epochs": "1", "teacher": "cnn", "student_widths": "4"}
    return from_flat({"dataset": "digits", "scheme": "dense_assistants", **quick, **flat})


def test_every_network_has_all_larger_ones_as_teachers() -> None:
    config = config_of(dense_assistants="3")
    teachers = {learner.role: learner.teachers for phase in plan_of(config) for learner in phase.learners}
    assert teachers == {
        "teacher": (),
        "assistant 1": ("teacher",),
        "assistant 2": ("teacher", "assistant 1"),
        "assistant 3": ("teacher", "assistant 1", "assistant 2"),
        "student": ("teacher", "assistant 1", "assistant 2", "assistant 3"),
        "baseline": (),
    }
    prepared = next(iter(Trainer(config)))
    assert isinstance(prepared, Prepared)
    sizes = {network.role: network.parameters for network in prepared.networks}
    assert [*sizes.values()][:5] == sorted([*sizes.values()][:5], reverse=True)
    assert sizes["student"] == sizes["baseline"]
    taught = {(start, edge["to"]) for edge in PlanGraph(config).edges for start in edge["from"]}
    assert len(taught) >= 4


def test_the_loss_of_the_student_is_the_mean_over_its_teachers() -> None:
    config = config_of(dense_assistants="2", temperature="2")
    training = Trainer(config, cache=CACHE)
    events = iter(training)
    for event in events:
        if isinstance(event, Validated) and event.phase == "students":
            break
    trainer = training._phase_trainer
    assert trainer is not None
    student = trainer.trainers[0]
    inputs = student.examples.inputs[student.sampler.rows(0)]
    logits = {role: predict_logits(training.networks[role], inputs) for role in ("student", *student.learner.teachers)}
    divergences = [soft_targets(logits["student"], logits[role], 2.0) for role in student.learner.teachers]
    assert len(divergences) == 3
    step = next(event for event in events if isinstance(event, Step))
    assert step.parts["student"]["T²·KL"][0] == pytest.approx(float(sum(divergences)) / 3, rel=1e-4)


def test_teachers_are_dropped_as_often_as_asked_for_and_one_stays() -> None:
    drawn = torch.tensor([remaining_weights([0.25] * 4, 0.5, seed) for seed in range(2000)])
    torch.testing.assert_close(drawn.sum(1), torch.ones(2000))
    count = (drawn > 0).sum(1)
    assert count.min() == 1
    # Binomial with 4 draws; where all are dropped one stays.
    assert float(count.float().mean()) == pytest.approx(2 + 0.5**4, abs=0.1)
    assert remaining_weights([0.75, 0.25], 0.0, 1) == [0.75, 0.25]


def test_a_dropped_teacher_changes_the_student_and_neither_baseline_nor_number_of_steps() -> None:
    curves = []
    for drop in ("0", "0.5"):
        events = list(Trainer(config_of(drop=drop), cache=CACHE))
        assert isinstance(events[-1], Finished)
        curves.append([event.loss for event in events if isinstance(event, Step) and event.phase == "students"])
    first, second = curves
    assert [loss["baseline"] for loss in first] == [loss["baseline"] for loss in second]
    assert [loss["student"] for loss in first] != [loss["student"] for loss in second]


def test_the_script_draws_the_same_teachers() -> None:
    script = Script(config_of(drop="0.3"))
    assert script.left_out == []
    assert 'remaining_weights([0.3333333333, 0.3333333333, 0.3333333333], 0.3, derive_seed(0, "teachers", step))' in (
        script.text()
    )
