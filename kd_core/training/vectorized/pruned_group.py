"""Group of runs some of which are ended early, so that the others go on in a smaller stack."""

from __future__ import annotations

from collections.abc import Iterable

from kd_core.files.checkpoint import Checkpoint
from kd_core.training.group import GroupTrainer
from kd_core.training.phase import PhaseTrainer

PRUNED = "pruned"  # outcome of a run that was ended early, since others of its search are better


class PrunedGroupTrainer(GroupTrainer):
    """Group whose runs may be ended between two events by :meth:`prune`.

    The others have the numbers that they would have had anyway, up to rounding.
    """

    _condemned: tuple[int, ...] = ()

    def prune(self, runs: Iterable[int]) -> None:
        """End some runs before the next step. They are evaluated and kept, as a stopped run is."""
        self._condemned = (*self._condemned, *runs)

    def checkpoint(self) -> Checkpoint:
        state = super().checkpoint()
        state.values["condemned"] = list(self._condemned)
        return state

    def _restore(self, state: Checkpoint) -> None:
        super()._restore(state)
        self._condemned = tuple(state.values.get("condemned", ()))

    def _advance(self) -> None:
        condemned = [run for run in dict.fromkeys(self._condemned) if run in self._alive]
        self._condemned = ()
        if not condemned:
            super()._advance()
            return
        self._finish(PRUNED, condemned)
        trainer = self._phase_trainer
        if trainer is not None and trainer.fast is not None and self._alive_in(trainer):
            self._shrink(trainer)

    def _shrink(self, before: PhaseTrainer) -> None:
        """Continue the present phase in a stack of the runs that are left; one alone stays in the stack it is in."""
        smaller = self._enter(self._tasks[self._task], self._alive_in(before))
        large, step = before.fast, self._step
        if large is None or smaller.fast is None or smaller.is_single:
            self._phase_trainer = before
            return
        rows_before = {trainer.evaluated_network: row for row, trainer in enumerate(large.rows)}
        sources = {
            network: rows_before[before.networks_of(run)[role]]
            for run in smaller.members
            for role, network in smaller.networks_of(run).items()
        }
        smaller.fast.continue_from(large, [sources[trainer.evaluated_network] for trainer in smaller.fast.rows], step)
        smaller.copy_finite_weights()
