"""What a rule of the diagnosis says, and the words for its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from kd_core.analysis.diagnosis.features import RunFeatures
from kd_core.analysis.diagnosis.remedies import Remedy


@dataclass(frozen=True)
class Finding:
    """One reason: ``sentence`` in plain words, ``evidence`` its numbers, ``strength`` above 0 (just beyond the
    threshold) to 1, and the flat settings to change, with a label for a button; both empty where nothing is offered."""

    name: str
    sentence: str
    evidence: str
    strength: float
    remedy: str = ""
    changes: Mapping[str, str] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """As one sentence, numbers first."""
        return f"{self.evidence}: {self.sentence[0].lower()}{self.sentence[1:]}"

    @property
    def certainty(self) -> str:
        """The strength in words."""
        return ("a weak sign", "a clear sign", "a strong sign")[min(2, int(3 * self.strength))]


def finding(name: str, sentence: str, evidence: str, strength: float, remedy: Remedy) -> Finding:
    """With the strength kept from 0 to 1."""
    return Finding(name, sentence, evidence, min(1.0, max(0.0, strength)), remedy.label, remedy.changes)


def knows(shown: RunFeatures) -> float | None:
    """How far the teacher is from chance (0) to every answer right (1): Cohen's kappa against the commonest class."""
    teacher = shown.mean(shown.teacher) if shown.teacher else None
    return None if teacher is None else (teacher - shown.chance) / (1 - shown.chance)


def error(shown: RunFeatures, one: float, other: float) -> float:
    """Standard error of the difference of two accuracies on the test examples, as if these were drawn twice."""
    examples = shown.mean(shown.comparison.role, "examples") or 1.0
    return math.sqrt((one * (1 - one) + other * (1 - other)) / (examples * len(shown.tests)))


def accuracy(shown: RunFeatures, role: str) -> str:
    """Of a role, over all seeds."""
    return percent(shown.mean(role) or 0.0)


def percent(share: float) -> str:
    """A share in per cent."""
    return f"{100 * share:.1f} %"


def small(share: float) -> str:
    """A share that may round to nothing."""
    return percent(share) if share >= 0.0005 else "less than 0.1 %"


def points(share: float) -> str:
    """A difference of shares."""
    return f"{100 * share:.1f} points"


def signed(share: float) -> str:
    """A difference with its sign."""
    return f"{100 * share:+.1f} points".replace("-", "−")
