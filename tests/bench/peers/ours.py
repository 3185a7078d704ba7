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

from kd_core import preparation, runs
from kd_core.config import RunConfig
from kd_core.control import AT_ONCE
from kd_core.events import Event, Failed, Finished, Step
from kd_core.training import Kept, Training
from kd_core.wholestep import step
from tests.bench.peers import Slice, clock
from tests.bench.works import EPOCHS, Work

PHASE = "students"
PATIENCE = 0.05  # seconds between two questions whether a run is over
SHORTEST = 2  # epochs of a run: the first is not timed


class Timed(Training):
    """Notes when each event was said."""

    said: list[tuple[float, Event]]  # of the run that began last
    is_waiting = False  # for the compiler, in the first epoch

    def __iter__(self) -> Iterator[Event]:
        Timed.said = said = []
        for event in super().__iter__():
            said.append((clock(), event))
            is_first = isinstance(event, Step) and (event.phase, event.step) == (PHASE, 1)
            if is_first and Timed.is_waiting and self._lesson is not None and self._lesson.compiled is not None:
                self._lesson.compiled.step.wait()
            yield event


class Ours:
    """``settings`` are flat ones that differ; without ``is_looking`` the first look is at the end."""

    def __init__(self, settings: Mapping[str, str], is_recorded: bool, is_looking: bool) -> None:
        self.settings, self.is_looking = settings, is_looking
        self.kept: Kept = {}
        if not is_looking:
            preparation.LOOKS = 1
        if settings.get("compiled") == "true":  # as long runs are, where it pays
            Timed.is_waiting, step.pays = True, lambda *_: True
        self._thread = ThreadPoolExecutor(1)  # as runs do: memory is not the same in the main thread
        self.runs: runs.Runs | None = None
        if is_recorded:
            runs.Training = Timed  # type: ignore[misc]
            self._folder = tempfile.TemporaryDirectory()
            self.runs = runs.Runs(Path(self._folder.name))

    def prepare(self, work: Work) -> None:
        # In a thread that ends, as the app's do: helpers of torch that stay would make those of the training
        # sleep between any two operations.
        with ThreadPoolExecutor(1) as passing:
            self.steps_per_epoch = passing.submit(lambda: work.steps_per_epoch).result()
        self.config = work.config.with_flat(**self.settings)

    def train(self, epochs: int) -> Slice:
        config, begun = self.config.with_flat(epochs=min(EPOCHS, max(SHORTEST, epochs))), clock()
        self._run(config)
        steps = [(at, event) for at, event in Timed.said if isinstance(event, Step) and event.phase == PHASE]
        if len(steps) != config.recipe.epochs * self.steps_per_epoch:
            told = [event.message for _, event in Timed.said if isinstance(event, Failed)]
            raise RuntimeError(f"{len(steps)} steps, and not those of {config.recipe.epochs} epochs. {' '.join(told)}")
        timed = steps
        if self.is_looking:  # a look belongs to the epoch that it ends
            timed = [
                (at, event)
                for at, event in Timed.said
                if getattr(event, "phase", "") == PHASE and not isinstance(event, Finished)
            ]
        first = max(at for at, event in timed if event.step <= self.steps_per_epoch)  # type: ignore[attr-defined]
        last = steps[-1][1]
        assert isinstance(last, Step)
        return Slice(last.loss["student"], len(steps) - self.steps_per_epoch, timed[-1][0] - first, first - begun)

    def _run(self, config: RunConfig) -> None:
        if self.runs is None:
            training = Timed(config, kept=self.kept)
            training.at_once = AT_ONCE
            self._thread.submit(deque, training, 0).result()  # takes every event, keeps none
            return
        run = self.runs.start(config)
        while (status := self.runs.status(run)) is not None and status.is_active:
            time.sleep(PATIENCE)


def contender(settings: Mapping[str, str] | None = None, is_recorded: bool = True, is_looking: bool = True) -> Ours:
    return Ours(settings or {}, is_recorded, is_looking)
