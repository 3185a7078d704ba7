"""Result of a diagnosis rule, and the text form of its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from kd_core.analysis.diagnosis.features import RunFeatures
from kd_core.analysis.diagnosis.remedies import Remedy


@dataclass(frozen=True)
class Finding:
    """One reason why the student did not win.

    Attributes:
        name: Short identifier.
        sentence: The reason in plain words.
        evidence: Its numbers.
        strength: From 0 (at the threshold) to 1.
        remedy: Label of a button; empty where nothing is offered.
        changes: Flat settings that the remedy changes.
    """

    name: str
    sentence: str
    evidence: str
    strength: float
    remedy: str = ""
    changes: Mapping[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """Evidence and reason in one sentence."""
        return f"{self.evidence}: {self.sentence[0].lower()}{self.sentence[1:]}"

    @property
    def certainty(self) -> str:
        """The strength in words."""
        return ("a weak sign", "a clear sign", "a strong sign")[min(2, int(3 * self.strength))]


def finding(name: str, sentence: str, evidence: str, strength: float, remedy: Remedy) -> Finding:
    """Return a finding with its strength clipped to [0, 1]."""
    return Finding(name, sentence, evidence, min(1.0, max(0.0, strength)), remedy.label, remedy.changes)


def kappa(features: RunFeatures, score: float) -> float:
    """Return Cohen's kappa of a score against the commonest label; 0 is chance, 1 is every example right."""
    return (score - features.chance) / (1 - features.chance) if features.chance < 1 else 1.0


def teacher_kappa(features: RunFeatures) -> float | None:
    """Return :func:`kappa` of the teacher; None without one."""
    teacher = features.mean(features.teacher) if features.teacher else None
    return None if teacher is None else kappa(features, teacher)


def standard_error(features: RunFeatures, first: float, second: float) -> float:
    """Return the standard error of the difference of two accuracies, as if the test examples were drawn twice.

    Other scores count as accuracies of 0 to 1.
    """
    first, second = (min(1.0, max(0.0, score)) for score in (first, second))
    examples = (features.mean(features.comparison.role, "examples") or 1.0) * len(features.tests)
    return math.sqrt((first * (1 - first) + second * (1 - second)) / examples)


def accuracy(features: RunFeatures, role: str) -> str:
    """Return the mean test accuracy of a role in per cent."""
    return percent(features.mean(role) or 0.0)


def percent(fraction: float) -> str:
    """Return a fraction in per cent."""
    return f"{100 * fraction:.1f} %"


def small(fraction: float) -> str:
    """Return a fraction in per cent that is never rounded to zero."""
    return percent(fraction) if fraction >= 0.0005 else "less than 0.1 %"


def points(difference: float) -> str:
    """Return a difference of fractions in points."""
    return f"{100 * difference:.1f} points"


def signed(difference: float) -> str:
    """Return a difference of fractions in points, with its sign."""
    return f"{100 * difference:+.1f} points".replace("-", "−")
