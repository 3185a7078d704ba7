"""One phase, with networks trained side by side on the same batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

import torch
from torch import Tensor, nn

from kd_core.base.events import Event, Restored, Step, Switched, Validated
from kd_core.base.seeds import use_seed
from kd_core.config.augmentation import Augmentation
from kd_core.config.compute import Compute
from kd_core.config.plan import TEACHER, LearnerPlan, PhasePlan, build, epochs_per_evaluation, pairs_of, steps_per_epoch
from kd_core.config.recipe import BEST
from kd_core.datasets import Data
from kd_core.files.checkpoint import Checkpoint
from kd_core.methods import LossPart
from kd_core.nn import weights
from kd_core.nn.inference import freeze, predict_logits
from kd_core.training.data import BatchSampler, Examples
from kd_core.training.dry_run import is_target_reached, largest_batch
from kd_core.training.evaluation import BestWeights, Evaluator, WeightsCopy
from kd_core.training.learner import NetworkTrainer, NotFiniteError, build_criteria, loss_values, visible_rows
from kd_core.training.optim import rate_factor
from kd_core.training.vectorized.switch import CompiledSteps, compile_incompatibility

_StepResult = tuple[dict[str, list[LossPart]], float]  # loss parts by role, learning rate


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
                NetworkTrainer(
                    learner, network, phase.recipe, self.examples, others=others, compute=compute, scaler=self.scaler
                )
            )
        has_shared_layers = any(learner.trunk[0] for learner in phase.learners)
        teachers: dict[str, nn.Module | NetworkTrainer] = {**networks}
        teachers |= {trainer.role: trainer for trainer in self.trainers}
        for trainer in self.trainers:
            trainer.prepare(build_criteria(trainer, phases, data, teachers), has_shared_layers=has_shared_layers)
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
        self.compiled: CompiledSteps | None = None
        self._is_compilation_decided = False
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

    def switch_path(self, done: int, switches: Mapping[str, int] | None, flops: Mapping[str, float]) -> list[Switched]:
        """Switch between eager and compiled steps if now, after ``done`` steps, is the time.

        ``switches`` are as in :meth:`CompiledSteps.switch`; ``flops`` are those of a forward pass of one example, by
        role.
        """
        if self.compute.compiled and not self._is_compilation_decided:
            self._is_compilation_decided = True
            if not compile_incompatibility(self.phase, self.trainers, len(self.data.classes)):
                operations = flops[self.trainers[0].role]
                self.compiled = CompiledSteps(self.phase, self.trainers, self.sampler, operations)
        return self.compiled.switch(done, switches, was_on=self._was_compiled) if self.compiled else []

    @property
    def is_compiled(self) -> bool:
        """Whether the steps are compiled ones."""
        return self.compiled is not None and self.compiled.is_on

    def train_steps(self, done: int, max_steps: int = 1) -> list[Step]:
        """Take at most ``max_steps`` steps after ``done`` others, all within one epoch, and return their events.

        Several steps are taken before their losses are read from the device. If one of them is not finite, they are
        undone and taken again one by one. Raises NotFiniteError, and then no weight has changed.
        """
        max_steps = 1 if done < self._single_steps_until or not done or self.scaler.is_enabled() else max_steps
        if max_steps <= 1 and not self.is_compiled:
            return self._step_events(done, *self._take_steps(done, 1, is_checked=True))
        before = [value.clone() for value in self._state_tensors()]
        try:
            take_steps = self.compiled.train_steps if self.compiled and self.compiled.is_on else self._take_steps
            events = self._step_events(done, *take_steps(done, max_steps))
            floats = [value for value in self._state_tensors() if value.is_floating_point()]
            if not nn.utils.get_total_norm(floats).isfinite():
                raise NotFiniteError(self.trainers[0].role, "the gradient")
        except (NotFiniteError, torch.OutOfMemoryError):
            for value, old_value in zip(self._state_tensors(), before, strict=True):
                value.copy_(old_value)
            if max_steps <= 1:  # a compiled step, which cannot name the part
                return self._step_events(done, *self._take_steps(done, 1, is_checked=True))
            self._single_steps_until = done + max_steps
            return self.train_steps(done)
        return events

    def _take_steps(self, done: int, count: int, *, is_checked: bool = False) -> tuple[list[_StepResult], list[float]]:
        """Take ``count`` steps, and return them with the values of all their parts, read from the device at once."""
        results = [self._take_step(step, is_checked=is_checked) for step in range(done, done + count)]
        values = [part.value.detach() for by_role, _ in results for parts in by_role.values() for part in parts]
        return results, torch.stack(values).tolist()

    @torch.no_grad()
    def _take_step(self, done: int, *, is_checked: bool) -> _StepResult:
        epoch = done // self.steps_per_epoch
        factor = rate_factor(self.phase.recipe, done, self.steps)
        batches = {trainer.role: self.sampler.batch(trainer.learner.sees, done) for trainer in self.trainers}
        for trainer in self.trainers:
            trainer.set_rate(factor)
            trainer.forward(batches[trainer.role], done)
        losses = {trainer.role: trainer.loss(batches[trainer.role], done, epoch) for trainer in self.trainers}
        if is_checked:
            for role, loss in losses.items():
                loss_values(role, loss.parts, [part.value.item() for part in loss.parts])
        for trainer in self.trainers:
            trainer.zero_grad()
        for trainer in self.trainers:
            trainer.backward(losses[trainer.role])
        for trainer in self.trainers:
            trainer.clip_gradient(is_checked=is_checked)
        for trainer in self.trainers:
            trainer.update()
        if self.scaler.is_enabled():
            self.scaler.update()
        return {role: loss.parts for role, loss in losses.items()}, self.trainers[0].optimiser.rate

    def _step_events(self, done: int, results: list[_StepResult], values: list[float]) -> list[Step]:
        """Return the events of the steps after ``done`` others. Raises NotFiniteError."""
        remaining, events = iter(values), []
        for step, (by_role, rate) in enumerate(results, start=done):
            losses = {
                role: loss_values(role, parts, list(islice(remaining, len(parts)))) for role, parts in by_role.items()
            }
            events.append(
                Step(
                    self.phase.name,
                    step + 1,
                    step // self.steps_per_epoch + 1,
                    {role: parts for role, (parts, _) in losses.items()},
                    {role: total for role, (_, total) in losses.items()},
                    rate,
                )
            )
        return events

    def _state_tensors(self) -> list[Tensor]:
        if self.compiled is not None and self.compiled.is_on:
            return self.compiled.tensors
        return [value for trainer in self.trainers for value in trainer.state_tensors()]

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
        if self.compiled is not None:
            self.compiled.end()
        for network in self.networks.values():
            freeze(network)
        return events

    # -- checkpoints -------------------------------------------------------------------------------------------------

    def save_state(self, state: Checkpoint) -> None:
        """Put optimisers, adapters, averages and best weights into a checkpoint that holds the networks already."""
        for trainer in self.trainers:
            state.put(f"optimiser/{trainer.role}", trainer.optimiser.state_tensors())
            state.put(f"adaptors/{trainer.role}", trainer.adapter_tensors())
            state.put(f"average/{trainer.role}", trainer.average_tensors())
            state.put(f"best/{trainer.role}", self.best[trainer.role].weights)
        state.values["best"] = {
            role: [best.accuracy, best.step, best.epoch, best.evaluations_since] for role, best in self.best.items()
        }
        state.values["scaler"] = self.scaler.state_dict()
        state.values["compiled"] = [self.is_compiled, self.compiled is not None and self.compiled.is_over]

    def load_state(self, state: Checkpoint, should_stop: bool) -> None:
        """Load networks and what :meth:`save_state` stored."""
        for trainer in self.trainers:
            role = trainer.role
            trainer.evaluated_network.load_state_dict(state.get(f"network/{role}"))
            trainer.load_average_tensors(state.get(f"average/{role}"))
            trainer.load_adapter_tensors(state.get(f"adaptors/{role}"))
            trainer.optimiser.load(state.get(f"optimiser/{role}"))
            accuracy, step, epoch, evaluations_since = state.values.get("best", {}).get(role, (-1.0, 0, 0, 0))
            self.best[role] = BestWeights(accuracy, step, epoch, evaluations_since, state.get(f"best/{role}"))
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(state.values["scaler"])
        self.should_stop = should_stop
        # Where compiled steps were given up, the decision stands: they are not tried again.
        self._was_compiled, self._is_compilation_decided = state.values.get("compiled", (False, False))
        self._copy_finite_weights()
