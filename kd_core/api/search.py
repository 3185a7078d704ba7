"""Search for the best values of some settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from kd_core.analysis.verdict import FAILED, Verdict, verdict
from kd_core.api.batch import seeds_of
from kd_core.api.result import Result, data_frame
from kd_core.api.stored import StoredRun, folder_of, open_manager, wait
from kd_core.api.sweep import as_texts, is_all
from kd_core.config.python_parts import store_python_parts
from kd_core.config.run import RunConfig
from kd_core.config.sweep.search import SEEDS, TRIALS, Search, is_range, plan_search
from kd_core.runs.manager import RunManager
from kd_core.runs.sweeps.proposals import check_optuna
from kd_core.runs.sweeps.search_results import SearchResults, Trial, collect_search
from kd_core.schemes import comparison_of
from kd_core.store.store import Store

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SearchTrial:
    """One trial of a search over its seeds.

    ``accuracy`` is the student's mean accuracy on the validation set in [0, 1] and ``gain`` its mean lead over the
    baseline there in points, at the end or when the trial was pruned; None before the first evaluation.
    """

    number: int  # from 1 on
    values: Mapping[str, str]
    state: str  # "completed", "pruned" or "failed"
    config: RunConfig  # with the first of the seeds
    accuracy: float | None
    gain: float | None


@dataclass(frozen=True)
class SearchResult:
    """All trials of a search in the order of their proposal.

    ``best`` has the highest mean accuracy on the validation set; None if every trial failed. ``confirmed`` are the runs
    of its settings with seeds that no trial had. ``reason`` says why the search ended, and ``left_out`` which classes
    "all" did not include.
    """

    trials: tuple[SearchTrial, ...]
    best: SearchTrial | None
    confirmed: tuple[Result, ...]
    reason: str
    left_out: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Student against baseline on the test set, over seeds that no trial had."""
        tests = [result.test for result in self.confirmed if result.outcome == "completed"]
        return verdict(tests, comparison_of(self.confirmed[0].config)) if tests else FAILED

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per trial with its values and numbers. Raises ImportError without pandas."""
        names = list(dict.fromkeys(name for trial in self.trials for name in trial.values))
        rows = [
            (trial.number, *(trial.values.get(name) for name in names), trial.state, trial.accuracy, trial.gain)
            for trial in self.trials
        ]
        return data_frame(rows, ("trial", *names, "state", "validation_accuracy", "gain"))


def search(
    config: RunConfig | None = None,
    *,
    trials: int = TRIALS,
    seeds: int | Sequence[int] = SEEDS,
    trial_patience: int = 0,
    store: bool | str | Path = False,
    **settings: Any,
) -> SearchResult:
    """Search for the settings with the best student on the validation set, and confirm them on the test set.

    Trials are proposed by Optuna, in batches that are trained side by side where they can be. Trials that are worse
    than the median of the earlier ones are ended early. The best is trained again with seeds that no trial had.

    Args:
        config: a whole configuration; ``settings`` change it.
        trials: how many at most.
        seeds: of each trial; how many, counted from the seed of the configuration, or which.
        trial_patience: trials without a better one after which the search ends; 0 for none.
        store: as in :func:`~kd_core.api.distillation.distill`.
        settings: ``temperature="1..20"`` is a range, ``learning_rate="0.0003..0.03:log"`` one on a logarithmic scale,
            ``loss=["kd", "dkd"]`` are choices, and ``loss="all"`` every loss that applies. Any other value holds for
            all trials that have such a setting.

    Raises:
        ValueError: for settings that are refused, or without any to search over.
        ImportError: without Optuna.
        RuntimeError: if the search is interrupted.
    """
    plan, left_out = plan_search_of_settings(config, settings, seeds, trials=trials, patience=trial_patience)
    try:
        check_optuna()
    except ValueError as error:
        raise ImportError(str(error)) from error
    if store:
        return _train(plan, folder_of(store), left_out)
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        result = _train(plan, Path(folder), left_out)
        return SearchResult(
            result.trials, result.best, tuple(map(_in_memory, result.confirmed)), result.reason, result.left_out
        )


def plan_search_of_settings(
    config: RunConfig | None, settings: Mapping[str, Any], seeds: int | Sequence[int], **limits: int
) -> tuple[Search, list[str]]:
    """Return the search over some settings and a sentence for each class that was left out. Raises ValueError."""
    varied = {name: value for name, value in settings.items() if _is_varied(name, value)}
    fixed = {name: value for name, value in settings.items() if name not in varied}
    start, axes, texts = as_texts(config, varied, fixed)
    return plan_search(
        start, {name: ",".join(values) for name, values in axes.items()}, texts, seeds_of(start, seeds), **limits
    )


def summarise_search(store: Store, results: SearchResults, left_out: Sequence[str] = ()) -> SearchResult:
    """Return the trials of a stored search and its confirmed runs."""
    trials = {trial.number: _trial(trial) for trial in results.trials}
    best = None if results.best is None else trials[results.best.number]
    confirmed = tuple(StoredRun(store, run) for run in results.confirmation)
    return SearchResult(tuple(trials.values()), best, confirmed, results.reason, tuple(left_out))


def _is_varied(name: str, value: Any) -> bool:
    return isinstance(value, list) or is_all(name, value) or (isinstance(value, str) and is_range(value))


def _train(plan: Search, folder: Path | None, left_out: Sequence[str]) -> SearchResult:
    with open_manager(folder) as manager:
        store_python_parts([*vars(plan.base).values()], manager.folder)
        name = manager.start_search(plan)
        wait(manager, name)
        return summarise_search(manager.store, stored_search(manager, name), left_out)


def stored_search(manager: RunManager, name: str) -> SearchResults:
    """Return the results of a search in the folder of a manager."""
    row = manager.store.sweep(name)
    assert row is not None
    return collect_search(manager.store, row)


def _trial(trial: Trial) -> SearchTrial:
    return SearchTrial(trial.number + 1, trial.values, trial.state, trial.config, trial.accuracy, trial.cell.gain)


def _in_memory(result: Result) -> Result:
    """Return a stored result that does not need its store any more."""
    return Result(result.config, list(result.events), dict(result.networks) if result.outcome else {}, result.id)
