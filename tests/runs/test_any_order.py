"""Runs that are started, paused, changed, stopped, killed and resumed in any order end as undisturbed ones."""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kd_core.base.events import Adjusted
from kd_core.config.run import from_flat
from kd_core.runs import event_writer
from kd_core.runs.manager import ACTIVE, COMPLETED, INTERRUPTED, STOPPED, RunManager
from kd_core.training.loop import Trainer
from tools.testing.waiting import wait, wait_for_end

pytestmark = pytest.mark.slow

CONFIG = from_flat({"dataset": "moons", "epochs": "12", "teacher_epochs": "1", "labelled": "30"})
PACE = 0.03  # seconds per epoch


@contextmanager
def write_lock(folder: Path) -> Iterator[None]:
    """Hold the database's write lock, so that the files are as a kill could leave them."""
    db = sqlite3.connect(folder / "distillery.sqlite", isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        db.execute("ROLLBACK")
        db.close()


class AnyOrder(RuleBasedStateMachine):
    """One run in a data folder that several processes use one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp())
        self.folders = 0
        self.abandoned: list[RunManager] = []
        self.runs = RunManager(self.home / "0")
        self.run = ""
        self.changed: dict[tuple[int, str], float] = {}  # by step and option, as a reader has seen them

    @initialize()
    def start(self) -> None:
        self.run = self.runs.start(CONFIG, pace=PACE)

    @rule()
    def pause(self) -> None:
        self.runs.pause(self.run)

    @rule()
    def resume(self) -> None:
        self.runs.resume(self.run)

    @rule()
    def step(self) -> None:
        self.runs.step(self.run)

    @rule(epochs=st.integers(1, 4))
    def let_it_train(self, epochs: int) -> None:
        before = self.runs.status(self.run).done
        self.runs.resume(self.run)
        wait(lambda: not self.is_active or self.runs.status(self.run).done >= before + 2 * epochs)

    @rule(temperature=st.sampled_from([1.0, 2.0, 8.0]))
    def adjust(self, temperature: float) -> None:
        try:
            self.runs.adjust(self.run, temperature=temperature)
        except ValueError as error:
            assert "is over" in str(error)  # noqa: PT017

    @rule()
    def stop(self) -> None:
        self.runs.stop(self.run)
        wait_for_end(self.runs, self.run)

    @precondition(lambda self: self.run)
    @rule()
    def resume_from_checkpoint(self) -> None:
        if self.runs.status(self.run).state in (INTERRUPTED, STOPPED):
            self.runs.resume_from_checkpoint(self.run)
            self.runs.set_pace(self.run, PACE)
        else:
            with pytest.raises(ValueError, match="Only an interrupted or stopped run can be resumed"):
                self.runs.resume_from_checkpoint(self.run)

    @rule()
    def restart(self) -> None:
        self.runs.close()
        self.runs = RunManager(self.runs.folder)
        self.check_state()

    @rule()
    def kill(self) -> None:
        """Continue on a copy of the data folder, which is all that a kill would leave."""
        self.remember()
        self.folders += 1
        new = self.home / str(self.folders)
        with write_lock(self.runs.folder):
            shutil.copytree(self.runs.folder, new, ignore=shutil.ignore_patterns("*-shm", "in-use*", "*.part"))
        self.abandoned.append(self.runs)
        self.runs.pause(self.run)
        self.runs = RunManager(new)
        self.check_state()

    def check_state(self) -> None:
        assert self.runs.status(self.run).state in (INTERRUPTED, STOPPED, COMPLETED)

    @property
    def is_active(self) -> bool:
        return self.runs.status(self.run).is_active

    def remember(self) -> None:
        for _, event in self.runs.store.events(self.run, kinds=["adjusted"]):
            assert isinstance(event, Adjusted)
            self.changed[event.step, event.option] = event.new

    @invariant()
    def row_and_events_agree(self) -> None:
        if not self.run:
            return
        self.remember()
        status = self.runs.status(self.run)
        assert status.state in (*ACTIVE, INTERRUPTED, STOPPED, COMPLETED)
        if not status.is_active:
            numbers = [number for number, _ in self.runs.store.events(self.run)]
            assert numbers == list(range(1, len(numbers) + 1))

    def teardown(self) -> None:
        if self.run:
            self.runs.resume(self.run)
            self.runs.set_pace(self.run, 0)
            if wait_for_end(self.runs, self.run) != COMPLETED:
                self.runs.resume_from_checkpoint(self.run)
                assert wait_for_end(self.runs, self.run) == COMPLETED
            events = [event for _, event in self.runs.store.events(self.run)]
            changes = [event for event in events if isinstance(event, Adjusted)]
            assert events == list(Trainer(CONFIG, adjustments=changes))
            for (step, option), value in self.changed.items():
                earlier = [change.new for change in changes if change.step <= step and change.option == option]
                assert earlier[-1] == value
        for runs in [*self.abandoned, self.runs]:
            runs.close()
        shutil.rmtree(self.home)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_writer, "CHECKPOINT_SECONDS", 0.05)
    monkeypatch.setattr(event_writer, "CHECKPOINT_FRACTION", 1.0)
    monkeypatch.setattr(event_writer, "FLUSH_SECONDS", 0.01)


TestInAnyOrder = AnyOrder.TestCase
TestInAnyOrder.settings = settings(
    max_examples=6, stateful_step_count=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
