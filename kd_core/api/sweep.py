"""Train every combination of some settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kd_core.analysis.sweep_results import collect_results
from kd_core.analysis.verdict import FAILED, Verdict, verdict
from kd_core.api.batch import seeds_of, train_sweep
from kd_core.api.distillation import merge
from kd_core.api.result import Result, data_frame
from kd_core.base.events import Validated
from kd_core.base.options import as_text
from kd_core.config.comparison import DEFAULT_SEEDS
from kd_core.config.run import RunConfig
from kd_core.config.sweep import Axis, Sweep, sweepable_options
from kd_core.schemes import comparison_of
from kd_core.store.records import LatestEvaluation

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SweepCell:
    """One combination of values, trained with every seed.

    ``accuracy`` is the student's mean accuracy on the validation set in [0, 1], ``gain`` its mean lead over the
    baseline there in points (1 point = 1 %); None where no run came so far.
    """

    values: dict[str, str]
    config: RunConfig  # with the first of the seeds
    results: tuple[Result, ...]
    accuracy: float | None
    gain: float | None

    @property
    def verdict(self) -> Verdict:
        """Student against baseline on the test set, over the seeds whose runs were completed."""
        tests = [result.test for result in self.results if result.outcome == "completed"]
        return verdict(tests, comparison_of(self.config)) if tests else FAILED


@dataclass(frozen=True)
class SweepResult:
    """All cells of a sweep in its order, in which the last varied setting changes fastest.

    ``best`` has the highest mean accuracy on the validation set; None if every run failed. The test set decides
    nothing.
    """

    cells: tuple[SweepCell, ...]
    best: SweepCell | None

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per cell with its values, accuracy and gain. Raises ImportError without pandas."""
        rows = [(*cell.values.values(), cell.accuracy, cell.gain, len(cell.results)) for cell in self.cells]
        return data_frame(rows, (*self.cells[0].values, "validation_accuracy", "gain", "seeds"))


def sweep(
    config: RunConfig | None = None,
    *,
    seeds: int | Sequence[int] = DEFAULT_SEEDS,
    store: bool | str | Path = False,
    **settings: Any,
) -> SweepResult:
    """Train every combination of the settings that are given as lists, at most two of them, over the same seeds.

    Runs that differ in numbers alone are trained together as one stacked network, and each teacher once.

    Args:
        config: a whole configuration; ``settings`` change it, as in :func:`~kd_core.api.distillation.distill`.
        seeds: how many, counted from the seed of the configuration, or which.
        store: as in :func:`~kd_core.api.distillation.distill`.
        settings: ``temperature=[1, 2, 4]`` varies a setting; any other value holds for all runs.

    Raises:
        ValueError: for settings that are refused, or that cannot be varied.
    """
    fixed = {name: value for name, value in settings.items() if not isinstance(value, list)}
    base = merge(config, fixed)
    varied = {name: settings[name] for name in settings if name not in fixed}
    plan = plan_sweep(base, varied, seeds_of(base, seeds))
    return summarise(plan, train_sweep(plan, store))


def plan_sweep(base: RunConfig, varied: Mapping[str, Sequence[Any]], seeds: Sequence[int]) -> Sweep:
    """Return the sweep over some settings. Raises ValueError for one that cannot be varied, or has no such value."""
    allowed = sweepable_options(base)
    for name in varied:
        if name not in allowed:
            raise ValueError(f"{name} cannot be varied. Choose one of {', '.join(allowed)}.")
    axes = tuple(Axis(name, tuple(as_text(value) for value in values)) for name, values in varied.items())
    return Sweep(base, axes, tuple(seeds))


def summarise(plan: Sweep, results: Sequence[Result]) -> SweepResult:
    """Return the cells of a sweep from its results, which are in its order."""
    summary = collect_results(plan, [_latest_evaluation(result) for result in results])
    count = len(plan.seeds)
    cells = []
    for number, (values, cell) in enumerate(zip(plan.cells, summary.cells, strict=True)):
        members = tuple(results[number * count : (number + 1) * count])
        accuracy = None if cell.mean is None else cell.mean / 100
        cells.append(SweepCell(values, members[0].config, members, accuracy, cell.gain))
    best = None if summary.best is None else cells[summary.cells.index(summary.best)]
    return SweepResult(tuple(cells), best)


def _latest_evaluation(result: Result) -> LatestEvaluation:
    compared = comparison_of(result.config)
    evaluations = (event for event in reversed(result.events) if isinstance(event, Validated))
    last = next((event for event in evaluations if compared.role in event.accuracy), None)
    state = result.outcome or "interrupted"
    if last is None:
        return LatestEvaluation(result.id, result.config.seed, state)
    accuracy, control = last.accuracy[compared.role], last.accuracy.get(compared.control)
    return LatestEvaluation(result.id, result.config.seed, state, accuracy, control, last.epoch)
