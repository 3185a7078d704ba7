"""Networks asked again from their snapshots answer as they did while they learned."""

import base64
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from kd_core.analysis import replay as recall_module
from kd_core.analysis.replay import TAUGHT, TEST, VALIDATION, Replay
from kd_core.base import metrics
from kd_core.base.events import Pinned, Probed, Validated
from kd_core.base.registry import plugins
from kd_core.config.run import RunConfig, from_flat, read_flat
from kd_core.runs.manager import RunManager
from kd_core.store import weight_snapshots
from kd_core.training.evaluation import rounded
from tools.testing.waiting import wait, wait_for_end

With = Callable[..., RunConfig]


def finished(runs: RunManager, config: RunConfig) -> Replay:
    run = runs.start(config)
    wait_for_end(runs, run, 60)
    return Replay(runs.store, runs.store.run(run))


def kept(recall: Replay) -> dict[int, bytes]:
    numbers = [number for number, _ in recall.store.snapshots(recall.run.id)]
    return {number: recall.store.weights(recall.run.id, number) for number in numbers}


def test_every_stored_epoch_gives_the_accuracy_and_the_logits_that_the_run_reported_then(
    runs: RunManager, small: RunConfig
) -> None:
    recall = finished(runs, small)
    said = dict(recall.store.events(recall.run.id))
    pinned = next(event for event in said.values() if isinstance(event, Pinned)).indices
    probed = {event.epoch: event for event in said.values() if isinstance(event, Probed)}
    assert [moment.epoch for moment in recall.snapshots] == list(range(7))
    for moment in recall.snapshots:
        reported = said[moment.number]
        assert isinstance(reported, Validated)
        logits = recall.logits(moment)
        assert set(logits) == {"teacher", "student", "baseline"}
        for role in ("student", "baseline"):
            assert metrics.accuracy(logits[role][VALIDATION], recall.data.validation.labels) == reported.accuracy[role]
            assert rounded(logits[role][VALIDATION][pinned]) == probed[moment.epoch].logits[role]
        assert rounded(logits["teacher"][VALIDATION][pinned]) == probed[0].logits["teacher"]


def test_the_last_epoch_gives_the_test_accuracy_of_the_verdict(runs: RunManager, small: RunConfig) -> None:
    recall = finished(runs, small)
    logits = recall.logits(recall.snapshot_at(-1))
    for role, test in recall.run.test.items():
        assert metrics.accuracy(logits[role][TEST], recall.splits[TEST].labels) == test["accuracy"]


@pytest.mark.parametrize("scheme", list(plugins("schemes")))
def test_every_network_of_every_scheme_can_be_asked_again(runs: RunManager, scheme: str) -> None:
    config, errors = read_flat({"dataset": "digits", "scheme": scheme, "epochs": "4", "teacher_epochs": "1"})
    assert not errors
    recall = finished(runs, config)
    logits = recall.logits(recall.snapshot_at(-1))
    assert set(logits) == set(recall.run.test)
    labels = recall.splits[TEST].labels
    halves = {"teacher 1": labels < 5, "teacher 2": labels >= 5} if scheme == "merge" else {}  # what each can tell
    for role, test in recall.run.test.items():
        rows = halves.get(role, labels >= 0)
        assert metrics.accuracy(logits[role][TEST][rows], labels[rows]) == test["accuracy"], role


def test_a_run_that_found_its_teacher_knows_it_as_well_as_one_that_trained_it(
    runs: RunManager, small: RunConfig
) -> None:
    assert kept(finished(runs, small)) == kept(finished(runs, small))


def test_a_run_that_was_interrupted_keeps_the_same_weights(tmp_path: Path, small: RunConfig) -> None:
    runs = RunManager(tmp_path / "one")
    whole = kept(finished(runs, small))
    runs.close()
    broken = RunManager(tmp_path / "two")
    run = broken.start(small, pace=0.2)
    wait(lambda: len(broken.store.snapshots(run)) >= 3)
    broken.close()
    again = RunManager(tmp_path / "two")
    again.resume_from_checkpoint(run)
    wait_for_end(again, run)
    assert kept(Replay(again.store, again.store.run(run))) == whole
    again.close()


def test_the_test_split_stays_shut_until_the_run_is_over(runs: RunManager, small: RunConfig) -> None:
    run = runs.start(small, pace=0.3)
    wait(lambda: len(runs.store.snapshots(run)) >= 2)
    recall = Replay(runs.store, runs.store.run(run))
    assert recall.visible_split == VALIDATION
    assert set(recall.splits) == {VALIDATION, TAUGHT}
    runs.stop(run)


def test_what_the_student_was_taught_has_its_labels_wrong_ones_included(runs: RunManager, small_with: With) -> None:
    recall = finished(runs, small_with(wrong="0.4"))
    view = recall.config.labels.apply(recall.data, recall.config.seed)
    assert recall.splits[TAUGHT].labels.tolist() == view.labels.tolist()


def test_the_browser_is_sent_the_very_floats(runs: RunManager, small: RunConfig) -> None:
    recall = finished(runs, small)
    moment = recall.snapshot_at(3)
    frame = recall.browser_payload(moment, is_first=False)
    assert frame["roles"] == ["teacher", "student", "baseline"]
    assert set(frame["logits"]) == {"student", "baseline"}  # the teacher was sent before
    sent = np.frombuffer(base64.b64decode(frame["logits"]["student"][TEST]), dtype=np.float32)
    assert sent.tolist() == recall.logits(moment)["student"][TEST].flatten().tolist()
    assert "teacher" in recall.browser_payload(moment, is_first=True)["logits"]


def test_an_epoch_that_was_not_kept_means_the_last_one_before_it(runs: RunManager, small_with: With) -> None:
    recall = finished(runs, small_with(epochs="40"))
    epochs = [moment.epoch for moment in recall.snapshots]
    assert epochs == [*range(17), 18, 20, 22, 24, 26, 28, 30, 32, 36, 40]
    assert recall.snapshot_at(35).epoch == 32
    assert recall.snapshot_at(-1).epoch == 40


def test_a_run_without_weights_says_so(runs: RunManager, small: RunConfig) -> None:
    runs.store.add("old", small, "completed")
    recall = Replay(runs.store, runs.store.run("old"))
    assert recall.snapshots == []
    with pytest.raises(ValueError, match="kept no weights"):
        recall.snapshot_at(-1)


def test_a_point_of_the_plane_is_answered_like_the_example_at_that_place(runs: RunManager, small: RunConfig) -> None:
    recall = finished(runs, small)
    x, y = recall.splits[TEST].inputs[5].tolist()
    answer = recall.answer(recall.snapshot_at(-1), f"{x},{y}")
    assert answer["teacher"] == pytest.approx(
        recall.logits(recall.snapshot_at(-1))["teacher"][TEST][5].tolist(), abs=1e-5
    )


def test_a_large_split_is_thinned_out_evenly(runs: RunManager) -> None:
    recall = finished(runs, from_flat({"dataset": "blobs", "dataset_clouds": "100", "epochs": "1"}))
    assert len(recall.splits[TEST]) == 300
    rows = recall.rows(TEST)
    assert rows[0] == 0
    assert rows[-1] == 1999
    assert max(np.diff(rows)) <= 7


@pytest.mark.parametrize(
    ("last", "size"), [(1, 10), (6, 10), (200, 19_240), (200, 5_000_000), (200, 40_000_000), (200, 90_000_000)]
)
def test_the_first_and_the_last_look_are_kept_and_the_others_as_far_as_there_is_room(last: int, size: int) -> None:
    looks = weight_snapshots.kept_evaluations(last, size)
    assert len(looks) * size <= weight_snapshots.MAX_PHASE_BYTES
    assert last in looks or size > weight_snapshots.MAX_PHASE_BYTES
    assert 0 in looks or 2 * size > weight_snapshots.MAX_PHASE_BYTES


def test_small_networks_are_kept_eight_times_per_doubling() -> None:
    looks = sorted(weight_snapshots.kept_evaluations(200, 1000))
    for start in (8, 16, 32, 64):
        assert len([look for look in looks if start <= look < 2 * start]) == 8


def test_the_most_telling_example_is_one_that_the_teacher_gets_right_and_is_nearly_sure_of(
    runs: RunManager, small: RunConfig
) -> None:
    recall = finished(runs, small)
    teacher, labels = recall.logits(recall.snapshot_at(-1))["teacher"][TEST].softmax(1), recall.splits[TEST].labels
    row = recall.most_informative(recall.snapshot_at(-1))
    assert teacher[row].argmax() == labels[row]
    right = teacher.argmax(1) == labels
    assert abs(teacher[row].max() - 0.9) == (teacher[right].max(1).values - 0.9).abs().min()


def test_a_stopped_run_is_shown_as_it_was_judged(runs: RunManager, small_with: With) -> None:
    run = runs.start(small_with(epochs="1000"), pace=0.02)
    wait(lambda: len(runs.store.snapshots(run)) >= 8)
    runs.stop(run)
    wait_for_end(runs, run)
    recall = Replay(runs.store, runs.store.run(run))
    logits = recall.logits(recall.snapshot_at(-1))
    for role, test in recall.run.test.items():
        assert metrics.accuracy(logits[role][TEST], recall.splits[TEST].labels) == test["accuracy"]


def test_a_run_stopped_before_its_student_began_still_shows_the_teacher(runs: RunManager, small_with: With) -> None:
    run = runs.start(small_with(teacher_epochs="500"), pace=0.05)
    wait(lambda: runs.store.count(run) >= 5)
    runs.stop(run)
    wait_for_end(runs, run)
    recall = Replay(runs.store, runs.store.run(run))
    assert set(recall.logits(recall.snapshot_at(-1))) == {"teacher"}


def test_asking_a_network_draws_no_random_number(runs: RunManager, small: RunConfig) -> None:
    recall = finished(runs, small)
    before = torch.get_rng_state()
    recall_module._networks.cache_clear()
    recall.logits(recall.snapshot_at(-1))
    assert torch.equal(before, torch.get_rng_state())


def test_the_best_temperature_is_that_of_the_validation_data(runs: RunManager, small: RunConfig) -> None:
    recall = finished(runs, small)
    labels, moment = recall.splits[VALIDATION].labels, recall.snapshot_at(-1)
    grid = [0.25 * 256 ** (n / 400) for n in range(401)]
    for role, best in recall.best_temperatures(moment, 0.25, 64).items():
        losses = [metrics.nll(recall.logits(moment)[role][VALIDATION] / temperature, labels) for temperature in grid]
        assert best == pytest.approx(grid[losses.index(min(losses))], rel=0.015)


def test_a_moment_of_an_earlier_phase_can_still_be_asked(runs: RunManager, small: RunConfig) -> None:
    recall = finished(runs, small)
    teacher, *_ = recall.store.snapshots(recall.run.id)
    assert set(recall.logits(recall.snapshot(teacher[0]))) == {"teacher"}
    with pytest.raises(ValueError, match="no longer stored"):
        recall.snapshot(10**6)
