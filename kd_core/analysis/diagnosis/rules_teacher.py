"""Rules about the teacher's accuracy and its soft targets."""

from __future__ import annotations

from kd_core.analysis.diagnosis import remedies
from kd_core.analysis.diagnosis.features import RunFeatures
from kd_core.analysis.diagnosis.finding import Finding, accuracy, finding, percent, small, standard_error, teacher_kappa
from kd_core.analysis.diagnosis.remedies import first_fitting

# Cohen's kappa; Landis & Koch (1977), table 2, call an agreement of up to 0.2 slight.
SLIGHT = 0.2
ERRORS = 3.0  # standard errors by which a teacher must be worse than the baseline for the strongest sign
# Probability of all other classes. Common label smoothing, which knows nothing about the example, gives them 0.1
# (Szegedy et al. 2016, section 7). A tenth of that is next to nothing; T = 4 gives them 0.26 on the bundled digits.
ONE_HOT = 0.01
# Fraction of ln K. On the bundled digits T = 4 gives 0.47 and T = 20 gives 0.98.
UNIFORM = 0.97


def near_chance(features: RunFeatures) -> Finding | None:
    """Detect a teacher near chance."""
    kappa = teacher_kappa(features)
    if kappa is None or kappa >= SLIGHT:
        return None
    return finding(
        "teacher near chance", "Your teacher is hardly better than chance, so there is nothing to learn from it.",
        f"Teacher {accuracy(features, features.teacher)} on the test set, always giving the commonest answer "
        f"{percent(features.chance)}",
        1 - max(0.0, kappa) / SLIGHT, first_fitting(features.config, remedies.better_teacher(features.config)),
    )  # fmt: skip


def no_better(features: RunFeatures) -> Finding | None:
    """Detect a teacher that is no better than the baseline."""
    teacher, control = features.mean(features.teacher), features.mean(features.comparison.control)
    if teacher is None or control is None or near_chance(features):
        return None
    width = standard_error(features, teacher, control)
    if teacher - control > width:
        return None
    return finding(
        "teacher no better", "Your teacher is no better than the baseline, so it cannot improve on the labels.",
        f"Teacher {percent(teacher)}, baseline {percent(control)} on the test set",
        (width + control - teacher) / (ERRORS * width or 1.0),
        first_fitting(features.config, remedies.better_teacher(features.config)),
    )  # fmt: skip


def one_hot(features: RunFeatures) -> Finding | None:
    """Detect soft targets that hold no more information than a label."""
    soft = features.soft_targets
    if soft is None or soft.other_classes >= ONE_HOT or near_chance(features):
        return None
    return finding(
        "soft targets one-hot", "At this temperature the soft targets are almost one-hot labels.",
        f"At T = {soft.temperature:g} all other classes together have {small(soft.other_classes)} of the probability",
        1 - soft.other_classes / ONE_HOT,
        first_fitting(features.config, remedies.softened_at(soft.suggested_temperature)),
    )  # fmt: skip


def uniform(features: RunFeatures) -> Finding | None:
    """Detect soft targets that are nearly uniform."""
    soft = features.soft_targets
    if soft is None or soft.entropy <= UNIFORM or near_chance(features):
        return None
    return finding(
        "soft targets uniform", "At this temperature the soft targets are almost uniform over the classes.",
        f"At T = {soft.temperature:g} the soft targets have {percent(soft.entropy)} of the entropy of a uniform "
        "distribution",
        (soft.entropy - UNIFORM) / (1 - UNIFORM),
        first_fitting(features.config, remedies.softened_at(soft.suggested_temperature)),
    )  # fmt: skip
