"""Training of a search, one batch of proposed trials after the other, and at the end the confirmation of the best."""

from __future__ import annotations

import functools
import logging
import secrets
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kd_core.base.events import Adjusted, Event, Switched
from kd_core.config.run import RunConfig
from kd_core.config.sweep.search import Search
from kd_core.files.checkpoint import Checkpoint
from kd_core.runs.cluster.driver import PartsWorker
from kd_core.runs.cluster.executor import Executor
from kd_core.runs.control import Control
from kd_core.runs.event_writer import RetryPolicy
from kd_core.runs.sweeps import proposals
from kd_core.runs.sweeps.proposals import Reports
from kd_core.runs.sweeps.pruning import TrialPruner, reports_of, stored_curve
from kd_core.runs.sweeps.search_results import (
    SearchResults,
    Trial,
    collect_search,
    is_hopeless,
    is_patience_exhausted,
)
from kd_core.runs.worker import Worker, count_steps
from kd_core.store.records import COMPLETED, FAILED, INTERRUPTED, PRUNED, QUEUED, STOPPED, Run, SweepRow
from kd_core.store.store import Store
from kd_core.store.teacher_cache import TeacherCache
from kd_core.training.loop import GroupTrainer
from kd_core.training.vectorized.compatibility import split_into_groups
from kd_core.training.vectorized.pruned_group import PrunedGroupTrainer

log = logging.getLogger(__name__)

ENDED = (COMPLETED, PRUNED, FAILED)
CONFIRMATION = "confirmation"  # folder of its checkpoints


class SearchWorker:
    """Trains a search, each batch whole on one device or in parts.

    Args:
        store: Where the runs and their events go.
        row: The search.
        folder: Folder of the checkpoints, with a folder for each batch.
        device: Where to train what is trained whole.
        executor_of: Returns what trains the parts of the batch in a folder; None where it is trained whole.
        teacher_cache: Trained teachers.
        control: Commands and progress.
        retry: What happens when something cannot be written.
    """

    def __init__(
        self,
        store: Store,
        row: SweepRow,
        folder: Path,
        *,
        device: str,
        executor_of: Callable[[Path], Executor | None],
        teacher_cache: TeacherCache,
        control: Control,
        retry: RetryPolicy,
    ) -> None:
        self.store, self.row, self.folder, self.device = store, row, folder, device
        self.executor_of = executor_of
        self.teacher_cache, self.control, self.retry = teacher_cache, control, retry
        self.search: Search = row.search
        self._curves: dict[str, list[float | None]] = {}  # of runs that have ended, their values at each rung

    def run(self, seconds: float) -> tuple[str, float]:
        """Train what is not completed; return the state at the end and the seconds of training.

        Raises StorageError where events cannot be written and the training is to end, and ValueError where Optuna is
        missing.
        """
        proposals.check_optuna()
        self.control.seconds = seconds
        while True:
            if (mode := self.control.requested_mode).is_ending:
                return STOPPED if mode.is_stopping else INTERRUPTED, seconds
            results = self._results()
            runs = self._open_batch(results) or self._propose(results) or self._confirm(results)
            if not runs:
                return (COMPLETED if results.best else FAILED), seconds
            state, seconds = self._train(results, runs)
            if state != COMPLETED:
                return state, seconds

    # -- which runs --------------------------------------------------------------------------------------------------

    def _results(self) -> SearchResults:
        return collect_search(self.store, self.row)

    def _is_open(self, run: Run) -> bool:
        return run.state not in ENDED and self.store.outcome(run.id) not in ENDED

    def _open_batch(self, results: SearchResults) -> list[Run]:
        """Return the runs of the batch, or of the confirmation, that an earlier process did not finish."""
        size = self.search.batch
        batches = [results.trials[first : first + size] for first in range(0, len(results.trials), size)]
        for runs in (*([run for trial in batch for run in trial.runs] for batch in batches), [*results.confirmation]):
            if any(map(self._is_open, runs)):
                return runs
        return []

    def _propose(self, results: SearchResults) -> list[Run]:
        """Add the next batch to the store and return its runs; none if the search is over."""
        trials = results.trials
        is_over = len(trials) >= self.search.trials or len(trials) % self.search.batch or results.confirmation
        if is_over or is_patience_exhausted(self.search, trials) or is_hopeless(self.search, trials):
            return []
        configs = proposals.propose(self.search, trials, self._reports(trials))
        seeds, first = self.search.seeds, len(trials) * len(self.search.seeds)
        return self._add(first, [config.with_flat(seed=seed) for config in configs for seed in seeds])

    def _confirm(self, results: SearchResults) -> list[Run]:
        """Add the runs that confirm the best trial to the store and return them; none if they are there already."""
        best = results.best
        if best is None or results.confirmation:
            return []
        first = self.search.trials * len(self.search.seeds)
        return self._add(first, [best.config.with_flat(seed=seed) for seed in self.search.confirmation_seeds])

    def _add(self, first: int, configs: Sequence[RunConfig]) -> list[Run]:
        members = {place: (secrets.token_hex(5), config) for place, config in enumerate(configs, start=first)}
        if members:
            self.retry.write(functools.partial(self.store.add_members, self.row.id, members, QUEUED))
        added = {run for run, _ in members.values()}
        return [run for run in self.store.members(self.row.id) if run.id in added]

    # -- training ----------------------------------------------------------------------------------------------------

    def _train(self, results: SearchResults, runs: Sequence[Run]) -> tuple[str, float]:
        places = self.store.places(self.row.id)
        number = places[runs[0].id] // (self.search.batch * len(self.search.seeds))
        is_confirmation = places[runs[0].id] >= self.search.trials * len(self.search.seeds)
        folder = self.folder / (CONFIRMATION if is_confirmation else f"batch {number}")
        earlier = results.trials[: number * self.search.batch]
        means: dict[str, Any] = {"teacher_cache": self.teacher_cache, "control": self.control, "retry": self.retry}
        batch: BatchWorker | PartsWorker
        if (executor := self.executor_of(folder)) is None:
            batch = BatchWorker(self.store, runs, folder, device=self.device, **means)
        else:
            batch = PartsWorker(self.store, runs, folder, executor=executor, **means)
            batch.is_continued = True
        if not is_confirmation:
            to_judge = {run.id: places[run.id] for run in runs}
            batch.pruner = TrialPruner(self.store, self.search, to_judge, (earlier, self._reports(earlier)))
        groups = split_into_groups([run.config for run in runs])
        steps = sum(count_steps([runs[place].config for place in group]) for group in groups) / len(runs)
        before = places[runs[0].id] if not is_confirmation else len(places) - len(runs)
        after = 0 if is_confirmation else self.search.count - before - len(runs)
        self.control.around = self.control.done or round(steps * before), round(steps * after)
        outcome = batch.run(self.control.seconds)
        if outcome[0] == COMPLETED:
            shutil.rmtree(folder, ignore_errors=True)
        return outcome

    def _reports(self, trials: Sequence[Trial]) -> dict[int, Reports]:
        """Return the values of completed trials at every rung, as :func:`reports_of` does."""
        completed = [trial for trial in trials if trial.state == COMPLETED]
        for trial in completed:
            for run in trial.runs:
                if run.id not in self._curves:
                    self._curves[run.id] = stored_curve(self.store, run)
        return {trial.number: reports_of([self._curves[run.id] for run in trial.runs]) for trial in completed}


class BatchWorker(Worker):
    """Worker of one batch of a search, which ends runs early where its ``pruner`` says so."""

    is_continued = True
    pruner: TrialPruner | None = None

    def _create_trainer(
        self,
        number: int,
        resume: Checkpoint | None = None,
        changes: Sequence[Adjusted | Switched] = (),  # noqa: ARG002
    ) -> GroupTrainer:
        configs = [self.configs[run] for run in self.groups[number]]
        return PrunedGroupTrainer(configs, device=self.device, cache=self.teacher_cache, resume=resume)

    def _observe(self, trainer: GroupTrainer, run: str, event: Event) -> None:
        group = next(group for group in self.groups if run in group)
        if self.pruner is not None and (condemned := self.pruner.observe(run, event, group)):
            assert isinstance(trainer, PrunedGroupTrainer)
            trainer.prune(group.index(one) for one in condemned)
