"""Trainer of stacked runs, which differ only in seeds and numbers.

    for number, event in StackedTrainer(configs):
        print(number, event)

What several runs share is computed once: teachers, and baselines of the same seed. The events of each run are those of
its own :class:`~kd_core.training.loop.Trainer` up to rounding, without the single steps, and with pinned examples and
decision surfaces only in the first and last evaluation of a phase.
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
from kd_core.training.loop import CHECKPOINT_VERSION, PhaseCache, check_version
from kd_core.training.vectorized.compilation import AUTO
from kd_core.training.vectorized.multi_run.compatibility import split_phases, stack_incompatibility
from kd_core.training.vectorized.multi_run.evaluation import StackEvaluator, StackTester
from kd_core.training.vectorized.multi_run.phase import StackedPhase
from kd_core.training.vectorized.multi_run.teachers import SharedTeachers

__all__ = ["StackedTrainer", "stack_incompatibility"]


class StackedTrainer:
    """Iterable that trains several runs as one and yields (position in ``configs``, event).

    A run whose numbers overflow fails, and the others go on. Raises ValueError for runs that cannot be stacked; see
    :func:`~kd_core.training.vectorized.multi_run.compatibility.stack_incompatibility`.

    Args:
        configs: The runs.
        device: Where to train; by default as the first configuration says.
        cache: The ``cache`` of :class:`~kd_core.training.loop.Trainer`.
        resume: Checkpoint to go on from.
        compiling: As in :class:`~kd_core.training.vectorized.step.VectorizedStep`.
    """

    def __init__(
        self,
        configs: Sequence[RunConfig],
        *,
        device: str | None = None,
        cache: PhaseCache | None = None,
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
        self.teachers = SharedTeachers(configs, self.plans, self.device, {} if cache is None else cache)
        self._is_stopping, self._is_over = False, False
        self._pending: deque[tuple[int, Event]] = deque()
        self._teacher_training, self._are_teachers_trained = self._train_teachers(), False
        self._teacher_events, self._yielded_before = 0, 0  # so far, and before the checkpoint that this resumes from
        self._flops: dict[str, float] = {}  # of a forward pass of one example, by role
        self._stacks: list[StackedPhase] = []  # of the phases so far
        self._evaluator: StackEvaluator | None = None  # of the last of them
        self._last_finite: dict[str, torch.Tensor] = {}  # its tensors at the last evaluation
        self._pinned: dict[int, list[int]] = {}
        self._alive = list(range(len(configs)))  # runs that are not finished
        self._failed_weights: dict[int, dict[str, dict[str, torch.Tensor]]] = {}  # by run and role
        self._tester = StackTester(self.data, configs[0].labels.omitted)
        if resume is not None:
            self._restore(resume)

    # -- between two events ------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """End every run before the next step. The networks are evaluated: a stopped run is a valid run."""
        self._is_stopping = True
        self.teachers.stop()

    @property
    def position(self) -> tuple[int, int]:
        """Steps of students done, and in all; a step of the stack counts once for every run."""
        steps = sum(phase.recipe.epochs * steps_per_epoch(phase, self.data) for phase in self.phases)
        return len(self.configs) * sum(stack.done for stack in self._stacks), len(self.configs) * steps

    @property
    def has_pending_events(self) -> bool:
        """Whether the next event is ready, without further computation."""
        return bool(self._pending)

    @property
    def seconds(self) -> float:
        """Seconds spent compiling so far."""
        return sum(stack.step.seconds for stack in self._stacks)

    def networks(self, number: int) -> dict[str, nn.Module]:
        """Return copies of the networks of a run by role, as they are now or as they were when it failed."""
        networks = dict(self.teachers.networks[number])
        for role, (stack, row) in self._rows_by_role(number).items():
            network = copy.deepcopy(stack.network)
            network.load_state_dict(self._failed_weights.get(number, {}).get(role) or stack.step.network_state(row))
            networks[role] = freeze(network)
        return networks

    def checkpoint(self) -> Checkpoint:
        """Return all that is needed to go on from here with the numbers of an uninterrupted run.

        Until the teachers are trained that is only the number of events yielded: they are trained again or found in
        the cache.
        """
        configs = [config.to_json() for config in self.configs]
        state = Checkpoint(values={"version": CHECKPOINT_VERSION, "configs": configs})
        if not self._are_teachers_trained:
            state.values["said"] = max(self._teacher_events - len(self._pending), self._yielded_before)
            return state
        state.values |= {
            "done": [stack.done for stack in self._stacks],
            "pinned": [[number, rows] for number, rows in self._pinned.items()],
            "alive": self._alive,
            "is_over": self._is_over,
            "costs": self._flops,
            "pending": [[number, events.to_json(event)] for number, event in self._pending],
        }
        self.teachers.save_state(state)
        for number, stack in enumerate(self._stacks):
            state.put(f"cohort {number}", stack.step.tensors())
        return state

    # -- the loop ----------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[tuple[int, Event]]:
        while True:
            # Emptied first, because a checkpoint holds the pending events with the state after them.
            while self._pending:
                yield self._pending.popleft()
            if self._is_over:
                return
            if self._are_teachers_trained:
                with limit_threads(self._forward_flops):
                    self._advance()
            else:
                self._are_teachers_trained = next(self._teacher_training, True)

    @property
    def _forward_flops(self) -> float:
        """Floating-point operations of a forward pass of one replica, so that a stack gets the threads of one run.

        With more threads it is faster on an idle machine, and several times slower beside a busy process.
        """
        if not self._stacks:
            return 0.0
        phase = self._stacks[-1].phase
        return phase.recipe.batch_size * self._flops[phase.learners[0].role]

    def _advance(self) -> None:
        """Begin a phase, train an epoch of it, or end the runs."""
        is_phase_done = bool(self._stacks) and self._stacks[-1].done == self._stacks[-1].steps
        is_completed = is_phase_done and len(self._stacks) == len(self.phases)
        if self._is_stopping or not self._alive or is_completed:
            self._finish("stopped" if self._is_stopping and not is_completed else "completed", self._alive)
            self._is_over = True
        elif is_phase_done or not self._stacks:
            self._enter()
            self._evaluate()
        else:
            self._train_epoch(self._stacks[-1])

    def _train_teachers(self) -> Iterator[bool]:
        """Queue the events of the teachers, yielding False after each."""
        for runs, event in self.teachers.train():
            if isinstance(event, Prepared):
                self._flops = {network.role: float(network.flops) for network in event.networks}
            if isinstance(event, Finished):
                self._alive = [run for run in self._alive if run not in runs]
            already_yielded = max(0, self._yielded_before - self._teacher_events)
            self._pending.extend([(run, event) for run in runs][already_yielded:])
            self._teacher_events += len(runs)
            yield False

    def _enter(self) -> None:
        """Begin the next phase."""
        before = self._stacks[-1] if self._stacks else None
        stack = StackedPhase(
            self.configs, self.plans, len(self.teachers.phases) + len(self._stacks), self.data, self.device,
            teachers=self.teachers.networks, before=before, compiling=self.compiling,
        )  # fmt: skip
        self._stacks.append(stack)
        self._evaluator = None

    def _train_epoch(self, stack: StackedPhase) -> None:
        epoch, done_in_epoch = divmod(stack.done, stack.steps_per_epoch)
        batches = stack.batches(epoch)
        if not epoch and not done_in_epoch:
            stack.step.plan(batches, stack.phase.recipe.epochs, self._flops[stack.phase.learners[0].role])
        stack.step.swap()
        for number in range(done_in_epoch, len(batches)):
            if self._is_stopping:
                return
            stack.step(batches[number], stack.rate_factor())
        self._fail({row for row, is_finite in enumerate(stack.step.finite()) if not is_finite}, "the loss")
        if stack.is_evaluation_due() and self._alive:
            self._evaluate()

    def _evaluate(self) -> None:
        stack = self._stacks[-1]
        if self._evaluator is None:
            self._evaluator = StackEvaluator(stack, self.data, self._pinned, self._alive)
        by_run, broken_rows = self._evaluator.evaluate(self._alive, is_full=stack.done in {0, stack.steps})
        self._pending.extend((run, event) for run, run_events in by_run.items() for event in run_events)
        self._fail(broken_rows, "a logit on the validation set")
        self._last_finite = {name: value.clone() for name, value in stack.step.tensors().items()}

    def _fail(self, broken_rows: set[int], part: str) -> None:
        """End the runs that have one of these rows, with all of their networks as at the last evaluation."""
        stack = self._stacks[-1]
        failed_role = {
            run: role for run in self._alive for role, row in self._rows(run, stack).items() if row in broken_rows
        }
        if not failed_role:
            return
        name, step = stack.phase.name, stack.done
        for run, role in failed_role.items():
            message = (
                f"{part} of the {role} is not finite at step {step} of the phase “{name}”; "
                "the weights of the last evaluation before it are kept."
            )
            self._pending.append((run, Failed(name, step, role, part, message)))
        now = {name: value.clone() for name, value in stack.step.tensors().items()}
        stack.step.load(self._last_finite or now, step)
        for run in failed_role:
            rows = self._rows_by_role(run)
            self._failed_weights[run] = {
                role: role_stack.step.network_state(row) for role, (role_stack, row) in rows.items()
            }
        self._finish("failed", list(failed_role))
        stack.step.load(now, step)

    def _finish(self, outcome: str, runs: Sequence[int]) -> None:
        """End some runs. This is the only place where the test split is read."""
        self._tester.forget()
        name = self.phases[max(0, len(self._stacks) - 1)].name
        step = self._stacks[-1].done if self._stacks else 0
        for run in runs:
            test = self._tester.metrics(self.teachers.networks[run], self._rows_by_role(run))
            accuracy = {role: metrics["accuracy"] for role, metrics in test.items()}
            self._pending.append((run, Finished(outcome, name, step, accuracy, test)))
        self._alive = [run for run in self._alive if run not in set(runs)]

    def _rows(self, run: int, stack: StackedPhase) -> dict[str, int]:
        return {learner.role: stack.rows[run, learner.role] for learner in stack.phase.learners}

    def _rows_by_role(self, run: int) -> dict[str, tuple[StackedPhase, int]]:
        """Return where the networks of a run are, in the last phase in which each of them was trained."""
        return {role: (stack, row) for stack in self._stacks for role, row in self._rows(run, stack).items()}

    def _restore(self, state: Checkpoint) -> None:
        values = state.values
        check_version(state)
        if values["configs"] != [config.to_json() for config in self.configs]:
            raise ValueError("This checkpoint belongs to other runs: resume it with those that it was taken of.")
        if "said" in values:
            self._yielded_before = values["said"]
            return
        self._are_teachers_trained, self._is_over = True, values["is_over"]
        self._alive, self._flops = list(values["alive"]), dict(values["costs"])
        self._pinned = dict(map(tuple, values["pinned"]))
        self._pending.extend((number, events.from_json(text)) for number, text in values["pending"])
        self.teachers.load_state(state)
        for number, done in enumerate(values["done"]):
            self._enter()
            self._stacks[-1].step.load(state.get(f"cohort {number}"), done)
        if self._stacks:
            self._last_finite = {name: value.clone() for name, value in self._stacks[-1].step.tensors().items()}
