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
from kd_core.methods.mlkd import batch_correlation, class_correlation, instances
from kd_core.methods.nkd import nkd, others_entropy
from kd_core.methods.one_for_all import one_for_all
from kd_core.methods.rld import masked_correlation, sample_confidence
from kd_core.methods.soft_targets import soft_targets
from kd_core.methods.transformed_teacher import transformed_teacher
from kd_core.methods.virtual_teacher import virtual_teacher
from kd_core.methods.wsld import wsld
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


def labelled(inputs: Inputs) -> dict[str, Tensor]:
    return both(inputs) | {"labels": inputs["labels"]}


def of_rld(alpha: float, beta: float, temperature: float, confidence: float = 1, standardised: bool = False) -> Loss:
    def loss(inputs: Inputs) -> Tensor:
        return alpha * sample_confidence(
            **labelled(inputs), temperature=confidence, standardised=standardised
        ) + beta * masked_correlation(**labelled(inputs), temperature=temperature, standardised=standardised)

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
    ("nkd", "g1.5_T1"): lambda inputs: nkd(**labelled(inputs)),
    ("nkd", "g1.5_T2"): lambda inputs: nkd(**labelled(inputs), temperature=2),
    ("nkd", "g0_T1"): lambda inputs: nkd(**labelled(inputs), gamma=0),
    ("ttm", "ttm_g0.1"): lambda inputs: transformed_teacher(**both(inputs), gamma=0.1),
    ("ttm", "ttm_g0.5"): lambda inputs: transformed_teacher(**both(inputs), gamma=0.5),
    ("ttm", "wttm_g0.1"): lambda inputs: transformed_teacher(**both(inputs), gamma=0.1, weighted=True),
    ("ttm", "wttm_g0.5"): lambda inputs: transformed_teacher(**both(inputs), gamma=0.5, weighted=True),
    ("ttm", "wttm_g1"): lambda inputs: transformed_teacher(**both(inputs), gamma=1, weighted=True),
    ("rld", "a1_b8_T4"): of_rld(1, 8, 4),
    ("rld", "a1_b0_T4"): of_rld(1, 0, 4),
    ("rld", "a0_b1_T4"): of_rld(0, 1, 4),
    ("rld", "a1_b8_T4_aT2"): of_rld(1, 8, 4, confidence=2),
    ("rld", "a1_b8_T4_stand"): of_rld(1, 8, 4, standardised=True),
    ("wsld", "T4_a2.25"): lambda inputs: 2.25 * wsld(**labelled(inputs), temperature=4),
    ("wsld", "T4_a1"): lambda inputs: wsld(**labelled(inputs), temperature=4),
    ("wsld", "T2_a1"): lambda inputs: wsld(**labelled(inputs), temperature=2),
    ("ofa", "eps1_T1"): lambda inputs: one_for_all(**labelled(inputs)),
    ("ofa", "eps1.5_T1"): lambda inputs: one_for_all(**labelled(inputs), enhancement=1.5),
    ("ofa", "eps1.5_T2"): lambda inputs: one_for_all(**labelled(inputs), enhancement=1.5, temperature=2),
    ("mlkd_cc_bc", "cc_T4"): lambda inputs: class_correlation(**both(inputs), temperatures=[4]),
    ("mlkd_cc_bc", "bc_T4"): lambda inputs: batch_correlation(**both(inputs), temperatures=[4]),
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


LOGIT_LOSSES = {
    "nkd": nkd,
    "rld confidence": sample_confidence,
    "rld order": masked_correlation,
    "wsld": lambda student, teacher, labels: wsld(student, teacher, labels, 4),
    "ofa": lambda student, teacher, labels: one_for_all(student, teacher, labels, 1.5),
    "ttm": lambda student, teacher, _: transformed_teacher(student, teacher),
    "wttm": lambda student, teacher, _: transformed_teacher(student, teacher, weighted=True),
    "mlkd": lambda student, teacher, _: (
        instances(student, teacher, [2, 6])
        + class_correlation(student, teacher, [2, 6])
        + batch_correlation(student, teacher, [2, 6])
    ),
}


@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("scale", [0.0, 60.0, 3000.0])
@pytest.mark.parametrize("name", LOGIT_LOSSES)
def test_wide_logits_in_single_precision_agree_with_double_precision(name: str, scale: float, classes: int) -> None:
    generator = torch.Generator().manual_seed(5)
    student, teacher = scale * torch.randn(2, 6, classes, generator=generator)
    labels = torch.arange(6) % classes
    results = []
    for dtype in (torch.float32, torch.float64):
        leaf, target = student.to(dtype, copy=True).requires_grad_(), teacher.to(dtype, copy=True).requires_grad_()
        loss = LOGIT_LOSSES[name](leaf, target, labels)
        loss.backward()
        assert target.grad is None
        results.append((loss.detach().double(), leaf.grad.double()))
    assert all(value.isfinite().all() for value in results[0])
    torch.testing.assert_close(results[0], results[1], rtol=1e-4, atol=1e-3)


def test_of_two_classes_one_is_not_the_label_and_has_nothing_to_learn() -> None:
    student, teacher = random_logits(6)
    arguments = student[:, :2], teacher[:, :2], torch.arange(7) % 2
    assert others_entropy(*arguments, 3).item() == 0
    assert masked_correlation(*arguments).item() == pytest.approx(0, abs=1e-15)


def test_what_a_wrong_teacher_places_above_the_label_is_not_copied() -> None:
    student, teacher = random_logits(7)
    labels = teacher.argsort(1)[:, 2]  # two classes above it, two below
    above = teacher > teacher.gather(1, labels[:, None])
    other_order = torch.where(above, 3 * teacher + 7, teacher)
    torch.testing.assert_close(
        masked_correlation(student, other_order, labels), masked_correlation(student, teacher, labels)
    )
    leaf = student.clone().requires_grad_()
    masked_correlation(leaf, teacher, labels).backward()
    assert leaf.grad[above].abs().max() == 0
    assert leaf.grad.gather(1, labels[:, None]).abs().max() == 0


def test_a_label_that_the_teacher_finds_least_likely_leaves_no_order_to_copy() -> None:
    student, teacher = random_logits(8)
    leaf = student.clone().requires_grad_()
    loss = masked_correlation(leaf, teacher, teacher.argmin(1))
    loss.backward()
    assert loss.item() == 0
    assert leaf.grad.abs().max() == 0


def test_an_example_that_the_student_knows_better_than_the_teacher_weighs_little() -> None:
    teacher = torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64)
    label = torch.tensor([0])
    plain = soft_targets(torch.zeros_like(teacher), teacher, 4, form="ce")
    sure, unsure = (torch.tensor([[logit, 0.0, 0.0]], dtype=torch.float64) for logit in (9.0, -9.0))
    ratios = [
        (wsld(student, teacher, label, 4) / soft_targets(student, teacher, 4, form="ce")).item()
        for student in (sure, unsure)
    ]
    assert ratios[0] < 0.001
    assert ratios[1] > 0.999
    assert wsld(torch.zeros_like(teacher), teacher, label, 4) < plain


def test_a_power_of_the_teacher_is_a_temperature_of_the_teacher_alone() -> None:
    student, teacher = random_logits(9)
    expected = F.kl_div(student.log_softmax(1), (teacher / 5).softmax(1), reduction="batchmean")
    torch.testing.assert_close(transformed_teacher(student, teacher, 0.2), expected)
    powers = teacher.softmax(1).pow(0.2).sum(1)
    rows = [transformed_teacher(s[None], t[None], 0.2) for s, t in zip(student, teacher, strict=True)]
    torch.testing.assert_close(
        transformed_teacher(student, teacher, 0.2, weighted=True), (powers * torch.stack(rows)).mean()
    )


def test_the_levels_of_logits_are_sums_over_the_temperatures() -> None:
    student, teacher = random_logits(10)
    for level in (instances, class_correlation, batch_correlation):
        single = [level(student, teacher, [temperature]) for temperature in (2, 3)]
        torch.testing.assert_close(level(student, teacher, [2, 3]), single[0] + single[1])
    p, q = (teacher / 2).softmax(1), (student / 2).softmax(1)
    expected = sum((p[:, a] @ p[:, b] - q[:, a] @ q[:, b]) ** 2 for a in range(5) for b in range(5)) / 5
    torch.testing.assert_close(class_correlation(student, teacher, [2]), expected)
    expected = sum((p[a] @ p[b] - q[a] @ q[b]) ** 2 for a in range(7) for b in range(7)) / 7
    torch.testing.assert_close(batch_correlation(student, teacher, [2]), expected)


def test_enhancement_adds_to_the_label_what_the_teacher_is_sure_of() -> None:
    student, teacher = random_logits(11)
    labels = torch.arange(7) % 5
    torch.testing.assert_close(one_for_all(student, teacher, labels), soft_targets(student, teacher, 1, form="ce"))
    p = teacher.softmax(1).gather(1, labels[:, None])[:, 0]
    less = teacher.softmax(1).pow(2).sum(1) - p**2
    uniform = torch.zeros_like(student)  # every logarithm is -log 5
    expected = ((1 + p) ** 2 - 1 + less).mean() * torch.tensor(5.0).log()
    torch.testing.assert_close(one_for_all(uniform, teacher, labels, 2).float(), expected.float())
