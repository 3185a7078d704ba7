"""Reversed, defective and teacher-free distillation on CIFAR-100 (Yuan et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kd_core.config.presets import Preset, Publication, PublishedNumber, for_teacher, network

SOURCE = Publication(
    "Revisiting Knowledge Distillation via Label Smoothing Regularization",
    "Yuan, Tay, Li, Wang & Feng",
    2020,
    "sections 2 and 4, CIFAR-100",
    "A small network can teach a large one, and a poorly trained teacher a good student: part of the benefit is "
    "regularisation by soft targets, not knowledge. The authors then replace the teacher by a fixed distribution.",
)
RECIPE = {
    "epochs": "200",
    "batch_size": "128",
    "optimiser": "sgd",
    "learning_rate": "0.1",
    "weight_decay": "0.0005",
    "schedule": "steps",
    "milestones": "30-60-80",  # epochs 60, 120 and 160
    "lowered_to": "0.2",
}
COMMON = {"dataset": "cifar100", "labelled": "0", "crop": "4", "flip": "true", **RECIPE, **for_teacher(RECIPE)}
NETWORKS: dict[str, tuple[str, str, dict[str, Any], str]] = {  # title, family, options; top-1 alone in %
    "mobilenetv2": ("MobileNetV2", "mobilenet", {"multiplier": 1.0, "expansion": 6}, "68.38"),
    "shufflenetv2": ("ShuffleNetV2", "shufflenet_v2", {"multiplier": "1"}, "70.34"),
    "resnet18": ("ResNet-18", "imagenet_resnet", {"depth": "18"}, "75.87"),
    "resnet50": ("ResNet-50", "imagenet_resnet", {"depth": "50"}, "78.16"),
}
CLASSES = 100
NOTES = (
    "They train on all 50,000 images. Here 5,000 are held out for validation, so the networks learn from 45,000.",
    "Their images are also turned by up to 15°, which cannot be set here.",
    "Networks of the same name and size; layers may differ in details from the authors’ versions for small images.",
)
ELEMENT = "Their KL is averaged over the classes as well, and so is ours: the option “Mean over” is “element”."


def alone(name: str, role: str) -> PublishedNumber:
    """Return the published accuracy of a network trained on the labels alone."""
    title, _, _, accuracy = NETWORKS[name]
    return PublishedNumber(f"{title} alone", f"{accuracy} %", role)


def placed(role: str, name: str) -> dict[str, str]:
    """Return a network of the paper as settings of one role."""
    _, family, options, _ = NETWORKS[name]
    return network(role, family, **options)


def softened(alpha: float, temperature: int) -> dict[str, str]:
    """Return the settings of (1 - a) CE + a T² KL, with the KL averaged over batch and classes."""
    numbers = {"alpha": f"{alpha:g}", "temperature": str(temperature), "mean": "element"}
    return {"method": "soft_targets", **numbers}


def reversed_by(small: str, large: str, value: str) -> Preset:
    """Return a preset in which the small network teaches the large one."""
    taught, teacher = NETWORKS[large][0], NETWORKS[small][0]
    return Preset(
        f"reversed_{large}_{small}",
        f"Reversed: {teacher} teaches {taught}",
        _gain(large, value),
        f"{taught} gains from {teacher}, a teacher with a lower accuracy.",
        SOURCE,
        {**COMMON, "scheme": "reversed", **placed("teacher", large), **placed("student", small), **softened(0.6, 20)},
        (
            alone(small, "teacher"),
            alone(large, "baseline"),
            PublishedNumber(f"{taught}, taught by {teacher}", f"{value} %"),
        ),
        (*NOTES, ELEMENT),
    )


def defective(teacher: str, student: str, stop: int, accuracy: str, value: str) -> Preset:
    """Return a preset in which the teacher is stopped early."""
    after = "1 epoch" if stop == 1 else f"{stop} of 200 epochs"
    constant = {"teacher_schedule": "constant"}  # the first milestone would be at epoch 60
    return Preset(
        f"defective_{teacher}_{student}",
        f"Defective: {NETWORKS[teacher][0]} after {after} teaches {NETWORKS[student][0]}",
        _gain(student, value),
        f"A teacher with an accuracy of {accuracy} % still improves a student that is better alone.",
        SOURCE,
        {
            **COMMON,
            **constant,
            "scheme": "defective",
            "accuracy": "0",
            "stop": str(stop),
            **placed("teacher", teacher),
            **placed("student", student),
            **softened(0.6 if student == "resnet18" else 0.95, 20),
        },
        (
            PublishedNumber(f"{NETWORKS[teacher][0]} after {after}", f"{accuracy} %", "teacher"),
            alone(student, "baseline"),
            PublishedNumber(f"{NETWORKS[student][0]}, taught by it", f"{value} %"),
        ),
        (*NOTES, ELEMENT),
    )


def self_taught(name: str, alpha: float, temperature: int, multiplier: int, value: str) -> Preset:
    """Return a preset of Tf-KD self, (1 - a) CE + a m T² KL with the KL averaged over batch and classes."""
    weights, soft = softened(alpha, temperature), alpha * multiplier / CLASSES
    if multiplier != 1:
        weights = {
            "method": "mixed", "label_weight": f"{1 - alpha:g}", "soft_weight": f"{soft:g}", "weight": "0",
            "temperature": str(temperature),
        }  # fmt: skip
    published = f"a = {alpha:g}, T = {temperature}, m = {multiplier}"
    converted = "" if multiplier == 1 else f", so soft targets weigh a · m / {CLASSES} = {soft:g}"
    title = NETWORKS[name][0]
    return Preset(
        f"self_taught_{name}",
        f"Self-taught: {title} teaches {title}",
        _gain(name, value),
        "A trained network is a good teacher for a new one of the same kind.",
        SOURCE,
        {**COMMON, "scheme": "self_taught", **placed("teacher", name), **placed("student", name), **weights},
        (alone(name, "baseline"), PublishedNumber("Tf-KD self", f"{value} %")),
        (*NOTES, f"In the source {published} with a KL averaged over the classes{converted}."),
    )


def virtual(name: str, alpha: float, temperature: int, multiplier: int, values: Sequence[str]) -> Preset:
    """Return a preset of Tf-KD reg, (1 - a) CE + a m KL(virtual)."""
    value, smoothed = values
    return Preset(
        f"virtual_{name}",
        f"Virtual teacher: {NETWORKS[name][0]}",
        _gain(name, value),
        "A virtual teacher made from the labels comes close to a real one.",
        SOURCE,
        {
            **COMMON,
            **placed("student", name),
            **network("teacher", "cnn", width=4, depth=1, normalisation="batch"),
            "teacher_epochs": "1",
            "teacher_schedule": "constant",
            "teacher_learning_rate": "0.01",
            "method": "virtual_teacher",
            "label_weight": f"{1 - alpha:g}",
            "weight": f"{alpha * multiplier:g}",
            "temperature": str(temperature),
            "correct_probability": "0.99",
            "convention": "repository",
        },
        (
            alone(name, "baseline"),
            PublishedNumber("Label smoothing, ε 0.1", f"{smoothed} %", ""),
            PublishedNumber("Tf-KD reg", f"{value} %"),
        ),
        (
            *NOTES,
            f"In the source a = {alpha:g}, T = {temperature}, m = {multiplier}: the labels weigh 1 − a, the virtual "
            "teacher a · m.",
            "Every run here has a real teacher; this one is a tiny network, trained for one epoch and not used.",
            "Label smoothing is another method: choose it in Distill with these settings.",
        ),
    )


def _gain(name: str, value: str) -> str:
    return f"{NETWORKS[name][3]} → {value.split(maxsplit=1)[0]} %"


PRESETS = (
    reversed_by("mobilenetv2", "resnet18", "77.28 ± 0.28"),
    reversed_by("shufflenetv2", "resnet18", "77.35 ± 0.32"),
    reversed_by("mobilenetv2", "resnet50", "79.30 ± 0.11"),
    reversed_by("shufflenetv2", "resnet50", "79.43 ± 0.39"),
    defective("resnet18", "mobilenetv2", 1, "15.48", "70.65 ± 0.35"),
    defective("resnet18", "shufflenetv2", 1, "15.48", "71.82 ± 0.11"),
    defective("resnet50", "mobilenetv2", 50, "45.82", "71.45 ± 0.23"),
    defective("resnet50", "shufflenetv2", 50, "45.82", "72.11 ± 0.09"),
    defective("resnet50", "resnet18", 50, "45.82", "77.23 ± 0.11"),
    self_taught("mobilenetv2", 0.95, 20, 1, "70.96"),
    self_taught("shufflenetv2", 0.95, 20, 1, "72.23"),
    self_taught("resnet18", 0.95, 6, 50, "77.10"),
    virtual("mobilenetv2", 0.95, 40, 1, ("70.88", "69.32")),
    virtual("shufflenetv2", 0.95, 10, 1, ("72.09", "70.83")),
    virtual("resnet18", 0.1, 20, 100, ("77.36", "77.26")),
)
