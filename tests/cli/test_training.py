"""Commands that train runs."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kd_core.__main__ import main
from kd_core.base import registry
from kd_core.base.events import to_json
from kd_core.base.marks import percent
from kd_core.base.registry import plugins
from kd_core.config.run import from_flat
from kd_core.files.lock import lock_data_folder
from kd_core.store.store import Store
from kd_core.training.loop import Trainer
from tests.cli.conftest import QUICK

pytestmark = pytest.mark.slow

SETTINGS = dict(text.split("=") for text in QUICK)
ROOT = Path(__file__).parents[2]
# The command, whose runs take a second per epoch, so that a signal reaches them before their end.
# With the handler of Ctrl-C that a terminal's program has; a shell's background job is started without.
SLOW = """
import functools, signal, sys
from kd_core.__main__ import main
from kd_core.runs.manager import RunManager
signal.signal(signal.SIGINT, signal.default_int_handler)
RunManager.start = functools.partialmethod(RunManager.start, pace=1.0)
sys.exit(main(sys.argv[1:]))
"""


def store(folder: Path) -> Store:
    return Store(folder / "distillery.sqlite")


@pytest.mark.parametrize("where", [[], ["--ephemeral"]])
def test_train_prints_every_event_as_a_line_of_json(
    where: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *QUICK, "--json", *where]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [to_json(event) for event in Trainer(from_flat(SETTINGS))]
    last = json.loads(lines[-1])
    assert last["event"] == "finished"
    assert set(last["test_accuracy"]) == {"teacher", "student", "baseline"}


def test_a_run_from_the_terminal_is_stored_where_the_app_finds_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *QUICK]) == 0
    output = capsys.readouterr().out
    (run,) = store(folder).runs()
    assert run.id in output
    assert run.state == "completed"
    assert run.config == from_flat(SETTINGS)
    student = run.test["student"]["accuracy"]
    assert f"student {percent(student)}" in output
    assert f"{100 * student:.1f} %" in output.splitlines()[-1]


def test_the_second_run_reuses_the_teacher_of_the_first(folder: Path) -> None:
    assert main(["train", *QUICK, "--quiet"]) == 0
    (teacher,) = (folder / "teachers").iterdir()
    written = teacher.stat().st_mtime_ns
    assert main(["train", *QUICK, "alpha=0.5", "--quiet"]) == 0
    assert [path.stat().st_mtime_ns for path in (folder / "teachers").iterdir()] == [written]


def test_an_ephemeral_run_leaves_nothing_behind(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["train"], ["luck", "seeds=2"], ["sweep", "alpha=0.5,0.9", "seeds=1"]):
        assert main([*command, *QUICK, "--ephemeral", "--quiet"]) == 0
    assert list(folder.iterdir()) == []
    assert "Baseline" in capsys.readouterr().out


def test_quiet_prints_the_result_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *QUICK, "--quiet"]) == 0
    output, errors = capsys.readouterr()
    assert len(output.splitlines()) == 2
    assert errors == ""


@pytest.mark.parametrize("json_flag", [[], ["--json"]])
def test_a_refused_setting_is_reported_on_stderr_and_nothing_is_stored(
    json_flag: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "temperature=0", "alpha=3", *json_flag]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.splitlines() == [
        'temperature = "0": choose a number from 0.5 to 20.',
        'alpha = "3": choose a number from 0 to 1.',
    ]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (["train", "temprature=3"], ["temprature", "Did you mean temperature"]),
        (["train", "temperature"], ["name=value"]),
        (["train", "--temperature", "4"], ["--temperature", "name=value"]),
        (["train", "alpha=1", "alpha=0"], ["alpha", "twice"]),
        (["train", "loss=dkd", "method=dkd"], ["loss", "method"]),
        (["sweep", "alpha=0.5"], ["several values"]),
        (["sweep", "seed=1,2"], ["The seed cannot be an axis"]),
        (["sweep", "dataset=moons", "student=cnn,mlp"], ["student = cnn", "needs images"]),
        (["sweep", "method=all", "temprature=2"], ["temprature", "Did you mean temperature"]),
        (["sweep", "temperature=1,,2"], ["temperature", "1,,2", "lacks a value"]),
        (["train", "dataset=nosuch", "dataset_noise=1", "teacher=zoo", "labelled=5000"], ["nosuch", "choose one of"]),
        (["luck", "seeds=none"], ["seeds", "none"]),
        (["train", "on=nowhere"], ["on = nowhere", "ray://HOST:PORT"]),
        (["sweep", "temperature=1,2", "on=ray://lab:1", "--ephemeral"], ["on = ray://lab:1", "--ephemeral"]),
        (["search", "temperature=1..2", "on=ray://lab:1", "--ephemeral"], ["on = ray://lab:1", "--ephemeral"]),
        (["luck", "device=cluster", "--ephemeral"], ["device = cluster", "--ephemeral"]),
        (["train", "on=ray://lab:1", "device=cpu"], ["on = ray://lab:1", "leave out device=cpu"]),
        (["resume", "nothing"], ["nothing", "distillery runs"]),
        (["trian"], ["trian", "train"]),
    ],
)
def test_a_mistake_is_one_sentence_that_names_it(
    arguments: list[str], fragments: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert all(fragment in line for fragment in fragments)


def test_the_message_about_a_locked_folder_says_what_to_do(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = lock_data_folder(folder)
    try:
        assert main(["train", *QUICK]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert all(word in line for word in (folder.name, "--ephemeral", "DISTILLERY_DATA", "app"))
        assert main(["train", *QUICK, "--ephemeral", "--quiet"]) == 0
        assert main(["runs"]) == 0  # reading needs no lock
    finally:
        lock.release()


def test_luck_trains_the_seeds_with_one_teacher_and_gives_the_verdict(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["luck", *QUICK, "seed=3", "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert list(body["tests"]) == ["3", "4", "5", "6", "7"]
    assert len({test["teacher"]["accuracy"] for test in body["tests"].values()}) == 1
    gains = [100 * (test["student"]["accuracy"] - test["baseline"]["accuracy"]) for test in body["tests"].values()]
    assert body["verdict"]["gain"] == pytest.approx(sum(gains) / 5)
    assert "over 5 seeds" in body["verdict"]["sentence"]
    (sweep,) = store(folder).sweeps()
    assert sweep.state == "completed"


def test_a_sweep_has_the_same_numbers_stored_and_ephemeral(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["sweep", *QUICK, "temperature=1,4", "alpha=0.5,0.9", "seeds=2", "--json"]
    assert main(command) == 0
    stored = json.loads(capsys.readouterr().out)
    assert main([*command, "--ephemeral"]) == 0
    ephemeral = json.loads(capsys.readouterr().out)
    assert [cell["values"] for cell in stored["cells"]] == [
        {"temperature": t, "alpha": a} for t in ("1", "4") for a in ("0.5", "0.9")
    ]
    for ours, other in zip(stored["cells"], ephemeral["cells"], strict=True):
        assert ours["validation_accuracy"] == other["validation_accuracy"]
        assert ours["gain"] == other["gain"]
    assert stored["best"] == ephemeral["best"]
    best = max(stored["cells"], key=lambda cell: cell["validation_accuracy"])
    assert stored["best"] == best["values"]


@pytest.mark.usefixtures("folder")
def test_a_sweep_names_the_score_of_its_task(capsys: pytest.CaptureFixture[str]) -> None:
    short = ("dataset=friedman", "epochs=1", "teacher_epochs=1", "seeds=1", "--ephemeral")
    assert main(["sweep", "weight=0.1,0.9", *short]) == 0
    assert "validation R²" in capsys.readouterr().out


def test_a_sweep_in_words_marks_the_best_cell(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", *QUICK, "alpha=0.1,0.9", "seeds=1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.endswith("best") for line in lines) == 1
    assert [line for line in lines if line.startswith("alpha=0.9, seed 0")]


def test_one_line_compares_all_methods_and_confirms_the_best(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = ["dataset=moons", "labelled=40", "epochs=2", "teacher_epochs=1"]
    assert main(["sweep", "method=all", "seeds=2", *short, "--json"]) == 0
    output, errors = capsys.readouterr()
    body = json.loads(output)
    methods = [cell["values"]["method"] for cell in body["cells"]]
    assert [line.split()[0] for line in errors.splitlines()[:-1]] == [
        name for name in plugins("methods") if name not in methods
    ]
    (sweep,) = store(folder).sweeps()
    assert len(store(folder).members(sweep.id)) == 2 * len(methods)
    assert len(list((folder / "teachers").iterdir())) == 1
    assert main(["runs", "show", sweep.id]) == 0
    words = capsys.readouterr().out
    assert f"corrected for {len(methods)} comparisons (Holm)" in words
    best = max(body["cells"], key=lambda cell: cell["validation_accuracy"])
    assert [line.split()[0] for line in words.splitlines() if line.endswith("best")] == [best["values"]["method"]]
    assert words.splitlines()[-1].startswith("Baseline")


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_stops_a_run_and_resume_continues_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {**os.environ, "DISTILLERY_DATA": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SLOW, "train", "dataset=moons", "epochs=40", "teacher_epochs=1"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert any("students, epoch" in line for line in process.stdout)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    (run,) = store(tmp_path).runs()
    assert run.state == "stopped"
    assert f"distillery resume {run.id}" in errors
    assert "Traceback" not in errors
    assert "Test accuracy" in output
    count = store(tmp_path).count(run.id)
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path))
    assert main(["resume", run.id]) == 0
    assert store(tmp_path).run(run.id).state == "completed"
    assert store(tmp_path).count(run.id) > count


def test_a_preset_takes_settings(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preset", "mnist_soft_targets", "seed=7"]) == 0
    assert "seed=7" in capsys.readouterr().out


def test_a_terminal_shows_progress_as_one_line_that_moves(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert main(["train", *QUICK]) == 0
    lines = capsys.readouterr().out.split("\n")
    assert "100\u00a0%" in lines[1]
    assert len(lines) == 5  # the id, the line of progress, two lines of results, and the end


def test_problems_of_plug_ins_are_printed_once_on_stderr(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(registry, "problems", lambda: ("loss.py defines no method.",), raising=False)
    assert main(["train", *QUICK, "--ephemeral", "--quiet"]) == 0
    assert capsys.readouterr().err == "loss.py defines no method.\n"
