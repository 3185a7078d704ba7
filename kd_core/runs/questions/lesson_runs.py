"""Runs of a lesson for one learner, with the second training of lessons that compress their students."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kd_core.base.paths import artefact_folder
from kd_core.config.lessons import Compression, Lesson
from kd_core.config.run import RunConfig
from kd_core.config.sweep import Sweep
from kd_core.export.compression import chain
from kd_core.export.compression.cache import MeasurementCache
from kd_core.export.compression.unpruned import FILE, open_unpruned, second_run
from kd_core.export.network.graphs import ONNX_PACKAGES
from kd_core.export.packages import missing_packages
from kd_core.models._pruning import CHANNELS
from kd_core.runs.questions.family_runs import FamilyRuns, Tests, stored_family_runs
from kd_core.store.records import ACTIVE, COMPLETED, FAILED, Run
from kd_core.store.store import Store

PACKAGES = ("torch_pruning", *ONNX_PACKAGES)


@dataclass(frozen=True)
class LessonRuns:
    """Stored runs of a lesson, and of the second training that follows where the lesson compresses the students."""

    store: Store
    first: FamilyRuns
    compression: Compression | None
    second: Mapping[str, Run | None]  # by the id of the completed first run

    @property
    def is_complete(self) -> bool:
        """Whether every run has ended."""
        return self.first.is_complete and all(
            run is not None and run.state == COMPLETED for run in self.second.values()
        )

    @property
    def done(self) -> int:
        """Number of completed runs."""
        return self._first_done + self._second_done

    @property
    def fraction_done(self) -> float:
        """Fraction of the jobs that are complete, of which one trains all seeds of a family."""
        whole = sum(len(tests) == len(self.first.seeds) for tests in self.first.tests.values())
        return (whole + self._second_done) / self.job_count

    @property
    def job_count(self) -> int:
        """Number of jobs in all."""
        return len(self.first.families) + (self.first.count if self.compression else 0)

    @property
    def _first_done(self) -> int:
        return sum(len(tests) for tests in self.first.tests.values())

    @property
    def _second_done(self) -> int:
        return sum(run is not None and run.state == COMPLETED for run in self.second.values())

    @property
    def runs(self) -> list[Run]:
        """The completed runs."""
        return [*_completed(self.first), *(run for run in self.second.values() if run and run.state == COMPLETED)]

    @property
    def jobs(self) -> list[str]:
        """The sweeps and runs that are queued, train or are paused."""
        return [*self.first.jobs, *(run.id for run in self.second.values() if run is not None and run.state in ACTIVE)]

    @property
    def failed(self) -> int:
        """Number of failed runs."""
        return self.first.failed + sum(run is not None and run.state == FAILED for run in self.second.values())

    @property
    def is_second_due(self) -> bool:
        """Whether the second training can start and has not been started."""
        return self.first.is_complete and any(run is None for run in self.second.values())

    def queue(self, start_sweep: Callable[[Sweep], str], start: Callable[[RunConfig], str]) -> None:
        """Queue what is missing and can be trained now. Raises ValueError and what the functions raise."""
        for sweep in self.first.sweeps():
            start_sweep(sweep)
        if self.compression is None or not self.first.is_complete:
            return
        for run in _completed(self.first):
            second = self.second[run.id]
            if second is None or second.state not in (*ACTIVE, COMPLETED):
                unpruned = open_unpruned(self.store, run, "student")
                source = unpruned.store_weights()
                config = second_run(unpruned, source, self.compression.fraction, self.compression.kind)
                same = chain.find_same(self.store, config)
                is_stored = same is not None and same.state in (*ACTIVE, COMPLETED)
                name = same.id if is_stored and same is not None else start(config)
                _cache(self.store, run.id).put(_key(self.compression), name)

    def tests(self, *, is_beside_training: bool = False) -> Tests:
        """Return the test metrics of the completed runs by family and seed, with those of compressed networks.

        Raises ImportError and ValueError where a network cannot be compressed.
        """
        tests = self.first.tests
        if self.compression is None:
            return tests
        pairs, places = [], []
        for family, runs in self.first.runs.items():
            for run in runs:
                second = self.second.get(run.id)
                if second is not None and second.state == COMPLETED:
                    pairs.append((open_unpruned(self.store, run, "student"), second))
                    places.append((family, run.seed))
        every = chain.stage_accuracies(
            self.store, pairs, self.compression.fraction, self.compression.kind, is_beside_training=is_beside_training
        )
        for (family, seed), stages in zip(places, every, strict=True):
            extra = {role: {"accuracy": accuracy} for role, accuracy in stages.items()}
            tests[family][seed] = {**tests[family][seed], **extra}
        return tests


def stored_lesson_runs(store: Store, lesson: Lesson, first_seed: int) -> LessonRuns:
    """Return the stored runs of a learner whose first seed this is. Raises ValueError without the data or a network."""
    first = stored_family_runs(store, lesson.families, lesson.seed_numbers(first_seed))
    second: dict[str, Run | None] = {}
    for run in _completed(first) if lesson.compression else []:
        name = _cache(store, run.id).get(_key(lesson.compression))
        second[run.id] = store.run(str(name)) if name else None
    return LessonRuns(store, first, lesson.compression, second)


def missing_sentence(lesson: Lesson) -> str:
    """Return what has to be installed for a lesson; "" for nothing."""
    if lesson.compression is None:
        return ""
    packages = PACKAGES if lesson.compression.kind == CHANNELS else ONNX_PACKAGES
    return missing_packages("This lesson", packages, '"distillery-lab[compress]"')


def _completed(runs: FamilyRuns) -> list[Run]:
    return [run for every in runs.runs.values() for run in every if run.state == COMPLETED and run.test]


def _cache(store: Store, run: str) -> MeasurementCache:
    return MeasurementCache(artefact_folder(store.path.parent, "runs", run) / FILE)


def _key(compression: Compression | None) -> str:
    assert compression is not None
    return f"second run of {compression.fraction:g} {compression.kind}"
