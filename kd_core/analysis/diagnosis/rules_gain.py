"""Rules about the gain, whether any is possible and whether it can be told from noise."""

from __future__ import annotations

import math

from kd_core.analysis.diagnosis import remedies
from kd_core.analysis.diagnosis.features import RunFeatures
from kd_core.analysis.diagnosis.finding import Finding, finding, kappa, percent, points, signed
from kd_core.analysis.diagnosis.remedies import first_fitting
from kd_core.analysis.intervals import estimate_gain
from kd_core.analysis.verdict import verdict
from kd_core.datasets import load

# Labels are many from ten times what counts as few, and little is left to gain within two points, since published gains
# are one to four points (CIFAR-100, RepDistiller's table).
MANY, ROOM = 10 * remedies.FEW, 0.02
LEARNED = 0.5  # of the way from chance to every example right; a baseline below that has learned little


def labels_suffice(features: RunFeatures) -> Finding | None:
    """Detect so many right labels that the baseline has left next to nothing to gain."""
    data, control = load(features.config.dataset), features.mean(features.comparison.control)
    count = features.config.labels.count(data)
    if control is None or features.comparison.measure != "accuracy" or features.config.labels.wrong:
        return None
    best = features.mean(features.teacher) or 1.0
    if count < MANY * len(data.classes) or abs(best - control) > ROOM:
        return None
    if kappa(features, control) < LEARNED:  # both are bad, which is another problem
        return None
    title = data.task.score_title
    return finding(
        "labels suffice", f"The labels alone are nearly enough to reach the best {title}.",
        f"With {count:,} labelled {data.noun} and no label noise the baseline reaches {percent(control)}, and "
        f"{percent(best)} {f'is the teacher’s {title}' if features.teacher else 'is the maximum'}",
        1 - max(0.0, best - control) / (2 * ROOM), first_fitting(features.config, remedies.more_room(features.config)),
    )  # fmt: skip


def within_noise(features: RunFeatures) -> Finding | None:
    """Detect a difference that is within the noise of seeds and test examples."""
    comparison, gain, seeds = features.comparison, features.gain, len(features.tests)
    if gain is None:
        return None
    estimate = estimate_gain(features.tests, comparison)
    # More seeds narrow the part of the interval that is due to them, and not the part of the test examples.
    of_examples = _half(estimate.examples_interval())
    if seeds == 1:
        width = of_examples
        if abs(gain) >= width:
            return None
        evidence = f"One seed: {signed(gain)}; noise on this many test examples is up to {points(width)}"
    else:
        if verdict(features.tests, comparison).outcome != "open":
            return None
        interval = estimate.interval()
        assert interval is not None
        width = _half(interval)
        evidence = f"{seeds} seeds: {signed(gain)} ± {points(width)}"
        if abs(gain) > of_examples:
            needed = math.ceil(seeds * (width**2 - of_examples**2) / (gain**2 - of_examples**2))
            evidence += f"; about {needed:,} seeds would be needed" if seeds < needed < 100 else ""
        else:
            evidence += f"; noise on {estimate.examples:,} test examples alone is up to {points(of_examples)}"
    return finding(
        "within noise", "The difference is within noise, in either direction.", evidence,
        1 - abs(gain) / width if width else 1.0, first_fitting(features.config, remedies.another_seed(features.seeds)),
    )  # fmt: skip


def _half(interval: tuple[float, float]) -> float:
    return (interval[1] - interval[0]) / 2
