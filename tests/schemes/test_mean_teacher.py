"""A moving average of the student teaches it."""

from __future__ import annotations

import math

import pytest
import torch

from kd_core.base.events import Finished, Prepared, Step
from kd_core.config.plan import dependencies
from kd_core.config.run import RunConfig, from_flat
from kd_core.schemes import plan_of
from kd_core.training.loop import Trainer
from kd_core.training.optim import ramp_up
from pages.ui.form.plan_graph import PlanGraph

SETTINGS = {"dataset": "digits", "scheme": "mean_teacher", "labelled": "40", "epochs": "3"}


def config_of(**flat: str) -> RunConfig:
    return from_flat({**SETTINGS, **flat})


@pytest.mark.slow
@pytest.mark.parametrize("student", ["mlp", "resnet"])
def test_the_teacher_is_the_average_of_all_weights_so_far_with_the_decay(student: str) -> None:
    training, decay = Trainer(config_of(student=student, decay="0.9", epochs="2")), 0.9
    expected: dict[str, torch.Tensor] = {}
    for event in training:
        if isinstance(event, Step):
            fraction = min(1 - 1 / event.step, decay)
            for name, value in training.networks["student"].state_dict().items():
                if value.is_floating_point():
                    before = expected.get(name, value.double())
                    expected[name] = fraction * before + (1 - fraction) * value.double()
    assert expected
    teacher = training.networks["teacher"]
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    for name, value in teacher.state_dict().items():
        if name in expected:
            torch.testing.assert_close(value.double(), expected[name], rtol=1e-4, atol=1e-5)


def test_the_weight_of_the_teacher_rises_and_that_of_the_labels_does_not() -> None:
    config = config_of(alpha="0.5", temperature="1", ramp_up="2")
    steps = [event for event in Trainer(config) if isinstance(event, Step)]
    per_epoch = len(steps) // 3

    def weight(step: Step, name: str) -> float:
        raw, weighted = step.parts["student"][name]
        return weighted / raw

    assert weight(steps[2], "T²·KL") == pytest.approx(0.5 * math.exp(-5 * (1 - 2 / (2 * per_epoch)) ** 2))
    assert weight(steps[-1], "T²·KL") == pytest.approx(0.5)
    labelled = [step for step in steps if step.parts["student"]["CE"][0]]
    assert {round(weight(step, "CE"), 6) for step in labelled} == {0.5}
    assert all(set(step.loss) == {"student", "baseline"} for step in steps)  # the average has no loss
    assert ramp_up(0, 0) == 1


def test_the_baseline_takes_equally_many_steps_and_does_not_depend_on_the_average() -> None:
    curves = []
    for decay in ("0.5", "0.99"):
        steps = [event for event in Trainer(config_of(decay=decay)) if isinstance(event, Step)]
        curves.append(steps)
    first, second = curves
    assert [step.loss["baseline"] for step in first] == [step.loss["baseline"] for step in second]
    assert [step.loss["student"] for step in first] != [step.loss["student"] for step in second]


@pytest.mark.parametrize("labelled", ["0", "40"])
def test_examples_without_labels_are_used_where_there_are_some(labelled: str) -> None:
    events = list(Trainer(config_of(labelled=labelled, epochs="1")))
    assert isinstance(events[0], Prepared)
    assert isinstance(events[-1], Finished)
    saw = {network.role: network.saw for network in events[0].networks}
    assert ("without labels" in saw["student"]) == (labelled == "40")
    assert "without labels" not in saw["baseline"]
    assert saw["teacher"] == "nothing itself"
    assert set(events[-1].test) == {"student", "teacher", "baseline"}


def test_the_picture_has_the_average_below_the_student_that_it_teaches() -> None:
    config = config_of()
    graph = PlanGraph(config)
    edges = {(edge["kind"], *edge["from"], edge["to"]) for edge in graph.edges}
    assert edges == {("teaches", "0.1 teacher", "0.0 student"), ("combines", "0.0 student", "0.1 teacher")}
    assert [node.lane for column in graph.columns for node in column.nodes] == ["main", "made", "baseline"]
    assert dependencies(plan_of(config), "teacher") == {"student", "teacher"}
