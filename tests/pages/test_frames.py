"""Frames that the browser components get from the events of a run."""

import base64

import pytest

from kd_core.base.events import Adjusted, Event, Probed, Step, Surface, Validated
from kd_core.config.run import RunConfig
from kd_core.runs import manager
from kd_core.training.loop import Trainer
from pages.ui.run.frames import POINTS, RunFrames, run_frames


@pytest.fixture
def stored(shared: manager.RunManager, small: RunConfig) -> list[Event]:
    events = list(Trainer(small, adjustments=[Adjusted("students", 2, "temperature", 4.0, 2.0)]))
    shared.store.add("a", small, "completed")
    shared.store.append("a", 1, [(0.0, event) for event in events])
    return events


def of(kind: type, events: list[Event]) -> list:
    return [event for event in events if isinstance(event, kind)]


def points(curves: list[dict], key: str) -> list[tuple[float, float]]:
    return [pair for curve in curves if curve.get("series") == key for pair in zip(curve["x"], curve["y"], strict=True)]


def test_every_evaluation_is_listed_and_every_frame_refers_to_its_own(stored: list[Event]) -> None:
    frames = RunFrames("a", 0).update()
    evaluations = of(Validated, stored)
    assert [one["accuracy"] for one in frames.evaluations] == [event.accuracy for event in evaluations]
    assert frames.evaluations[-1]["label"] == "students, epoch 6 of 6"
    assert [frame["probabilities"] for frame in frames.surfaces] == [s.probabilities for s in of(Surface, stored)]
    assert [frame["logits"] for frame in frames.bars] == [probed.logits for probed in of(Probed, stored)]
    for frame, event in zip(frames.surfaces, of(Surface, stored), strict=True):
        assert frames.evaluations[frame["evaluation"]]["label"].startswith(f"{event.phase}, epoch {event.epoch} ")


def test_curves_have_a_point_per_step_for_every_raw_part_and_the_weighted_sum(stored: list[Event]) -> None:
    frames = RunFrames("a", 0).update()
    steps = [event for event in of(Step, stored) if event.phase == "students"]
    sums = points(frames.curves, "student loss")
    assert [y for _, y in sums] == pytest.approx([step.loss["student"] for step in steps], rel=1e-4)
    soft = points(frames.curves, "student T²·KL")
    assert [y for _, y in soft] == pytest.approx([step.parts["student"]["T²·KL"][0] for step in steps], rel=1e-4)
    assert sums[-1][0] == 6.0


def test_a_changed_option_is_a_marker_at_its_epoch(stored: list[Event]) -> None:
    frames = RunFrames("a", 0).update()
    (marker,) = [frame for frame in frames.curves if "marker" in frame]
    assert marker["text"] == "T 4 → 2"
    assert 0 < marker["marker"] < 6


def test_frames_do_not_depend_on_how_often_the_events_are_read(
    shared: manager.RunManager, small: RunConfig, stored: list[Event]
) -> None:
    at_once = RunFrames("a", 0).update()
    shared.store.add("b", small, "training")
    gradual = RunFrames("b", 0)
    for number, event in enumerate(stored, start=1):
        shared.store.append("b", number, [(0.0, event)])
        gradual.update()
    assert (gradual.evaluations, gradual.surfaces) == (at_once.evaluations, at_once.surfaces)
    assert gradual.bars == at_once.bars
    for series in at_once.series:
        assert points(gradual.curves, series["key"]) == points(at_once.curves, series["key"])


@pytest.mark.slow
def test_a_long_run_of_two_phases_sends_a_limited_number_of_points(shared: manager.RunManager, small_with) -> None:
    config = small_with(epochs="2500", fine_tune="1000", labelled="8", batch_size="8")
    events = [event for event in Trainer(config) if not isinstance(event, Surface)]
    shared.store.add("long", config, "completed")
    shared.store.append("long", 1, [(0.0, event) for event in events])
    frames = RunFrames("long", 0).update()
    count = len(points(frames.curves, "student loss"))
    assert POINTS / 2 < count <= POINTS


def test_a_rewound_run_gets_frames_of_another_name_so_that_the_browser_clears_itself(
    shared: manager.RunManager, stored: list[Event]
) -> None:
    before = run_frames("a")
    assert run_frames("a") is before
    shared.store.rewind("a", 3)
    after = run_frames("a")
    assert after.name != before.name
    assert len(after.evaluations) < len(before.evaluations)


def test_a_surface_is_bytes_of_size_squared_times_classes(stored: list[Event]) -> None:
    frames = RunFrames("a", 0).update()
    frame = frames.surfaces[-1]
    for encoded in frame["probabilities"].values():
        assert len(base64.b64decode(encoded)) == frame["size"] ** 2 * 2
