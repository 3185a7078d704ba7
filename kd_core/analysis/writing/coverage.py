"""Ways to distil a network that writes, what their students write, and how these differ, in words."""

from __future__ import annotations

import contextlib
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from kd_core.analysis.intervals import mean_interval
from kd_core.base.marks import SPACE, signed
from kd_core.base.registry import plugins
from kd_core.config.comparison import Comparison, TestMetrics
from kd_core.config.plan import BASELINE, STUDENT
from kd_core.config.run import RunConfig
from kd_core.datasets import load
from kd_core.methods.divergence import (
    FORWARD,
    JENSEN_SHANNON,
    REVERSE,
    SKEWED_FORWARD,
    SKEWED_REVERSE,
    Divergence,
)
from kd_core.schemes import Scheme
from kd_core.schemes.offline import Offline
from kd_core.schemes.on_policy import OnPolicy
from kd_core.tasks import Measure

DIVERGENCES: Final = {
    FORWARD: "Forward KL", SKEWED_FORWARD: "Skewed forward KL", JENSEN_SHANNON: "Jensen–Shannon",
    SKEWED_REVERSE: "Skewed reverse KL", REVERSE: "Reverse KL",
}  # fmt: skip
PLAIN: Final = (FORWARD, JENSEN_SHANNON, REVERSE)
REAL_WORDS, DISTINCT_WORDS = "real_words", "distinct_words"  # measures of kd_core.tasks.language
ON_POLICY: Final = f"{OnPolicy.title}, reverse KL"
CONTRASTS: Final = (  # what the literature says of ways and measures, each with a network that is compared with it
    (("Forward KL", STUDENT), ("Forward KL", BASELINE), "bits_per_character"),
    ((ON_POLICY, STUDENT), ("Reverse KL", STUDENT), "teacher_bits"),
    ((ON_POLICY, STUDENT), ("Reverse KL", STUDENT), REAL_WORDS),
    ((ON_POLICY, STUDENT), ("Reverse KL", STUDENT), f"{REAL_WORDS}_cold"),
)
NOTICEABLE = 0.01  # difference of two fractions that one seed may call one


@dataclass(frozen=True)
class NetworkMeasures:
    """Measures of one network that was distilled in one way, mean and standard deviation over its seeds.

    ``values`` has the numbers of each seed. A measure that one of the seeds lacks is left out.
    """

    way: str
    role: str
    seeds: int
    values: Mapping[str, Sequence[float]]

    @property
    def means(self) -> dict[str, float]:
        """Mean by measure."""
        return {name: statistics.fmean(values) for name, values in self.values.items()}

    @property
    def spreads(self) -> dict[str, float]:
        """Standard deviation by measure; empty for one seed."""
        return {name: statistics.stdev(values) for name, values in self.values.items()} if self.seeds > 1 else {}


def ways(config: RunConfig) -> dict[str, RunConfig]:
    """Return the configurations of this run's networks and data with every divergence and writing scheme, by name.

    A scheme that recommends a divergence is there with each of :data:`PLAIN`. One that these settings do not allow, as
    with a warm-up that is longer than the run, is left out.
    """
    offline = Offline().name
    configs = {
        title: config.with_flat(scheme=offline, method=Divergence().name, divergence=kind)
        for kind, title in DIVERGENCES.items()
    }
    first, data = configs[DIVERGENCES[FORWARD]], load(config.dataset)
    for name, scheme in plugins("schemes").items():
        assert issubclass(scheme, Scheme)
        if scheme.writes_examples:
            recommended = scheme.recommended_settings(data)
            kinds = {f", {_small(DIVERGENCES[kind])}": {"divergence": kind} for kind in PLAIN}
            for end, changes in (kinds if "divergence" in recommended else {"": {}}).items():
                with contextlib.suppress(ValueError):
                    configs[scheme.title + end] = first.with_flat(scheme=name, **{**recommended, **changes})
    return configs


def differences(tests: Mapping[str, Mapping[int, TestMetrics]], measures: Sequence[Measure]) -> list[str]:
    """Return the :data:`CONTRASTS` of ways with their 95 % intervals over the seeds, from two on, one sentence each.

    ``tests`` are those of each way by seed.
    """
    sentences = []
    for first, second, name in CONTRASTS:
        ours, theirs = (
            {seed: test[role][name] for seed, test in tests.get(way, {}).items() if name in test.get(role, {})}
            for way, role in (first, second)
        )
        if len(seeds := sorted(ours.keys() & theirs.keys())) < 2:
            continue
        measure = next(one for one in measures if one.name == name)
        values = measure.factor * np.array([[ours[seed] - theirs[seed]] for seed in seeds])
        low, high = (signed(float(limit[0]), measure.decimals) for limit in mean_interval(values))
        other = _small(second[0]) if second[1] == STUDENT else "the baseline"
        mean = f"{signed(float(values.mean()), measure.decimals)}{SPACE}{measure.unit_of_difference}".rstrip()
        sentences.append(f"{first[0]} beside {other}, {measure.title}: {mean} ({low} to {high}, {len(seeds)} seeds).")
    return sentences


def _small(title: str) -> str:
    return title if title.startswith("Jensen") else title[:1].lower() + title[1:]


def measures_of(way: str, role: str, tests: Sequence[TestMetrics], measures: Sequence[str]) -> NetworkMeasures | None:
    """Return the measures of a role over the runs of one way; None where no run has them."""
    metrics = [test[role] for test in tests if role in test]
    values = {name: [float(one[name]) for one in metrics] for name in measures if all(name in one for one in metrics)}
    return NetworkMeasures(way, role, len(metrics), values) if metrics and values else None


def in_one_line(tests: Sequence[TestMetrics], comparison: Comparison) -> str:
    """Return for a beginner how a student writes beside its control; empty where that was not measured.

    With one seed a difference of one percentage point counts, with several a difference whose 95 % interval over the
    seeds excludes zero.
    """
    both = [(test[comparison.role], test[comparison.control]) for test in tests
            if comparison.role in test and comparison.control in test]  # fmt: skip
    if not both or any(
        name not in metrics for pair in both for metrics in pair for name in (REAL_WORDS, DISTINCT_WORDS)
    ):
        return ""
    real, distinct = ([(one[name], other[name]) for one, other in both] for name in (REAL_WORDS, DISTINCT_WORDS))
    often = {1: "more often", -1: "less often", 0: "about as often"}[_direction(real)]
    many = {1: "more different ones", -1: "fewer different ones", 0: "about as many different ones"}
    joint = "but" if _direction(real) * _direction(distinct) < 0 else "and"
    beside = "as" if not _direction(real) else "than"
    control = comparison.control_name[:1].lower() + comparison.control_name[1:]
    return (
        f"The {comparison.name} {comparison.role} writes real words {often} {beside} the {control} "
        f"({_percentages(real)}), {joint} {many[_direction(distinct)]} ({_percentages(distinct)})."
    )


def _direction(pairs: Sequence[tuple[float, float]]) -> int:
    """Return 1 where the first numbers of pairs are higher, -1 where they are lower, 0 where that is open."""
    differences = np.array([[one - other] for one, other in pairs])
    mean = float(differences.mean())
    if len(pairs) == 1:
        return 0 if abs(mean) < NOTICEABLE else int(math.copysign(1, mean))
    low, high = (float(limit[0]) for limit in mean_interval(differences))
    return 1 if low > 0 else -1 if high < 0 else 0


def _percentages(pairs: Sequence[tuple[float, float]]) -> str:
    one, other = (100 * statistics.fmean(values) for values in zip(*pairs, strict=True))
    return f"{one:.1f} % instead of {other:.1f} %"
