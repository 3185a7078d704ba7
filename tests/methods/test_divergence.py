"""Divergences against their references, and their closed form against autograd."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from kd_core.methods import LossInputs, total_loss
from kd_core.methods.divergence import KINDS, Divergence, divergence
from kd_core.methods.soft_targets import soft_targets
from kd_core.training.vectorized.loss import ReplicaLoss
from tools.testing.golden import Golden, Loss


def of_kind(kind: str, temperature: float = 1, **more: float) -> Loss:
    def loss(inputs: Mapping[str, Tensor]) -> Tensor:
        rows = inputs["labels"].flatten() >= 0 if "labels" in inputs else slice(None)
        student, teacher = (inputs[name].flatten(0, -2)[rows] for name in ("student_logits", "teacher_logits"))
        return divergence(student, teacher, kind, temperature, **more) / temperature**2

    return loss


REFERENCES: dict[str, Loss] = {
    "fkl_T1": of_kind("forward"),
    "fkl_T2": of_kind("forward", 2),
    "rkl_T1": of_kind("reverse"),
    "rkl_T2": of_kind("reverse", 2),
    "jsd_b0.1_T1": of_kind("jensen-shannon", beta=0.1),
    "jsd_b0.5_T1": of_kind("jensen-shannon", beta=0.5),
    "jsd_b0.9_T1": of_kind("jensen-shannon", beta=0.9),
    "jsd_b0.5_T2": of_kind("jensen-shannon", 2, beta=0.5),
    "sfkl_a0.1": of_kind("skewed-forward", skew=0.1),
    "srkl_a0.1": of_kind("skewed-reverse", skew=0.1),
}
CASES = [(variant, draw) for variant in REFERENCES for draw in Golden("divergence").draws(variant)]


@pytest.mark.parametrize(("variant", "draw"), CASES)
def test_value_and_gradient_equal_the_reference(variant: str, draw: str) -> None:
    Golden("divergence").check(draw, variant, REFERENCES[variant])


def random_logits(classes: int = 5, scale: float = 3.0, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    student, teacher = scale * torch.randn(2, 7, classes, dtype=dtype, generator=generator)
    return student.requires_grad_(), teacher


def value_and_gradient(kind: str, student: Tensor, teacher: Tensor, **more: float) -> tuple[Tensor, Tensor]:
    loss = divergence(student, teacher, kind, **more)
    (gradient,) = torch.autograd.grad(loss, student)
    return loss, gradient


@pytest.mark.parametrize(("beta", "kind"), [(0.0, "forward"), (1.0, "reverse")])
def test_the_ends_of_jensen_shannon_are_forward_and_reverse_kl(beta: float, kind: str) -> None:
    logits = random_logits()
    end = value_and_gradient("jensen-shannon", *logits, beta=beta, temperature=3)
    torch.testing.assert_close(end, value_and_gradient(kind, *logits, temperature=3), rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["forward", "reverse"])
def test_without_skew_skewed_kl_is_kl(kind: str) -> None:
    logits = random_logits()
    torch.testing.assert_close(
        value_and_gradient(f"skewed-{kind}", *logits, skew=0), value_and_gradient(kind, *logits), rtol=0, atol=0
    )


def test_forward_kl_is_that_of_the_soft_targets_and_reverse_kl_exchanges_the_networks() -> None:
    student, teacher = random_logits()
    torch.testing.assert_close(divergence(student, teacher, "forward", 4), soft_targets(student, teacher, 4))
    torch.testing.assert_close(divergence(student, teacher, "reverse", 4), soft_targets(teacher, student, 4))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("classes", [1, 2, 10])
def test_equal_networks_differ_by_nothing_in_single_precision(kind: str, classes: int) -> None:
    logits = random_logits(classes, 20, torch.float32)[0]
    loss, gradient = value_and_gradient(kind, logits, logits, temperature=20)
    assert loss.item() == pytest.approx(0, abs=2e-4)
    assert gradient.abs().max().item() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [60.0, 3000.0])
def test_wide_logits_in_single_precision_agree_with_double_precision(kind: str, scale: float) -> None:
    student, teacher = random_logits(10, scale)
    exact = value_and_gradient(kind, student, teacher)
    rounded = value_and_gradient(kind, student.detach().float().requires_grad_(), teacher.float())
    torch.testing.assert_close(
        [tensor.double() for tensor in rounded], list(exact), rtol=1e-4, atol=1e-3 if scale < 100 else 0.05
    )


@pytest.mark.parametrize("scale", [3.0, 300.0])
@pytest.mark.parametrize("options", [*({"divergence": kind} for kind in KINDS), {"beta": 0.0}, {"beta": 1.0}])
@pytest.mark.parametrize("soft_weight", [0.0, 0.3])
def test_the_closed_form_is_the_gradient_of_the_parts(
    options: dict[str, Any], soft_weight: float, scale: float
) -> None:
    methods = [
        Divergence(temperature=t, label_weight=w, weight=1.5, soft_weight=soft_weight, **options)
        for t, w in ((1.0, 0.0), (4.0, 0.7))
    ]
    generator = torch.Generator().manual_seed(2)
    logits, teachers = scale * torch.randn(2, 2, 6, 8, generator=generator)
    labels = torch.arange(16).view(2, 8) % 6
    losses = ReplicaLoss(methods, 0)(logits, labels, teachers.transpose(1, 2))
    for row, method in enumerate(methods):
        student = logits[row].T.clone().requires_grad_()
        parts = method.parts(LossInputs(student, labels[row], teachers[row].T))
        total = total_loss(parts)
        (gradient,) = torch.autograd.grad(total, student)
        torch.testing.assert_close(losses.totals[row], total.detach(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(losses.gradients[row].T, gradient, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(losses.parts[:, row], torch.stack([part.value.detach() for part in parts]))


def test_forward_kl_covers_two_modes_and_reverse_kl_seeks_one() -> None:
    """The best single bump for a target with two of them."""
    places = torch.linspace(-3, 3, 61, dtype=torch.float64)
    target = torch.logaddexp(-8 * (places - 1.5) ** 2, -8 * (places + 1.2) ** 2)[None]
    centres, widths = torch.linspace(-2, 2, 41, dtype=torch.float64), torch.linspace(0.2, 3, 29, dtype=torch.float64)
    spread = {}
    for kind in ("forward", "reverse"):
        bumps = {(c, w): -((places - c) ** 2)[None] / (2 * w**2) for c in centres.tolist() for w in widths.tolist()}
        centre, width = min(bumps, key=lambda key: divergence(bumps[key], target, kind).item())
        spread[kind] = width
        assert (abs(centre) < 0.3) == (kind == "forward")
    assert spread["forward"] > 3 * spread["reverse"]


def test_no_gradient_reaches_the_teacher() -> None:
    student, teacher = random_logits()
    teacher.requires_grad_()
    for kind in KINDS:
        divergence(student, teacher, kind).backward()
    assert teacher.grad is None
    assert student.grad is not None


def test_the_loss_is_the_mean_over_the_rows_not_over_the_classes() -> None:
    student, teacher = random_logits()
    rows = [divergence(s[None], t[None], "reverse") for s, t in zip(student, teacher, strict=True)]
    torch.testing.assert_close(divergence(student, teacher, "reverse"), torch.stack(rows).mean())
    expected = F.kl_div(teacher.log_softmax(1), student.log_softmax(1), reduction="batchmean", log_target=True)
    torch.testing.assert_close(divergence(student, teacher, "reverse"), expected)
