"""A training whose every event is written down, and that does what the screen asks of it between two of them."""

from __future__ import annotations

import time

from kd_core.base.events import Finished, Step
from kd_core.runs.control import Control
from kd_core.runs.event_writer import EventWriter
from kd_core.store import weight_snapshots
from kd_core.store.records import COMPLETED, INTERRUPTED, STOPPED
from kd_core.training.loop import Trainer


def run_trainer(training: Trainer, journal: EventWriter, control: Control) -> str:
    """Trains to the end of a run or of this process; in which state it ended."""
    outcome, last = INTERRUPTED, time.monotonic()
    for event in training:
        weights = None
        if not isinstance(event, Step):  # nearly all events are steps, and no weights are kept with one
            is_last = training.is_last_evaluation(event)
            weights = weight_snapshots.weights_to_keep(event, training.phases, training.networks, is_last=is_last)
        journal.add(event, weights)
        if isinstance(event, Finished):
            outcome = event.outcome
        if training.has_pending_events:
            continue
        now = time.monotonic()
        control.progress(training.position, now - last)
        if journal.is_due(now):
            journal.save(training.checkpoint())
        # What was said is written before a pause: the screen shows the last step, however long it lasts.
        training.live.request(control.hold(training.steps_per_epoch, journal.flush))
        training.chunk_seconds = control.chunk_seconds
        last = time.monotonic() if control.was_paused else now
        if control.mode.is_interrupted:
            break
        if control.mode.is_stopping and outcome == INTERRUPTED:
            journal.save(training.checkpoint())  # before the end is said: a stopped run can be gone on with
            training.stop()
    if outcome != STOPPED:
        journal.save(training.checkpoint())
    journal.flush()
    if outcome == COMPLETED:
        journal.checkpoints.remove_previous()
    return outcome
