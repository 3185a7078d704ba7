"""The engine. Recorded: runs in the background as the app does, with every event, look and probe on its way to SQLite.

Every call is a whole run. Timed is what comes after its first epoch: before it stand the data, the teacher's answers
and, where something is compiled, the compiler.
"""

from __future__ import annotations

import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from benchmarks.peers import LOOKS, REST, STEPS, Slice, clock
from benchmarks.support.workloads import EPOCHS, Work
from kd_core.base.events import Event, Failed, Probed, Step, Surface, Validated
from kd_core.config import plan
from kd_core.config.run import RunConfig
from kd_core.runs import manager
from kd_core.runs.control import CHUNK_SECONDS
from kd_core.training import loop
from kd_core.training.loop import PhaseCache, Trainer
from kd_core.training.phase import PhaseTrainer
from kd_core.training.vectorized import step

PHASE = "students"
PATIENCE = 0.05  # seconds between two questions whether a run is over
SHORTEST = 2  # epochs of a run: the first is not timed


class Noted(NamedTuple):
    """The end of an epoch or a look: its event, when it was said, and what the training thread had computed by then."""

    at: float
    computed: float
    steps: float  # of that
    looks: float
    event: Step | Validated | Probed | Surface


class Looked(PhaseTrainer):
    """Counts the processor time of its looks."""

    def evaluate(self, done: int) -> list[Event]:
        begun = time.thread_time()
        try:
            return super().evaluate(done)
        finally:
            Timed.looking += time.thread_time() - begun


class Timed(Trainer):
    """Notes the last event of every epoch, which is said when all of it has been done."""

    said: list[Noted]  # of the run that began last
    failed: list[str]
    stepping = looking = 0.0  # seconds of processor time
    is_waiting = False  # for the compiler, in the first epoch

    def __iter__(self) -> Iterator[Event]:
        Timed.said, Timed.failed, Timed.stepping, Timed.looking = [], [], 0.0, 0.0
        for event in super().__iter__():
            is_end = isinstance(event, Step) and not event.step % self.steps_per_epoch
            if isinstance(event, Failed):
                Timed.failed.append(event.message)
            elif is_end or isinstance(event, Validated | Probed | Surface):
                Timed.said.append(Noted(clock(), time.thread_time(), Timed.stepping, Timed.looking, event))
            is_first = isinstance(event, Step) and (event.phase, event.step) == (PHASE, 1)
            if (
                is_first
                and Timed.is_waiting
                and self._phase_trainer is not None
                and self._phase_trainer.compiled is not None
            ):
                self._phase_trainer.compiled.step.wait()
            yield event

    def _some_steps(self, lesson: PhaseTrainer) -> list[Event]:
        begun, looked = time.thread_time(), Timed.looking
        try:
            return super()._some_steps(lesson)
        finally:
            Timed.stepping += time.thread_time() - begun - (Timed.looking - looked)


class Ours:
    """``settings`` are flat ones that differ; without ``is_looking`` the first look is at the end."""

    def __init__(self, settings: Mapping[str, str], is_recorded: bool, is_looking: bool) -> None:
        self.settings, self.is_looking = settings, is_looking
        self.kept: PhaseCache = {}
        if not is_looking:
            plan.MAX_EVALUATIONS = 1
        if settings.get("compiled") == "true":  # as long runs are, where it pays
            Timed.is_waiting, step.is_worthwhile = True, lambda *_: True
        loop.PhaseTrainer = Looked  # type: ignore[misc]
        self._thread = ThreadPoolExecutor(1)  # as runs do: memory is not the same in the main thread
        self.runs: manager.RunManager | None = None
        if is_recorded:
            manager.Trainer = Timed  # type: ignore[misc]
            self._folder = tempfile.TemporaryDirectory()
            self.runs = manager.RunManager(Path(self._folder.name))

    def prepare(self, work: Work) -> None:
        # In a thread that ends, as the app's do: helpers of torch that stay would make those of the training
        # sleep between any two operations.
        with ThreadPoolExecutor(1) as passing:
            self.steps_per_epoch = passing.submit(lambda: work.steps_per_epoch).result()
        self.config = work.config.with_flat(**self.settings)

    def train(self, epochs: int) -> Slice:
        config, begun = self.config.with_flat(epochs=min(EPOCHS, max(SHORTEST, epochs))), clock()
        self._run(config)
        noted = [own for own in Timed.said if own.event.phase == PHASE]
        ends = [own for own in noted if isinstance(own.event, Step)]
        if len(ends) != config.recipe.epochs or Timed.failed:
            raise RuntimeError(f"{len(ends)} of {config.recipe.epochs} epochs. {' '.join(Timed.failed)}")
        last = ends[-1].event
        assert isinstance(last, Step)
        timed = noted if self.is_looking else ends  # a look belongs to the epoch that it ends
        first = [own for own in timed if own.event.epoch <= 1][-1]
        steps, looks = timed[-1].steps - first.steps, timed[-1].looks - first.looks
        rest = timed[-1].computed - first.computed - steps - looks
        return Slice(
            last.loss["student"],
            last.step - first.event.step,
            timed[-1].at - first.at,
            first.at - begun,
            {STEPS: steps, LOOKS: looks, REST: rest},
        )

    def _run(self, config: RunConfig) -> None:
        if self.runs is None:
            own = Timed(config, cache=self.kept)
            own.chunk_seconds = CHUNK_SECONDS
            self._thread.submit(deque, own, 0).result()  # takes every event, keeps none
            return
        run = self.runs.start(config)
        while (status := self.runs.status(run)) is not None and status.is_active:
            time.sleep(PATIENCE)


def contender(settings: Mapping[str, str] | None = None, is_recorded: bool = True, is_looking: bool = True) -> Ours:
    return Ours(settings or {}, is_recorded, is_looking)
