"""Tests of the packing of steps into rows."""

from kd_core.base.events import Adjusted, Event, Step, to_json
from kd_core.config.run import RunConfig
from kd_core.store.step_codec import MAX_STEPS_PER_ROW, decode_steps, encode_steps, group_steps
from kd_core.store.store import Store
from kd_core.training.loop import Trainer


def steps(count: int, phase: str = "students", first: int = 1) -> list[tuple[float, Event]]:
    return [
        (float(n), Step(phase, n, n // 7, {"student": {"CE": [0.1 * n, 0.01 * n], "KL": [1 / n, 0.9 / n]}},
                        {"student": 0.3 * n}, 1e-3 / n))
        for n in range(first, first + count)
    ]  # fmt: skip


def test_encoded_steps_are_decoded_without_loss() -> None:
    events = [event for _, event in steps(40)]
    packed = encode_steps(events)
    assert decode_steps(packed) == events
    assert [type(step.epoch) for step in decode_steps(packed)] == [int] * 40
    assert len(packed) < sum(len(to_json(event)) for event in events) / 2


def test_only_consecutive_steps_share_a_row() -> None:
    other = (0.0, Adjusted("students", 3, "alpha", 0.9, 0.5))
    events = [*steps(3), other, *steps(2, first=4), *steps(2, "more"), *steps(1, "more", 9)]
    assert [len(group) for group in group_steps(events)] == [3, 1, 2, 2, 1]
    assert [item for group in group_steps(events) for item in group] == events
    assert max(len(group) for group in group_steps(steps(2 * MAX_STEPS_PER_ROW + 5))) == MAX_STEPS_PER_ROW


def test_events_are_read_after_any_number_within_a_row(tmp_path, small: RunConfig) -> None:
    store = Store(tmp_path / "runs.sqlite")
    store.add("a", small, "training")
    events = [*steps(700), (0.0, Adjusted("students", 700, "alpha", 0.9, 0.5)), *steps(30, first=701)]
    store.append("a", 1, events)
    whole = store.events("a")
    assert [event for _, event in whole] == [event for _, event in events]
    assert [n for n, _ in whole] == list(range(1, 732))
    for after in (0, 1, 511, 512, 513, 699, 700, 701, 730, 731):
        assert store.events("a", after=after) == whole[after:]
    assert len(store.events("a", kinds=["step"])) == 730
    assert store.count("a") == 731


def test_a_rewind_into_a_row_keeps_the_steps_before(tmp_path, small: RunConfig) -> None:
    store = Store(tmp_path / "runs.sqlite")
    store.add("a", small, "training")
    store.append("a", 1, steps(600))
    whole = store.events("a")
    for keep in (590, 512, 511, 100, 1, 0):
        store.rewind("a", keep)
        assert store.events("a") == whole[:keep]
        assert store.count("a") == keep


def test_rows_of_one_step_each_as_earlier_versions_wrote_them_are_read(tmp_path, small: RunConfig) -> None:
    store = Store(tmp_path / "runs.sqlite")
    store.add("old", small, "completed")
    events = [event for event in Trainer(small) if isinstance(event, Step)][:5]
    with store._transaction() as db:
        rows = [("old", n, 0.0, "step", to_json(step)) for n, step in enumerate(events, start=1)]
        db.executemany("INSERT INTO events (run, n, at, kind, body) VALUES (?, ?, ?, ?, ?)", rows)
    assert [event for _, event in store.events("old", kinds=["step"])] == events
