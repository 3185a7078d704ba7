"""Verdicts in words on a student's gain and on claims, by confidence intervals, and the updates that a run skipped."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kd_core.analysis.intervals import estimate_contrast, estimate_gain
from kd_core.base.events import Event, PhaseInfo, Skipped, Validated
from kd_core.config.claims import Claim, Outcome
from kd_core.config.comparison import STUDENT_OVER_BASELINE, Comparison, TestMetrics
from kd_core.tasks import measure_of

ONE_SEED = "One seed cannot separate a real gain from noise."
ROUNDING = 1e-9  # points, below which a mean of equal numbers differs from zero
SKIPPED_EVENTS = ("skipped", "validated")  # that :func:`count_skipped` reads
Counts = Mapping[str, tuple[int, int]]  # by phase: skipped updates, of how many


@dataclass(frozen=True)
class Verdict:
    """Outcome and sentence; ``gain`` and ``interval`` in points of test accuracy (1 point = 1 %).

    All three numbers are None where there is nothing to compare; one seed has a gain alone.

    Attributes:
        outcome: "gain", "loss", "open" (the interval holds zero), "single" (one seed), "alone" (no baseline) or
            "failed".
        interval: 95 % confidence interval over seeds and test examples.
        p_value: Two-sided, of no gain; below 0.05 where the interval excludes zero. Of one comparison: whoever makes
            several corrects it for their number.
    """

    outcome: str
    sentence: str
    gain: float | None = None
    interval: tuple[float, float] | None = None
    seeds: int = 1
    p_value: float | None = None

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True)
class Judgement:
    """Outcome of a claim and sentence; the contrast and its 95 % interval, in points or the unit of the measure.

    ``values`` has the mean of the measure of each term of the contrast over the seeds.
    """

    outcome: Outcome
    estimate: float
    interval: tuple[float, float]
    sentence: str
    values: tuple[float, ...]
    seeds: int

    def __str__(self) -> str:
        return self.sentence


FAILED = Verdict("failed", "The run failed before its end, so there is no verdict.")


def verdict(tests: Sequence[TestMetrics], comparison: Comparison = STUDENT_OVER_BASELINE) -> Verdict:
    """Return the verdict on runs of one configuration, given the test metrics of each seed.

    Raises ValueError without any run.
    """
    if not tests:
        raise ValueError("A verdict needs at least one finished run.")
    if any(comparison.role not in test for test in tests):
        return Verdict("alone", "The run ended before there was a student to compare.")
    students = [100 * test[comparison.role][comparison.measure] for test in tests]
    if any(comparison.control not in test for test in tests):
        return Verdict(
            "alone",
            f"The {comparison.name} student reaches {_mean(students)} {comparison.on}. It was trained without a "
            "baseline, so the effect of the teacher cannot be measured.",
            seeds=len(tests),
        )
    controls = [100 * test[comparison.control][comparison.measure] for test in tests]
    estimate = estimate_gain(tests, comparison)
    gain, interval = 100 * estimate.mean, estimate.interval()
    compared = f"{comparison.control_name} {_mean(controls)}, {comparison.name} {_mean(students)} {comparison.on}"
    if comparison.among:
        compared = (
            f"Of {comparison.among}, the {comparison.role} recognises {_mean(students)}, "
            f"the {comparison.control} {_mean(controls)}"
        )
    unbalanced = _unbalanced(tests, comparison)
    if interval is None:
        return Verdict("single", _one_seed(tests[0], comparison, compared, gain) + unbalanced, gain)
    low, high = (100 * limit for limit in interval)
    result = f"{compared}, over {len(tests)} seeds: {signed(gain)} points"
    result += f" (95 % confidence interval {signed(low)} to {signed(high)})"
    if low > 0:
        outcome, sentence = "gain", f"{result}. The interval excludes zero: a significant gain."
    elif high < 0:
        outcome, sentence = "loss", f"{result}. The interval excludes zero: a significant loss."
    else:
        outcome, sentence = "open", f"{result}. The interval includes zero: no significant difference."
    return Verdict(outcome, sentence + unbalanced, gain, (low, high), len(tests), estimate.p_value)


def judge(claim: Claim, results: Mapping[str, Mapping[int, TestMetrics]]) -> Judgement:
    """Return the judgement on a claim from the test metrics of completed runs by family and seed.

    Seeds that a family lacks are left out of all families. Raises ValueError for fewer than two seeds, and where a
    network was not tested.
    """
    needed = dict.fromkeys(term.family for term in claim.contrast.terms)
    seeds = sorted(set.intersection(*(set(results.get(family, {})) for family in needed)))
    if len(seeds) < 2:
        raise ValueError(f"{claim.name}: a judgement needs the same two seeds of every family, or more.")
    terms = claim.contrast.terms
    try:
        tests = [[results[term.family][seed][term.role] for seed in seeds] for term in terms]
        weighted = [(term.weight, metrics) for term, metrics in zip(terms, tests, strict=True)]
        estimate = estimate_contrast(weighted, claim.measure)
        factor = measure_of(claim.measure).factor
        values = tuple(factor * statistics.fmean(test[claim.measure] for test in metrics) for metrics in tests)
    except KeyError as error:
        raise ValueError(f"{claim.name}: a run has no test result called {error}.") from error
    low, high = estimate.interval() or (0.0, 0.0)
    interval, points = (factor * low, factor * high), factor * estimate.mean
    outcome = claim.expected.outcome(interval)
    return Judgement(outcome, points, interval, claim_sentence(claim, values, points, interval, len(seeds)), values,
                     len(seeds))  # fmt: skip


def claim_sentence(
    claim: Claim, values: Sequence[float], points: float, interval: tuple[float, float], seeds: int
) -> str:
    """Return a claim's result in words, with the networks of each family, the contrast and the outcome."""
    measure, by_family = measure_of(claim.measure), dict[str, list[str]]()
    for term, value in zip(claim.contrast.terms, values, strict=True):
        by_family.setdefault(term.family, []).append(f"{term.role} {measure.format(value / measure.factor)}")
    networks = "; ".join(f"{family}: {', '.join(texts)}" for family, texts in by_family.items())
    if networks[:1].isascii():  # a Greek letter is a symbol
        networks = networks[:1].upper() + networks[1:]
    unit, (low, high) = measure.unit_of_difference, (signed(limit, measure.decimals) for limit in interval)
    outcome = claim.expected.outcome(interval)
    ending = {
        "holds": "so the claim holds here",
        "fails": "and the interval lies outside, so the claim does not hold here",
        "open": "and the interval allows both, so this is open",
    }[outcome]
    return (
        f"{networks}. Over {seeds} seeds {signed(points, measure.decimals)} {unit} (95 % confidence interval "
        f"{low} to {high}); expected {claim.expected_in_words}, {ending}."
    )


def recall_table(test: TestMetrics, classes: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the recall by class and role where the classes differ so much in size that accuracy alone misleads."""
    table: dict[str, dict[str, float]] = {}
    for role, metrics in test.items():
        for name, recall in zip(classes, metrics.get("recalls", ()), strict=False):
            if recall is not None:
                table.setdefault(name, {})[role] = recall
    return table


def _unbalanced(tests: Sequence[TestMetrics], comparison: Comparison) -> str:
    """Return a sentence with the balanced accuracy, empty where the classes are of similar size."""
    sides = [[test[role] for test in tests] for role in (comparison.control, comparison.role)]
    if comparison.measure != "accuracy" or any("recalls" not in metrics for side in sides for metrics in side):
        return ""
    balanced = [_mean([100 * metrics["balanced_accuracy"] for metrics in side]) for side in sides]
    lowest = [
        _mean([100 * min(recall for recall in metrics["recalls"] if recall is not None) for metrics in side])
        for side in sides
    ]
    names = comparison.control_name[:1].lower() + comparison.control_name[1:], comparison.name
    return (
        f" The classes differ much in size: balanced accuracy {names[0]} {balanced[0]}, {names[1]} {balanced[1]}; "
        f"lowest recall of a class {lowest[0]} and {lowest[1]}."
    )


def _one_seed(test: TestMetrics, comparison: Comparison, compared: str, gain: float) -> str:
    if comparison.measure != "accuracy":  # of fewer examples than were tested, so none are counted
        return f"{compared}: {signed(gain)} points. {ONE_SEED}"
    examples = int(test[comparison.role]["examples"])
    if not examples:
        return f"{compared}: {signed(gain)} points. {ONE_SEED}"
    if abs(gain) < 0.05:
        return f"{compared}: no difference on {examples:,} {comparison.examples}. {ONE_SEED}"
    changed = round(abs(gain) * examples / 100)
    return f"{compared}: {signed(gain)} points, or {changed:,} of {examples:,} {comparison.examples}. {ONE_SEED}"


def _mean(accuracies: Sequence[float]) -> str:
    return f"{statistics.fmean(accuracies):.1f} %"


def signed(points: float, decimals: int = 1) -> str:
    """Return a number with its sign and its decimals, or with its first digit where that would be a zero."""
    points = 0.0 if abs(points) < ROUNDING else points
    text = f"{points:+.{decimals}f}"
    return (f"{points:+.1g}" if points and not float(text) else text).replace("-", "−")


def count_skipped(events: Iterable[Event]) -> Counts:
    """Return the skipped updates of every phase that has some, and its steps up to the last evaluation or skip."""
    skipped: dict[str, int] = {}
    steps: dict[str, int] = {}
    for event in events:
        if isinstance(event, Skipped):
            skipped[event.phase] = skipped.get(event.phase, 0) + 1
        if isinstance(event, Skipped | Validated):
            steps[event.phase] = max(event.step, steps.get(event.phase, 0))
    return {phase: (count, steps[phase]) for phase, count in skipped.items()}


def skipped_by_role(counts: Counts, phases: Sequence[PhaseInfo]) -> dict[str, int]:
    """Return the skipped updates of every network that was trained, over all of its phases."""
    by_role: dict[str, int] = {}
    for phase in phases:
        for role in phase.roles:
            by_role[role] = by_role.get(role, 0) + counts.get(phase.name, (0, 0))[0]
    return by_role


def skipped_sentence(counts: Counts) -> str:
    """Return the counts as a sentence, empty where nothing was skipped."""
    clauses = [f"{count:,} of {steps:,} updates of the phase “{phase}”" for phase, (count, steps) in counts.items()]
    verb = "was" if sum(count for count, _ in counts.values()) == 1 else "were"
    text = f"At 16 bits {' and '.join(clauses)} {verb} skipped, for all networks of a phase alike."
    return text if clauses else ""
