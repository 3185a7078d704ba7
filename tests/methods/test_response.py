"""Losses of the answers alone, against their references."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from kd_core.methods.binary import binary
from kd_core.methods.dist import dist
from kd_core.methods.dkd import dkd
from kd_core.methods.hard_labels import hard_labels
from kd_core.methods.label_smoothing import label_smoothing
from kd_core.methods.logit_mse import logit_mse
from kd_core.methods.logit_standardization import logit_standardization
from kd_core.methods.mixed import mixed
from kd_core.methods.soft_targets import soft_targets
from kd_core.methods.virtual_teacher import virtual_teacher
from tools.testing.golden import Golden, Loss

Inputs = Mapping[str, Tensor]


def both(inputs: Inputs) -> dict[str, Tensor]:
    return {name: inputs[name] for name in ("student_logits", "teacher_logits")}


def of_dkd(alpha: float, beta: float, temperature: float) -> Loss:
    return lambda inputs: dkd(**both(inputs), labels=inputs["labels"], temperature=temperature, alpha=alpha, beta=beta)


def of_dist(temperature: float, inter: float, intra: float) -> Loss:
    return lambda inputs: dist(**both(inputs), temperature=temperature, inter=inter, intra=intra)


def of_tfkd(alpha: float, temperature: float, multiplier: float) -> Loss:
    def loss(inputs: Inputs) -> Tensor:
        made_up = virtual_teacher(inputs["student_logits"], inputs["labels"], 0.99, temperature)
        return (1 - alpha) * F.cross_entropy(inputs["student_logits"], inputs["labels"]) + alpha * multiplier * made_up

    return loss


def smoothed(smoothing: float) -> Loss:
    return lambda inputs: label_smoothing(inputs["student_logits"], inputs["labels"], smoothing)


REFERENCES: dict[tuple[str, str], Loss] = {
    ("dkd", "a1_b8_T4"): of_dkd(1, 8, 4),
    ("dkd", "a1_b2_T4"): of_dkd(1, 2, 4),
    ("dkd", "a1_b0_T4"): of_dkd(1, 0, 4),
    ("dkd", "a0_b1_T4"): of_dkd(0, 1, 4),
    ("dkd", "a1_b8_T1"): of_dkd(1, 8, 1),
    ("dist", "b1_g1_t1"): of_dist(1, 1, 1),
    ("dist", "b1_g1_t4"): of_dist(4, 1, 1),
    ("dist", "b1_g0_t1_inter"): of_dist(1, 1, 0),
    ("dist", "b0_g1_t1_intra"): of_dist(1, 0, 1),
    ("lskd", "T2"): lambda inputs: logit_standardization(**both(inputs), temperature=2),
    ("lskd", "T4"): lambda inputs: logit_standardization(**both(inputs), temperature=4),
    ("lskd", "off_T4"): lambda inputs: soft_targets(**both(inputs), temperature=4),
    ("kd_softce_and_logit_mse", "logit_mse"): lambda inputs: logit_mse(**both(inputs)),
    ("kd_softce_and_logit_mse", "softce_T1"): lambda inputs: soft_targets(**both(inputs), temperature=1, form="ce"),
    ("kd_softce_and_logit_mse", "byot_kd_T3_T2"): lambda inputs: soft_targets(**both(inputs), temperature=3, form="ce"),
    ("kd_softce_and_logit_mse", "softce_T4_noT2"): lambda inputs: soft_targets(
        **both(inputs), temperature=4, form="ce", squared=False
    ),
    ("label_smoothing", "torch_a0.1"): smoothed(0.1),
    ("label_smoothing", "tfkd_a0.1"): smoothed(0.1 * 10 / 9),  # the other convention, converted
    ("tfkd_reg", "resnet18_a0.1_T20_m100"): of_tfkd(0.1, 20, 100),
    ("tfkd_reg", "mobilenetv2_a0.95_T40_m1"): of_tfkd(0.95, 40, 1),
    ("tfkd_reg", "shufflenetv2_a0.95_T10_m1"): of_tfkd(0.95, 10, 1),
    ("tfkd_reg", "googlenet_a0.1_T40_m50"): of_tfkd(0.1, 40, 50),
    ("kd_total_variants", "repdistiller_r0.1_a0.9_T4"): lambda inputs: mixed(
        **both(inputs), labels=inputs["labels"], temperature=4, label_weight=0.1, soft_weight=0.9, logit_weight=0
    ),
    ("kd_total_variants", "peterliht_a0.9_T4"): lambda inputs: (
        0.1 * F.cross_entropy(inputs["student_logits"], inputs["labels"])
        + 0.9 * soft_targets(**both(inputs), temperature=4, mean="element")
    ),
    ("kd_total_variants", "torchdistill_a0_T4"): lambda inputs: soft_targets(
        **both(inputs), temperature=4, squared=False
    ),
    ("kd_total_variants", "deit_hard_a0.5"): lambda inputs: (
        0.5 * F.cross_entropy(inputs["student_logits"], inputs["labels"]) + 0.5 * hard_labels(**both(inputs))
    ),
}
CASES = [(*key, draw) for key in REFERENCES for draw in Golden(key[0]).draws(key[1])]


@pytest.mark.parametrize(("file", "variant", "draw"), CASES)
def test_value_and_gradient_equal_the_reference(file: str, variant: str, draw: str) -> None:
    Golden(file).check(draw, variant, REFERENCES[file, variant])


@pytest.mark.parametrize("key", REFERENCES, ids=" ".join)
def test_every_reference_was_compared_on_some_draw(key: tuple[str, str]) -> None:
    assert Golden(key[0]).draws(key[1])


def random_logits(seed: int) -> tuple[Tensor, Tensor]:
    student, teacher = 3 * torch.randn(2, 7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return student, teacher


def test_binary_soft_targets_are_torchs_cross_entropy_less_the_teachers_own() -> None:
    student, teacher = random_logits(1)
    target = (teacher / 3).sigmoid()
    cross_entropy, entropy = (
        F.binary_cross_entropy_with_logits(logits / 3, target, reduction="sum") for logits in (student, teacher)
    )
    torch.testing.assert_close(binary(student, teacher, temperature=3), 9 * (cross_entropy - entropy) / 7)
    assert binary(teacher, teacher, temperature=3).item() == pytest.approx(0, abs=1e-15)


def test_centred_logits_do_not_care_for_what_softmax_does_not_see() -> None:
    student, teacher = random_logits(2)
    shifted = student + torch.arange(7.0)[:, None]
    torch.testing.assert_close(logit_mse(shifted, teacher, centred=True), logit_mse(student, teacher, centred=True))
    assert logit_mse(shifted, teacher) != logit_mse(student, teacher)


def test_the_virtual_teacher_of_the_paper_softens_the_student_as_well() -> None:
    student, _ = random_logits(3)
    labels = torch.arange(7) % 5
    made_up = torch.full((7, 5), 0.2 / 4, dtype=torch.float64)
    made_up[range(7), labels] = 0.8
    p, q = (made_up / 6).softmax(1), (student / 6).softmax(1)
    expected = (p * (p / q).log()).mean()
    torch.testing.assert_close(virtual_teacher(student, labels, 0.8, 6, "paper"), expected)


def test_every_corner_of_the_mixed_loss_is_the_loss_it_is_named_for() -> None:
    student, teacher = random_logits(4)
    labels = torch.arange(7) % 5
    corners = (F.cross_entropy(student, labels), soft_targets(student, teacher, 4), logit_mse(student, teacher))
    for place, corner in enumerate(corners):
        weights = [float(place == other) for other in range(3)]
        names = ("label_weight", "soft_weight", "logit_weight")
        loss = mixed(student, teacher, labels, temperature=4, **dict(zip(names, weights, strict=True)))
        torch.testing.assert_close(loss, corner)
