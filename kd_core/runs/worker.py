"""Training of one run, with its events written to the store and commands taken between two steps."""

from __future__ import annotations

import time

from kd_core.base.events import Finished, Step
from kd_core.runs.control import Control
from kd_core.runs.event_writer import EventWriter
from kd_core.store import weight_snapshots
from kd_core.store.records import COMPLETED, INTERRUPTED, STOPPED
from kd_core.training.loop import Trainer


def run_trainer(trainer: Trainer, writer: EventWriter, control: Control) -> str:
    """Train until the run ends or the process does; return the state in which it ended."""
    outcome, previous = INTERRUPTED, time.monotonic()
    for event in trainer:
        weights = None
        if not isinstance(event, Step):  # no weights are stored with a step, and nearly all events are steps
            is_last = trainer.is_last_evaluation(event)
            weights = weight_snapshots.weights_to_keep(event, trainer.phases, trainer.networks, is_last=is_last)
        writer.add(event, weights)
        if isinstance(event, Finished):
            outcome = event.outcome
        if trainer.has_pending_events:
            continue
        now = time.monotonic()
        control.progress(trainer.position, now - previous)
        if writer.is_checkpoint_due(now):
            writer.save(trainer.checkpoint())
        # Events are written before a pause, so that the screen shows the last step however long it lasts.
        trainer.live.request(control.hold(trainer.steps_per_epoch, writer.flush))
        trainer.chunk_seconds = control.chunk_seconds
        previous = time.monotonic() if control.was_paused else now
        if control.mode.is_interrupted:
            break
        if control.mode.is_stopping and outcome == INTERRUPTED:
            writer.save(trainer.checkpoint())  # before the final events, so that a stopped run can be resumed
            trainer.stop()
    if outcome != STOPPED:
        writer.save(trainer.checkpoint())
    writer.flush()
    if outcome == COMPLETED:
        writer.checkpoints.remove_previous()
    return outcome
