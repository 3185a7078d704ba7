"""Losses given from Python as decorated functions."""

# ruff: noqa: ARG005 - the arguments are what is tested

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import kd_core as kd
from kd_core.base.events import Step
from kd_core.base.options import options_of

QUICK: dict[str, Any] = {"dataset": "moons", "epochs": 4, "teacher_epochs": 2, "labelled": 40}


@kd.loss(weight=2.0)
def cosine(student_logits: Tensor, teacher_logits: Tensor, margin: float = 0.0) -> Tensor:
    return (1 - margin - torch.cosine_similarity(student_logits, teacher_logits)).clamp(min=0).mean()


def losses(result: kd.Result) -> list[float]:
    return [row.value for row in result.history if row.part == "loss" and row.role == "student"]


def test_a_function_trains_like_the_built_in_loss_that_it_computes() -> None:
    @kd.loss(label_weight=0.0)
    def squares(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
        return F.mse_loss(student_logits, teacher_logits)

    ours, theirs = kd.distill(loss=squares, **QUICK), kd.distill(loss="logit_mse", **QUICK)
    assert losses(ours) == pytest.approx(losses(theirs), rel=1e-4)
    assert ours.test["student"]["loss"] == pytest.approx(theirs.test["student"]["loss"], rel=1e-4)


def test_features_of_named_layers_reach_the_function() -> None:
    @kd.loss(layers=[("hidden 1", "hidden 1")], weight=100.0)
    def hidden(student_features: dict[str, Tensor], teacher_features: dict[str, Tensor]) -> Tensor:
        return F.mse_loss(student_features["hidden 1"], teacher_features["hidden 1"])

    settings = QUICK | {"teacher": "mlp", "teacher_widths": (8, 8), "student": "mlp", "student_widths": (8, 8)}
    with_features = kd.distill(loss=hidden, **settings)
    plain = kd.distill(loss=hidden.with_values(weight=0.0), **settings)
    parts = [row.value for row in with_features.history if row.part == "hidden"]
    assert parts[0] > parts[-1] > 0
    baseline = [row.value for row in plain.history if row.part == "loss" and row.role == "baseline"]
    assert losses(plain) == pytest.approx(baseline, rel=1e-4)


def test_the_parts_are_the_labels_and_the_function_with_their_weights() -> None:
    result = kd.distill(loss=cosine, **QUICK)
    first = next(event for event in result.events if isinstance(event, Step) and event.phase == "students")
    parts = first.parts["student"]
    assert list(parts) == ["CE", "cosine"]
    assert parts["cosine"][1] == pytest.approx(2 * parts["cosine"][0])
    assert first.loss["student"] == pytest.approx(parts["CE"][1] + parts["cosine"][1])


def test_a_decorated_function_can_still_be_called() -> None:
    logits = torch.randn(3, 4)
    assert float(cosine(logits, logits)) == pytest.approx(0, abs=1e-6)
    assert float(cosine(logits, -logits, margin=0.5)) == pytest.approx(1.5)


def test_its_other_arguments_are_options() -> None:
    option = options_of(type(cosine))["margin"]
    assert option.kind == "number"
    config = kd.RunConfig(loss=cosine, margin=0.25, weight=3, **QUICK)
    assert (config.method.margin, config.method.weight) == (0.25, 3)
    assert kd.RunConfig.from_json(config.to_json()) == config
    assert config.with_flat(margin="0.5").method == cosine.with_values(margin=0.5, weight=3)

    @kd.loss
    def other(student_logits: Tensor, steps: int = 3, hard: bool = False, kind: str = "a") -> Tensor:
        return student_logits.square().mean()

    assert [options_of(type(other))[name].kind for name in ("steps", "hard", "kind")] == ["whole", "switch", "text"]
    with pytest.raises(ValueError, match=r"margin = nothing|margin = .nothing.: choose a number"):
        kd.RunConfig(loss=cosine, margin="nothing", **QUICK)


def test_an_option_can_be_swept() -> None:
    grid = kd.sweep(loss=cosine, margin=[0.0, 0.5], seeds=1, **QUICK)
    assert [cell.values for cell in grid.cells] == [{"margin": "0"}, {"margin": "0.5"}]
    single = kd.distill(loss=cosine, margin=0.5, **QUICK)
    assert grid.cells[1].results[0].test["student"]["loss"] == pytest.approx(single.test["student"]["loss"], rel=1e-3)


def test_equal_functions_have_one_key_and_changed_ones_another() -> None:
    def make(factor: float) -> Any:
        @kd.loss
        def scaled(student_logits: Tensor) -> Tensor:
            return factor * student_logits.square().mean()

        return scaled

    assert make(1.0).name == make(1.0).name
    assert make(1.0).name != make(2.0).name
    assert make(1.0).name.startswith("python:scaled:")


def test_a_plain_function_is_a_loss_as_well() -> None:
    def squares(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
        return F.mse_loss(student_logits, teacher_logits)

    assert kd.RunConfig(loss=squares, **QUICK).method == kd.loss(squares)


def broken(kind: str) -> Any:
    functions: dict[str, Any] = {
        "vector": lambda student_logits: student_logits.mean(1),
        "number": lambda student_logits: student_logits.mean().item(),
        "detached": lambda student_logits: student_logits.detach().mean(),
        "no gradient": lambda teacher_logits: nn.Parameter(torch.ones(())) * teacher_logits.mean(),
        "infinite": lambda student_logits: (student_logits / 0).abs().mean(),
        "changes labels": lambda student_logits, labels: student_logits.mean() + labels.zero_().sum(),
        "changes teacher": lambda student_logits, teacher_logits: (student_logits - teacher_logits.mul_(2)).mean(),
        "raises": lambda student_logits: student_logits @ student_logits,
    }
    return functions[kind]


@pytest.mark.parametrize(
    ("kind", "fragment"),
    [
        ("vector", "returns a tensor of shape (4,)"),
        ("number", "returns a float"),
        ("detached", "gives no gradient"),
        ("no gradient", "gives no gradient"),
        ("infinite", "returns inf"),
        ("changes labels", "changes labels in place"),
        ("changes teacher", "changes teacher_logits in place"),
        ("raises", "cannot be computed (RuntimeError"),
    ],
)
def test_a_function_that_is_no_loss_is_refused_with_the_reason(kind: str, fragment: str) -> None:
    with pytest.raises(ValueError, match="method = ") as error:
        kd.RunConfig(loss=kd.loss(broken(kind)), **QUICK)
    assert fragment in str(error.value)
    assert "\n" not in str(error.value)


def test_a_loss_that_later_returns_no_number_ends_the_run_with_its_name() -> None:
    results: list[Any] = []

    def fades(student_logits: Tensor) -> Any:
        results.append(student_logits.mean())
        return results[-1] if len(results) < 4 else None

    with pytest.raises(ValueError, match="loss = fades: it returns a NoneType"):
        kd.distill(loss=kd.loss(fades), **QUICK)


def test_layers_and_functions_of_another_kind_are_refused() -> None:
    for layers in ("ab", ["0"], [("0", "1", "2")], 3):
        with pytest.raises(ValueError, match=r"layers = .*a list of pairs"):
            kd.loss(lambda student_features: student_features, layers=layers)
    for value in (3, max):
        with pytest.raises(ValueError, match=r"loss: .* is no function whose arguments can be read"):
            kd.loss(value)
    with pytest.raises(ValueError, match="metric: 3 is no function with a name"):
        kd.metric(3)  # type: ignore[arg-type]


def test_arguments_that_nothing_can_give_are_refused() -> None:
    with pytest.raises(ValueError, match=r"logits: the loss .* needs it"):
        kd.loss(lambda logits: logits)
    with pytest.raises(ValueError, match=r"table: its default in .* is a dict"):
        kd.loss(lambda student_logits, table={}: student_logits)
    with pytest.raises(ValueError, match=r"scale: kd\.loss has no such setting"):
        kd.loss(scale=2.0)(lambda student_logits: student_logits)
    with pytest.raises(ValueError, match="other settings of a run are called epochs"):
        kd.loss(lambda student_logits, epochs=3: student_logits)


def test_a_layer_that_a_network_lacks_is_refused_with_those_it_has() -> None:
    reader = kd.loss(layers=[("deep", "hidden 1")])(lambda student_features: student_features["deep"].mean())
    with pytest.raises(ValueError, match="compares the layer “deep”, which the student does not have"):
        kd.RunConfig(loss=reader, **QUICK)


@pytest.mark.parametrize("method", ["hints", "similarity"])
def test_naming_the_default_layers_of_a_method_changes_nothing(method: str) -> None:
    settings = {**QUICK, "teacher": "mlp", "teacher_widths": (16, 16), "student": "mlp"}
    default = kd.distill(loss=method, **settings)
    (match,) = default.config.method.matches(default.config.pair)
    named = kd.distill(loss=method, layers=f"{match.student}={match.teacher}", **settings)
    assert losses(named) == losses(default)


def test_a_method_for_maps_refuses_named_vectors() -> None:
    with pytest.raises(ValueError, match="compares feature maps, and hidden 1 has 16"):
        kd.RunConfig(
            dataset="digits", teacher="cnn", student="mlp", student_widths=(16, 16), loss="attention",
            layers="hidden 1=stage 1",
        )  # fmt: skip
