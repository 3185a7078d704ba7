"""Contract of all losses (gradients, finite values, checkpoints), which a new file needs no edit for."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kd_core.analysis.feature_matching import match_table
from kd_core.base.events import Event, Finished, Step
from kd_core.base.options import options_of
from kd_core.base.registry import find_plugin
from kd_core.config.run import RunConfig, from_flat, read_flat
from kd_core.files.checkpoint import Checkpoint
from kd_core.methods import FAMILIES, LABELS, LossInputs, Method, total_loss
from kd_core.models.mlp import Mlp
from kd_core.nn.hooks import EMBEDDING, LOGITS
from kd_core.nn.pairs import Pair
from kd_core.training.loop import PhaseCache, Trainer
from tools.testing.methods import BY_NAME
from tools.testing.networks import networks_for, pair_for

METHODS = list(BY_NAME)
LABEL_FREE = [  # losses that state what they need, and need no labels if their weight is 0
    name
    for name, cls in BY_NAME.items()
    if cls.requires and "label" not in cls.requires and {"label_weight", "alpha"} & set(options_of(cls))
]
LEFT_BEHIND = [name for name, cls in BY_NAME.items() if cls.discards_adapters and not cls().changes_student]
WEIGHTED = [name for name, cls in BY_NAME.items() if "label_weight" in options_of(cls)]
QUICK = {"dataset": "digits", "labelled": "70", "epochs": "2"}
CACHE: PhaseCache = {}  # one teacher for all runs of this file


def quick(**flat: str) -> RunConfig:
    return from_flat({**QUICK, **networks_for(flat["method"]), "teacher_epochs": "1", **flat})


def run(config: RunConfig, **more: Any) -> list[Event]:
    return list(Trainer(config, cache=CACHE, **more))


def first_steps(config: RunConfig) -> list[Step]:
    """Return the first steps of the students, without the evaluations that follow."""
    events = (event for event in Trainer(config, cache=CACHE) if isinstance(event, Step) and event.phase == "students")
    return list(itertools.islice(events, 4))


def losses(events: Sequence[Event], role: str) -> list[float]:
    return [event.loss[role] for event in events if isinstance(event, Step) and role in event.loss]


def made(name: str, **options: Any) -> Method:
    method = find_plugin("methods", name)(**options)
    assert isinstance(method, Method)
    return method


def batch(method: Method, student_logits: Tensor, teacher_logits: Tensor, seed: int = 0) -> LossInputs:
    """Return inputs with the given logits and random features of the right shapes, all of which require a gradient."""
    generator = torch.Generator().manual_seed(seed)
    pair, size = pair_for(method), len(student_logits)
    if len(pair.student_shapes[LOGITS]) > 1:  # as many rows of logits per example as it has cells
        cells = pair.student_shapes[LOGITS][0]
        student_logits, teacher_logits = (logits.repeat(cells, 1) for logits in (student_logits, teacher_logits))
    labels = torch.arange(len(student_logits)) % student_logits.shape[1]
    matches = method.matches(pair)
    sides: tuple[dict[str, Tensor], dict[str, Tensor]] = ({}, {})
    for match in matches:
        for features, shapes, layer in zip(
            sides, (pair.student_shapes, pair.teacher_shapes), (match.student, match.teacher), strict=True
        ):
            if layer not in {LOGITS, LABELS}:
                features[layer] = torch.randn(size, *shapes[layer], generator=generator).relu().requires_grad_()
    if not method.discards_adapters:  # the features of its network are projected already
        student, teacher = matches[0].student, matches[0].teacher
        sides[0][student] = torch.randn(size, *pair.teacher_shapes[teacher], generator=generator).requires_grad_()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        adapters = method.adapters(pair, labels)
    classifiers = [
        torch.randn(10, *shapes[EMBEDDING], generator=generator) if EMBEDDING in shapes else None
        for shapes in (pair.student_shapes, pair.teacher_shapes)
    ]
    return LossInputs(
        student_logits, labels, teacher_logits, 30, *sides, matches, adapters, torch.arange(size), 1, None, None,
        *classifiers,
    )  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_a_method_describes_itself(name: str) -> None:
    method = made(name)
    assert method.paper
    assert method.formula
    assert method.family in (*FAMILIES, Method.family)
    for sentence in (method.summary, method.defaults_source, method.pitfall):
        assert not sentence or sentence.endswith(".")
    assert "|" not in method.formula, "it would end the cell of a table in Markdown"
    assert method.to_latex().startswith(r"\text{loss} = ")


@pytest.mark.parametrize("name", METHODS)
def test_no_gradient_reaches_the_teacher(name: str) -> None:
    method = made(name)
    student, teacher = torch.randn(2, 12, 10, generator=torch.Generator().manual_seed(1)).unbind()
    student, teacher = student.clone().requires_grad_(), teacher.clone().requires_grad_()
    signals = batch(method, student, teacher)
    total_loss(method.parts(signals)).backward()
    learned = [*signals.student_features.values(), student]
    assert any(part.grad is not None and part.grad.abs().sum() > 0 for part in learned)
    assert teacher.grad is None
    for features in signals.teacher_features.values():
        assert features.grad is None


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("scale", [300.0, 0.0])
def test_confident_and_constant_networks_give_finite_losses_and_gradients(name: str, scale: float) -> None:
    method = made(name, **({"soft_weight": 1.0} if name in WEIGHTED else {}))
    signs = torch.randn(2, 12, 10, generator=torch.Generator().manual_seed(2)).sign() * scale
    student = signs[0].clone().requires_grad_()
    signals = batch(method, student, signs[1])
    loss = total_loss(method.parts(signals))
    loss.backward()
    assert loss.isfinite()
    for leaf in (student, *signals.student_features.values(), *signals.adapters.parameters()):
        assert leaf.grad is None or leaf.grad.isfinite().all()


@pytest.mark.parametrize("name", METHODS)
def test_features_of_zeros_give_finite_losses_and_gradients(name: str) -> None:
    method = made(name)
    student = torch.zeros(6, 10).requires_grad_()
    signals = batch(method, student, torch.zeros(6, 10))
    zeros = {name: torch.zeros_like(features).requires_grad_() for name, features in signals.student_features.items()}
    teacher = {name: torch.zeros_like(features) for name, features in signals.teacher_features.items()}
    signals = dataclasses.replace(signals, student_features=zeros, teacher_features=teacher)
    loss = total_loss(method.parts(signals))
    loss.backward()
    assert loss.isfinite()
    for leaf in (*zeros.values(), *signals.adapters.parameters()):
        assert leaf.grad is None or leaf.grad.isfinite().all()


@pytest.mark.parametrize("name", METHODS)
def test_a_batch_of_one_example_is_valid(name: str) -> None:
    method = made(name)
    student = torch.randn(1, 10, requires_grad=True)
    loss = total_loss(method.parts(batch(method, student, torch.randn(1, 10))))
    loss.backward()
    assert loss.isfinite()


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in WEIGHTED if name in LEFT_BEHIND])
def test_with_the_labels_alone_training_equals_the_baseline_to_the_bit(name: str) -> None:
    events = run(quick(method=name, label_weight="1", soft_weight="0", weight="0"))
    assert losses(events, "student") == losses(events, "baseline")
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.test["student"] == finished.test["baseline"] | {
        key: value for key, value in finished.test["student"].items() if key not in finished.test["baseline"]
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in LABEL_FREE if "dataset" not in networks_for(name)])
def test_without_their_weight_the_labels_are_ignored_to_the_bit(name: str) -> None:
    none = {"label_weight": "0"} if name in WEIGHTED else {"alpha": "1"}
    right, wrong = (first_steps(quick(method=name, wrong=fraction, **none)) for fraction in ("0", "0.5"))
    assert len(right) == 4
    assert losses(right, "student") == losses(wrong, "student")


@pytest.mark.slow
@pytest.mark.parametrize("name", WEIGHTED)
def test_soft_targets_can_be_mixed_into_any_method(name: str) -> None:
    plain, mixed = (first_steps(quick(method=name, soft_weight=weight)) for weight in ("0", "0.7"))
    assert losses(plain, "student") != losses(mixed, "student")
    raw, weighted = mixed[0].parts["student"]["T²·KL"]
    assert weighted == pytest.approx(0.7 * raw)


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_a_resumed_run_repeats_the_numbers_of_an_uninterrupted_one(name: str) -> None:
    config = quick(method=name)
    whole = run(config)
    training, first = Trainer(config, cache=CACHE), []
    for event in training:
        first.append(event)
        if isinstance(event, Step) and event.phase == "students" and event.step == 3:
            break
    state = training.checkpoint()
    assert first + list(Trainer(config, resume=Checkpoint(state.tensors, state.values))) == whole


@pytest.mark.parametrize("name", METHODS)
def test_no_adapter_remains_in_the_trained_student(name: str) -> None:
    training = Trainer(quick(method=name, epochs="1"), cache=CACHE)
    for _ in training:
        pass
    method, student = training.config.method, training.networks["student"]
    if not method.changes_student:
        untrained = training.config.student.build((1, 8, 8), 10)
        assert student.state_dict().keys() == untrained.state_dict().keys()
    elif not method.discards_adapters:  # the teacher's classifier is a part of the student, unchanged
        teacher = training.networks["teacher"]
        layer, original = (list(network.modules())[-1] for network in (student, teacher))
        assert isinstance(layer, nn.Linear)
        assert isinstance(original, nn.Linear)
        assert torch.equal(layer.weight, original.weight)
    assert not any(module._forward_hooks for module in student.modules())


@pytest.mark.parametrize("name", METHODS)
def test_the_matches_of_a_method_name_existing_layers(name: str) -> None:
    method = made(name)
    pair = pair_for(method)
    rows = match_table(method, pair)
    assert rows
    for row in rows:
        assert row.student in pair.student_shapes
        assert row.teacher == LABELS or row.teacher_shape == pair.teacher_shapes[row.teacher]
        assert bool(row.learned) == bool(row.student_adapter or row.teacher_adapter)


def test_a_method_that_does_not_fit_is_replaced_and_both_shapes_are_named() -> None:
    config, errors = read_flat({"dataset": "digits", "student": "mlp", "method": "attention"})
    assert config.method.name == "soft_targets"
    assert errors == [
        "method = attention: Attention transfer needs feature maps of both networks, and the student has "
        "embedding (64), logits (10), the teacher stage 1 (16 × 8 × 8), stage 2 (32 × 4 × 4), embedding (512), "
        "logits (10)."
    ]


@pytest.mark.parametrize("name", ["dkd", "logit_standardization"])
def test_two_classes_are_too_few_for_an_order_among_the_wrong_ones(name: str) -> None:
    pair = Pair(Mlp(), Mlp(), (2,), 2)
    assert "three classes" in made(name).unsupported_reason(pair)
    assert not made(name).unsupported_reason(dataclasses.replace(pair, classes=3))


def test_a_classifier_can_be_reused_only_if_it_is_linear_on_an_embedding() -> None:
    class Opaque(Mlp):
        def feature_layers(self) -> dict[str, str]:
            return {}

    refusal = made("reused_classifier").unsupported_reason(Pair(Mlp(), Opaque(), (2,), 2))
    assert "linear layer on an embedding" in refusal
    assert "embedding (64)" in refusal
