"""Many students at once: runs that differ only in seeds and numbers are trained as one stacked network.

    for number, event in Stacked(configs):
        print(number, event)

What several runs share is computed once: teachers, baselines of the same seed. The events of each run are those of its
own :class:`~kd_core.training.loop.Trainer` but for rounding, without the single steps, and with the pinned examples
and the plane at the first and the last look of a phase only.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterator, Sequence

import torch
from torch import nn

from kd_core.base import devices, events
from kd_core.base.devices import limit_threads
from kd_core.base.events import Event, Failed, Finished, Prepared
from kd_core.config.plan import steps_per_epoch
from kd_core.config.run import RunConfig
from kd_core.datasets import load
from kd_core.files.checkpoint import Checkpoint
from kd_core.nn.inference import freeze
from kd_core.schemes import plan_of
from kd_core.training.loop import PhaseCache
from kd_core.training.vectorized.compilation import AUTO
from kd_core.training.vectorized.multi_run.compatibility import split_phases, stack_incompatibility
from kd_core.training.vectorized.multi_run.evaluation import StackEvaluator, StackTester
from kd_core.training.vectorized.multi_run.phase import StackedPhase
from kd_core.training.vectorized.multi_run.teachers import SharedTeachers

__all__ = ["StackedTrainer", "stack_incompatibility"]


class StackedTrainer:
    """Trains ``configs`` as one and yields (position in ``configs``, event). Raises ValueError where they do not fit
    together; see :func:`~kd_core.training.vectorized.multi_run.compatibility.stack_incompatibility`.

    ``kept`` and ``resume`` are those of :class:`~kd_core.training.loop.Trainer`; ``compiling`` those of
    :class:`~kd_core.training.vectorized.step.VectorizedStep`. Where numbers overflow, that run fails and the others
    go on.
    """

    def __init__(
        self,
        configs: Sequence[RunConfig],
        *,
        device: str | None = None,
        kept: PhaseCache | None = None,
        resume: Checkpoint | None = None,
        compiling: str = AUTO,
    ) -> None:
        if clause := stack_incompatibility(configs):
            raise ValueError(f"These runs cannot be trained together: {clause}. Train them one after the other.")
        self.configs, self.compiling = list(configs), compiling
        self.device = torch.device(device or devices.resolve(configs[0].compute.device))
        self.data = load(configs[0].dataset)
        self.plans = [plan_of(config) for config in configs]
        self.phases = split_phases(self.plans[0])[1]  # of the students
        self.teachers = SharedTeachers(configs, self.plans, self.device, {} if kept is None else kept)
        self._is_stopping, self._is_over = False, False
        self._pending: deque[tuple[int, Event]] = deque()
        self._teaching, self._are_taught = self._teach(), False
        self._made, self._said_before = 0, 0  # events of the teachers, and those said before a resumption
        self._costs: dict[str, float] = {}  # operations of a forward pass of one example, by role
        self._cohorts: list[StackedPhase] = []  # of the phases so far
        self._looks: StackEvaluator | None = None  # at the last of them
        self._good: dict[str, torch.Tensor] = {}  # its tensors at the last look
        self._pinned: dict[int, list[int]] = {}
        self._alive = list(range(len(configs)))  # runs that are not finished
        self._rescued: dict[int, dict[str, dict[str, torch.Tensor]]] = {}  # the weights of runs that failed
        self._verdicts = StackTester(self.data, configs[0].labels.omitted)
        if resume is not None:
            self._restore(resume)

    # -- between two events ------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Ends every run before the next step. What was learned is judged: a stopped run is a valid run."""
        self._is_stopping = True
        self.teachers.stop()

    @property
    def position(self) -> tuple[int, int]:
        """Steps of students done, and in all: a step of the stack is one of every run."""
        steps = sum(phase.recipe.epochs * steps_per_epoch(phase, self.data) for phase in self.phases)
        return len(self.configs) * sum(cohort.done for cohort in self._cohorts), len(self.configs) * steps

    @property
    def has_pending_events(self) -> bool:
        """More events are ready to be said: nothing will be computed to give the next one."""
        return bool(self._pending)

    @property
    def seconds(self) -> float:
        """Spent compiling so far."""
        return sum(cohort.step.seconds for cohort in self._cohorts)

    def networks(self, number: int) -> dict[str, nn.Module]:
        """Copies of the networks of a run as they are now, by role; of one that failed, as it was judged."""
        found = dict(self.teachers.networks[number])
        for role, (cohort, row) in self._places(number).items():
            network = copy.deepcopy(cohort.network)
            network.load_state_dict(self._rescued.get(number, {}).get(role) or cohort.step.state(row))
            found[role] = freeze(network)
        return found

    def checkpoint(self) -> Checkpoint:
        """All that is needed to go on from here with the same numbers as if never interrupted. Until the teachers are
        trained, that is how much has been said: they are trained again, or found."""
        state = Checkpoint(values={"configs": [config.to_json() for config in self.configs]})
        if not self._are_taught:
            state.values["said"] = max(self._made - len(self._pending), self._said_before)
            return state
        state.values |= {
            "done": [cohort.done for cohort in self._cohorts],
            "pinned": [[number, rows] for number, rows in self._pinned.items()],
            "alive": self._alive,
            "is_over": self._is_over,
            "costs": self._costs,
            "pending": [[number, events.to_json(event)] for number, event in self._pending],
        }
        self.teachers.save_state(state)
        for number, cohort in enumerate(self._cohorts):
            state.put(f"cohort {number}", cohort.step.tensors())
        return state

    # -- the work ----------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[tuple[int, Event]]:
        while True:
            # Emptied first: what was computed but not yet said belongs to the state of this moment.
            while self._pending:
                yield self._pending.popleft()
            if self._is_over:
                return
            if self._are_taught:
                with limit_threads(self._work):
                    self._advance()
            else:
                self._are_taught = next(self._teaching, True)

    @property
    def _work(self) -> float:
        """Floating-point operations of a forward pass of one replica: a stack gets the threads of a single run. With
        more it is faster on an idle machine, and several times slower beside a busy neighbour."""
        if not self._cohorts:
            return 0.0
        cohort = self._cohorts[-1]
        return cohort.phase.recipe.batch_size * self._costs[cohort.phase.learners[0].role]

    def _advance(self) -> None:
        """One unit of work: begin a phase, an epoch of it, or end the runs."""
        is_done = bool(self._cohorts) and self._cohorts[-1].done == self._cohorts[-1].steps
        if self._is_stopping or not self._alive or (is_done and len(self._cohorts) == len(self.phases)):
            is_stopped = self._is_stopping and not (is_done and len(self._cohorts) == len(self.phases))
            self._finish("stopped" if is_stopped else "completed", self._alive)
            self._is_over = True
        elif is_done or not self._cohorts:
            self._enter()
            self._look()
        else:
            self._epoch(self._cohorts[-1])

    def _teach(self) -> Iterator[bool]:
        """The teachers. Yields False as long as there are more events."""
        for runs, event in self.teachers.train():
            if isinstance(event, Prepared):
                self._costs = {network.role: float(network.flops) for network in event.networks}
            if isinstance(event, Finished):
                self._alive = [run for run in self._alive if run not in runs]
            self._pending.extend([(run, event) for run in runs][max(0, self._said_before - self._made) :])
            self._made += len(runs)
            yield False

    def _enter(self) -> None:
        """The next phase."""
        before = self._cohorts[-1] if self._cohorts else None
        cohort = StackedPhase(
            self.configs, self.plans, len(self.teachers.phases) + len(self._cohorts), self.data, self.device,
            teachers=self.teachers.networks, before=before, compiling=self.compiling,
        )  # fmt: skip
        self._cohorts.append(cohort)
        self._looks = None

    def _epoch(self, cohort: StackedPhase) -> None:
        epoch, made = divmod(cohort.done, cohort.steps_per_epoch)
        batches = cohort.batches(epoch)
        if not epoch and not made:
            cohort.step.plan(batches, cohort.phase.recipe.epochs, self._costs[cohort.phase.learners[0].role])
        cohort.step.swap()
        for rows in batches[made:]:
            if self._is_stopping:
                return
            cohort.step(rows, cohort.rate_factor())
        self._fail({row for row, is_finite in enumerate(cohort.step.finite()) if not is_finite}, "the loss")
        if cohort.is_evaluation_due() and self._alive:
            self._look()

    def _look(self) -> None:
        cohort = self._cohorts[-1]
        if self._looks is None:
            self._looks = StackEvaluator(cohort, self.data, self._pinned, self._alive)
        said, broken = self._looks.evaluate(self._alive, is_full=cohort.done in {0, cohort.steps})
        self._pending.extend((number, event) for number, own in said.items() for event in own)
        self._fail(broken, "an answer on the validation split")
        self._good = {name: value.clone() for name, value in cohort.step.tensors().items()}

    def _fail(self, broken: set[int], part: str) -> None:
        """Ends the runs with these rows, all of their networks as they were at the last look."""
        cohort = self._cohorts[-1]
        bad = {run: role for run in self._alive for role, row in self._rows(run, cohort).items() if row in broken}
        if not bad:
            return
        name, step = cohort.phase.name, cohort.done
        for run, role in bad.items():
            message = (
                f"{part} of the {role} is not finite at step {step} of the phase “{name}”; "
                "the weights of the last look before it are kept."
            )
            self._pending.append((run, Failed(name, step, role, part, message)))
        now = {name: value.clone() for name, value in cohort.step.tensors().items()}
        cohort.step.load(self._good or now, step)
        for run in bad:
            self._rescued[run] = {role: own.step.state(row) for role, (own, row) in self._places(run).items()}
        self._finish("failed", list(bad))
        cohort.step.load(now, step)

    def _finish(self, outcome: str, runs: Sequence[int]) -> None:
        """The only place where the test split is touched."""
        self._verdicts.forget()
        for run in runs:
            test = self._verdicts.metrics(self.teachers.networks[run], self._places(run))
            name, step = (
                self.phases[max(0, len(self._cohorts) - 1)].name,
                self._cohorts[-1].done if self._cohorts else 0,
            )
            accuracy = {role: own["accuracy"] for role, own in test.items()}
            self._pending.append((run, Finished(outcome, name, step, accuracy, test)))
        self._alive = [run for run in self._alive if run not in set(runs)]

    def _rows(self, run: int, cohort: StackedPhase) -> dict[str, int]:
        return {own.role: cohort.rows[run, own.role] for own in cohort.phase.learners}

    def _places(self, run: int) -> dict[str, tuple[StackedPhase, int]]:
        """Where the networks of a run are, by role: in the last phase that they learned in."""
        return {role: (cohort, row) for cohort in self._cohorts for role, row in self._rows(run, cohort).items()}

    def _restore(self, state: Checkpoint) -> None:
        values = state.values
        if values["configs"] != [config.to_json() for config in self.configs]:
            raise ValueError("This checkpoint belongs to other runs: resume it with those that it was taken of.")
        if "said" in values:
            self._said_before = values["said"]
            return
        self._are_taught, self._is_over = True, values["is_over"]
        self._alive, self._costs = list(values["alive"]), dict(values["costs"])
        self._pinned = dict(map(tuple, values["pinned"]))
        self._pending.extend((number, events.from_json(text)) for number, text in values["pending"])
        self.teachers.load_state(state)
        for number, done in enumerate(values["done"]):
            self._enter()
            self._cohorts[-1].step.load(state.get(f"cohort {number}"), done)
        if self._cohorts:
            self._good = {name: value.clone() for name, value in self._cohorts[-1].step.tensors().items()}
