"""Rules about the gain itself: whether there is any to be had, and whether it can be told from luck."""

from __future__ import annotations

import math

from kd_core.analysis.diagnosis import remedies
from kd_core.analysis.diagnosis.features import RunFeatures
from kd_core.analysis.diagnosis.finding import Finding, error, finding, percent, points, signed
from kd_core.analysis.diagnosis.remedies import first_fitting
from kd_core.analysis.verdict import confidence_interval, verdict
from kd_core.datasets import load

# Labels are many from ten times what is called few here, and little is left to gain within two points: published gains
# are one to four points (CIFAR-100, RepDistiller's table).
MANY, ROOM = 10 * remedies.FEW, 0.02
SOUND = 0.5  # of the way from chance to every answer right: a baseline below that has learned little, however it ranks
STANDARD_ERRORS = 2.0  # of a difference of accuracies; within them it may be luck


def clean(shown: RunFeatures) -> Finding | None:
    """Right labels, and so many that the baseline has left next to nothing to gain."""
    data, control = load(shown.config.dataset), shown.mean(shown.comparison.control)
    count = shown.config.labels.count(data)
    if control is None or shown.comparison.measure != "accuracy" or shown.config.labels.wrong:
        return None
    best = shown.mean(shown.teacher) or 1.0
    if count < MANY * len(data.classes) or abs(best - control) > ROOM:
        return None
    if (control - shown.chance) / (1 - shown.chance) < SOUND:  # both are bad, which is another matter
        return None
    return finding(
        "labels suffice", "The labels alone teach your student nearly all there is to learn here.",
        f"With {count:,} labelled {data.noun}, every label right, the baseline reaches {percent(control)}, and "
        f"{percent(best)} {'is what the teacher reaches' if shown.teacher else 'would be all'}",
        1 - max(0.0, best - control) / (2 * ROOM), first_fitting(shown.config, remedies.more_room(shown.config)),
    )  # fmt: skip


def within_noise(shown: RunFeatures) -> Finding | None:
    """The difference is within what chance explains."""
    of, gain = shown.comparison, shown.gain
    if gain is None:
        return None
    seeds = len(shown.tests)
    if seeds == 1:
        mine, other = shown.mean(of.role, of.measure), shown.mean(of.control, of.measure)
        assert mine is not None
        assert other is not None
        width = STANDARD_ERRORS * error(shown, mine, other)
        if of.measure != "accuracy" or abs(gain) >= width:
            return None
        counted = f"One seed: {signed(gain)}, on so many test examples within {points(width)} of zero by chance"
    else:
        if verdict(shown.tests, of).outcome != "open":
            return None
        gains = [100 * (test[of.role][of.measure] - test[of.control][of.measure]) for test in shown.tests]
        low, high = confidence_interval(gains)
        width = (high - low) / 200
        needed = math.ceil(seeds * (width / gain) ** 2) if gain else 0
        counted = f"{seeds} seeds: {signed(gain)} give or take {points(width)}"
        counted += f", so about {needed:,} seeds would tell" if seeds < needed < 100 else ""
    return finding(
        "within luck", "The difference may be luck, whichever way it points.", counted,
        1 - abs(gain) / width if width else 1.0, first_fitting(shown.config, remedies.another_seed(shown.seeds)),
    )  # fmt: skip
