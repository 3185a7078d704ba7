"""What the result of a distillation scheme compares: two networks and one measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

DEFAULT_SEEDS = 5  # runs in a repetition over seeds: the fewest whose interval is of use
TestMetrics = Mapping[str, Mapping[str, float]]  # Finished.test


@dataclass(frozen=True)
class Comparison:
    """What a verdict compares, by role; ``measure`` is one of those on the test split, a share in [0, 1].

    ``among``: of which examples the measure is a share, where it is not the accuracy; ``{omitted}`` stands for the
    class that was left out.
    """

    role: str = "student"
    control: str = "baseline"
    measure: str = "accuracy"
    name: str = "distilled"
    control_name: str = "Baseline"
    on: str = "on the test split"
    among: str = ""

    def with_omitted_class(self, omitted: str) -> Comparison:
        """The same with the name of the class that was left out."""
        return replace(self, among=self.among.format(omitted=f"class {omitted}"))


STUDENT_OVER_BASELINE = Comparison()
