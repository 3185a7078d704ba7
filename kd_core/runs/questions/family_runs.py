"""Stored runs of families, which differ in their seed alone, and what is missing of them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kd_core.config import presets
from kd_core.config.comparison import TestMetrics
from kd_core.config.run import from_flat
from kd_core.config.sweep import Sweep
from kd_core.store.records import ACTIVE, COMPLETED, FAILED, Run, family_of
from kd_core.store.store import Store

Families = Mapping[str, Mapping[str, str]]  # flat settings by name
Tests = dict[str, dict[int, TestMetrics]]  # by family and seed


@dataclass(frozen=True)
class FamilyRuns:
    """Stored runs by family, one per seed, the newest completed one or else the newest."""

    families: Families
    seeds: Sequence[int]
    runs: Mapping[str, Sequence[Run]]

    @property
    def tests(self) -> Tests:
        """Test metrics of the completed runs."""
        return {
            family: {run.seed: run.test for run in runs if run.state == COMPLETED and run.test}
            for family, runs in self.runs.items()
        }

    @property
    def missing(self) -> dict[str, list[int]]:
        """Seeds by family without a completed run."""
        tests = self.tests
        return {family: [seed for seed in self.seeds if seed not in tests[family]] for family in self.runs}

    @property
    def is_complete(self) -> bool:
        """Whether every family has every seed."""
        return not any(self.missing.values())

    @property
    def count(self) -> int:
        """Number of runs in all, stored and missing."""
        return len(self.families) * len(self.seeds)

    @property
    def jobs(self) -> list[str]:
        """The sweeps and runs that are queued, train or are paused."""
        return list(dict.fromkeys(run.sweep or run.id for run in self._all if run.state in ACTIVE))

    @property
    def active(self) -> int:
        """Number of runs that are queued, train or are paused."""
        return sum(run.state in ACTIVE for run in self._all)

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

        Raises ValueError if this installation lacks the data, the method or a network.
        """
        active = {(family, run.seed) for family, runs in self.runs.items() for run in runs if run.state in ACTIVE}
        plans = []
        for family, seeds in self.missing.items():
            if wanted := [seed for seed in seeds if (family, seed) not in active]:
                config = from_flat(self.families[family])
                if family_of(config) != _key(self.families[family]):  # its runs would never be found
                    raise ValueError(f"“{family}” must name every setting that its scheme suggests.")
                plans.append(Sweep.over_seeds(config, wanted))
        return plans

    @property
    def _all(self) -> list[Run]:
        return [run for runs in self.runs.values() for run in runs]


def stored_family_runs(store: Store, families: Families, seeds: Sequence[int]) -> FamilyRuns:
    """Return the stored runs of some families and seeds.

    Raises ValueError if this installation lacks the data, the method or a network.
    """
    runs = {
        family: [run for run in store.siblings(_key(settings)) if run.seed in seeds]
        for family, settings in families.items()
    }
    return FamilyRuns(families, seeds, runs)


def _key(settings: Mapping[str, str]) -> str:
    """Return the key of a family in the store, without a look at its data, which takes seconds for all claims."""
    return _cached_key(tuple(settings.items()))


@functools.lru_cache(maxsize=256)
def _cached_key(settings: tuple[tuple[str, str], ...]) -> str:
    return presets.family(dict(settings))
