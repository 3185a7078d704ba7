"""Rules about the teacher: what it knows, and what of it gets through at this temperature."""

from __future__ import annotations

from kd_core.analysis.diagnosis import remedies
from kd_core.analysis.diagnosis.features import RunFeatures
from kd_core.analysis.diagnosis.finding import Finding, accuracy, error, finding, knows, percent, small
from kd_core.analysis.diagnosis.remedies import first_fitting

# Of the way from chance to every answer right. Landis & Koch (1977), table 2, call an agreement of up to 0.2 slight.
SLIGHT = 0.2
ERRORS = 3.0  # standard errors by which a teacher must be worse than the baseline for the strongest sign
# Beside the first class. Usual label smoothing, which knows nothing about the example, already spreads 0.1 (Szegedy et
# al. 2016, section 7): a tenth of that is next to nothing, and what T = 4 shows of the bundled digits is 0.26.
ONE_HOT = 0.01
# Of ln K. On the bundled digits T = 4 gives 0.47 and T = 20 gives 0.98.
UNIFORM = 0.97


def chance(shown: RunFeatures) -> Finding | None:
    """The teacher is near chance."""
    known = knows(shown)
    if known is None or known >= SLIGHT:
        return None
    return finding(
        "teacher near chance", "Your teacher hardly knows more than chance, so there is nothing to learn from it.",
        f"Teacher {accuracy(shown, shown.teacher)} on the test split, always naming the commonest class "
        f"{percent(shown.chance)}",
        1 - max(0.0, known) / SLIGHT, first_fitting(shown.config, remedies.better_teacher(shown.config)),
    )  # fmt: skip


def no_better(shown: RunFeatures) -> Finding | None:
    """The teacher is no better than the baseline."""
    teacher, control = shown.mean(shown.teacher), shown.mean(shown.comparison.control)
    if teacher is None or control is None or chance(shown):
        return None
    width = error(shown, teacher, control)
    if teacher - control > width:
        return None
    return finding(
        "teacher no better", "Your teacher is no better than the student without it, so its advice is no help.",
        f"Teacher {percent(teacher)}, baseline {percent(control)} on the test split",
        (width + control - teacher) / (ERRORS * width or 1.0),
        first_fitting(shown.config, remedies.better_teacher(shown.config)),
    )  # fmt: skip


def one_hot(shown: RunFeatures) -> Finding | None:
    """The soft targets at this temperature say no more than a label."""
    soft = shown.soft_targets
    if soft is None or soft.beside >= ONE_HOT or chance(shown):
        return None
    return finding(
        "soft targets one-hot", "At this temperature your teacher names one class and hides what it finds similar.",
        f"At T = {soft.temperature:g} all wrong classes together get {small(soft.beside)} of the probability",
        1 - soft.beside / ONE_HOT, first_fitting(shown.config, remedies.softened_at(soft.better)),
    )  # fmt: skip


def uniform(shown: RunFeatures) -> Finding | None:
    """The soft targets at this temperature are nearly uniform."""
    soft = shown.soft_targets
    if soft is None or soft.entropy <= UNIFORM or chance(shown):
        return None
    return finding(
        "soft targets uniform", "At this temperature your teacher finds all classes nearly alike.",
        f"At T = {soft.temperature:g} the soft targets have {percent(soft.entropy)} of the entropy of a uniform guess",
        (soft.entropy - UNIFORM) / (1 - UNIFORM), first_fitting(shown.config, remedies.softened_at(soft.better)),
    )  # fmt: skip
