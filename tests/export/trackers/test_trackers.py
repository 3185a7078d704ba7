"""Stored runs in trackers, read back by the API of each."""

from __future__ import annotations

import importlib.util
import json
import re
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kd_core.__main__ import main
from kd_core.base.events import Step, Validated
from kd_core.config.run import from_flat
from kd_core.export.trackers.confusion_picture import CELL, MARGIN, confusion_pictures, draw_confusion
from kd_core.export.trackers.export import TRACKERS, export_to_tracker, tracker_class
from kd_core.export.trackers.tracker import Tracker, TrackerFeed
from kd_core.runs.manager import RunManager
from tools.testing.waiting import wait_for_end

MOONS = {"dataset": "moons", "epochs": "3", "teacher_epochs": "2", "labelled": "40"}


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{package} is not installed")


@pytest.fixture(scope="module")
def moons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunManager, str]]:
    runs = RunManager(tmp_path_factory.mktemp("tracked"))
    run = runs.start(from_flat(MOONS))
    assert wait_for_end(runs, run, 60) == "completed"
    yield runs, run
    runs.close()


Moons = tuple[RunManager, str]


def expected(runs: RunManager, run: str) -> dict[str, list[tuple[int, float]]]:
    """Two curves from the stored events; the teacher's phase comes first."""
    events = [event for _, event in runs.store.iter_events(run)]
    before = max(event.step for event in events if isinstance(event, Step) and event.phase == "teacher")
    students = [event for event in events if isinstance(event, Step | Validated) and event.phase == "students"]
    return {
        "student/loss": [(before + event.step, event.loss["student"]) for event in students if isinstance(event, Step)],
        "student/validation accuracy": [
            (before + event.step, event.accuracy["student"]) for event in students if isinstance(event, Validated)
        ],
    }


def written(name: str, moons: Moons, folder: Path) -> tuple[dict[str, list[tuple[int, float]]], Any]:
    runs, run = moons
    row = runs.store.run(run)
    export_to_tracker(name, runs.store, row, folder)
    return expected(runs, run), row


def check(points: list[tuple[int, float]], curve: list[tuple[int, float]]) -> None:
    assert [step for step, _ in points] == [step for step, _ in curve]
    np.testing.assert_allclose([value for _, value in points], [value for _, value in curve], rtol=1e-6)


class Recorder(Tracker):
    """Tracker in memory, which refuses what trackers refuse."""

    def __init__(self) -> None:
        self.curves: dict[str, list[tuple[int, float]]] = {}
        self.results: dict[str, float] = {}
        self.others: dict[str, Any] = {}
        self.last = -1

    def scalars(self, values: Any, step: int) -> None:
        assert step > self.last, "steps must increase"
        self.last = step
        for name, value in values.items():
            self.curves.setdefault(name, []).append((step, value))

    def result(self, values: Any) -> None:
        self.results |= values

    def text(self, name: str, text: str) -> None:
        self.others[name] = text

    def picture(self, name: str, picture: Any) -> None:
        self.others[name] = picture

    def table(self, name: str, columns: Any, rows: Any) -> None:
        self.others[name] = [columns, *rows]

    def close(self) -> None:
        self.others["closed"] = True


def test_all_events_are_written_in_increasing_steps_with_result_verdict_table_and_pictures(moons: Moons) -> None:
    runs, run = moons
    recorder = Recorder()
    feed = TrackerFeed(recorder)
    for _, event in runs.store.iter_events(run):
        feed.follow(event)
    row = runs.store.run(run)
    feed.finish(runs.store, row)
    assert feed.error == ""
    for name, curve in expected(runs, run).items():
        check(recorder.curves[name], curve)
    assert recorder.results["test/student/accuracy"] == row.test["student"]["accuracy"]
    assert "One seed" in recorder.others["verdict"]
    assert {line[0] for line in recorder.others["networks"][1:]} == {"teacher", "student", "baseline"}
    assert recorder.others["confusion matrix/student"].shape == (MARGIN + 2 * CELL, MARGIN + 2 * CELL, 3)
    assert recorder.others["closed"]


def test_a_tracker_that_fails_does_not_end_a_run_that_is_followed(moons: Moons) -> None:
    runs, run = moons

    class Broken(Recorder):
        def scalars(self, *_: Any) -> None:
            raise OSError("the disk is full")

    feed = TrackerFeed(Broken())
    for _, event in runs.store.iter_events(run):
        feed.follow(event)
    assert feed.error == "OSError: the disk is full"


def test_a_confusion_matrix_is_brightest_where_it_counts_most(moons: Moons) -> None:
    picture = draw_confusion([[50, 0], [5, 45]], ("zero", "one"))
    corner = [MARGIN + CELL * place + 2 for place in (0, 1)]
    brightness = [[int(picture[row, column].sum()) for column in corner] for row in corner]
    assert brightness[0][0] >= brightness[1][1] > brightness[1][0] >= brightness[0][1]
    runs, run = moons
    assert confusion_pictures(runs.store, runs.store.run(run)).keys() == {"teacher", "student", "baseline"}


@needs("tensorboard")
def test_tensorboard_reads_back_every_step_the_verdict_and_the_settings(moons: Moons, tmp_path: Path) -> None:
    curves, row = written("tensorboard", moons, tmp_path)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(tmp_path / row.id), size_guidance={"scalars": 0, "images": 0})
    reader.Reload()
    for name, curve in curves.items():
        check([(event.step, event.value) for event in reader.Scalars(name)], curve)
    assert "confusion matrix/student" in reader.Tags()["images"]
    assert b"One seed" in reader.Tensors("verdict/text_summary")[0].tensor_proto.string_val[0]
    assert reader.Scalars("test/student/accuracy")[0].value == pytest.approx(row.test["student"]["accuracy"])


@pytest.mark.slow
@needs("mlflow")
@pytest.mark.filterwarnings("ignore:.*(filesystem tracking backend|maintenance mode)")
def test_mlflow_reads_back_every_step_the_settings_and_the_files(moons: Moons, tmp_path: Path) -> None:
    curves, row = written("mlflow", moons, tmp_path)
    from mlflow import MlflowClient

    database = tmp_path / "mlflow.db"
    client = MlflowClient(tracking_uri=f"sqlite:///{database}" if database.exists() else (tmp_path / "mlruns").as_uri())
    experiment = client.get_experiment_by_name("distillery")
    (run,) = client.search_runs([experiment.experiment_id])
    for name, curve in curves.items():
        check([(point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)], curve)
    assert (run.info.run_name, run.info.status) == (row.id, "FINISHED")
    assert run.data.params["dataset"] == "moons"
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert any(name.endswith("confusion matrix/student.png") for name in files)
    assert any(name.endswith("networks.json") for name in files)


def wandb_records(path: Path) -> Iterator[Any]:
    """Yield the records of a file in LevelDB's log format after seven bytes of header."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, position, parts = path.read_bytes(), 7, b""
    while position + 7 <= len(content):
        room = 32768 - position % 32768
        if room < 7:
            position += room
            continue
        _, length, kind = struct.unpack_from("<IHB", content, position)
        parts += content[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record, parts = Record.FromString(parts), b""
            yield record


@needs("wandb")
@pytest.mark.slow
def test_an_offline_run_of_weights_and_biases_holds_every_step_the_settings_and_the_verdict(
    moons: Moons, tmp_path: Path
) -> None:
    curves, row = written("wandb", moons, tmp_path)
    records = list(wandb_records(next(tmp_path.rglob("*.wandb"))))
    (run,) = [record.run for record in records if record.WhichOneof("record_type") == "run"][:1]
    settings = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert (run.display_name, settings["dataset"]) == (row.id, "moons")
    lines = [
        {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
        for record in records
        if record.WhichOneof("record_type") == "history"
    ]
    for name, curve in curves.items():
        check([(line["_step"], line[name]) for line in lines if name in line], curve)
    summary = "".join(str(record.summary) for record in records if record.WhichOneof("record_type") == "summary")
    assert "One seed" in summary
    assert list(tmp_path.rglob("*.png"))


@needs("trackio")
def test_trackio_reads_back_every_step_and_the_verdict(
    moons: Moons, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path))
    assert "trackio" not in sys.modules, "its folder is chosen at its import"
    curves, row = written("trackio", moons, tmp_path)
    import trackio
    from trackio.sqlite_storage import SQLiteStorage

    run = trackio.Api().runs("distillery")[0]
    assert (run.name, run.config["dataset"]) == (row.id, "moons")
    points = SQLiteStorage.get_logs("distillery", row.id)
    for name, curve in curves.items():
        check([(point["step"], point[name]) for point in points if name in point], curve)
    assert any("One seed" in str(point.get("verdict")) for point in points)
    with pytest.raises(ValueError, match="one folder per process"):
        tracker_class("trackio")(tmp_path / "other", "x", {})


def test_another_tracker_a_missing_package_and_a_run_that_trains_are_refused(
    moons: Moons, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runs, _ = moons
    with pytest.raises(ValueError, match="track = neptune: choose one of tensorboard, mlflow, wandb, trackio"):
        tracker_class("neptune")
    runs.store.add("half", from_flat(MOONS), "training")
    with pytest.raises(ValueError, match="still trains"):
        export_to_tracker("tensorboard", runs.store, runs.store.run("half"), tmp_path)
    runs.store.set_state("half", "failed")
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    for name in TRACKERS:
        with pytest.raises(ImportError, match=r"distillery-lab\[track\]"):
            tracker_class(name)


@needs("tensorboard")
def test_the_terminal_writes_a_run_while_it_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path))
    monkeypatch.setenv("DISTILLERY_TRACK", "tensorboard")
    assert main(["train", *(f"{name}={value}" for name, value in MOONS.items()), "--quiet"]) == 0
    (folder,) = (tmp_path / "trackers" / "tensorboard").iterdir()
    assert re.fullmatch(r"[0-9a-f]{10}", folder.name)
    assert main(["train", "dataset=moons", "track=neptune", "--ephemeral"]) == 2
    assert main(["train", "dataset=moons", "--ephemeral"]) == 2
    assert "leave out --ephemeral" in capsys.readouterr().err
