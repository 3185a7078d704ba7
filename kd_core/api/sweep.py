"""Train every combination of some settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kd_core.analysis.sweep_results import collect_results, corrected_gains
from kd_core.analysis.verdict import FAILED, Verdict, verdict
from kd_core.api.batch import seeds_of, train_sweep
from kd_core.api.result import Result, data_frame
from kd_core.base.events import Validated
from kd_core.base.options import as_text
from kd_core.base.registry import Plugin
from kd_core.config.comparison import DEFAULT_SEEDS
from kd_core.config.python_parts import with_python_parts
from kd_core.config.run import RunConfig, flatten
from kd_core.config.sweep import ALL, GROUPS, Sweep, plan_sweep
from kd_core.schemes import comparison_of
from kd_core.store.records import LatestEvaluation

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SweepCell:
    """One combination of values, trained with every seed.

    ``accuracy`` is the student's mean accuracy on the validation set in [0, 1], ``gain`` its mean lead over the
    baseline there in points (1 point = 1 %); None where no run came so far. ``interval`` and ``p_value`` of the gain
    are corrected for the number of cells; None for one seed.
    """

    values: dict[str, str]
    config: RunConfig  # with the first of the seeds
    results: tuple[Result, ...]
    accuracy: float | None
    gain: float | None
    interval: tuple[float, float] | None = None
    p_value: float | None = None

    @property
    def verdict(self) -> Verdict:
        """Student against baseline on the test set, over the seeds whose runs were completed."""
        tests = [result.test for result in self.results if result.outcome == "completed"]
        return verdict(tests, comparison_of(self.config)) if tests else FAILED


@dataclass(frozen=True)
class SweepResult:
    """All cells of a sweep in its order, in which the last varied setting changes fastest.

    ``best`` has the highest mean accuracy on the validation set; None if every run failed. The test set decides
    nothing. ``left_out`` has a sentence for each class that "all" did not include.
    """

    cells: tuple[SweepCell, ...]
    best: SweepCell | None
    left_out: tuple[str, ...] = ()

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per cell with its values and numbers. Raises ImportError without pandas."""
        rows = [
            (*cell.values.values(), cell.accuracy, cell.gain, *(cell.interval or (None, None)), cell.p_value,
             len(cell.results))
            for cell in self.cells
        ]  # fmt: skip
        names = ("validation_accuracy", "gain", "gain_low", "gain_high", "p_value", "seeds")
        return data_frame(rows, (*self.cells[0].values, *names))


def sweep(
    config: RunConfig | None = None,
    *,
    seeds: int | Sequence[int] = DEFAULT_SEEDS,
    store: bool | str | Path = False,
    **settings: Any,
) -> SweepResult:
    """Train every combination of the settings that are given as lists, at most three of them, over the same seeds.

    Runs that differ in numbers alone are trained together as one stacked network, and each teacher once.

    Args:
        config: a whole configuration; ``settings`` change it.
        seeds: how many, counted from the seed of the configuration, or which.
        store: as in :func:`~kd_core.api.distillation.distill`.
        settings: ``temperature=[1, 2, 4]`` varies a setting, as does ``loss=["kd", "dkd"]``; ``loss="all"`` stands for
            every loss that applies, and likewise for the other parts. Any other value holds for all runs that have
            such a setting.

    Raises:
        ValueError: for settings that are refused, or that cannot be varied.
    """
    varied = {name: value for name, value in settings.items() if isinstance(value, list) or is_all(name, value)}
    fixed = {name: value for name, value in settings.items() if name not in varied}
    plan, left_out = plan_of_settings(config, varied, fixed, seeds)
    return summarise(plan, train_sweep(plan, store), left_out)


def is_all(name: str, value: object) -> bool:
    """Return whether a setting stands for every class that applies."""
    return value == ALL and (name in GROUPS or name == "loss")


def plan_of_settings(
    config: RunConfig | None, varied: Mapping[str, Any], fixed: Mapping[str, Any], seeds: int | Sequence[int]
) -> tuple[Sweep, list[str]]:
    """Return the sweep over some settings and a sentence for each class that was left out. Raises ValueError."""
    start, axes, texts = as_texts(config, varied, fixed)
    return plan_sweep(start, axes, texts, seeds_of(start, seeds))


def as_texts(
    config: RunConfig | None, varied: Mapping[str, Any], fixed: Mapping[str, Any]
) -> tuple[RunConfig, dict[str, list[str]], dict[str, str]]:
    """Return the configuration to begin with, and the values of varied and of fixed settings as text, by flat name.

    Raises ValueError.
    """
    flatten({**varied, **fixed})  # refuses both names of the loss
    data = fixed.get("dataset", config.dataset if config else None)
    parts = with_python_parts(fixed if data is None else {"dataset": data, **fixed})
    if "dataset" not in fixed:
        parts.pop("dataset", None)
    texts = {name: as_text(value) for name, value in flatten(parts).items()}
    start = (config or RunConfig()).with_flat(**{name: texts.pop(name) for name in ("seed",) if name in texts})
    axes = {
        "method" if name == "loss" else name: [_value_text(name, value, data) for value in _values(values)]
        for name, values in varied.items()
    }
    return start, axes, texts


def _values(values: Any) -> list[Any]:
    return [values] if isinstance(values, str) else list(values)  # a text is "all", or the range of a search


def _value_text(name: str, value: Any, data: Any) -> str:
    """Return a value as text; an object stands for its class. Raises ValueError if its options are not the defaults."""
    if name in (*GROUPS, "loss") and not isinstance(value, str | Plugin):
        if name == "teacher":
            raise ValueError("teacher: a list holds networks by name. Give a teacher of your own as the only value.")
        value = with_python_parts({"dataset": data, name: value})[name]
    if not isinstance(value, Plugin):
        return as_text(value)
    if value != type(value)():
        raise ValueError(
            f"{name}: a list holds classes with their defaults. Vary the options as settings of their own."
        )
    return value.name


def summarise(plan: Sweep, results: Sequence[Result], left_out: Sequence[str] = ()) -> SweepResult:
    """Return the cells of a sweep from its results, which are in its order."""
    summary = collect_results(plan, [_latest_evaluation(result) for result in results])
    count = len(plan.seeds)
    cells = []
    gains = corrected_gains(summary)
    for number, (values, cell, gain) in enumerate(zip(plan.cells, summary.cells, gains, strict=True)):
        members = tuple(results[number * count : (number + 1) * count])
        accuracy = None if cell.mean is None else cell.mean / 100
        interval, p_value = (gain.interval, gain.p_value) if gain else (None, None)
        cells.append(SweepCell(values, members[0].config, members, accuracy, cell.gain, interval, p_value))
    best = None if summary.best is None else cells[summary.cells.index(summary.best)]
    return SweepResult(tuple(cells), best, tuple(left_out))


def _latest_evaluation(result: Result) -> LatestEvaluation:
    compared = comparison_of(result.config)
    evaluations = (event for event in reversed(result.events) if isinstance(event, Validated))
    last = next((event for event in evaluations if compared.role in event.accuracy), None)
    state = result.outcome or "interrupted"
    if last is None:
        return LatestEvaluation(result.id, result.config.seed, state)
    accuracy, control = last.accuracy[compared.role], last.accuracy.get(compared.control)
    correct = (last.correct.get(role, "") for role in (compared.role, compared.control))
    return LatestEvaluation(result.id, result.config.seed, state, accuracy, control, last.epoch, *correct)
