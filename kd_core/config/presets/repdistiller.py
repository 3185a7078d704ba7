"""RepDistiller benchmark on CIFAR-100 (Tian et al. 2020)."""

from __future__ import annotations

from typing import Any

from kd_core.config.presets import Preset, Publication, PublishedNumber, Variant, for_teacher, network

SOURCE = Publication(
    "Contrastive Representation Distillation",
    "Tian, Krishnan & Isola",
    2020,
    "tables of the authors’ benchmark code, RepDistiller",
    "The benchmark that most later papers compare themselves with: thirteen pairs on CIFAR-100, every method with a "
    "fixed weight. Only CRD beats plain soft targets on all of them, and some methods fall below the student alone.",
)
RECIPE = {
    "epochs": "240",
    "batch_size": "64",
    "optimiser": "sgd",
    "learning_rate": "0.05",
    "weight_decay": "0.0005",
    "schedule": "steps",
    "milestones": "62.5-75-87.5",  # epochs 150, 180 and 210
    "lowered_to": "0.1",
}
COMMON = {"dataset": "cifar100", "labelled": "0", "crop": "4", "flip": "true", **RECIPE, **for_teacher(RECIPE)}
PURE = {"label_weight": "1", "soft_weight": "0"}  # the method's term and the labels, without soft targets
METHODS = {
    "kd": ("KD", {"method": "soft_targets", "temperature": "4", "alpha": "0.9"}),
    "fitnet": ("FitNet", {"method": "hints", "weight": "100", **PURE}),
    "at": ("AT", {"method": "attention", "weight": "1000", "p": "2", **PURE}),
    "sp": ("SP", {"method": "similarity", "weight": "3000", **PURE}),
    "cc": ("CC", {"method": "correlation", "weight": "0.02", **PURE}),
    "vid": ("VID", {"method": "variational_information", "weight": "1", **PURE}),
    "rkd": ("RKD", {"method": "relational", "weight": "1", "distance": "25", "angle": "50", **PURE}),
    "pkt": ("PKT", {"method": "probability_transfer", "weight": "30000", **PURE}),
    "nst": ("NST", {"method": "selectivity", "weight": "50", **PURE}),
    "crd": ("CRD", {"method": "contrastive", "weight": "0.8", "negatives": "16384", **PURE}),
}
NETWORKS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "wrn40_2": ("WRN-40-2", "wide_resnet", {"depth": "40", "widening": 2}),
    "wrn16_2": ("WRN-16-2", "wide_resnet", {"depth": "16", "widening": 2}),
    "wrn40_1": ("WRN-40-1", "wide_resnet", {"depth": "40", "widening": 1}),
    "resnet56": ("ResNet-56", "resnet", {"depth": "56", "widening": 1}),
    "resnet110": ("ResNet-110", "resnet", {"depth": "110", "widening": 1}),
    "resnet20": ("ResNet-20", "resnet", {"depth": "20", "widening": 1}),
    "resnet32": ("ResNet-32", "resnet", {"depth": "32", "widening": 1}),
    "resnet32x4": ("ResNet 32×4", "resnet", {"depth": "32", "widening": 4}),
    "resnet8x4": ("ResNet 8×4", "resnet", {"depth": "8", "widening": 4}),
    "vgg13": ("VGG-13", "vgg", {"depth": "13"}),
    "vgg8": ("VGG-8", "vgg", {"depth": "8"}),
    "resnet50": ("ResNet-50", "imagenet_resnet", {"depth": "50"}),
    "mobilenetv2": ("MobileNetV2 (half width)", "mobilenet", {"multiplier": 0.5, "expansion": 6}),
    "shufflenetv1": ("ShuffleNetV1", "shufflenet_v1", {}),
    "shufflenetv2": ("ShuffleNetV2", "shufflenet_v2", {}),
}
MOBILE = ("mobilenetv2", "shufflenetv1", "shufflenetv2")
# Teacher, student, then top-1 in %: both alone, and the student by method in the order of METHODS.
TABLE = """
wrn40_2    wrn16_2       75.61 73.26  74.92 73.58 74.08 73.83 73.56 74.11 73.35 74.54 73.68 75.48
wrn40_2    wrn40_1       75.61 71.98  73.54 72.24 72.77 72.43 72.21 73.30 72.22 73.45 72.24 74.14
resnet56   resnet20      72.34 69.06  70.66 69.21 70.55 69.67 69.63 70.38 69.61 70.34 69.60 71.16
resnet110  resnet20      74.31 69.06  70.67 68.99 70.22 70.04 69.48 70.16 69.25 70.25 69.53 71.46
resnet110  resnet32      74.31 71.14  73.08 71.06 72.31 72.69 71.48 72.61 71.82 72.61 71.96 73.48
resnet32x4 resnet8x4     79.42 72.50  73.33 73.50 73.44 72.94 72.97 73.09 71.90 73.64 73.30 75.51
vgg13      vgg8          74.64 70.36  72.98 71.02 71.43 72.68 70.71 71.23 71.48 72.88 71.53 73.94
vgg13      mobilenetv2   74.64 64.60  67.37 64.14 59.40 66.30 64.86 65.56 64.52 67.13 58.16 69.73
resnet50   mobilenetv2   79.34 64.60  67.35 63.16 58.58 68.08 65.43 67.57 64.43 66.52 64.96 69.11
resnet50   vgg8          79.34 70.36  73.81 70.69 71.84 73.34 70.25 70.30 71.50 73.01 71.28 74.30
resnet32x4 shufflenetv1  79.42 70.50  74.07 73.59 71.73 73.48 71.14 73.38 72.28 74.10 74.12 75.11
resnet32x4 shufflenetv2  79.42 71.82  74.45 73.54 72.73 74.56 71.29 73.40 73.21 74.69 74.68 75.65
wrn40_2    shufflenetv1  75.61 70.50  74.83 73.73 73.32 74.52 71.38 73.61 72.21 73.89 74.89 76.05
"""
NOTES = (
    "They train on all 50,000 images and report the test accuracy of the last epoch. Here 5,000 images are held out "
    "for validation, so the networks learn from 45,000; the last epoch is judged here, too.",
    "Feature methods compare the stages that both networks name, paired from the end. For VGG and the mobile networks "
    "these can be other ones than the benchmark’s.",
    "CRD compares each image with 11,250 others, a quarter of the examples, instead of 16,384.",
)
SLOWER = "Mobile networks learn at a rate of 0.01 in the source, and so they do here."


def pair(line: str) -> Preset:
    """Return the preset of one line of the table."""
    teacher, student, accuracy, alone, *distilled = line.split()
    (teacher_title, *_), (student_title, *_) = NETWORKS[teacher], NETWORKS[student]
    slower = {"learning_rate": "0.01"} if student in MOBILE else {}
    titles = [title for title, _ in METHODS.values()]
    gains = {title: float(value) - float(alone) for title, value in zip(titles, distilled, strict=True)}
    best, lost = max(gains, key=gains.__getitem__), [title for title, gain in gains.items() if gain < 0]
    losers = f"{_joined(lost) if lost else 'No method'} ended below the student alone."
    return Preset(
        f"{teacher}_{student}",
        f"{teacher_title} teaches {student_title}",
        f"{alone} → {max(distilled, key=float)} % ({best})",
        f"The best method, {best}, adds {gains[best]:.1f} points to the student alone, KD {gains['KD']:.1f}. {losers}",
        SOURCE,
        {**COMMON, **_network("teacher", teacher), **_network("student", student), **slower},
        (
            PublishedNumber("Teacher", f"{accuracy} %", "teacher"),
            PublishedNumber("Student alone", f"{alone} %", "baseline"),
        ),
        (*NOTES, *([SLOWER] if slower else [])),
        tuple(
            Variant(name, title, changes, (PublishedNumber(title, f"{value} %"),))
            for (name, (title, changes)), value in zip(METHODS.items(), distilled, strict=True)
        ),
    )


def _network(role: str, name: str) -> dict[str, str]:
    _, family, options = NETWORKS[name]
    return network(role, family, **options)


def _joined(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


PRESETS = tuple(pair(line) for line in TABLE.strip().splitlines())
