"""Help, lists, stored runs, uploads and the start of the app."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from kd_core import __version__
from kd_core.__main__ import main
from kd_core.base.marks import percent
from kd_core.base.registry import GROUPS, plugins
from kd_core.cli.operations import app
from kd_core.cli.parser import COMMANDS
from kd_core.config import presets
from kd_core.store.store import Store
from tests.cli.conftest import QUICK

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def test_help_fits_one_screen_and_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert all(any(line.startswith(f"  {name} ") for line in lines) for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert COMMANDS[name].summary in " ".join(capsys.readouterr().out.split())


def test_help_and_version_import_no_torch() -> None:
    script = (
        "import sys; from kd_core.__main__ import main;"
        "codes = [main([argument]) for argument in ('--help', '--version')] + [main(['train', '--help'])];"
        "sys.exit(codes != [0, 0, 0] or 'torch' in sys.modules or 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"distillery {__version__}" in done.stdout


def test_without_a_command_the_help_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert "train NAME=VALUE" in errors


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
@pytest.mark.parametrize("limit", ["-5", "0", "many"])
def test_a_number_of_lines_below_one_is_refused(limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", f"--limit={limit}"]) == 2
    assert "not a whole number from 1 on" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "takes_settings"), [("app", False), ("runs", False), ("train", True)])
def test_how_settings_are_written_is_said_where_a_command_takes_them(
    name: str, takes_settings: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--port-number"]) == 2
    message = capsys.readouterr().err
    assert "--port-number is not an option" in message
    assert ("name=value" in message) == takes_settings


def test_a_broken_pipe_ends_quietly() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "kd_core", "list"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + 13
    assert errors == b""


def test_list_as_json_describes_every_choice(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {group: [choice["name"] for choice in listed[group]] for group in GROUPS} == {
        group: list(plugins(group)) for group in GROUPS
    }
    soft = next(choice for choice in listed["methods"] if choice["name"] == "soft_targets")
    assert soft["family"] == "response"
    assert "Hinton" in soft["paper"]
    assert soft["options"]["temperature"]["default"] == "4"


def test_list_in_words_names_every_choice(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    output = capsys.readouterr().out
    assert all(name in output for group in GROUPS for name in plugins(group))


def test_list_takes_a_group(capsys: pytest.CaptureFixture[str]) -> None:
    for group in ("schemes", "losses"):
        assert main(["list", group]) == 0
    first, *_ = capsys.readouterr().out.splitlines()
    assert first == "schemes"


@pytest.mark.parametrize("name", ["dkd", "DKD"])
def test_list_describes_one_method_with_its_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", name]) == 0
    output = capsys.readouterr().out
    assert "Zhao et al. 2022" in output
    assert "beta=8" in output
    assert "from 0 to 50" in output


def test_list_of_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "nothing"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "nothing" in line


def test_runs_are_listed_shown_and_deleted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs"]) == 0
    assert folder.name in capsys.readouterr().out
    assert main(["train", *QUICK, "seed=5", "--quiet"]) == 0
    (run,) = Store(folder / "distillery.sqlite").runs()
    capsys.readouterr()
    assert main(["runs"]) == 0
    assert run.id in capsys.readouterr().out
    assert main(["runs", "show", run.id, "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["settings"]["seed"] == "5"
    assert body["test"] == run.test
    assert main(["runs", "show", run.id]) == 0
    assert percent(run.test["student"]["accuracy"]) in capsys.readouterr().out
    assert main(["runs", "delete", run.id]) == 0
    assert Store(folder / "distillery.sqlite").runs() == []
    assert not (folder / "runs" / run.id).exists()
    for action in ("show", "delete"):
        assert main(["runs", action, run.id]) == 2


def test_a_run_of_a_sweep_is_deleted_with_its_sweep_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["luck", *QUICK, "seeds=2", "--quiet"]) == 0
    store = Store(folder / "distillery.sqlite")
    (sweep,) = store.sweeps()
    member = store.members(sweep.id)[0].id
    assert main(["runs", "show", sweep.id]) == 0
    assert member in capsys.readouterr().out
    assert main(["runs", "delete", member]) == 2
    assert sweep.id in capsys.readouterr().err
    assert main(["runs", "delete", sweep.id]) == 0
    assert store.sweeps() == store.members(sweep.id) == []


def test_an_uploaded_file_can_be_trained_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "points.csv"
    rows = [f"{number % 7},{number % 5},{'ab'[number % 2]}" for number in range(80)]
    file.write_text("x,y,class\n" + "\n".join(rows), encoding="utf-8")
    assert main(["upload", str(file), "--json"]) == 0
    added = json.loads(capsys.readouterr().out)
    assert added["classes"] == {"a": 40, "b": 40}
    chosen = ["dataset=upload", f"dataset_id={added['id']}", "epochs=1", "teacher_epochs=1"]
    assert main(["train", *chosen, "--ephemeral", "--quiet"]) == 0


def test_what_a_file_holds_is_said_before_anything_is_stored(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "flowers.csv"
    rows = [f"{number},{number % 7}.5,{number % 5},{'ab'[number % 2]},{'uv'[number % 3 > 1]}" for number in range(40)]
    file.write_text(
        "\n".join(["id,width,height,species,place", *rows, "40,wide,1,a,u", "41,1,1,c,u"]), encoding="utf-8"
    )
    assert main(["upload", str(file), "--dry-run", "--json"]) == 2
    output = capsys.readouterr()
    understood = json.loads(output.out)
    assert (understood["kind"], understood["label"], understood["ignored"]) == ("table", "species", ["id"])
    assert understood["classes"] == {"a": 20, "b": 20}
    assert [one["where"] for one in understood["left_out"]] == ["line 42", "class c"]
    assert 'line 42, column 2: "wide" is not a number' in output.err
    choices = ["label=place", "ignore=id,species", "names=u:north,v:south", "--leave-out"]
    assert main(["upload", str(file), *choices, "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "Label: place." in text
    assert "north" in text
    assert not (folder / "uploads").exists()
    assert main(["upload", str(file), *choices]) == 0
    assert len(list((folder / "uploads").iterdir())) == 1
    for path in [folder / "pets" / name / f"{number}.png" for name in ("cat", "dog") for number in range(6)]:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (9, 9), len(path.parent.name) + 20 * int(path.stem) + (path.parent.name == "dog")).save(path)
    assert main(["upload", str(folder / "pets"), "pixels=8", "--json"]) == 0
    output = capsys.readouterr().out.splitlines()[-1]
    assert json.loads(output)["classes"] == {"cat": 6, "dog": 6}
    assert main(["upload", str(file), "label=colour"]) == 2
    assert 'no column "colour"' in capsys.readouterr().err
    assert main(["upload", str(file), "colours=grey"]) == 2
    assert "no such choice" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, "not a table"])
def test_a_file_that_cannot_be_uploaded_is_named(
    content: str | None, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "broken.csv"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    assert main(["upload", str(file)]) in (1, 2)
    (line,) = capsys.readouterr().err.splitlines()
    assert "broken.csv" in line


def test_the_app_names_the_extra_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(app.importlib.util, "find_spec", lambda name: None if name == "streamlit" else object())
    assert main(["app"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "streamlit" in line
    assert "pip install streamlit" in line


def test_an_unexpected_error_is_a_sentence_without_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: object) -> int:
        raise KeyError("something")

    monkeypatch.setattr("kd_core.cli.choices.show", broken)
    assert main(["list"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "something" in line


@pytest.mark.parametrize("port", ["-1", "0", "99999"])
def test_a_port_that_no_machine_has_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["app", "--port", port]) == 2
    assert f"port = {port}: choose a whole number from 1 to 65535." in capsys.readouterr().err


def test_a_damaged_database_is_not_taken_for_an_empty_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "distillery.sqlite").write_text("no database at all")
    assert main(["runs"]) == 1
    printed = capsys.readouterr()
    assert "It is damaged" in printed.err
    assert not printed.out


def test_training_an_experiment_needs_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preset", "--train"]) == 2
    assert "Which experiment?" in capsys.readouterr().err


def test_a_preset_as_json_has_its_settings_and_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preset", "mnist_soft_targets", "seed=7", "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert (body["name"], body["settings"]["seed"]) == ("mnist_soft_targets", "7")
    assert {"what", "published", "measured"} == body["numbers"][0].keys()


@pytest.mark.parametrize("arguments", [["preset", "--json"], ["list", "presets", "--json"]])
def test_all_presets_as_json(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    assert {preset.name for preset in presets.all_presets()} == {
        body["name"] for body in json.loads(capsys.readouterr().out)
    }


def test_a_closed_output_is_no_fault(folder: Path) -> None:
    command = f'exec "{sys.executable}" -m kd_core train {" ".join(QUICK)} --ephemeral >&-'
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_teacher_measures_a_file_and_prints_the_settings_that_use_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import numpy as np
    import torch

    from kd_core.datasets import load
    from kd_core.datasets.moons import Moons

    labels = load(Moons()).train.labels
    np.save(folder / "logits.npy", torch.nn.functional.one_hot(1 - labels, 2).float().numpy())
    command = ["teacher", str(folder / "logits.npy"), "dataset=moons"]
    assert main([*command, "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "Accuracy 0\N{NO-BREAK SPACE}%" in text
    assert "no better than chance" in text
    assert "Try order=1,0" in text
    assert not list(folder.rglob("*.safetensors"))
    assert main([*command, "order=1,0", "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["measured"]["accuracy"] == 1
    assert (body["order"], body["advice"]) == ([1, 0], [])
    settings = [f"{name}={value}" for name, value in body["settings"].items()]
    assert settings == ["dataset=moons", "teacher=teacher_file", f"teacher_id={body['id']}", "teacher_epochs=0"]
    assert main(["train", *settings, "labelled=40", "epochs=2", "--quiet"]) == 0
    capsys.readouterr()
    for wrong, sentence in (("order=1,1", "each of the numbers from 0 to 1"), ("colour=red", "no such setting here")):
        assert main([*command, wrong]) == 2
        assert sentence in capsys.readouterr().err
