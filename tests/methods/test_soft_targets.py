"""Values and gradients of soft targets against the reference."""

import statistics
from pathlib import Path

import numpy as np
import pytest
import torch

from kd_core.methods import LossInputs, total_loss
from kd_core.methods.soft_targets import SoftTargets, soft_targets

GOLDEN = np.load(Path(__file__).parents[1] / "goldens" / "kd_kl.npz")
CASES = [(draw, temperature) for draw in ("normal", "small", "same") for temperature in (1, 2, 4, 20)]


def tensor(draw: str, name: str, dtype: torch.dtype) -> torch.Tensor:
    return torch.from_numpy(GOLDEN[f"{draw}__in__{name}"]).to(dtype)


@pytest.mark.parametrize(("draw", "temperature"), CASES)
def test_value_and_gradient_equal_the_reference_in_float64(draw: str, temperature: int) -> None:
    student = tensor(draw, "student_logits", torch.float64).requires_grad_()
    loss = soft_targets(
        student_logits=student,
        teacher_logits=tensor(draw, "teacher_logits", torch.float64),
        temperature=temperature,
    )
    loss.backward()
    np.testing.assert_allclose(loss.item(), GOLDEN[f"{draw}__T{temperature}__loss"], rtol=1e-9, atol=1e-12)
    expected = GOLDEN[f"{draw}__T{temperature}__grad__student_logits"]
    np.testing.assert_allclose(student.grad.numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("draw", "temperature"), CASES)
def test_value_in_float32_equals_the_reference_in_float64(draw: str, temperature: int) -> None:
    loss = soft_targets(
        tensor(draw, "student_logits", torch.float32), tensor(draw, "teacher_logits", torch.float32), temperature
    )
    np.testing.assert_allclose(loss.item(), GOLDEN[f"{draw}__T{temperature}__loss"], rtol=1e-4, atol=1e-5)


def test_gradient_is_the_closed_form_of_the_paper() -> None:
    student, teacher = torch.randn(2, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    student.requires_grad_()
    soft_targets(student, teacher, 3.0).backward()
    expected = 3.0 * ((student / 3).softmax(1) - (teacher / 3).softmax(1)) / 6  # T (q - p) / B
    torch.testing.assert_close(student.grad, expected.detach())


def test_the_factor_t_squared_keeps_the_scale_of_the_gradient() -> None:
    student, teacher = torch.randn(2, 64, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    norms = []
    for temperature in (8.0, 16.0):
        leaf = student.clone().requires_grad_()
        soft_targets(leaf, teacher, temperature).backward()
        norms.append(leaf.grad.norm().item())
    assert norms[1] / norms[0] == pytest.approx(1, abs=0.1)  # without T² it would be about 1/4


def test_no_gradient_reaches_the_teacher() -> None:
    student, teacher = (torch.randn(4, 3, requires_grad=True) for _ in range(2))
    soft_targets(student, teacher, 2.0).backward()
    assert teacher.grad is None


def test_wide_logits_stay_finite() -> None:
    student = torch.tensor([[300.0, -300.0, 0.0]], requires_grad=True)
    loss = soft_targets(student, torch.tensor([[-300.0, 300.0, 0.0]]), 1.0)
    loss.backward()
    assert loss.isfinite()
    assert student.grad.isfinite().all()


def signals() -> LossInputs:
    chance = torch.Generator().manual_seed(3)
    student, teacher = torch.randn(2, 8, 4, generator=chance)
    return LossInputs(student.requires_grad_(), torch.arange(8) % 4, teacher)


def test_alpha_0_is_plain_training_to_the_bit() -> None:
    batch = signals()
    loss = total_loss(SoftTargets(alpha=0.0).parts(batch))
    assert torch.equal(loss, torch.nn.functional.cross_entropy(batch.student_logits, batch.labels))


def test_alpha_1_ignores_the_labels_to_the_bit() -> None:
    batch = signals()
    other = LossInputs(batch.student_logits, (batch.labels + 1) % 4, batch.teacher_logits)
    assert torch.equal(total_loss(SoftTargets(alpha=1.0).parts(batch)), total_loss(SoftTargets(alpha=1.0).parts(other)))


def test_t_squared_does_not_magnify_the_rounding_of_float32() -> None:
    functional = torch.nn.functional
    errors, naive_errors = [], []
    for seed in range(200):
        student, teacher = 0.1 * torch.randn(2, 8, 10, generator=torch.Generator().manual_seed(seed))
        exact = soft_targets(student.double(), teacher.double(), 20.0).item()
        log_q, log_p = functional.log_softmax(student / 20, 1), functional.log_softmax(teacher / 20, 1)
        naive = 400 * functional.kl_div(log_q, log_p, reduction="batchmean", log_target=True).item()
        errors.append(abs(soft_targets(student, teacher, 20.0).item() - exact))
        naive_errors.append(abs(naive - exact))
    assert statistics.median(errors) < statistics.median(naive_errors) / 10
