"""The engine, on its own or in the background as in the app, with every event written to SQLite.

Every call is a whole run. Only what follows its first epoch is timed; loading the data, computing the teacher's logits
and waiting for the compiler come before.
"""

from __future__ import annotations

import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.peers import EVALUATIONS, REST, STEPS, Slice, clock
from benchmarks.support.workloads import EPOCHS, Work
from kd_core.base.events import Event, Failed, Probed, Step, Surface, Validated
from kd_core.config import plan
from kd_core.config.run import RunConfig
from kd_core.runs import manager, worker
from kd_core.runs.control import CHUNK_SECONDS
from kd_core.training import group
from kd_core.training.loop import PhaseCache, Trainer
from kd_core.training.phase import PhaseTrainer
from kd_core.training.vectorized import compilation

PHASE = "students"
POLL_SECONDS = 0.05  # between two checks of whether a run has ended
MIN_EPOCHS = 2  # of a run, since the first is not timed


class Note(NamedTuple):
    """The last event of an epoch or of an evaluation, its time, and the processor seconds of the training thread."""

    at: float
    computed: float
    steps: float  # processor seconds of the steps
    evaluations: float  # processor seconds of the evaluations
    event: Step | Validated | Probed | Surface


class TimedPhaseTrainer(PhaseTrainer):
    """Phase trainer that measures the processor time of its evaluations."""

    def evaluate(self, *arguments: Any, **options: Any) -> Any:
        started = time.thread_time()
        try:
            return super().evaluate(*arguments, **options)
        finally:
            Timed.evaluating += time.thread_time() - started


class Timed(Trainer):
    """Trainer that notes the last event of every epoch, which is emitted when the epoch is complete."""

    notes: list[Note]  # of the last run
    failed: list[str]
    stepping = evaluating = 0.0  # seconds of processor time
    is_waiting = False  # whether to wait for the compiler in the first epoch

    def chunks(self) -> Iterator[Iterator[tuple[int, Event]]]:
        Timed.notes, Timed.failed, Timed.stepping, Timed.evaluating = [], [], 0.0, 0.0
        for chunk in super().chunks():
            yield self._noted(chunk)

    def _noted(self, chunk: Iterator[tuple[int, Event]]) -> Iterator[tuple[int, Event]]:
        for run, event in chunk:
            is_end = isinstance(event, Step) and not event.step % self.steps_per_epoch
            if isinstance(event, Failed):
                Timed.failed.append(event.message)
            elif is_end or isinstance(event, Validated | Probed | Surface):
                Timed.notes.append(Note(clock(), time.thread_time(), Timed.stepping, Timed.evaluating, event))
            is_first = isinstance(event, Step) and (event.phase, event.step) == (PHASE, 1)
            if (
                is_first
                and Timed.is_waiting
                and self._phase_trainer is not None
                and self._phase_trainer.fast is not None
            ):
                self._phase_trainer.fast.step_function.wait()
            yield run, event

    def _take_steps(self, trainer: PhaseTrainer) -> None:
        started, evaluating_before = time.thread_time(), Timed.evaluating
        try:
            super()._take_steps(trainer)
        finally:
            Timed.stepping += time.thread_time() - started - (Timed.evaluating - evaluating_before)


class Ours:
    """Contender that runs this project's trainer.

    ``settings`` are flat ones that differ; without ``is_evaluating`` the first evaluation is at the end.
    """

    def __init__(self, settings: Mapping[str, str], is_recorded: bool, is_evaluating: bool) -> None:
        self.settings, self.is_evaluating = settings, is_evaluating
        self.cache: PhaseCache = {}
        if not is_evaluating:
            plan.MAX_EVALUATIONS = 1
        if settings.get("compiled") == "true":  # as in long runs
            Timed.is_waiting, compilation.is_worthwhile = True, lambda *_: True
        group.PhaseTrainer = TimedPhaseTrainer  # type: ignore[misc]
        self._thread = ThreadPoolExecutor(1)  # as in the app, since malloc behaves differently in the main thread
        self.runs: manager.RunManager | None = None
        if is_recorded:
            worker.Trainer = Timed  # type: ignore[misc]
            self._folder = tempfile.TemporaryDirectory()
            self.runs = manager.RunManager(Path(self._folder.name))

    def prepare(self, work: Work) -> None:
        # In a thread that ends, as in the app, because worker threads of torch that stay would make those of the
        # training sleep between operations.
        with ThreadPoolExecutor(1) as executor:
            self.steps_per_epoch = executor.submit(lambda: work.steps_per_epoch).result()
        self.config = work.config.with_flat(**self.settings)

    def train(self, epochs: int) -> Slice:
        config, started = self.config.with_flat(epochs=min(EPOCHS, max(MIN_EPOCHS, epochs))), clock()
        self._run(config)
        notes = [note for note in Timed.notes if note.event.phase == PHASE]
        ends = [note for note in notes if isinstance(note.event, Step)]
        if len(ends) != config.recipe.epochs or Timed.failed:
            raise RuntimeError(f"{len(ends)} of {config.recipe.epochs} epochs. {' '.join(Timed.failed)}")
        last = ends[-1].event
        assert isinstance(last, Step)
        timed = notes if self.is_evaluating else ends  # an evaluation belongs to the epoch that it ends
        first = [note for note in timed if note.event.epoch <= 1][-1]
        steps, evaluations = timed[-1].steps - first.steps, timed[-1].evaluations - first.evaluations
        rest = timed[-1].computed - first.computed - steps - evaluations
        return Slice(
            last.loss["student"],
            last.step - first.event.step,
            timed[-1].at - first.at,
            first.at - started,
            {STEPS: steps, EVALUATIONS: evaluations, REST: rest},
        )

    def _run(self, config: RunConfig) -> None:
        if self.runs is None:
            trainer = Timed(config, cache=self.cache)
            trainer.chunk_seconds = CHUNK_SECONDS
            self._thread.submit(deque, trainer, 0).result()  # takes every event, keeps none
            return
        run = self.runs.start(config)
        while (status := self.runs.status(run)) is not None and status.is_active:
            time.sleep(POLL_SECONDS)


def contender(settings: Mapping[str, str] | None = None, is_recorded: bool = True, is_evaluating: bool = True) -> Ours:
    return Ours(settings or {}, is_recorded, is_evaluating)
