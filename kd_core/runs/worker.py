"""Training of a run or a sweep, with its events written to the store and commands taken between two steps."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from kd_core.base.errors import StorageError
from kd_core.base.events import Adjusted, Event, Failed, Finished, Step, Switched
from kd_core.config.plan import steps_per_epoch
from kd_core.config.run import RunConfig
from kd_core.datasets import NotAvailableError, load
from kd_core.files.checkpoint import Checkpoint, CheckpointRotation
from kd_core.runs.control import Control
from kd_core.runs.event_writer import EventWriter, RetryPolicy
from kd_core.schemes import plan_of
from kd_core.store import weight_snapshots
from kd_core.store.records import COMPLETED, FAILED, INTERRUPTED, PRUNED, STOPPED
from kd_core.store.store import Run, Store
from kd_core.store.teacher_cache import TeacherCache
from kd_core.training.loop import CHECKPOINT_VERSION, GroupTrainer, Trainer
from kd_core.training.vectorized.compatibility import split_into_groups

SWEEP_WEIGHT_BYTES = 64_000_000  # stored weights of the runs of a group, at the end of a phase

log = logging.getLogger(__name__)


class Worker:
    """Trains one run, or the runs of a sweep group by group, on one device.

    Args:
        store: Where the events go.
        runs: The run, or all runs of the sweep.
        folder: Folder of the checkpoints.
        device: Where to train.
        teacher_cache: Trained teachers.
        control: Commands and progress.
        retry: What happens when something cannot be written.
    """

    is_continued = False  # whether the seconds before count without a checkpoint, too

    def __init__(
        self,
        store: Store,
        runs: Sequence[Run],
        folder: Path,
        *,
        device: str,
        teacher_cache: TeacherCache,
        control: Control,
        retry: RetryPolicy,
    ) -> None:
        self.store, self.device, self.teacher_cache = store, device, teacher_cache
        self.control, self.retry = control, retry
        self.checkpoints = CheckpointRotation(folder)
        self.is_sweep = bool(runs[0].sweep)
        self.configs = {run.id: run.config for run in runs}
        names = list(self.configs)
        self.groups = [[names[place] for place in group] for group in split_into_groups([*self.configs.values()])]
        unfinished = {run.id for run in runs if run.state not in (COMPLETED, PRUNED)}
        self.remaining = [number for number, group in enumerate(self.groups) if unfinished & set(group)]

    def run(self, seconds: float) -> tuple[str, float]:
        """Train what is not completed; return the state at the end and the seconds of training.

        ``seconds`` are those of training before. Raises StorageError where events cannot be written and the training
        is to end.
        """
        try:
            trainer, written = self._resume()
        except ValueError as error:  # data or weights were removed since the run was queued
            if any(self.store.count(run) for run in self.configs):  # it can be resumed once they are back
                self.retry.notify(str(error))
                return INTERRUPTED, seconds
            writer = EventWriter(self.store, dict.fromkeys(self.configs, 0), self.checkpoints, self.retry)
            for run in self.configs:
                writer.add(run, Failed("", 0, "", "network", str(error)))
            writer.flush()
            return FAILED, 0.0
        runs = [run for number in self.remaining for run in self.groups[number]]
        writer = EventWriter(self.store, {run: written.get(run, 0) for run in runs}, self.checkpoints, self.retry)
        self.control.seconds = seconds if written or self.is_continued else 0.0
        try:
            return self._train_groups(trainer, writer), self.control.seconds
        except Exception:
            with contextlib.suppress(StorageError):  # keep the events so far, whatever went wrong
                writer.flush()
            raise

    def _train_groups(self, trainer: GroupTrainer | None, writer: EventWriter) -> str:
        steps = [count_steps([self.configs[run] for run in group]) for group in self.groups]
        outcome, total = COMPLETED, sum(steps)
        steps_before = total - sum(steps[number] for number in self.remaining)
        self.control.progress((steps_before, total), 0.0)
        for number in self.remaining:
            if self.control.mode.is_ending:
                return STOPPED if self.control.mode.is_stopping else INTERRUPTED
            trainer = trainer or self._create_trainer(number)
            outcome = self._train(trainer, number, writer, (steps_before, total))
            steps_before += steps[number]
            if outcome in {STOPPED, INTERRUPTED}:
                return outcome
            trainer = None
        if self.is_sweep or outcome == COMPLETED:
            self.checkpoints.remove_previous()
        return COMPLETED if self.is_sweep else outcome

    def _train(self, trainer: GroupTrainer, number: int, writer: EventWriter, steps: tuple[int, int]) -> str:
        """Train a group until its runs end or the process does; return the state in which the last of them ended.

        ``steps`` are those before it, and those of all groups.
        """
        control, runs, outcomes = self.control, self.groups[number], dict[str, str]()
        previous = time.monotonic()
        for chunk in trainer.chunks():
            for place, event in chunk:
                self._observe(trainer, runs[place], event)
                writer.add(runs[place], event, weights_to_store(trainer, place, event, is_sweep=self.is_sweep))
                if isinstance(event, Finished):
                    outcomes[runs[place]] = event.outcome
                    if self.is_sweep:
                        writer.end(runs[place], event.outcome)
            now = time.monotonic()
            control.progress((steps[0] + trainer.position[0], steps[1]), now - previous)
            if writer.is_checkpoint_due(now):
                writer.save(trainer.checkpoint(), number)
            # Events are written before a pause, so that the screen shows the last step however long it lasts.
            trainer.live.request(control.hold(trainer.steps_per_epoch, writer.flush))
            trainer.chunk_seconds = control.chunk_seconds
            previous = time.monotonic() if control.was_paused else now
            if control.mode.is_interrupted:
                break
            if control.mode.is_stopping and len(outcomes) < len(runs):
                writer.save(trainer.checkpoint(), number)  # before the last events, so that it can be resumed
                trainer.stop()
        outcome = INTERRUPTED if len(outcomes) < len(runs) else STOPPED if STOPPED in outcomes.values() else ""
        if outcome == INTERRUPTED or not (outcome or self.is_sweep):
            writer.save(trainer.checkpoint(), number)
        writer.flush(control.seconds)
        return outcome or outcomes[runs[-1]]

    def _observe(self, trainer: GroupTrainer, run: str, event: Event) -> None:
        """Look at an event before it is written, and perhaps change what the trainer does next."""

    def _create_trainer(
        self, number: int, resume: Checkpoint | None = None, changes: Sequence[Adjusted | Switched] = ()
    ) -> GroupTrainer:
        configs: list[RunConfig] = [self.configs[run] for run in self.groups[number]]
        if self.is_sweep:
            return GroupTrainer(configs, device=self.device, cache=self.teacher_cache, resume=resume)
        return Trainer(*configs, device=self.device, cache=self.teacher_cache, adjustments=changes, resume=resume)

    def _resume(self) -> tuple[GroupTrainer | None, Mapping[str, int]]:
        """Return the trainer of the first remaining group at the newest usable checkpoint, and the events by then.

        A checkpoint is not usable if it is damaged, of another version, or ahead of the stored events.
        """
        for state, notice in self.checkpoints.candidates(CHECKPOINT_VERSION):
            try:
                written = dict[str, int](state.values["written"]) if state else {}
                if any(self.store.count(run) < count for run, count in written.items()):
                    raise ValueError("the checkpoint is ahead of the stored events")
                first = int(state.values["group"]) if state else next(iter(self.remaining), 0)
                # Changes after the checkpoint are about to be deleted with the other events, so they are repeated.
                changes = [
                    event
                    for run in self.groups[first]
                    for event in self.store.changes(run, written.get(run, 0))
                    if isinstance(event, Adjusted | Switched)
                ]
                trainer = self._create_trainer(first, state, changes) if first in self.remaining else None
            except (ValueError, LookupError, TypeError, RuntimeError) as error:
                if state is None or isinstance(error, NotAvailableError | torch.OutOfMemoryError):
                    raise
                log.warning("run %s cannot be resumed from a checkpoint", self.groups[0][0], exc_info=True)
            else:
                if notice:
                    self.retry.notify(notice)
                self.remaining = [number for number in self.remaining if number >= first]
                return trainer, written
        raise AssertionError("the last candidate is the start")


def weights_to_store(trainer: GroupTrainer, place: int, event: Event, *, is_sweep: bool) -> dict[str, Tensor] | None:
    """Return the weights to store with an event; of the runs of a sweep those at the end of each phase."""
    if isinstance(event, Step):  # no weights are stored with a step, and nearly all events are steps
        return None
    is_last = trainer.is_last_evaluation(event, place)
    if is_sweep and not (is_last or isinstance(event, Finished)):
        return None
    networks = trainer.networks_of(place)
    weights = weight_snapshots.weights_to_keep(event, trainer.plans[place], networks, is_last=is_last)
    size = sum(value.nbytes for value in (weights or {}).values())
    return None if is_sweep and size * len(trainer.configs) > SWEEP_WEIGHT_BYTES else weights


def count_steps(configs: Sequence[RunConfig]) -> int:
    """Return the steps of a group, the second number of :attr:`GroupTrainer.position`, before it is trained."""
    data = load(configs[0].dataset)
    phases = [phase for phase in plan_of(configs[0]) if len(configs) == 1 or not phase.is_kept]
    return len(configs) * sum(phase.recipe.epochs * steps_per_epoch(phase, data) for phase in phases)
