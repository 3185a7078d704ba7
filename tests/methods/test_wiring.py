"""Layers, adapters and weights that methods pass to their pure functions."""

import dataclasses
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.events import Finished, Step
from kd_core.base.registry import find_plugin
from kd_core.config.run import from_flat
from kd_core.methods import LossInputs, LossPart, Method
from kd_core.methods.contrastive import MemoryBank, contrastive
from kd_core.methods.flow import flow
from kd_core.methods.hints import hints
from kd_core.methods.one_for_all import one_for_all
from kd_core.methods.relational import relational_angle, relational_distance
from kd_core.methods.review import review
from kd_core.methods.variational_information import variational_information
from kd_core.models.cnn import Cnn
from kd_core.models.mlp import Mlp
from kd_core.nn.adapters import match_sizes
from kd_core.nn.pairs import Pair
from kd_core.training.loop import PhaseCache, Trainer
from tests.methods.test_promises import batch, made
from tools.testing.methods import BY_NAME
from tools.testing.networks import networks_for

pytestmark = pytest.mark.slow

PAIR = Pair(Cnn(8, 2), Cnn(16, 3), (1, 8, 8), 10)  # the one that batch() makes features for
CACHE: PhaseCache = {}


def signals(name: str, epoch: int = 30, **options: Any) -> tuple[Method, LossInputs]:
    method = made(name, **options)
    student, teacher = torch.randn(2, 12, 10, generator=torch.Generator().manual_seed(3)).unbind()
    return method, dataclasses.replace(batch(method, student.clone().requires_grad_(), teacher), epoch=epoch)


def parts_by_name(method: Method, inputs: LossInputs) -> dict[str, LossPart]:
    return {part.name: part for part in method.parts(inputs) if part.name != "CE"}


@pytest.mark.parametrize("name", list(BY_NAME))
def test_everything_that_is_to_be_learned_moves(name: str) -> None:
    flat = {"dataset": "digits", **networks_for(name), "labelled": "70", "batch_size": "10", "epochs": "1"}
    training = Trainer(from_flat({**flat, "method": name, "teacher_epochs": "1"}), cache=CACHE)
    before: dict[str, Tensor] = {}
    for event in training:
        if isinstance(event, Step) and event.phase == "students":
            learning = training._phase_trainer.trainers[0]
            adapters = learning.criteria[0].adapters
            modules = nn.ModuleDict({"student": learning.network, "adapters": adapters})
            now = {key: value.detach().clone() for key, value in modules.named_parameters() if value.requires_grad}
            before = before or now
            if event.step == 6:
                break
    assert before
    still = [key for key, value in now.items() if torch.equal(value, before[key])]
    # What lies before batch norm in a dead channel may rest; a whole layer may not.
    assert len(still) <= len(now) // 10, still
    if adapters:
        assert any(key.startswith("adapters") and key not in still for key in now)


def test_the_temperature_is_learned_beside_the_student() -> None:
    flat = {"dataset": "digits", "method": "curriculum_temperature", "epochs": "30", "teacher_epochs": "2"}
    events = [event for event in Trainer(from_flat(flat), cache=CACHE) if isinstance(event, Step)]
    learned = [event.parts["student"]["T"][0] for event in events if "student" in event.parts]
    assert learned[0] == pytest.approx(1 + 20 / (1 + math.exp(-1)), rel=1e-5)
    assert abs(learned[-1] - learned[0]) > 0.1


@pytest.mark.parametrize(("epoch", "fraction"), [(0, 1 / 20), (4, 5 / 20), (19, 1.0), (30, 1.0)])
def test_decoupled_distillation_and_review_grow_over_twenty_epochs(epoch: int, fraction: float) -> None:
    parts = parts_by_name(*signals("dkd", epoch))
    assert [parts["T²·TCKD"].weight, parts["T²·NCKD"].weight] == pytest.approx([fraction, 8 * fraction])
    assert parts_by_name(*signals("review", epoch))["review"].weight == pytest.approx(fraction)


def test_hints_meet_in_the_middle_through_their_adapter() -> None:
    method, inputs = signals("hints")
    assert [(match.student, match.teacher) for match in inputs.matches] == [("stage 1", "stage 2")]
    adapted = inputs.adapters["student 0"](inputs.student_features["stage 1"])
    expected = hints(adapted, inputs.teacher_features["stage 2"])
    torch.testing.assert_close(parts_by_name(method, inputs)["hints"].value, expected)


def test_information_is_summed_over_all_places() -> None:
    method, inputs = signals("variational_information")
    expected = torch.zeros(())
    for index, (student_layer, teacher_layer) in enumerate(PAIR.stage_pairs):
        student, teacher = match_sizes(inputs.student_features[student_layer], inputs.teacher_features[teacher_layer])
        adapter = inputs.adapters[f"student {index}"]
        expected = expected + variational_information(adapter.means(student), teacher, adapter.variance)
    torch.testing.assert_close(parts_by_name(method, inputs)["information"].value, expected)


def test_flow_is_that_of_adjacent_places() -> None:
    method, inputs = signals("flow")
    student = [
        inputs.adapters[f"student {index}"](inputs.student_features[student_layer])
        for index, (student_layer, _) in enumerate(PAIR.stage_pairs)
    ]
    teacher = [inputs.teacher_features[teacher_layer] for _, teacher_layer in PAIR.stage_pairs]
    expected = flow((student[0], student[1]), (teacher[0], teacher[1]))
    assert expected > 0
    torch.testing.assert_close(parts_by_name(method, inputs)["flow"].value, expected)


def test_review_brings_the_later_stages_to_the_earlier_ones() -> None:
    method, inputs = signals("review")
    (early, late), _ = zip(*PAIR.stage_pairs, strict=True), None
    with torch.no_grad():
        fused, mixed = inputs.adapters["student 1"](
            inputs.student_features[early[1]], None, inputs.teacher_features[late[1]].shape[2:]
        )
        first, _ = inputs.adapters["student 0"](
            inputs.student_features[early[0]], mixed, inputs.teacher_features[late[0]].shape[2:]
        )
        alone, _ = inputs.adapters["student 0"](
            inputs.student_features[early[0]], 0 * mixed, inputs.teacher_features[late[0]].shape[2:]
        )
    assert not torch.allclose(first, alone)
    expected = review(fused, inputs.teacher_features[late[1]]) + review(first, inputs.teacher_features[late[0]])
    torch.testing.assert_close(parts_by_name(method, inputs)["review"].value.detach(), expected)


def test_relations_have_a_weight_each() -> None:
    method, inputs = signals("relational")
    parts = parts_by_name(method, inputs)
    both = inputs.student_features["embedding"], inputs.teacher_features["embedding"]
    assert (parts["distances"].weight, parts["angles"].weight) == (25, 50)
    torch.testing.assert_close(parts["distances"].value, relational_distance(*both))
    torch.testing.assert_close(parts["angles"].value, relational_angle(*both))


def test_angles_in_pieces_are_the_same_angles(monkeypatch: pytest.MonkeyPatch) -> None:
    student, teacher = torch.randn(2, 11, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    results = []
    for most in (10**9, 3 * 11**2):
        monkeypatch.setattr("kd_core.methods.relational.MAX_COSINES", most)
        leaf = student.clone().requires_grad_()
        loss = relational_angle(leaf, teacher)
        loss.backward()
        results.append((loss.detach(), leaf.grad))
    torch.testing.assert_close(results[0], results[1])


def test_two_equal_examples_do_not_blow_up_the_gradient_of_the_angles() -> None:
    student, teacher = torch.randn(2, 8, 6, generator=torch.Generator().manual_seed(1))
    student[1] = student[0]
    leaf = student.clone().requires_grad_()
    relational_angle(leaf, teacher).backward()
    assert leaf.grad.abs().max() < 10


def test_contrast_scores_each_side_with_the_memory_of_the_other_and_then_remembers() -> None:
    method, inputs = signals("contrastive")
    memory = inputs.adapters["memory"]
    assert isinstance(memory, MemoryBank)
    before = memory.student_memory.clone(), memory.teacher_memory.clone()
    student = F.normalize(memory.student(inputs.student_features["embedding"]))
    teacher = F.normalize(memory.teacher(inputs.teacher_features["embedding"]))
    candidates = memory.candidates(inputs.rows, torch.Generator().manual_seed(inputs.seed))
    scores = [
        (torch.einsum("bd,bkd->bk", side, other[candidates]) / 0.07).exp()
        for side, other in zip((student, teacher), before[::-1], strict=True)
    ]
    scores = [raw / (raw.detach().mean() * len(memory.labels)) for raw in scores]
    expected = contrastive(*scores, len(memory.labels))
    torch.testing.assert_close(parts_by_name(method, inputs)["contrast"].value, expected)
    torch.testing.assert_close(
        memory.student_memory[inputs.rows], F.normalize(0.5 * before[0] + 0.5 * student.detach())
    )
    other = memory.candidates(inputs.rows, torch.Generator().manual_seed(inputs.seed + 1))
    assert not torch.equal(candidates, other)


def test_the_reused_classifier_stays_what_it_was_whatever_the_student_learns() -> None:
    flat = {"dataset": "digits", "method": "reused_classifier", "student": "cnn", "student_width": "8", "epochs": "4"}
    training = Trainer(from_flat({**flat, "label_weight": "1", "teacher_epochs": "1", "labelled": "70"}), cache=CACHE)
    for _ in training:
        pass
    student, teacher = training.networks["student"], training.networks["teacher"]
    _, head = training.config.teacher.split(teacher, "stage 2")
    theirs = list(head.state_dict().values())
    for weight, original in zip(student.get_submodule("classifier").state_dict().values(), theirs, strict=True):
        assert torch.equal(weight, original)


def test_the_frozen_classifier_stays_in_eval_mode_and_asks_for_no_gradient() -> None:
    pair = Pair(Mlp((32,)), Cnn(16, 2, "batch"), (1, 8, 8), 10)
    network = made("reused_classifier").build(pair).train()
    classifier = network.get_submodule("classifier")
    assert network.training
    assert not any(module.training for module in classifier.modules())
    assert not any(parameter.requires_grad for parameter in classifier.parameters())


@pytest.mark.parametrize(
    ("depth", "index", "recipe"),
    [
        ("2", "stage 2", {"epochs": "7", "learning_rate": "0.01", "batch_size": "32"}),
        ("3", "embedding", {"epochs": "8", "learning_rate": "0.005"}),
    ],
)
def test_a_student_of_any_depth_can_feed_the_reused_classifier(depth: str, index: str, recipe: dict[str, str]) -> None:
    """Maps smaller than the teacher's cannot be used, so the embedding is; all layers of the student stay in use."""
    flat = {"dataset": "digits", "method": "reused_classifier", "student": "cnn", "student_width": "8", "labelled": "0"}
    config = from_flat({**flat, "student_depth": depth, "teacher_epochs": "3", **recipe})
    assert [match.student for match in config.method.matches(config.pair)] == [index]
    *_, finished = Trainer(config, cache=CACHE)
    assert isinstance(finished, Finished)
    assert finished.test_accuracy["student"] > 0.9


def test_a_teacher_that_is_not_asked_is_known() -> None:
    assert not find_plugin("methods", "label_smoothing")().uses_teacher
    assert not find_plugin("methods", "virtual_teacher")().uses_teacher
    assert find_plugin("methods", "virtual_teacher")(soft_weight=0.5).uses_teacher
    assert not find_plugin("methods", "hints")(weight=0.0).uses_teacher
    assert find_plugin("methods", "soft_targets")().uses_teacher


def test_every_stage_has_an_exit_that_is_one_halving_nearer_to_the_logits() -> None:
    method, inputs = signals("one_for_all", exits=0.5)
    assert [match.student for match in inputs.matches] == ["stage 1", "stage 2"]
    strides = [[layer.stride[0] for layer in inputs.adapters[f"student {number}"] if isinstance(layer, nn.Conv2d)]
               for number in range(2)]  # fmt: skip
    assert strides == [[2, 1, 1, 1], [1]]
    parts = parts_by_name(method, inputs)
    target = inputs.teacher_logits, inputs.labels
    logits = [inputs.adapters[f"student {number}"](inputs.student_features[f"stage {number + 1}"]) for number in (0, 1)]
    torch.testing.assert_close(parts["exits"].value, sum(one_for_all(each, *target) for each in logits))
    assert parts["exits"].weight == 0.5


def test_a_network_without_maps_has_an_exit_after_each_layer() -> None:
    method, pair = made("one_for_all"), Pair(Mlp((32, 16)), Cnn(16, 3), (1, 8, 8), 10)
    assert [match.student for match in method.matches(pair)] == ["hidden 1", "embedding"]
    assert [layer[0].in_features for layer in method.adapters(pair, torch.empty(0)).values()] == [32, 16]
