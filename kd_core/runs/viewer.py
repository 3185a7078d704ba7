"""Runs of a data folder that another process manages, to be looked at."""

from __future__ import annotations

import itertools
from pathlib import Path

from kd_core.base import devices
from kd_core.base.events import Prepared, Step
from kd_core.config.run import RunConfig
from kd_core.config.sweep import Sweep
from kd_core.config.sweep.search import Search
from kd_core.files.lock import holder_of
from kd_core.runs.cluster.connection import Cluster
from kd_core.store.annotations import AnnotationStore
from kd_core.store.integrity import IntegrityReport
from kd_core.store.queries import RunQueries
from kd_core.store.records import ACTIVE, TRAINING, Run, Status
from kd_core.store.store import DATABASE, Store
from kd_core.store.teacher_cache import TeacherCache
from kd_core.store.trash import Trash


class RunViewer:
    """All runs of one data folder, while another process trains them.

    It shows their progress from the events that are stored. What would start, change or end a run raises ValueError.
    """

    cluster: Cluster | None = None

    def __init__(self, folder: Path) -> None:
        """Open a data folder without locking it. Raises ValueError if it cannot be read."""
        self.folder = folder
        self.store = Store(folder / DATABASE)
        self.annotation_store = AnnotationStore(self.store.path)
        self.trash = Trash(self.store.path, self.store.unwritten)
        self.teacher_cache = TeacherCache(folder / "teachers")
        self.integrity_report = IntegrityReport()

    @property
    def refusal(self) -> str:
        """Why nothing can be started here, as a sentence; empty where this process manages the runs."""
        holder = holder_of(self.folder)
        who = holder.in_words() if holder else "another Distillery"
        return (
            f"View only: {who} trains the runs of this data folder. Start, change and delete runs there; they can be "
            "watched here. Once it is closed, this one takes over."
        )

    @property
    def preferred(self) -> tuple[str, ...]:
        """The devices that take runs which leave the choice open."""
        return tuple(devices.default_devices())

    # Each of these is overridden by the run manager.

    def start(self, config: RunConfig, pace: float = 0.0, owner: str = "") -> str:  # noqa: ARG002
        """Queue a run."""
        raise ValueError(self.refusal)

    def start_sweep(self, sweep: Sweep, owner: str = "") -> str:  # noqa: ARG002
        """Queue a sweep."""
        raise ValueError(self.refusal)

    def start_search(self, search: Search, owner: str = "") -> str:  # noqa: ARG002
        """Queue a search."""
        raise ValueError(self.refusal)

    def resume_from_checkpoint(self, run: str, owner: str = "") -> None:  # noqa: ARG002
        """Queue an interrupted or stopped run."""
        raise ValueError(self.refusal)

    def pause(self, run: str) -> None:  # noqa: ARG002
        """Hold a run."""
        raise ValueError(self.refusal)

    def resume(self, run: str) -> None:  # noqa: ARG002
        """Continue a paused run."""
        raise ValueError(self.refusal)

    def step(self, run: str) -> None:  # noqa: ARG002
        """Take one step."""
        raise ValueError(self.refusal)

    def stop(self, run: str) -> None:  # noqa: ARG002
        """End a run."""
        raise ValueError(self.refusal)

    def set_pace(self, run: str, seconds: float) -> None:  # noqa: ARG002
        """Spend at least so many seconds per epoch."""
        raise ValueError(self.refusal)

    def adjust(self, run: str, **options: float | str) -> None:  # noqa: ARG002
        """Change live options."""
        raise ValueError(self.refusal)

    def status(self, run: str) -> Status | None:
        """Return state and progress of a run or sweep by its stored events; None for an unknown id."""
        member, sweep = self.store.run(run), self.store.sweep(run)
        row = member or sweep
        if row is None:
            return None
        if row.state not in ACTIVE:
            return Status(row.state, seconds=row.seconds)
        members = [member] if member is not None else self.store.members(run)
        positions = [self._position(one) for one in members]
        per_run = max((total for _, total in positions), default=0)
        done = sum(done if one.state in ACTIVE else per_run for one, (done, _) in zip(members, positions, strict=True))
        return Status(row.state, done, per_run * len(members), row.seconds)

    def waiting_count(self, owner: str) -> int:  # noqa: ARG002
        """Return how many runs and sweeps of an owner wait in the queue."""
        return 0

    def empty_trash(self) -> None:
        """Remove deleted runs for good, which is left to the process that manages them."""

    def close(self, patience: float = 10.0) -> None:
        """Interrupt what trains."""

    def _position(self, run: Run) -> tuple[int, int]:
        """Return the steps done by the last event of a run, 0 if that is no step, and all of its steps."""
        prepared = RunQueries(self.store).prepared(run.id)
        if prepared is None or run.state != TRAINING:
            return 0, _steps(prepared)
        last = self.store.events(run.id, self.store.count(run.id) - 1)
        done = next((_steps(prepared, event.phase) + event.step for _, event in last if isinstance(event, Step)), 0)
        return done, _steps(prepared)


def _steps(prepared: Prepared | None, before: str = "") -> int:
    """Return the steps of all phases, or of those before one."""
    phases = itertools.takewhile(lambda phase: phase.name != before, prepared.phases if prepared else ())
    return sum(phase.epochs * phase.steps_per_epoch for phase in phases)
