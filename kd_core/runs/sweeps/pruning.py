"""Early ends of the trials of a search, decided at a few evaluations of their runs."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from kd_core.base.events import Event, Validated
from kd_core.config.run import RunConfig
from kd_core.config.sweep.search import Search
from kd_core.runs.sweeps import proposals
from kd_core.runs.sweeps.proposals import RUNGS, Reports
from kd_core.runs.sweeps.search_results import Trial
from kd_core.schemes import comparison_of, plan_of
from kd_core.store.records import PRUNED, Run
from kd_core.store.store import Store

Earlier = tuple[Sequence[Trial], Mapping[int, Reports]]


class TrialPruner:
    """Decides which trials of a batch are ended early, by the median of completed trials at the same rung.

    A trial is judged when all of its runs that are trained together have reached a rung.
    """

    def __init__(self, store: Store, search: Search, runs: Mapping[str, int], earlier: Earlier) -> None:
        """Judge ``runs``, by id with their places, against trials of ``earlier`` batches and their values."""
        stored = {name: run for name in runs if (run := store.run(name))}
        self.runs_per_trial = len(search.seeds)
        trials, reports = earlier
        self._study: Any = proposals.create_study(search, trials, reports)
        self._curves = {name: stored_curve(store, run) for name, run in stored.items()}
        self._phases = {name: decisive_phase(run.config) for name, run in stored.items()}
        self._trials = {name: place // self.runs_per_trial for name, place in runs.items()}
        self._condemned = {name for name, run in stored.items() if run.state == PRUNED}

    def observe(self, run: str, event: Event, group: Sequence[str]) -> list[str]:
        """Return the runs of ``group`` that are to be ended after an event of one of them.

        A run that was ended already is judged anew, since it is repeated from a checkpoint before its end.
        """
        trial = [other for other, number in self._trials.items() if number == self._trials[run]]
        together = [other for other in group if other in trial]
        rungs = _note(self._curves[run], event, self._phases[run])
        is_ended_earlier = not self._condemned.isdisjoint(trial[: trial.index(together[0])])
        if is_ended_earlier or any(self._is_worse(trial, together, rung) for rung in rungs):
            self._condemned.update(together)
            return together
        return []

    def _is_worse(self, runs: Sequence[str], together: Sequence[str], rung: int) -> bool:
        if any(self._curves[run][rung] is None for run in together):
            return False
        last = max(runs.index(run) for run in together)
        reports = reports_of([self._curves[run] for run in runs[: last + 1]])
        steps = range(last * RUNGS, last * RUNGS + rung + 1)  # means over the same seeds
        return proposals.should_prune(self._study, {step: reports[step] for step in steps if step in reports})


def decisive_phase(config: RunConfig) -> tuple[str, str, int]:
    """Return the role whose accuracy is judged, and the name and the epochs of the last phase that trains it."""
    role = comparison_of(config).role
    phases = [phase for phase in plan_of(config) if any(learner.role == role for learner in phase.learners)]
    return (role, phases[-1].name, phases[-1].recipe.epochs) if phases else (role, "", 1)


def reports_of(curves: Sequence[Sequence[float | None]]) -> dict[int, float]:
    """Return the mean over the first i + 1 seeds at rung r, as the value at step i · RUNGS + r.

    ``curves`` are the values of the seeds at every rung. Runs that are trained one after the other reach the steps in
    their order; those of a stack reach only the last ones.
    """
    reports = {}
    for seed in range(len(curves)):
        for rung in range(RUNGS):
            values = [curve[rung] for curve in curves[: seed + 1]]
            present = [value for value in values if value is not None]
            if len(present) == len(values):
                reports[seed * RUNGS + rung] = statistics.fmean(present)
    return reports


def stored_curve(store: Store, run: Run) -> list[float | None]:
    """Return the stored accuracies of a run at every rung."""
    curve: list[float | None] = [None] * RUNGS
    phase = decisive_phase(run.config)
    for _, event in store.iter_events(run.id, kinds=("validated",)):
        _note(curve, event, phase)
    return curve


def rungs_reached(event: Event, phase: tuple[str, str, int]) -> int:
    """Return how many rungs an event is an evaluation at or after; 0 for any other event."""
    role, name, epochs = phase
    if not isinstance(event, Validated) or event.phase != name or role not in event.accuracy:
        return 0
    return sum(event.epoch * RUNGS >= (rung + 1) * epochs for rung in range(RUNGS))


def _note(curve: list[float | None], event: Event, phase: tuple[str, str, int]) -> list[int]:
    """Write an evaluation into a curve where it is the first at or after a rung; return the rungs before the end."""
    if not isinstance(event, Validated) or not (count := rungs_reached(event, phase)):
        return []
    accuracy = event.accuracy[phase[0]]
    new = [rung for rung in range(count) if curve[rung] in (None, accuracy)]
    for rung in new:
        curve[rung] = accuracy
    return [rung for rung in new if rung < RUNGS - 1]
