"""Texts about durations and the queue."""

from __future__ import annotations

import pytest

from kd_core.runs.manager import QUEUED, Status
from pages.ui.widgets.text.durations import queue_position


@pytest.mark.parametrize(
    ("ahead", "seconds", "fragments", "absent"),
    [
        (0, 0.0, ("about to start",), ("about 0", "least")),
        (1, 0.0, ("1 run ahead",), ("about", "least")),
        (1, 125.0, ("1 run ahead", "about 2:05"), ("least",)),
        (3, 59.9, ("3 runs ahead", "at least 1:00"), ("about",)),  # of runs that wait no duration is known
    ],
)
def test_the_position_in_the_queue_is_shown_with_the_time_as_far_as_it_is_known(
    ahead: int, seconds: float, fragments: tuple[str, ...], absent: tuple[str, ...]
) -> None:
    text = queue_position(Status(QUEUED, ahead=ahead, wait=seconds))
    assert all(fragment in text for fragment in fragments)
    assert not any(fragment in text for fragment in absent)
