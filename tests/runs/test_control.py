"""Commands that the screen sends to a run in training."""

import threading
import time
from collections.abc import Callable

import pytest

from kd_core.runs.control import Adjust, Control, Interrupt, Mode, Pause, Resume, SetPace, Stop, TakeStep


def nothing() -> None:
    pass


def test_commands_are_taken_in_their_order_and_none_is_lost() -> None:
    control = Control()
    for command in (Adjust({"temperature": 2.0, "alpha": 0.5}), Pause(), Adjust({"temperature": 3.0}), Resume()):
        control.send(command)
    assert control.hold(10, nothing) == {"temperature": 3.0, "alpha": 0.5}
    assert control.hold(10, nothing) == {}
    assert not control.was_paused


def test_the_screen_shows_a_command_before_the_worker_takes_it() -> None:
    control = Control(Mode(pace=0.5))
    control.send(Pause())
    control.send(SetPace(0.1))
    assert control.requested_mode == Mode(pace=0.1, is_paused=True)
    assert control.mode == Mode(pace=0.5)
    control.send(Resume())
    assert not control.requested_mode.is_paused


@pytest.mark.parametrize("command", [Stop(), Interrupt(), Resume(), TakeStep()])
def test_a_paused_worker_writes_its_events_and_waits_for_the_next_command(command: object) -> None:
    control, flushed, held = Control(), threading.Event(), []
    control.send(Pause())
    worker = threading.Thread(target=lambda: held.append(control.hold(10, flushed.set)))
    worker.start()
    assert flushed.wait(5)
    control.send(Adjust({"alpha": 0.5}))
    time.sleep(0.05)
    assert worker.is_alive()
    control.send(command)
    worker.join(5)
    assert held == [{"alpha": 0.5}]
    assert control.was_paused


def test_a_command_sent_while_events_are_written_ends_the_pause() -> None:
    control = Control()
    control.send(Pause())
    control.hold(10, lambda: control.send(Resume()))
    assert control.mode == Mode()


def test_a_step_while_paused_is_taken_once() -> None:
    control = Control()
    control.send(TakeStep())
    control.hold(10, nothing)
    assert control.mode.steps == 1
    control.progress((1, 5), 0.1)
    assert control.mode.is_held
    control.progress((1, 5), 0.1)  # the end of a phase
    assert control.mode.steps == 0


def seconds(action: Callable[[], object]) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began


def test_the_pace_sets_the_least_seconds_per_epoch_and_a_new_pace_applies_at_once() -> None:
    control = Control(Mode(pace=0.2))
    assert seconds(lambda: [control.hold(2, nothing) for _ in range(4)]) > 0.15
    control.send(SetPace(1000.0))
    control.hold(2, nothing)
    threading.Timer(0.05, control.send, [SetPace(0.0)]).start()
    assert seconds(lambda: control.hold(2, nothing)) < 5


def test_waiting_for_a_disk_ends_when_the_run_is_to_end() -> None:
    control = Control()
    assert control.wait(0.01)
    control.send(Pause())
    assert control.wait(0.01)
    control.send(Stop())
    assert not control.wait(60)
