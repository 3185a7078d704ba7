"""One phase of one run or several, with networks trained side by side on the same batches."""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import torch
from torch import Tensor, nn

from kd_core.base.events import Event, Restored, Skipped, Step, Validated
from kd_core.base.seeds import use_seed
from kd_core.config.augmentation import Augmentation
from kd_core.config.compute import Compute
from kd_core.config.plan import TEACHER, LearnerPlan, PhasePlan, build, pairs_of, steps_per_epoch, steps_per_evaluation
from kd_core.config.recipe import BEST
from kd_core.datasets import Data
from kd_core.files.checkpoint import Checkpoint
from kd_core.nn import weights
from kd_core.nn.inference import can_predict, freeze, predict_logits
from kd_core.training.data import BatchSampler, build_examples
from kd_core.training.dry_run import is_target_reached, largest_batch
from kd_core.training.evaluation import BestWeights, Evaluator, TensorCopies, all_finite, generated
from kd_core.training.learner import (
    FrozenTeacher,
    NetworkTrainer,
    NotFiniteError,
    build_criteria,
    live_method,
    visible_rows,
)
from kd_core.training.plain import PlainSteps, StepResult, loss_values
from kd_core.training.vectorized.compilation import AUTO, NEVER
from kd_core.training.vectorized.fast_steps import FastSteps, is_fast, wants_compiled


@dataclass(frozen=True)
class Member:
    """A run in a phase, with its plan of the phase and of all phases, and the state before the phase.

    ``networks`` by role are those of earlier phases, ``live`` the live options in force, and ``pinned`` the validation
    examples that an earlier phase has chosen to follow.
    """

    phase: PhasePlan
    phases: Sequence[PhasePlan]
    networks: Mapping[str, nn.Module]
    live: Mapping[str, float]
    pinned: list[int]


class PhaseTrainer:
    """Trainer of the networks of one phase, of a single run or of several that differ in seeds and numbers.

    Networks of several runs that would become the same are trained once.

    Args:
        members: The runs by number.
        data: The three splits.
        device: Where to train.
        augmentation: Changes of the inputs at every step.
        compute: Precision, memory layout and compilation.
        flops: Floating-point operations of the forward pass of one example, by role.
        compiling: As in :class:`~kd_core.training.vectorized.step.VectorizedStep`, for several runs; a single one has
            an option for it.
    """

    def __init__(
        self,
        members: Mapping[int, Member],
        data: Data,
        device: torch.device,
        *,
        augmentation: Augmentation,
        compute: Compute,
        flops: Mapping[str, float],
        compiling: str,
    ) -> None:
        self.members, self.phase = members, next(iter(members.values())).phase
        self.data, self.device, self.compute = data, device, compute
        self.steps_per_epoch = steps_per_epoch(self.phase, data)
        self.steps = self.phase.recipe.epochs * self.steps_per_epoch
        self.evaluation_interval = 1 if self.phase.until else steps_per_evaluation(self.phase, data)
        self.should_stop = False  # early: the target is reached, or the patience is exhausted
        subsets = dict.fromkeys(member.phase.view for member in members.values())
        self._examples = build_examples(subsets, data, device, augmentation, channels_last=compute.channels_last)
        self.scaler = compute.scaler(device)
        self.trainers: list[NetworkTrainer] = []
        self._by_run: dict[int, dict[str, NetworkTrainer]] = {}  # and role
        self._build_trainers()
        # Whether all runs have the same networks: that of a single run is then trained as ever.
        self.is_single = len(self.trainers) == len(self.phase.learners)
        teachers = {run: pair for run, member in members.items() if (pair := _reference(member))}
        has_teacher = any(learner.teachers for learner in self.phase.learners)
        pinned = {run: member.pinned for run, member in members.items() if has_teacher or member.pinned}
        self._evaluator = Evaluator(self.phase.name, data, device, teachers, pinned)
        self.best = {trainer.role: BestWeights() for trainer in self.trainers}
        self._single_steps_until = 0  # up to there steps are checked one by one, since one of them is not finite
        operations = flops[self.trainers[0].role]
        self.fast: FastSteps | None = None
        if not self.is_single or is_fast(self.phase, self.trainers, operations):
            if self.is_single:
                compiling = AUTO if wants_compiled(self.phase, compute) else NEVER
            self.fast = FastSteps(self.phase, self.trainers, operations, compiling=compiling, is_single=self.is_single)
        self.path = self.fast or PlainSteps(self.phase, self.trainers, self.steps_per_epoch, self.scaler)
        self._last_finite: TensorCopies | None = None  # of the evaluated networks, at the last evaluation

    def _build_trainers(self) -> None:
        """Build the trainers of all distinct networks, with their losses and batches."""
        by_key: dict[object, NetworkTrainer] = {}
        first_runs: dict[NetworkTrainer, int] = {}
        for run, member in self.members.items():
            by_role = self._by_run[run] = {}
            for learner in member.phase.learners:
                key = learner.role if len(self.members) == 1 else _key(learner, member)
                if key not in by_key:
                    by_key[key] = self._build_trainer(learner, member, by_role)
                    first_runs[by_key[key]] = run
                by_role[learner.role] = by_key[key]
        self.trainers = [*first_runs]
        frozen: dict[object, FrozenTeacher] = {}
        for trainer, run in first_runs.items():
            member = self.members[run]
            teachers: dict[str, nn.Module | NetworkTrainer] = {**member.networks, **self._by_run[run]}
            trainer.set_criteria(build_criteria(trainer, member.phases, self.data, teachers, frozen))
            trainer.networks = {**member.networks, **{one: other.network for one, other in self._by_run[run].items()}}
            trainer.set_live_options(member.live)
        samplers: dict[object, BatchSampler] = {}
        for trainer, run in first_runs.items():
            phase = self.members[run].phase
            key = (phase.view, phase.order_seed, trainer.learner.sees)
            if key not in samplers:
                samplers[key] = BatchSampler(
                    trainer.examples,
                    visible_rows(trainer),
                    seed=phase.order_seed,
                    size=phase.recipe.batch_size,
                    steps_per_epoch=self.steps_per_epoch,
                )
            trainer.sampler = samplers[key]

    def _build_trainer(
        self, learner: LearnerPlan, member: Member, before: Mapping[str, NetworkTrainer]
    ) -> NetworkTrainer:
        """Return the trainer of a new network; ``before`` are those of its run so far by role."""
        with use_seed(learner.seed, "weights"):
            network = build(learner, member.phases, self.data)
        if learner.uploaded:
            network.load_state_dict(weights.load(learner.uploaded))
        if learner.begins_with:
            network.load_state_dict(member.networks[learner.begins_with].state_dict())
        if learner.method is not None and learner.teachers and learner.teachers[0] in member.networks:
            learner.method.initialise_student(
                pairs_of(learner, member.phases, self.data)[0], network, member.networks[learner.teachers[0]]
            )
        network = self.compute.placed(network, self.device)
        if learner.trunk[0]:
            role, layer = learner.trunk
            network.trunk, _ = before[role].learner.model.split(before[role].network, layer)
        others: set[Tensor] = {p for trainer in before.values() for p in trainer.network.parameters()}
        examples = self._examples[member.phase.view]
        trainer = NetworkTrainer(learner, network, member.phase.recipe, examples, others=others, compute=self.compute)
        if learner.average_of:
            trainer.set_source(before[learner.average_of])
        return trainer

    @property
    def pinned(self) -> Mapping[int, list[int]]:
        """Positions of the validation examples that are followed, by run."""
        return self._evaluator.pinned

    def networks_of(self, run: int) -> dict[str, nn.Module]:
        """Return the networks of a run by role, as they are evaluated and kept."""
        return {role: trainer.evaluated_network for role, trainer in self._by_run[run].items()}

    def set_live_options(self, live: Mapping[str, float]) -> None:
        """Apply live options from the next step on."""
        for trainer in self.trainers:
            trainer.set_live_options(live)

    # -- steps -------------------------------------------------------------------------------------------------------

    def train_steps(self, done: int, max_steps: int = 1) -> tuple[int, list[Step | Skipped]]:
        """Take at most ``max_steps`` steps after ``done`` others, all within one epoch; return count and events.

        Several steps of a single run are taken before their losses are read from the device. If one of them is not
        finite, they are undone and taken again one by one. Raises NotFiniteError, and then no weight has changed.
        Steps of several runs have no events and are not undone, since the other runs go on; see :meth:`broken`.
        """
        if not self.is_single:
            self.path.take(done, max_steps)
            return max_steps, []
        count = 1 if done < self._single_steps_until or not done or self.scaler.is_enabled() else max(1, max_steps)
        before = TensorCopies(self.path.state_tensors())
        try:
            events = self._step_events(done, *self.path.take(done, count))
            self._check_finite()
        except (NotFiniteError, torch.OutOfMemoryError):
            before.restore()
            if count == 1:
                raise
            self._single_steps_until = done + count
            return self.train_steps(done)
        return count, events

    def broken(self, done: int) -> dict[int, NotFiniteError]:
        """Return which of several runs had a loss that is not finite in the epoch that ends after ``done`` steps."""
        if self.is_single or self.fast is None or done % self.steps_per_epoch:
            return {}
        return self._runs_with(self.fast.broken(), "the loss")

    def _runs_with(self, broken: Collection[NetworkTrainer], part: str) -> dict[int, NotFiniteError]:
        return {
            run: NotFiniteError(role, part)
            for run, by_role in self._by_run.items()
            for role, trainer in by_role.items()
            if trainer in broken
        }

    def _check_finite(self) -> None:
        """Raise NotFiniteError if a step has led to weights that are not finite."""
        if all_finite(self.path.state_tensors()):
            return
        broken = (trainer.role for trainer in self.trainers if not all_finite([*trainer.modules.state_dict().values()]))
        raise NotFiniteError(next(broken, self.trainers[0].role), "the gradient")

    def _step_events(self, done: int, results: list[StepResult], values: list[float]) -> list[Step | Skipped]:
        """Return the events of the steps after ``done`` others. Raises NotFiniteError."""
        remaining = iter(values)
        events: list[Step | Skipped] = []
        for step, result in enumerate(results, start=done):
            losses = {
                role: loss_values(role, parts, list(islice(remaining, len(parts))))
                for role, parts in result.parts.items()
            }
            events.append(
                Step(
                    self.phase.name,
                    step + 1,
                    step // self.steps_per_epoch + 1,
                    {role: parts for role, (parts, _) in losses.items()},
                    {role: total for role, (_, total) in losses.items()},
                    result.rate,
                )
            )
            if result.skipped_scale:
                events.append(Skipped(self.phase.name, step + 1, result.skipped_scale))
        return events

    # -- evaluation --------------------------------------------------------------------------------------------------

    def is_evaluation_due(self, done: int) -> bool:
        """Return whether an evaluation follows step ``done``, after every epoch or every few of a long phase."""
        return done == self.steps or done % self.evaluation_interval == 0

    def evaluate(
        self, done: int, runs: Collection[int], *, is_brief: bool = False
    ) -> tuple[list[tuple[list[int], list[Event]]], dict[int, NotFiniteError]]:
        """Evaluate after ``done`` steps, and decide whether the phase ends early.

        Args:
            done: Steps taken.
            runs: Those to evaluate.
            is_brief: Whether details are left out within the phase.

        Returns:
            Pairs of runs and their events, and errors of the runs that have none, since a logit is not finite.
        """
        position = (done, done // self.steps_per_epoch)
        logits = self._predict_logits()
        is_finite = {network: math.isfinite(network_logits.sum().item()) for network, network_logits in logits.items()}
        broken = self._runs_with(
            [trainer for trainer in self.trainers if not is_finite.get(trainer.evaluated_network, True)],
            "a logit on the validation set",
        )
        finite = [run for run in runs if run not in broken]
        networks = {run: self.networks_of(run) for run in (finite[:1] if self.is_single else finite)}
        validated = self._evaluator.validate(*position, networks, logits)
        if self.is_single and validated:
            self._consider_stopping(done, *validated.values())
        is_over = done == self.steps or self.should_stop
        if is_over:  # stored where the phase ends, since they are large
            for run, by_role in networks.items():
                validated[run] = replace(validated[run], correct=self._evaluator.correct(by_role, logits))
        events: dict[int, list[Event]] = {run: [event] for run, event in validated.items()}
        if not is_brief or is_over or not done:
            for run, details in self._evaluator.details(*position, networks, logits).items():
                events[run] += details
            for run in finite[:1]:
                events[run] += generated((self.phase.name, *position), self.trainers, self.data)
        pairs = [(finite, events[finite[0]])] if self.is_single and finite else [([run], events[run]) for run in finite]
        return pairs, {run: broken[run] for run in runs if run in broken}

    def _predict_logits(self) -> dict[nn.Module, Tensor]:
        """Return logits (rows, K) of the validation split by network, of a single run one network at a time."""
        inputs, rows = self._evaluator.inputs, self._evaluator.rows
        if self.fast is not None and not self.is_single:
            return self.fast.predict_logits(inputs)
        networks = [trainer.evaluated_network for trainer in self.trainers]
        present = [network for network in networks if can_predict(network, inputs)]
        return {network: rows(predict_logits(network, inputs).cpu()) for network in present}

    def _consider_stopping(self, done: int, validated: Validated) -> None:
        """Note the weights of a run if they are the best so far, and decide whether the phase ends early."""
        recipe = self.phase.recipe
        if done and (recipe.patience or recipe.keep == BEST):
            epoch = -(-done // self.steps_per_epoch)
            for trainer in self.trainers:
                # Networks that share layers are restored together, by the accuracy of the owner of these layers.
                accuracy = validated.accuracy[trainer.learner.trunk[0] or trainer.role]
                self.best[trainer.role].update(accuracy, done, epoch, trainer.evaluated_network)
        is_patience_exhausted = bool(recipe.patience) and all(
            best.evaluations_since >= recipe.patience for best in self.best.values()
        )
        self.should_stop = is_patience_exhausted or is_target_reached(self.phase, validated)

    def copy_finite_weights(self) -> None:
        """Remember the present weights, all of whose logits are finite."""
        if self._last_finite is None:
            self._last_finite = TensorCopies(self.path.evaluated_tensors())
        else:
            self._last_finite.take()

    def restore_finite_weights(self, runs: Iterable[int]) -> tuple[str, dict[int, dict[str, nn.Module]]]:
        """After a NotFiniteError, return a clause that says which weights of these runs are kept, and copies of them.

        They are the last ones whose logits are finite. Other runs train on.
        """
        logits = self._predict_logits() if self.is_single else {}
        if self._last_finite is None or (logits and all(values.isfinite().all() for values in logits.values())):
            return "the weights before it are kept", {run: self.networks_of(run) for run in runs}
        present = TensorCopies(self.path.evaluated_tensors())
        self._last_finite.restore()
        copies = {
            run: {role: copy.deepcopy(network) for role, network in self.networks_of(run).items()} for run in runs
        }
        present.restore()
        return "the weights of the last evaluation before it are kept", copies

    def largest_batch_size(self) -> int:
        """After an out-of-memory error, return the largest batch size that fits; 0 if none does."""
        return largest_batch(self.trainers, self.phase.recipe.batch_size // 2)

    def finish(self, done: int) -> list[Event]:
        """End the phase after ``done`` steps, and freeze. Return events if the best weights are restored."""
        events: list[Event] = []
        restored = {role: best.epoch for role, best in self.best.items() if best.weights and best.step != done}
        if self.phase.recipe.keep == BEST and restored:
            run = next(iter(self.members))
            networks = self.networks_of(run)
            for role in restored:
                networks[role].load_state_dict(self.best[role].weights)
            position, logits = (done, -(-done // self.steps_per_epoch)), self._predict_logits()
            validated = self._evaluator.validate(*position, {run: networks}, logits)[run]
            validated = replace(validated, correct=self._evaluator.correct(networks, logits))
            details = self._evaluator.details(*position, {run: networks}, logits)[run]
            events = [Restored(self.phase.name, done, restored), validated, *details]
        if self.fast is not None:
            self.fast.finish()
        for trainer in self.trainers:
            freeze(trainer.evaluated_network)
        return events

    # -- checkpoints -------------------------------------------------------------------------------------------------

    def save_state(self, state: Checkpoint) -> None:
        """Put everything that changes during the phase into a checkpoint."""
        self.path.save_state(state)
        state.values["should_stop"] = self.should_stop
        state.values["best"] = {
            role: [best.accuracy, best.step, best.epoch, best.evaluations_since] for role, best in self.best.items()
        }
        for role, best in self.best.items():
            state.put(f"best/{role}", best.weights)

    def load_state(self, state: Checkpoint, done: int) -> None:
        """Load what :meth:`save_state` stored after ``done`` steps."""
        self.path.load_state(state, done)
        self.should_stop = state.values["should_stop"]
        for role, (accuracy, step, epoch, evaluations_since) in state.values["best"].items():
            self.best[role] = BestWeights(accuracy, step, epoch, evaluations_since, state.get(f"best/{role}"))
        self.copy_finite_weights()


def _key(learner: LearnerPlan, member: Member) -> object:
    """Return what learners of different runs have in common if they become the same network."""
    method = live_method(learner, learner.method, member.live) if learner.method and learner.teachers else None
    before = [id(member.networks[role]) for role in (*learner.teachers, learner.begins_with) if role]
    rate = member.live.get("learning_rate")
    return replace(learner, method=method), tuple(before), member.phase.view, member.phase.order_seed, rate


def _reference(member: Member) -> tuple[str, nn.Module] | None:
    """Return role and network of the teacher that the networks of a run are compared with, if it is trained."""
    several_teachers = [learner.teachers for learner in member.phase.learners if learner.teachers]
    roles = [TEACHER if len(teachers) > 1 else teachers[0] for teachers in several_teachers]
    return next(((role, member.networks[role]) for role in roles if role in member.networks), None)
