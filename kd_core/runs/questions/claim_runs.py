"""Runs of a claim, those stored and those missing, and their training without a store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from kd_core.analysis.verdict import Judgement, judge
from kd_core.base.events import Finished
from kd_core.config.claims import Claim, Measured
from kd_core.config.run import from_flat
from kd_core.runs.questions.family_runs import FamilyRuns, Tests, stored_family_runs
from kd_core.store.store import Store
from kd_core.training.loop import train_all


@dataclass(frozen=True)
class ClaimRuns(FamilyRuns):
    """Stored runs of a claim."""

    claim: Claim

    @property
    def judgement(self) -> Judgement | None:
        """The judgement once every family has every seed, None before that."""
        return judge(self.claim, self.tests) if self.is_complete else None


def stored_runs(store: Store, claim: Claim) -> ClaimRuns:
    """Return the stored runs of a claim.

    Raises ValueError if this installation lacks its data, method or network.
    """
    runs = stored_family_runs(store, claim.families, range(claim.seeds))
    return ClaimRuns(runs.families, runs.seeds, runs.runs, claim)


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
