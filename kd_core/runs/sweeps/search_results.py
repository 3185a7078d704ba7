"""Trials of a search with their results, the best of them, its confirmation, and why the search ended."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kd_core.analysis.sweep_results import Cell
from kd_core.analysis.verdict import Verdict, verdict
from kd_core.base.events import Failed
from kd_core.config.run import RunConfig
from kd_core.config.sweep.search import Search
from kd_core.schemes import comparison_of
from kd_core.store.queries import RunQueries
from kd_core.store.records import (
    ACTIVE,
    COMPLETED,
    FAILED,
    INTERRUPTED,
    PRUNED,
    STOPPED,
    LatestEvaluation,
    Run,
    SweepRow,
    plan_of_json,
)
from kd_core.store.store import Store

HOPELESS = 2  # batches of which every trial failed, after which a search ends


@dataclass(frozen=True)
class Trial:
    """One trial of a search, with the runs of its seeds.

    ``values`` are the settings that are searched over and that the trial has, as text by flat name.
    """

    number: int
    values: Mapping[str, str]
    runs: tuple[Run, ...]
    cell: Cell  # the latest evaluation of every run

    @property
    def state(self) -> str:
        """State of all of its runs together, "failed" or "pruned" if one of them is."""
        states = [run.state for run in self.runs]
        if FAILED in states:
            return FAILED
        if PRUNED in states and not set(states) & set(ACTIVE):
            return PRUNED
        return next((state for state in states if state != COMPLETED), COMPLETED)

    @property
    def has_ended(self) -> bool:
        """Whether it will not be trained any more."""
        return self.state in (COMPLETED, PRUNED, FAILED)

    @property
    def accuracy(self) -> float | None:
        """Mean accuracy on the validation set over the seeds, a fraction; None before the first evaluation."""
        return None if self.cell.mean is None else self.cell.mean / 100

    @property
    def config(self) -> RunConfig:
        """The configuration with the first of the seeds. Raises ValueError for one that cannot be read here."""
        return self.runs[0].config


@dataclass(frozen=True)
class SearchResults:
    """The trials of a search so far, in the order of their proposal, and the runs that confirm the best one."""

    search: Search
    trials: tuple[Trial, ...]
    confirmation: tuple[Run, ...]
    state: str
    error: str = ""  # why the first failed run failed

    @property
    def best(self) -> Trial | None:
        """The completed trial of the highest mean accuracy on the validation set; the first of equals."""
        return best_of(self.trials)

    @property
    def since_best(self) -> int:
        """Number of ended trials after the best one."""
        best = self.best
        return sum(trial.has_ended for trial in self.trials[best.number + 1 :]) if best else 0

    @property
    def is_confirmed(self) -> bool:
        """Whether all runs of the confirmation are completed."""
        return bool(self.confirmation) and all(run.state == COMPLETED for run in self.confirmation)

    @property
    def verdict(self) -> Verdict | None:
        """Verdict on the test set over seeds that no trial had; None before they are trained."""
        tests = [run.test for run in self.confirmation if run.state == COMPLETED and run.test]
        return verdict(tests, comparison_of(self.confirmation[0].config)) if tests and self.is_confirmed else None

    @property
    def reason(self) -> str:
        """Why no more trials are proposed, as a sentence; "" while they are."""
        counts = {state: sum(trial.state == state for trial in self.trials) for state in (COMPLETED, PRUNED, FAILED)}
        parts = [f"{count} {state}" for state, count in counts.items() if count]
        if self.state == FAILED or (self.trials and counts[FAILED] == len(self.trials) and self.state not in ACTIVE):
            return f"Every trial failed, so there is nothing to choose from. The first one said: {self.error}"
        if self.state in (STOPPED, INTERRUPTED):
            return f"It was {self.state} after {len(self.trials)} of {self.search.trials} trials, and can be resumed."
        trials = f"{len(self.trials)} trials ({', '.join(parts)})"
        if len(self.trials) >= self.search.trials and all(trial.has_ended for trial in self.trials):
            return f"All of its {trials} are over."
        if is_patience_exhausted(self.search, self.trials):
            return f"No trial was better than the best one for {self.since_best} trials; {trials} were made."
        if self.state == COMPLETED or self.confirmation:
            return f"There was nothing new left to try after {trials}."
        return ""


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """Return the completed trial of the highest mean accuracy on the validation set; the first of equals."""
    completed = [trial for trial in trials if trial.state == COMPLETED and trial.accuracy is not None]
    return max(completed, key=lambda trial: trial.accuracy or 0.0, default=None)


def is_patience_exhausted(search: Search, trials: Sequence[Trial]) -> bool:
    """Return whether no trial was better than the best one for as long as the search waits."""
    best = best_of(trials)
    return bool(search.patience and best) and len(trials) - 1 - (best.number if best else 0) >= search.patience


def is_hopeless(search: Search, trials: Sequence[Trial]) -> bool:
    """Return whether so many trials failed, and no other one did, that the search ends."""
    return len(trials) >= HOPELESS * search.batch and all(trial.state == FAILED for trial in trials)


def collect_search(store: Store, row: SweepRow) -> SearchResults:
    """Return the trials of a stored search. Raises ValueError for a search that this installation cannot read."""
    search = row.search
    seeds, limit = len(search.seeds), search.trials * len(search.seeds)
    members = store.members(row.id)
    places = store.places(row.id)  # read later, since a batch may have come meanwhile
    groups: dict[int, list[Run]] = {}
    for run in members:
        if places[run.id] < limit:
            groups.setdefault(places[run.id] // seeds, []).append(run)
    evaluations = _latest_evaluations(store, row.id, members)
    trials = []
    for number, runs in sorted(groups.items()):
        values = _values(row.sweep_json, runs[0].config_json)
        cell = Cell(tuple(values.values()), tuple(evaluations[run.id] for run in runs))
        trials.append(Trial(number, values, tuple(runs), cell))
    confirmation = tuple(run for run in members if places[run.id] >= limit)
    failed = next((run.id for run in members if run.state == FAILED), "")
    return SearchResults(search, tuple(trials), confirmation, row.state, _error(store, failed) if failed else "")


def _latest_evaluations(store: Store, search_id: str, members: Sequence[Run]) -> dict[str, LatestEvaluation]:
    """Return the last evaluation of every run, of the networks that its scheme compares."""
    pairs = {run.id: _compared(run.config_json) for run in members}
    queries, evaluations = RunQueries(store), dict[str, LatestEvaluation]()
    for pair in set(pairs.values()):
        for evaluation in queries.latest_evaluations(search_id, *pair):
            if pairs.get(evaluation.run) == pair:
                evaluations[evaluation.run] = evaluation
    return {run.id: evaluations.get(run.id, LatestEvaluation(run.id, run.seed, run.state)) for run in members}


@functools.lru_cache(maxsize=4096)
def _compared(config_json: str) -> tuple[str, str]:
    compared = comparison_of(RunConfig.from_json_unchecked(config_json))
    return compared.role, compared.control


@functools.lru_cache(maxsize=4096)
def _values(search_json: str, config_json: str) -> dict[str, str]:
    search = plan_of_json(search_json)
    assert isinstance(search, Search)
    return search.values_of(RunConfig.from_json_unchecked(config_json))


def _error(store: Store, run: str) -> str:
    failures = [event.message for _, event in store.events(run, kinds=("failed",)) if isinstance(event, Failed)]
    return failures[-1] if failures else "it was ended by an error, which the log of the app has."


def rising_best(trials: Sequence[Trial]) -> list[float]:
    """Return the highest accuracy of the completed trials up to each one; NaN before the first."""
    best, values = math.nan, []
    for trial in trials:
        if trial.state == COMPLETED and trial.accuracy is not None and not best >= trial.accuracy:
            best = trial.accuracy
        values.append(best)
    return values
