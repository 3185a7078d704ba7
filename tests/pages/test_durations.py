"""What somebody who waits is told."""

from __future__ import annotations

import pytest

from kd_core.runs.manager import QUEUED, Status
from pages.ui.text.durations import queue_position


@pytest.mark.parametrize(
    ("ahead", "seconds", "words"),
    [
        (0, 0.0, "Waiting: about to start."),
        (1, 0.0, "Waiting: 1 before it in the queue."),
        (1, 125.0, "Waiting: 1 before it in the queue, about 2:05."),
        (3, 59.9, "Waiting: 3 before it in the queue, at least 1:00."),  # nobody knows how long the others take
    ],
)
def test_the_place_in_the_queue_is_said_and_the_time_as_far_as_it_is_known(
    ahead: int, seconds: float, words: str
) -> None:
    assert queue_position(Status(QUEUED, ahead=ahead, wait=seconds)) == words
