"""Values that the widgets of a running training show."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from kd_core.base.events import Adjusted
from pages.ui.run import live_controls
from pages.ui.run.live_controls import Request


def value(request: Request, current: str, *changes: float) -> str:
    frames: Any = SimpleNamespace(adjusted=[Adjusted("students", 1, "alpha", 0.0, new) for new in changes])
    return live_controls._text(current, request, "alpha", frames)


def test_an_answer_to_an_earlier_request_for_the_same_value_does_not_replace_the_slider() -> None:
    # 0.91, 0.9 and 0.91 were requested; the answers to the first two have come.
    assert value(Request("0.91", 0, time.monotonic()), "0.9", 0.91, 0.9) == "0.91"


@pytest.mark.parametrize(("seconds", "expected"), [(0.5, "0.5"), (60.0, "0.7")])
def test_a_change_by_another_session_appears_once_the_request_is_answered(seconds: float, expected: str) -> None:
    assert value(Request("0.5", 0, time.monotonic() - seconds), "0.7", 0.5, 0.7) == expected


def test_a_request_without_an_answer_stays() -> None:
    assert value(Request("0.5", 1, time.monotonic() - 60), "0.7", 0.7) == "0.5"
