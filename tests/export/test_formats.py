"""Every format, from Python and from the terminal, and what is refused."""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load

import kd_core as kd
from kd_core.__main__ import main
from kd_core.api.stored import load_run
from kd_core.config.run import from_flat
from kd_core.config.sweep import Sweep
from kd_core.export import formats
from kd_core.runs.manager import RunManager
from kd_core.store.annotations import normalize
from kd_core.training.loop import Trainer
from tools.testing.waiting import wait, wait_for_end

pytestmark = pytest.mark.slow

SETTINGS = {"dataset": "moons", "epochs": 2, "teacher_epochs": 1, "labelled": 40}
FILES = [to for to, each in formats.FORMATS.items() if each.takes != formats.FOLDER]


def needs(to: str) -> None:
    """Skip a format whose packages are not installed."""
    if formats.FORMATS[to].missing:
        pytest.skip(formats.FORMATS[to].missing)


@pytest.mark.parametrize("to", FILES)
def test_terminal_and_python_write_the_same_bytes(
    to: str, lab: RunManager, point_run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    needs(to)
    ending = formats.FORMATS[to].ending
    assert main(["export", point_run, f"to={to}", f"out={tmp_path / ('terminal' + ending)}"]) == 0
    assert f"in {tmp_path / ('terminal' + ending)}." in capsys.readouterr().out
    path = load_run(point_run, lab.folder).export(to, tmp_path / f"python{ending}")
    assert path.read_bytes() == (tmp_path / f"terminal{ending}").read_bytes()
    assert len(path.read_bytes()) > 500


def test_a_folder_takes_the_file_under_the_name_of_the_run(
    point_run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", point_run, "to=safetensors", "role=teacher", f"out={tmp_path}"]) == 0
    assert f"teacher-{point_run}.safetensors" in capsys.readouterr().out
    assert load((tmp_path / f"teacher-{point_run}.safetensors").read_bytes())


def test_equal_runs_give_equal_files(tmp_path: Path) -> None:
    """The files have no date and no random id."""
    digests = []
    for name in ("one.zip", "two.zip"):
        path = kd.distill(**SETTINGS).export(out=tmp_path / name)
        digests.append(hashlib.sha256(path.read_bytes()).hexdigest())
    assert digests[0] == digests[1]


def test_a_network_leaves_without_its_neighbours_and_without_data(tmp_path: Path) -> None:
    result = kd.distill(dataset="digits", student="cnn", student_width=4, epochs=1, teacher_epochs=1, labelled=20)
    size = sum(value.nbytes for value in result.student.state_dict().values())
    with zipfile.ZipFile(result.export("pt2", tmp_path / "student.pt2")) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    assert sum(count for name, count in sizes.items() if "/weights/weight_" in name) == size
    # Of two examples; torch.export stores those that it traced, and the storage that they are a part of.
    assert sum(count for name, count in sizes.items() if "sample_inputs" in name) < 4_000


def test_the_record_has_every_number_of_the_history(lab: RunManager, point_run: str) -> None:
    lab.annotation_store.write(point_run, normalize("=HYPERLINK(1)", [], ""))
    result = load_run(point_run, lab.folder)
    text = formats.export(lab.store, point_run, to="csv").content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    history = [row for row in rows if not row["part"].startswith("test_")]
    assert [(row["role"], int(row["step"]), row["part"], float(row["value"])) for row in history] == [
        (role, step, part, value) for _, step, role, part, value in result.history
    ]
    (accuracy,) = [row for row in rows if row["part"] == "test_accuracy" and row["role"] == "student"]
    assert float(accuracy["value"]) == result.test["student"]["accuracy"]
    assert {row["name"] for row in rows} == {"'=HYPERLINK(1)"}
    body = json.loads(formats.export(lab.store, point_run, to="json").content)
    assert kd.RunConfig.from_json(json.dumps(body["config"])) == result.config
    assert [tuple(row.values()) for row in body["history"]] == [tuple(row) for row in result.history]
    assert body["verdict"]["sentence"] == result.verdict.sentence


def test_parquet_has_the_rows_of_the_csv(lab: RunManager, point_run: str) -> None:
    needs("parquet")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(io.BytesIO(formats.export(lab.store, point_run, to="parquet").content))
    text = formats.export(lab.store, point_run, to="csv").content.decode("utf-8-sig")
    assert table.column("value").to_pylist() == [float(row["value"]) for row in csv.DictReader(io.StringIO(text))]
    assert json.loads(table.schema.metadata[b"distillery"])["run"] == point_run


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["0123456789"], "There is no run 0123456789"),
        (["RUN", "to=docx"], "to = docx: choose one of zip, safetensors"),
        (["RUN", "role=janitor"], "role = janitor: the run"),
        (["RUN", "into=zip"], "into: write to=FORMAT"),
        (["RUN", "out=/no/such/folder/x.zip"], "is not a folder"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_one_sentence(
    arguments: list[str], part: str, point_run: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", *(point_run if each == "RUN" else each for each in arguments)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert part in line


def test_a_sweep_is_refused_with_one_of_its_runs(lab: RunManager) -> None:
    sweep = lab.start_sweep(Sweep(from_flat(SETTINGS), (), seeds=(0, 1)))
    assert wait_for_end(lab, sweep, 60) == "completed"
    first = lab.store.members(sweep)[0].id
    with pytest.raises(ValueError, match=f"{sweep} is a sweep. Choose one of its 2 runs, such as {first}"):
        formats.export(lab.store, sweep)


def test_a_deleted_run_is_refused(lab: RunManager) -> None:
    run = lab.start(from_flat(SETTINGS))
    assert wait_for_end(lab, run, 60) == "completed"
    stored = load_run(run, lab.folder)
    lab.trash.delete(run)
    with pytest.raises(ValueError, match="may have been deleted"):
        stored.export()


def test_a_teacher_that_is_a_table_of_logits_is_refused() -> None:
    data = kd.datasets.Moons().load()
    tables = {name: torch.zeros(len(split), 2) for name, split in data.splits.items()}
    result = kd.distill(dataset="moons", teacher=tables, student="mlp", epochs=1)
    with pytest.raises(ValueError, match=r"teacher of run .* is a table of given logits"):
        result.export(role="teacher")


def test_an_unfinished_network_is_marked(lab: RunManager) -> None:
    run = lab.start(from_flat({**SETTINGS, "epochs": 400}), pace=0.02)
    wait(
        lambda: any("student" in e.accuracy and e.epoch for _, e in lab.store.iter_events(run, kinds=("validated",))),
        30,
    )
    network = formats.load_network(lab.store, lab.store.run(run))
    lab.stop(run)
    assert wait_for_end(lab, run, 30) == "stopped"
    assert network.mark.startswith("unfinished: epoch ")
    assert network.mark.endswith(" of 400")
    assert network.split == "validation"  # the test set is not read while a run trains
    stopped = formats.load_network(lab.store, lab.store.run(run))
    assert stopped.mark.startswith("stopped: epoch ")


def test_a_network_that_failed_is_refused(lab: RunManager) -> None:
    run = lab.start(
        from_flat(
            {**SETTINGS, "method": "logit_mse", "weight": 1000, "learning_rate": 1, "optimiser": "sgd", "epochs": 30}
        )
    )
    assert wait_for_end(lab, run, 60) == "failed"
    with pytest.raises(ValueError, match="failed while its student was trained"):
        formats.export(lab.store, run)
    assert formats.load_network(lab.store, lab.store.run(run), "teacher").mark.startswith("failed: epoch 1 of 1")


def test_an_export_does_not_change_a_run_that_is_trained_beside_it(lab: RunManager, point_run: str) -> None:
    config = from_flat({**SETTINGS, "epochs": 4000})
    run = lab.start(config, pace=0.02)
    wait(lambda: lab.store.count(run) > 10, 30)
    beside = formats.export_beside_training(lab.store, point_run, to="pt2").content
    assert lab.status(run).is_active  # else the next comparison says nothing
    lab.stop(run)
    assert wait_for_end(lab, run, 60) == "stopped"
    *events, _ = [event for _, event in lab.store.events(run)]
    assert events == list(itertools.islice(Trainer(config), len(events)))
    assert beside == formats.export(lab.store, point_run, to="pt2").content


def test_the_terminal_writes_the_folder_of_a_tracker(
    point_run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    needs("tensorboard")
    assert main(["export", point_run, "to=tensorboard", f"out={tmp_path / 'board'}"]) == 0
    assert f"TensorBoard in {tmp_path / 'board'}." in capsys.readouterr().out
    assert list((tmp_path / "board").rglob("events.out.tfevents.*"))
