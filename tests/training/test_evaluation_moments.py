"""Moments of evaluations within an epoch."""

import pytest

from kd_core.base.events import Validated
from kd_core.config.run import from_flat
from kd_core.training.loop import Trainer

SETTINGS = {"dataset": "python_docs", "epochs": "1", "teacher_epochs": "1", "labelled": "1600"}
SMALL = {"student_hidden": "6", "teacher_hidden": "12", "teacher_view": "student"}


def test_evaluations_within_an_epoch_do_not_depend_on_how_many_steps_are_taken_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for constant in ("SAMPLES", "SAMPLED", "WRITTEN"):  # of the texts that are written at an evaluation
        monkeypatch.setattr(f"kd_core.tasks.language.{constant}", 8)
    moments = []
    for seconds in (0.0, 1e9):
        trainer = Trainer(from_flat(SETTINGS | SMALL))
        trainer.chunk_seconds = seconds
        moments.append([(event.phase, event.step) for event in trainer if isinstance(event, Validated)])
    assert moments[0] == moments[1]
    assert len(set(moments[0])) > 4
