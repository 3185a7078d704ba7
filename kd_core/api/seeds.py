"""Repeat a run over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kd_core.analysis.verdict import Verdict, verdict
from kd_core.api.batch import seeds_of, train_sweep
from kd_core.api.distillation import completed, merge
from kd_core.api.result import Result, data_frame
from kd_core.config.comparison import DEFAULT_SEEDS
from kd_core.config.run import RunConfig
from kd_core.config.sweep import Sweep
from kd_core.schemes import comparison_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SeedComparison:
    """One configuration trained with several seeds; ``results`` are in the order of the seeds."""

    config: RunConfig
    results: tuple[Result, ...]

    @property
    def verdict(self) -> Verdict:
        """Student against baseline over all seeds, with the 95 % interval of the gain."""
        return verdict([result.test for result in self.results], comparison_of(self.config))

    def to_pandas(self) -> pd.DataFrame:
        """Return the numbers of the test metrics, one row per seed and network. Raises ImportError without pandas."""
        rows = [(one.config.seed, role, metrics) for one in self.results for role, metrics in one.test.items()]
        numbers = (name for *_, metrics in rows for name, value in metrics.items() if isinstance(value, float))
        names = list(dict.fromkeys(numbers))
        table = [(seed, role, *(metrics.get(name) for name in names)) for seed, role, metrics in rows]
        return data_frame(table, ("seed", "role", *names))


def compare_seeds(
    config: RunConfig | None = None,
    seeds: int | Sequence[int] = DEFAULT_SEEDS,
    *,
    store: bool | str | Path = False,
    **settings: Any,
) -> SeedComparison:
    """Train one configuration with several seeds, to tell a gain from luck. The teacher is trained once.

    Args:
        config: a whole configuration; ``settings`` change it, as in :func:`~kd_core.api.distillation.distill`.
        seeds: how many, counted from the seed of the configuration, or which.
        store: as in :func:`~kd_core.api.distillation.distill`.

    Raises:
        ValueError: for settings that are refused.
        RuntimeError: if one of the runs fails.
    """
    base = merge(config, settings)
    results = train_sweep(Sweep.over_seeds(base, seeds_of(base, seeds)), store)
    return SeedComparison(base, tuple(completed(result) for result in results))
