"""Rules that explain from a run's own numbers why its student did not win."""

from __future__ import annotations

from collections.abc import Callable

from kd_core.analysis.diagnosis import rules_gain, rules_teacher, rules_training
from kd_core.analysis.diagnosis.features import RunFeatures, extract_features, features_of_run
from kd_core.analysis.diagnosis.finding import Finding

__all__ = ["RULES", "Finding", "RunFeatures", "diagnose", "extract_features", "features_of_run"]

RULES: tuple[Callable[[RunFeatures], Finding | None], ...] = (
    rules_teacher.near_chance,
    rules_teacher.no_better,
    rules_training.steps_too_large,
    rules_training.skipped_updates,
    rules_training.capacity_gap,
    rules_teacher.one_hot,
    rules_teacher.uniform,
    rules_training.too_few_steps,
    rules_gain.labels_suffice,
    rules_gain.within_noise,
)


def diagnose(features: RunFeatures) -> list[Finding]:
    """Return the findings of all rules, the strongest first; an empty list where no rule applies."""
    findings = [finding for rule in RULES if (finding := rule(features)) is not None]
    return sorted(findings, key=lambda finding: -finding.strength)
