"""Runs of a claim, those stored and those missing, and their training without a store."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kd_core.analysis.verdict import Judgement, judge
from kd_core.base.events import Finished
from kd_core.config import presets
from kd_core.config.claims import Claim, Measured
from kd_core.config.comparison import TestMetrics
from kd_core.config.run import from_flat
from kd_core.config.sweep import Sweep
from kd_core.store.records import ACTIVE, COMPLETED, FAILED, Run, family_of
from kd_core.store.store import Store
from kd_core.training.loop import train_all

Tests = dict[str, dict[int, TestMetrics]]  # by family and seed


@dataclass(frozen=True)
class ClaimRuns:
    """Stored runs of a claim by family, one per seed, the newest completed one or else the newest."""

    claim: Claim
    runs: Mapping[str, Sequence[Run]]

    @property
    def tests(self) -> Tests:
        """Test metrics of the completed runs."""
        return {
            family: {run.seed: run.test for run in runs if run.state == COMPLETED and run.test}
            for family, runs in self.runs.items()
        }

    @property
    def judgement(self) -> Judgement | None:
        """The judgement once every family has every seed, None before that."""
        return None if any(self.missing.values()) else judge(self.claim, self.tests)

    @property
    def missing(self) -> dict[str, list[int]]:
        """Seeds by family without a completed run."""
        tests = self.tests
        return {family: [seed for seed in self._seeds if seed not in tests[family]] for family in self.runs}

    @property
    def jobs(self) -> list[str]:
        """The sweeps and runs that are queued, train or are paused."""
        return list(dict.fromkeys(run.sweep or run.id for run in self._all if run.state in ACTIVE))

    @property
    def failed(self) -> int:
        """Number of failed runs."""
        return sum(run.state == FAILED for run in self._all)

    def seconds(self, store: Store) -> float:
        """Return the seconds of training of the completed runs; a sweep counts as a whole."""
        alone = sum(run.seconds for run in self._all if not run.sweep and run.state == COMPLETED)
        sweeps = {run.sweep for run in self._all if run.sweep and run.state == COMPLETED}
        return alone + sum(row.seconds for name in sweeps if (row := store.sweep(name)))

    def sweeps(self) -> list[Sweep]:
        """Return what is still to be trained, one sweep over seeds for each family; nothing for what trains now.

        Raises ValueError if this installation lacks the data, the method or a network of the claim.
        """
        active = {(family, run.seed) for family, runs in self.runs.items() for run in runs if run.state in ACTIVE}
        plans = []
        for family, seeds in self.missing.items():
            if wanted := [seed for seed in seeds if (family, seed) not in active]:
                config = from_flat(self.claim.families[family])
                if family_of(config) != _family(self.claim, family):  # its runs would never be found
                    raise ValueError(f"{self.claim.name}: “{family}” must name every setting that its scheme suggests.")
                plans.append(Sweep.over_seeds(config, wanted))
        return plans

    @property
    def _seeds(self) -> range:
        return range(self.claim.seeds)

    @property
    def _all(self) -> list[Run]:
        return [run for runs in self.runs.values() for run in runs]


def stored_runs(store: Store, claim: Claim) -> ClaimRuns:
    """Return the stored runs of a claim.

    Raises ValueError if this installation lacks its data, method or network.
    """
    seeds = range(claim.seeds)
    runs = {
        family: [run for run in store.siblings(_family(claim, family)) if run.seed in seeds]
        for family in claim.families
    }
    return ClaimRuns(claim, runs)


def train(claim: Claim) -> Iterator[tuple[int, int, Tests]]:
    """Train a claim without a store; yield the numbers of finished and of all runs, and the test metrics so far.

    Raises:
        ValueError: if this installation lacks its data, method or network.
        RuntimeError: if a run fails.
    """
    keys = [(family, seed) for family in claim.families for seed in range(claim.seeds)]
    configs = [from_flat(claim.families[family]).with_flat(seed=seed) for family, seed in keys]
    tests: Tests = {}
    count = 0
    yield 0, len(keys), tests
    for number, event in train_all(configs):
        if isinstance(event, Finished):
            family, seed = keys[number]
            if event.outcome != "completed":
                raise RuntimeError(f"{claim.name}: the run “{family}” with seed {seed} {event.outcome}.")
            tests.setdefault(family, {})[seed] = event.test
            count += 1
            yield count, len(keys), tests


def measure(claim: Claim) -> tuple[Judgement, Measured]:
    """Train a claim; return the judgement and its record, with the processor seconds that it took.

    Raises as :func:`train`.
    """
    before = time.process_time()
    *_, (_, _, tests) = train(claim)
    seconds = round(time.process_time() - before, 1)
    judgement = judge(claim, tests)
    low, high = (round(limit, 2) for limit in judgement.interval)
    values = tuple(round(value, 2) for value in judgement.values)
    return judgement, Measured(values, round(judgement.estimate, 2), (low, high), judgement.seeds, seconds)


def _family(claim: Claim, family: str) -> str:
    """Return the key of a family in the store, without a look at its data, which takes seconds for all claims."""
    return _cached_family(tuple(claim.families[family].items()))


@functools.lru_cache(maxsize=256)
def _cached_family(settings: tuple[tuple[str, str], ...]) -> str:
    return presets.family(dict(settings))
