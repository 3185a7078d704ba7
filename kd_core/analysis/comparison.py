"""What sets runs apart: the settings that differ, the networks side by side, the best trades, and luck."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kd_core.analysis.verdict import Verdict, confidence_interval, verdict
from kd_core.base.events import Network
from kd_core.config.comparison import Comparison
from kd_core.config.run import RunConfig
from kd_core.schemes import comparison_of
from kd_core.store.store import Run, Store

COMPLETED = "completed"


@dataclass(frozen=True)
class Mean:
    """``interval``: 95 % of the mean, None of a single value. In points (1 point = 1 %)."""

    value: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class SeedGroup:
    """Completed runs that differ in their seed alone, one per seed. ``gains`` are paired: the same seed on both
    sides, in points, by seed."""

    runs: list[Run]
    of: Comparison
    student: Mean | None
    control: Mean | None
    gains: dict[int, float]
    verdict: Verdict


def differences(configs: Mapping[str, RunConfig]) -> dict[str, dict[str, str]]:
    """The flat settings in which some differ: setting → key → text, "" where a run has no such setting."""
    flats = {key: config.flat() for key, config in configs.items()}
    names = dict.fromkeys(name for flat in flats.values() for name in flat)
    table = {name: {key: flat.get(name, "") for key, flat in flats.items()} for name in names}
    return {name: row for name, row in table.items() if len(set(row.values())) > 1}


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Positions of the (cost, value) points that no other beats: none costs as little and is worth more, or is worth as
    much and costs less. By cost; of equal points all. (Pareto's optimum.)"""
    order = sorted(range(len(points)), key=lambda at: (points[at][0], -points[at][1]))
    kept: list[int] = []
    for at in order:
        if not kept or points[at][1] > points[kept[-1]][1] or points[at] == points[kept[-1]]:
            kept.append(at)
    return kept


def mean(values: Sequence[float]) -> Mean:
    """With its interval (Student's t) where there are two or more."""
    return Mean(statistics.fmean(values), confidence_interval(values) if len(values) > 1 else None)


def seed_groups(store: Store, rows: Sequence[Run]) -> list[SeedGroup]:
    """The families of some runs, in their order: all seeds that completed unchanged, whether they are among ``rows`` or
    not. A family without any is left out."""
    found = []
    for family in dict.fromkeys(row.family for row in rows):
        members = [run for run in store.siblings(family) if run.state == COMPLETED and run.test]
        if members:
            found.append(seed_group(members))
    return found


def seed_group(members: Sequence[Run]) -> SeedGroup:
    """Raises ValueError without any run, or of a configuration that is not known here."""
    of = comparison_of(RunConfig.from_json_unchecked(members[0].config_json))
    tests = {run.seed: run.test for run in members if run.test}
    students = {seed: 100 * test[of.role][of.measure] for seed, test in tests.items() if of.role in test}
    controls = {seed: 100 * test[of.control][of.measure] for seed, test in tests.items() if of.control in test}
    return SeedGroup(
        list(members),
        of,
        mean(list(students.values())) if students else None,
        mean(list(controls.values())) if controls else None,
        {seed: students[seed] - controls[seed] for seed in students if seed in controls},
        verdict(list(tests.values()), of),
    )


@dataclass(frozen=True)
class NetworkResult:
    """One network of a finished run. Shares in [0, 1], nats, FLOPs of one example, bytes; None where not measured."""

    run: str
    network: Network
    accuracy: float
    agreement: float | None
    loss: float
    calibration_error: float


def network_results(run: Run, networks: Sequence[Network]) -> list[NetworkResult]:
    """Every network of a run that the test split was asked about; none of an unfinished run."""
    tests = run.test or {}
    return [
        NetworkResult(
            run.id, own, test["accuracy"], test.get("agreement"), test["loss"], test["calibration_error"]
        )
        for own in networks
        if (test := tests.get(own.role))
    ]  # fmt: skip
