"""Comparison of runs by differing settings, cost and accuracy, and groups of seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self

from kd_core.analysis.intervals import Estimate, estimate_gain, estimate_measure
from kd_core.analysis.verdict import Verdict, verdict
from kd_core.base.events import Network
from kd_core.base.metrics import added_metrics
from kd_core.config.comparison import Comparison
from kd_core.config.run import RunConfig
from kd_core.schemes import comparison_of, in_same_phase
from kd_core.store.records import COMPLETED, FAILED
from kd_core.store.store import Run, Store

UNEQUAL = (
    "The two networks of this comparison are not trained side by side, so after a stop or a manual change they have "
    "been trained unequally. Resume the run and let it finish."
)


@dataclass(frozen=True)
class Mean:
    """Mean over seeds in points (1 point = 1 %) with its 95 % confidence interval; one seed has no interval."""

    value: float
    interval: tuple[float, float] | None

    @classmethod
    def of(cls, estimate: Estimate) -> Self:
        """Return the mean and interval of an estimate."""
        interval = estimate.interval()
        return cls(100 * estimate.mean, None if interval is None else (100 * interval[0], 100 * interval[1]))


@dataclass(frozen=True)
class SeedGroup:
    """Completed runs that differ in their seed alone.

    ``gains`` are paired differences by seed, in points: student minus control of the same seed. What some of the runs
    lack is None, and ``gains`` are empty then.
    """

    runs: list[Run]
    comparison: Comparison
    student: Mean | None
    control: Mean | None
    gain: Mean | None
    gains: dict[int, float]
    verdict: Verdict


def differences(configs: Mapping[str, RunConfig]) -> dict[str, dict[str, str]]:
    """Return the flat settings in which configurations differ, by setting and key; "" where one lacks the setting."""
    flats = {key: config.flat() for key, config in configs.items()}
    names = dict.fromkeys(name for flat in flats.values() for name in flat)
    table = {name: {key: flat.get(name, "") for key, flat in flats.items()} for name in names}
    return {name: row for name, row in table.items() if len(set(row.values())) > 1}


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the positions of the Pareto-optimal (cost, value) points by rising cost; of equal points all.

    No other point costs as little and has a higher value, or has the same value and costs less.
    """
    front: list[int] = []
    for index in sorted(range(len(points)), key=lambda index: (points[index][0], -points[index][1])):
        if not front or points[index][1] > points[front[-1]][1] or points[index] == points[front[-1]]:
            front.append(index)
    return front


def family_verdict(store: Store, row: Run) -> tuple[Verdict | None, list[Run]]:
    """Return the verdict over all completed seeds of a run's family, and the family with its unfinished runs.

    A run that was stopped or changed by hand is evaluated alone, and its family is empty. A failed run has no verdict.
    """
    if row.state == FAILED:
        return None, []
    if row.state != COMPLETED or store.was_adjusted(row.id):
        if row.test and not in_same_phase(row.config):
            return Verdict("alone", UNEQUAL), []
        return (verdict([row.test], comparison_of(row.config)) if row.test else None), []
    family = store.siblings(row.family)
    tests = [run.test for run in family if run.test and run.state == COMPLETED]
    return verdict(tests, comparison_of(row.config)), family


def seed_groups(store: Store, rows: Sequence[Run]) -> list[SeedGroup]:
    """Return the seed groups that some runs belong to, in their order.

    A group has all completed seeds of its family, those that are not among ``rows`` too. A family without a completed
    run is left out.
    """
    groups = []
    for family in dict.fromkeys(row.family for row in rows):
        members = [run for run in store.siblings(family) if run.state == COMPLETED and run.test]
        if members:
            groups.append(seed_group(members))
    return groups


def seed_group(members: Sequence[Run]) -> SeedGroup:
    """Return the group of these runs. Raises ValueError without any, or for an unreadable configuration."""
    comparison = comparison_of(RunConfig.from_json_unchecked(members[0].config_json))
    tests = {run.seed: run.test for run in members if run.test}
    metrics = list(tests.values())
    student, control = (
        Mean.of(estimate_measure(metrics, role, comparison.measure)) if all(role in test for test in metrics) else None
        for role in (comparison.role, comparison.control)
    )
    gain, gains = None, dict[int, float]()
    if student and control:
        estimate = estimate_gain(metrics, comparison)
        gain = Mean.of(estimate)
        gains = {seed: 100 * value for seed, value in zip(tests, estimate.values, strict=True)}
    return SeedGroup(list(members), comparison, student, control, gain, gains, verdict(metrics, comparison))


@dataclass(frozen=True)
class NetworkResult:
    """Test metrics of one network; fractions in [0, 1], loss in nats, None where not measured.

    ``balanced_accuracy`` and ``lowest_recall`` of a class are measured where the classes differ much in size, and
    ``skipped`` counts updates where some were skipped at 16 bits. ``added`` are metrics from Python (``kd.metric``), by
    name.
    """

    run: str
    network: Network
    accuracy: float
    agreement: float | None
    loss: float
    calibration_error: float | None
    balanced_accuracy: float | None = None
    lowest_recall: float | None = None
    skipped: int | None = None
    added: Mapping[str, float] = field(default_factory=dict)


def network_results(
    run: Run, networks: Sequence[Network], skipped: Mapping[str, int] = MappingProxyType({})
) -> list[NetworkResult]:
    """Return the test metrics of every evaluated network of a run; none of an unfinished run.

    ``skipped`` updates are given by role.
    """
    tests = run.test or {}
    return [
        NetworkResult(
            run.id, network, test["accuracy"], test.get("agreement"), test["loss"], test.get("calibration_error"),
            test.get("balanced_accuracy"),
            min((recall for recall in test.get("recalls", ()) if recall is not None), default=None),
            skipped.get(network.role), added_metrics(tests[network.role]),
        )
        for network in networks
        if (test := tests.get(network.role))
    ]  # fmt: skip
