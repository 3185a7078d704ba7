"""One phase, with networks trained side by side on the same batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice

import torch
from torch import Tensor, nn

from kd_core.base.events import Event, Restored, Skipped, Step, Switched, Validated
from kd_core.base.seeds import use_seed
from kd_core.config.augmentation import Augmentation
from kd_core.config.compute import Compute
from kd_core.config.plan import TEACHER, LearnerPlan, PhasePlan, build, epochs_per_evaluation, pairs_of, steps_per_epoch
from kd_core.config.recipe import BEST
from kd_core.datasets import Data
from kd_core.files.checkpoint import Checkpoint
from kd_core.nn import weights
from kd_core.nn.inference import freeze, predict_logits
from kd_core.training.data import BatchSampler, Examples
from kd_core.training.dry_run import is_target_reached, largest_batch
from kd_core.training.evaluation import BestWeights, Evaluator, WeightsCopy
from kd_core.training.learner import NetworkTrainer, NotFiniteError, build_criteria, loss_values, visible_rows
from kd_core.training.plain import PlainSteps, StepResult
from kd_core.training.vectorized.fast_steps import FastSteps, is_fast


class PhaseTrainer:
    """Trainer of the networks of one phase.

    Args:
        phase: The plan of the phase.
        data: The three splits.
        device: Where to train.
        phases: All phases of the run.
        networks: Networks of earlier phases by role, the teachers among them.
        live: Live options in force.
        pinned: Validation examples that an earlier phase has chosen to follow.
        augmentation: Changes of the inputs at every step.
        compute: Precision, memory layout and compilation.
        flops: Floating-point operations of the forward pass of one example, by role.
    """

    def __init__(
        self,
        phase: PhasePlan,
        data: Data,
        device: torch.device,
        *,
        phases: Sequence[PhasePlan],
        networks: Mapping[str, nn.Module],
        live: Mapping[str, float],
        pinned: Sequence[int],
        augmentation: Augmentation,
        compute: Compute,
        flops: Mapping[str, float],
    ) -> None:
        self.phase, self.data, self.device, self.compute = phase, data, device, compute
        self.steps_per_epoch = steps_per_epoch(phase, data)
        self.steps = phase.recipe.epochs * self.steps_per_epoch
        self.should_stop = False  # early: the target is reached, or the patience is exhausted
        self.examples = Examples(
            phase.view.apply(data), data, device, augmentation, is_channels_last=compute.channels_last
        )
        self.scaler = compute.scaler(device)
        self.trainers: list[NetworkTrainer] = []
        for learner in phase.learners:
            network = self._initial_network(learner, phases, networks)
            others: set[Tensor] = {p for trainer in self.trainers for p in trainer.network.parameters()}
            self.trainers.append(
                NetworkTrainer(learner, network, phase.recipe, self.examples, others=others, compute=compute)
            )
        teachers: dict[str, nn.Module | NetworkTrainer] = {**networks}
        teachers |= {trainer.role: trainer for trainer in self.trainers}
        for trainer in self.trainers:
            trainer.set_criteria(build_criteria(trainer, phases, data, teachers))
        pools: dict[str, Tensor] = {}
        for trainer in self.trainers:
            pools.setdefault(trainer.learner.sees, visible_rows(trainer))
        self.sampler = BatchSampler(
            self.examples,
            pools,
            seed=phase.order_seed,
            size=phase.recipe.batch_size,
            steps_per_epoch=self.steps_per_epoch,
        )
        if not phase.is_kept:  # a cached phase may depend on nothing but its cache key
            self.set_live_options(live)
        teacher_roles = [learner.teachers for learner in phase.learners if learner.teachers]
        roles = [TEACHER if len(several) > 1 else several[0] for several in teacher_roles]
        reference = next(((role, networks[role]) for role in roles if role in networks), None)
        self._evaluator = Evaluator(phase.name, data, device, reference, pinned if teacher_roles or pinned else None)
        self._last_finite: dict[str, WeightsCopy] = {}  # weights at the last evaluation
        self.best = {trainer.role: BestWeights() for trainer in self.trainers}
        self._single_steps_until = 0  # up to there steps are checked one by one, since one of them is not finite
        operations = flops[self.trainers[0].role]
        self.fast = (
            FastSteps(phase, self.trainers, self.sampler, operations)
            if is_fast(phase, self.trainers, self.sampler, operations)
            else None
        )
        self.path = self.fast or PlainSteps(phase, self.trainers, self.sampler, self.scaler)
        self._was_compiled = False  # when the checkpoint was taken that the phase resumes from

    def _initial_network(
        self, learner: LearnerPlan, phases: Sequence[PhasePlan], networks: Mapping[str, nn.Module]
    ) -> nn.Module:
        with use_seed(learner.seed, "weights"):
            network = build(learner, phases, self.data)
        if learner.uploaded:
            network.load_state_dict(weights.load(learner.uploaded))
        if learner.begins_with:
            network.load_state_dict(networks[learner.begins_with].state_dict())
        if learner.method is not None and learner.teachers and learner.teachers[0] in networks:
            learner.method.initialise_student(
                pairs_of(learner, phases, self.data)[0], network, networks[learner.teachers[0]]
            )
        network = self.compute.placed(network, self.device)
        if learner.trunk[0]:
            role, layer = learner.trunk
            owner = next(trainer for trainer in self.trainers if trainer.role == role)
            network.trunk, _ = owner.learner.model.split(owner.network, layer)
        return network

    @property
    def pinned(self) -> list[int]:
        """Positions of the validation examples that are followed."""
        return self._evaluator.pinned

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks of the phase by role, as they are evaluated and kept."""
        return {trainer.role: trainer.evaluated_network for trainer in self.trainers}

    def set_live_options(self, live: Mapping[str, float]) -> None:
        """Apply live options from the next step on."""
        for trainer in self.trainers:
            trainer.set_live_options(live)

    # -- steps -------------------------------------------------------------------------------------------------------

    def switch_path(self, done: int, switches: Mapping[str, int] | None) -> list[Switched]:
        """Switch between eager and compiled steps if now, after ``done`` steps, is the time.

        ``switches`` are as in :meth:`FastSteps.switch`.
        """
        return self.fast.switch(done, switches, was_on=self._was_compiled) if self.fast is not None else []

    def train_steps(self, done: int, max_steps: int = 1) -> tuple[int, list[Step | Skipped]]:
        """Take at most ``max_steps`` steps after ``done`` others, all within one epoch; return count and events.

        Several steps are taken before their losses are read from the device. If one of them is not finite, they are
        undone and taken again one by one. Raises NotFiniteError, and then no weight has changed.
        """
        count = 1 if done < self._single_steps_until or not done or self.scaler.is_enabled() else max(1, max_steps)
        before = [value.clone() for value in self.path.state_tensors()]
        try:
            events = self._step_events(done, *self.path.take(done, count))
            self._check_finite()
        except (NotFiniteError, torch.OutOfMemoryError):
            with torch.no_grad():
                # Before the first step the optimiser has no state yet.
                for value, old_value in zip(self.path.state_tensors(), before, strict=False):
                    value.copy_(old_value)
            if count == 1:
                raise
            self._single_steps_until = done + count
            return self.train_steps(done)
        return count, events

    def _check_finite(self) -> None:
        """Raise NotFiniteError if a step has led to weights that are not finite."""
        if _is_finite(self.path.state_tensors()):
            return
        broken = (trainer.role for trainer in self.trainers if not _is_finite(trainer.state_tensors()))
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
        interval = 1 if self.phase.until else self.steps_per_epoch * epochs_per_evaluation(self.phase)
        return done == self.steps or done % interval == 0

    def evaluate(self, done: int) -> list[Event]:
        """Evaluate after ``done`` steps, and decide whether the phase ends early. Raises NotFiniteError."""
        events = self._evaluator.evaluate(done, done // self.steps_per_epoch, self.networks)
        validated, recipe = events[0], self.phase.recipe
        assert isinstance(validated, Validated)
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
        self._copy_finite_weights()
        if done != self.steps and not self.should_stop:  # stored where the phase ends, since they are large
            events[0] = replace(validated, correct={})
        return events

    def _copy_finite_weights(self) -> None:
        if not self._last_finite:
            self._last_finite = {role: WeightsCopy(network) for role, network in self.networks.items()}
            return
        for copy in self._last_finite.values():
            copy.take()

    def restore_finite_weights(self) -> str:
        """After a NotFiniteError, restore the last weights with finite logits, and return a clause that says which."""
        if all(predict_logits(network, self._evaluator.inputs).isfinite().all() for network in self.networks.values()):
            return "the weights before it are kept"
        for role, network in self.networks.items():
            network.load_state_dict(self._last_finite[role].weights)
        return "the weights of the last evaluation before it are kept"

    def largest_batch_size(self) -> int:
        """After an out-of-memory error, return the largest batch size that fits; 0 if none does."""
        return largest_batch(self.trainers, self.sampler, self.phase.recipe.batch_size // 2)

    def finish(self, done: int) -> list[Event]:
        """End the phase after ``done`` steps, restore the best weights if they are to be kept, and freeze."""
        epoch, events = -(-done // self.steps_per_epoch), []
        restored = {role: best.epoch for role, best in self.best.items() if best.weights and best.step != done}
        if self.phase.recipe.keep == BEST and restored:
            for role in restored:
                self.networks[role].load_state_dict(self.best[role].weights)
            events = [Restored(self.phase.name, done, restored), *self._evaluator.evaluate(done, epoch, self.networks)]
        if self.fast is not None:
            self.fast.finish()
        for network in self.networks.values():
            freeze(network)
        return events

    # -- checkpoints -------------------------------------------------------------------------------------------------

    def save_state(self, state: Checkpoint) -> None:
        """Put optimisers, adapters, averages and best weights into a checkpoint that holds the networks already."""
        for trainer in self.trainers:
            state.put(f"adaptors/{trainer.role}", trainer.adapter_tensors())
            state.put(f"average/{trainer.role}", trainer.average_tensors())
            state.put(f"best/{trainer.role}", self.best[trainer.role].weights)
        state.values["best"] = {
            role: [best.accuracy, best.step, best.epoch, best.evaluations_since] for role, best in self.best.items()
        }
        state.values["scaler"] = self.scaler.state_dict()
        state.put("steps", self.path.tensors())
        if self.fast is not None:
            state.values["compiled"] = [self.fast.is_on, self.fast.is_over]

    def load_state(self, state: Checkpoint, done: int, should_stop: bool) -> None:
        """Load networks and what :meth:`save_state` stored."""
        for trainer in self.trainers:
            role = trainer.role
            trainer.evaluated_network.load_state_dict(state.get(f"network/{role}"))
            trainer.load_average_tensors(state.get(f"average/{role}"))
            trainer.load_adapter_tensors(state.get(f"adaptors/{role}"))
            accuracy, step, epoch, evaluations_since = state.values.get("best", {}).get(role, (-1.0, 0, 0, 0))
            self.best[role] = BestWeights(accuracy, step, epoch, evaluations_since, state.get(f"best/{role}"))
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(state.values["scaler"])
        self.should_stop = should_stop
        self.path.load(state.get("steps"), done)
        if self.fast is not None:  # where compiled steps were given up, they are not tried again
            self._was_compiled, self.fast.is_over = state.values["compiled"]
        self._copy_finite_weights()


def _is_finite(tensors: Sequence[Tensor]) -> bool:
    norm = nn.utils.get_total_norm([value for value in tensors if value.is_floating_point()])
    return bool(norm.isfinite())
