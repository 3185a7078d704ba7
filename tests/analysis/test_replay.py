"""Tests that stored networks give the results that they gave during training."""

import base64
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from kd_core.analysis.replay import MAX_RESULTS, TAUGHT, TEST, VALIDATION, Replay, open_replay
from kd_core.base import metrics
from kd_core.base.events import Pinned, Probed, Validated
from kd_core.base.registry import plugins
from kd_core.config.run import RunConfig, from_flat, read_flat
from kd_core.runs.manager import RunManager
from kd_core.store import weight_snapshots
from kd_core.training.evaluation import rounded
from tools.testing.waiting import wait, wait_for_end

With = Callable[..., RunConfig]


SCHEMES = [name for name, cls in plugins("schemes").items() if not cls.writes_examples]  # type: ignore[attr-defined]


def finished(runs: RunManager, config: RunConfig) -> Replay:
    run = runs.start(config)
    wait_for_end(runs, run, 60)
    return Replay(runs.store, runs.store.run(run))


def stored_weights(replay: Replay) -> dict[int, bytes]:
    numbers = [number for number, _ in replay.store.snapshots(replay.run.id)]
    return {number: replay.store.weights(replay.run.id, number) for number in numbers}


def test_every_stored_epoch_gives_the_accuracy_and_logits_of_its_events(runs: RunManager, small: RunConfig) -> None:
    replay = finished(runs, small)
    events = dict(replay.store.events(replay.run.id))
    pinned = next(event for event in events.values() if isinstance(event, Pinned)).indices
    probed = {event.epoch: event for event in events.values() if isinstance(event, Probed)}
    assert [snapshot.epoch for snapshot in replay.snapshots] == list(range(7))
    for snapshot in replay.snapshots:
        reported = events[snapshot.number]
        assert isinstance(reported, Validated)
        logits = replay.logits(snapshot)
        assert set(logits) == {"teacher", "student", "baseline"}
        for role in ("student", "baseline"):
            assert metrics.accuracy(logits[role][VALIDATION], replay.data.validation.labels) == reported.accuracy[role]
            assert rounded(logits[role][VALIDATION][pinned]) == probed[snapshot.epoch].logits[role]
        assert rounded(logits["teacher"][VALIDATION][pinned]) == probed[0].logits["teacher"]


def test_the_last_epoch_gives_the_test_accuracy_of_the_run(runs: RunManager, small: RunConfig) -> None:
    replay = finished(runs, small)
    logits = replay.logits(replay.snapshot_at(-1))
    for role, test in replay.run.test.items():
        assert metrics.accuracy(logits[role][TEST], replay.splits[TEST].labels) == test["accuracy"]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.slow
def test_every_network_of_every_scheme_can_be_replayed(runs: RunManager, scheme: str) -> None:
    config, errors = read_flat({"dataset": "digits", "scheme": scheme, "epochs": "4", "teacher_epochs": "1"})
    assert not errors
    replay = finished(runs, config)
    snapshot = replay.snapshot_at(-1)
    logits = replay.logits(snapshot)
    assert set(logits) == set(replay.run.test)
    assert replay.roles(snapshot) == list(logits)
    labels = replay.splits[TEST].labels
    halves = {"teacher 1": labels < 5, "teacher 2": labels >= 5} if scheme == "merge" else {}  # their classes
    for role, test in replay.run.test.items():
        rows = halves.get(role, labels >= 0)
        assert metrics.accuracy(logits[role][TEST][rows], labels[rows]) == test["accuracy"], role


def test_a_cached_teacher_has_the_weights_of_the_trained_one(runs: RunManager, small: RunConfig) -> None:
    assert stored_weights(finished(runs, small)) == stored_weights(finished(runs, small))


@pytest.mark.slow
def test_an_interrupted_run_stores_the_same_weights(tmp_path: Path, small: RunConfig) -> None:
    runs = RunManager(tmp_path / "one")
    whole = stored_weights(finished(runs, small))
    runs.close()
    broken = RunManager(tmp_path / "two")
    run = broken.start(small, pace=0.2)
    wait(lambda: len(broken.store.snapshots(run)) >= 3)
    broken.close()
    again = RunManager(tmp_path / "two")
    again.resume_from_checkpoint(run)
    wait_for_end(again, run)
    assert stored_weights(Replay(again.store, again.store.run(run))) == whole
    again.close()


@pytest.mark.slow
def test_the_test_split_is_not_available_before_the_end(runs: RunManager, small: RunConfig) -> None:
    run = runs.start(small, pace=0.3)
    wait(lambda: len(runs.store.snapshots(run)) >= 2)
    replay = Replay(runs.store, runs.store.run(run))
    assert replay.visible_split == VALIDATION
    assert set(replay.splits) == {VALIDATION, TAUGHT}
    runs.stop(run)


def test_the_training_examples_have_their_wrong_labels(runs: RunManager, small_with: With) -> None:
    replay = finished(runs, small_with(wrong="0.4"))
    view = replay.config.labels.apply(replay.data, replay.config.seed)
    assert replay.splits[TAUGHT].labels.tolist() == view.labels.tolist()


def test_the_browser_gets_the_exact_floats(runs: RunManager, small: RunConfig) -> None:
    replay = finished(runs, small)
    snapshot = replay.snapshot_at(3)
    payload = replay.browser_payload(snapshot, is_first=False)
    assert payload["roles"] == ["teacher", "student", "baseline"]
    assert set(payload["logits"]) == {"student", "baseline"}  # the first payload has the teacher
    numbers = np.frombuffer(base64.b64decode(payload["logits"]["student"][TEST]), dtype=np.float32)
    assert numbers.tolist() == replay.logits(snapshot)["student"][TEST].flatten().tolist()
    assert "teacher" in replay.browser_payload(snapshot, is_first=True)["logits"]


def test_an_epoch_without_weights_means_the_last_one_before_it(runs: RunManager, small_with: With) -> None:
    replay = finished(runs, small_with(epochs="40"))
    epochs = [snapshot.epoch for snapshot in replay.snapshots]
    assert epochs == [*range(17), 18, 20, 22, 24, 26, 28, 30, 32, 36, 40]
    assert replay.snapshot_at(35).epoch == 32
    assert replay.snapshot_at(-1).epoch == 40


def test_a_run_without_weights_is_reported(runs: RunManager, small: RunConfig) -> None:
    runs.store.add("old", small, "completed")
    replay = Replay(runs.store, runs.store.run("old"))
    assert replay.snapshots == []
    with pytest.raises(ValueError, match="No weights"):
        replay.snapshot_at(-1)


def test_a_point_gives_the_logits_of_the_example_at_that_place(runs: RunManager, small: RunConfig) -> None:
    replay = finished(runs, small)
    x, y = replay.splits[TEST].inputs[5].tolist()
    logits = replay.predict_drawing(replay.snapshot_at(-1), f"{x},{y}")
    assert logits["teacher"] == pytest.approx(
        replay.logits(replay.snapshot_at(-1))["teacher"][TEST][5].tolist(), abs=1e-5
    )


@pytest.mark.slow
def test_a_large_split_is_thinned_evenly(runs: RunManager) -> None:
    replay = finished(runs, from_flat({"dataset": "blobs", "dataset_clouds": "100", "epochs": "1"}))
    assert len(replay.splits[TEST]) == 300
    rows = replay.rows(TEST)
    assert rows[0] == 0
    assert rows[-1] == 1999
    assert max(np.diff(rows)) <= 7


@pytest.mark.parametrize(
    ("last", "size"), [(1, 10), (6, 10), (200, 19_240), (200, 5_000_000), (200, 40_000_000), (200, 90_000_000)]
)
def test_the_first_and_last_weights_are_stored_and_others_up_to_the_limit(last: int, size: int) -> None:
    epochs = weight_snapshots.kept_evaluations(last, size)
    assert len(epochs) * size <= weight_snapshots.MAX_PHASE_BYTES
    assert last in epochs or size > weight_snapshots.MAX_PHASE_BYTES
    assert 0 in epochs or 2 * size > weight_snapshots.MAX_PHASE_BYTES


def test_weights_of_small_networks_are_stored_eight_times_per_doubling() -> None:
    epochs = sorted(weight_snapshots.kept_evaluations(200, 1000))
    for start in (8, 16, 32, 64):
        assert len([epoch for epoch in epochs if start <= epoch < 2 * start]) == 8


def test_the_most_informative_example_is_correct_with_a_confidence_near_90_percent(
    runs: RunManager, small: RunConfig
) -> None:
    replay = finished(runs, small)
    teacher, labels = replay.logits(replay.snapshot_at(-1))["teacher"][TEST].softmax(1), replay.splits[TEST].labels
    row = replay.most_informative(replay.snapshot_at(-1))
    assert teacher[row].argmax() == labels[row]
    right = teacher.argmax(1) == labels
    assert abs(teacher[row].max() - 0.9) == (teacher[right].max(1).values - 0.9).abs().min()


@pytest.mark.slow
def test_a_stopped_run_gives_the_accuracy_of_its_test(runs: RunManager, small_with: With) -> None:
    run = runs.start(small_with(epochs="1000"), pace=0.02)
    wait(lambda: len(runs.store.snapshots(run)) >= 8)
    runs.stop(run)
    wait_for_end(runs, run)
    replay = Replay(runs.store, runs.store.run(run))
    logits = replay.logits(replay.snapshot_at(-1))
    for role, test in replay.run.test.items():
        assert metrics.accuracy(logits[role][TEST], replay.splits[TEST].labels) == test["accuracy"]


def test_a_run_stopped_in_its_first_phase_still_has_the_teacher(runs: RunManager, small_with: With) -> None:
    run = runs.start(small_with(teacher_epochs="500"), pace=0.05)
    wait(lambda: runs.store.count(run) >= 5)
    runs.stop(run)
    wait_for_end(runs, run)
    replay = Replay(runs.store, runs.store.run(run))
    assert set(replay.logits(replay.snapshot_at(-1))) == {"teacher"}


def test_loading_networks_draws_no_random_number(runs: RunManager, small: RunConfig) -> None:
    replay = finished(runs, small)
    before = torch.get_rng_state()
    replay.logits(replay.snapshot_at(-1))
    assert torch.equal(before, torch.get_rng_state())


def test_the_best_temperature_minimises_the_validation_loss(runs: RunManager, small: RunConfig) -> None:
    replay = finished(runs, small)
    labels, snapshot = replay.splits[VALIDATION].labels, replay.snapshot_at(-1)
    grid = [0.25 * 256 ** (n / 400) for n in range(401)]
    for role, best in replay.best_temperatures(snapshot, 0.25, 64).items():
        losses = [metrics.nll(replay.logits(snapshot)[role][VALIDATION] / temperature, labels) for temperature in grid]
        assert best == pytest.approx(grid[losses.index(min(losses))], rel=0.015)


def test_a_snapshot_of_an_earlier_phase_can_be_replayed(runs: RunManager, small: RunConfig) -> None:
    replay = finished(runs, small)
    teacher, *_ = replay.store.snapshots(replay.run.id)
    assert set(replay.logits(replay.snapshot(teacher[0]))) == {"teacher"}
    with pytest.raises(ValueError, match="no longer stored"):
        replay.snapshot(10**6)


def test_sessions_share_the_replay_of_a_run(runs: RunManager, small: RunConfig) -> None:
    run = finished(runs, small).run
    replay = open_replay(runs.store, run)
    assert open_replay(runs.store, runs.store.run(run.id)) is replay
    snapshot = replay.snapshot_at(-1)
    assert replay.logits(snapshot) is replay.logits(snapshot)


@pytest.mark.slow
def test_the_shared_replay_has_new_snapshots_and_the_test_split_at_the_end(runs: RunManager, small: RunConfig) -> None:
    run = runs.start(small, pace=0.1)
    wait(lambda: len(runs.store.snapshots(run)) >= 2)
    epochs = [snapshot.epoch for snapshot in open_replay(runs.store, runs.store.run(run)).snapshots]
    wait_for_end(runs, run, 60)
    replay = open_replay(runs.store, runs.store.run(run))
    assert len(replay.snapshots) > len(epochs)
    assert replay.visible_split == TEST


def test_a_replay_keeps_the_logits_of_a_limited_number_of_snapshots(runs: RunManager, small_with: With) -> None:
    replay = finished(runs, small_with(epochs="20"))
    assert 2 * len(replay.snapshots) > MAX_RESULTS  # networks and logits
    first = replay.logits(replay.snapshots[0])
    for snapshot in replay.snapshots[1:]:
        replay.logits(snapshot)
    again = replay.logits(replay.snapshots[0])
    assert again is not first
    assert torch.equal(again["student"][TEST], first["student"][TEST])
