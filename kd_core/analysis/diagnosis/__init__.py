"""Why a student did not win, from the run's own numbers: rules that speak where the numbers show something."""

from __future__ import annotations

from collections.abc import Callable

from kd_core.analysis.diagnosis import rules_gain, rules_teacher, rules_training
from kd_core.analysis.diagnosis.features import RunFeatures, extract_features, features_of_run
from kd_core.analysis.diagnosis.finding import Finding

__all__ = ["RULES", "Finding", "RunFeatures", "diagnose", "extract_features", "features_of_run"]

RULES: tuple[Callable[[RunFeatures], Finding | None], ...] = (
    rules_teacher.chance,
    rules_teacher.no_better,
    rules_training.large_steps,
    rules_training.gap,
    rules_teacher.one_hot,
    rules_teacher.uniform,
    rules_training.few_steps,
    rules_gain.clean,
    rules_gain.within_noise,
)


def diagnose(shown: RunFeatures) -> list[Finding]:
    """All that the numbers show, the strongest first; an empty list where they show nothing."""
    found = [finding for rule in RULES if (finding := rule(shown)) is not None]
    return sorted(found, key=lambda finding: -finding.strength)
