"""Why a student did not win, from the run's own numbers: rules that speak where the numbers show something."""

from __future__ import annotations

from collections.abc import Callable

from kd_core.diagnosis import gain, learning, teacher
from kd_core.diagnosis.finding import Finding
from kd_core.diagnosis.symptoms import Symptoms, examined, symptoms

__all__ = ["RULES", "Finding", "Symptoms", "diagnose", "examined", "symptoms"]

RULES: tuple[Callable[[Symptoms], Finding | None], ...] = (
    teacher.chance,
    teacher.no_better,
    learning.large_steps,
    learning.gap,
    teacher.one_hot,
    teacher.uniform,
    learning.few_steps,
    gain.clean,
    gain.luck,
)


def diagnose(shown: Symptoms) -> list[Finding]:
    """All that the numbers show, the strongest first; an empty list where they show nothing."""
    found = [finding for rule in RULES if (finding := rule(shown)) is not None]
    return sorted(found, key=lambda finding: -finding.strength)
