"""Tests of the commands ``folder`` and ``doctor``."""

from __future__ import annotations

import json
import re
import shutil
import socket
import sqlite3
import time
from pathlib import Path

import pytest

from kd_core.__main__ import main
from kd_core.cli.operations import doctor
from kd_core.store import backup
from kd_core.store.store import Store
from tests.cli.conftest import QUICK

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_backup_is_restored_with_the_same_runs(
    folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["train", *QUICK, "--quiet"]) == 0
    (run,) = Store(folder / "distillery.sqlite").runs()
    (folder / "datasets").mkdir(exist_ok=True)
    copy = tmp_path_factory.mktemp("elsewhere") / "copy"
    capsys.readouterr()
    assert main(["folder", "backup", str(copy)]) == 0
    assert str(copy) in capsys.readouterr().out
    assert {path.name for path in copy.iterdir()} == {"distillery.sqlite", "runs", "teachers"}
    shutil.rmtree(folder)
    monkeypatch.setenv("DISTILLERY_DATA", str(folder / "new"))
    assert main(["folder", "restore", str(copy)]) == 0
    capsys.readouterr()
    assert main(["runs", "show", run.id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["test"] == run.test
    assert main(["folder", "vacuum"]) == 0
    assert "has" in capsys.readouterr().out


def test_a_backup_overwrites_nothing_and_is_not_inside_of_what_it_copies(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    Store(folder / "distillery.sqlite")
    other = tmp_path_factory.mktemp("other")
    (other / "file").write_text("mine")
    for target in (folder / "copy", other):
        assert main(["folder", "backup", str(target)]) == 2
        assert "empty folder outside of" in capsys.readouterr().err
    assert [path.name for path in other.iterdir()] == ["file"]
    assert main(["folder", "backup"]) == 2
    assert "folder backup FOLDER" in capsys.readouterr().err
    for container in (folder, folder.parent):
        assert main(["folder", "restore", str(container), "--replace"]) == 2
    assert main(["folder", "shred"]) == 2


# -- doctor ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def examine(capsys: pytest.CaptureFixture[str], port: int) -> tuple[int, dict[str, doctor.Check]]:
    """Run the command; return its exit status and its last check by name."""
    capsys.readouterr()
    status = main(["doctor", "--json", "--port", str(port)])
    body = json.loads(capsys.readouterr().out)
    assert body["healthy"] == (status == 0)
    return status, {check["name"]: doctor.Check(**check) for check in body["checks"]}


def test_a_sound_installation_has_no_problem(folder: Path, free_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    status, checks = examine(capsys, free_port)
    assert status == 0
    assert {"Python", "torch", "data folder", "space for data", f"port {free_port}"} <= set(checks)
    assert not [check for check in checks.values() if check.state == doctor.PROBLEM]
    assert main(["doctor", "--port", str(free_port)]) == 0
    assert re.search(rf"^ok +port {free_port} +free$", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.slow
def test_every_warning_and_problem_has_a_cure(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A damaged database, a full disk, a foreign program on the port, wrong variables and a weak password."""
    (folder / "distillery.sqlite").write_text("no database")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 10**12 - 1000, 1000))
    monkeypatch.setenv("DISTILLERY_DEVICE", "cuda:99")
    monkeypatch.setenv("DISTILLERY_MAX_EPOCH", "5")
    monkeypatch.setenv("DISTILLERY_MAX_QUEUED", "many")
    monkeypatch.setenv("DISTILLERY_PRESENTER_PASSWORD", "kd")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        listener.settimeout(0.1)
        port = listener.getsockname()[1]
        status, checks = examine(capsys, port)
    assert status == 1
    expected = {
        "database": (doctor.PROBLEM, "restore BACKUP --replace"),
        "space for data": (doctor.PROBLEM, "DISTILLERY_DATA"),
        f"port {port}": (doctor.WARNING, f"--port {port + 1}"),
        "runs train on": (doctor.PROBLEM, "DISTILLERY_DEVICE"),
        "DISTILLERY_MAX_EPOCH": (doctor.WARNING, "Did you mean DISTILLERY_MAX_EPOCHS?"),
        "DISTILLERY_MAX_QUEUED": (doctor.PROBLEM, "whole number"),
        "password": (doctor.WARNING, "12 characters"),
    }
    for name, (state, cure) in expected.items():
        assert checks[name].state == state, name
        assert cure in checks[name].cure, name
    assert all(check.cure for check in checks.values() if check.state in (doctor.WARNING, doctor.PROBLEM))
    assert '"kd"' not in str(checks)


def test_a_run_of_the_future_and_a_linked_run_folder_are_named(
    folder: Path, small, free_port: int, capsys: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    Store(folder / "distillery.sqlite").add("a", small, "completed")
    with sqlite3.connect(folder / "distillery.sqlite") as db:
        db.execute("UPDATE runs SET created = ?", (time.time() + 86_400,))
    db.close()
    (folder / "runs").mkdir()
    (folder / "runs" / "a").symlink_to(tmp_path_factory.mktemp("outside"))
    _, checks = examine(capsys, free_port)
    assert "clock" in checks["clock"].cure
    assert checks["links"].value == "a"


def test_packages_are_compared_with_the_bounds_that_are_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"torch": "2.14.1+cpu", "numpy": "2.0.0rc1", "scipy": "1.13.9", "pillow": "13.0"}
    monkeypatch.setattr(doctor, "_installed", lambda name: versions.get(name, ""))
    states = {
        requirement: doctor._package(requirement).state
        for requirement in ("torch>=2.14.1,<2.15", "numpy>=2,<3", "scipy>=1.14,<2", "pillow>=11,<13", "filelock>=3")
    }
    assert list(states.values()) == [doctor.OK, doctor.OK, doctor.WARNING, doctor.WARNING, doctor.PROBLEM]


def test_the_requirements_of_a_checkout_are_those_of_the_installed_package(monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = doctor.requirements()
    monkeypatch.setattr(doctor, "is_checkout", lambda: False)
    installed = doctor.requirements()
    names = {extra: {doctor.bounds(line)[0] for line in lines} for extra, lines in installed.items()}
    assert all({doctor.bounds(line)[0] for line in lines} <= names[extra] for extra, lines in checkout.items() if lines)


def test_a_check_that_breaks_is_a_problem_and_the_others_follow(
    folder: Path, monkeypatch: pytest.MonkeyPatch, free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: Path) -> None:
        raise KeyError("something")

    Store(folder / "distillery.sqlite")
    monkeypatch.setattr(backup, "check", broken)
    status, checks = examine(capsys, free_port)
    assert status == 1
    assert "something" in checks["data folder"].value
    assert checks["variables"].state == doctor.OK


def test_every_environment_variable_in_the_code_is_one_that_the_doctor_knows() -> None:
    paths = [path for top in ("kd_core", "pages") for path in (ROOT / top).rglob("*.py")]
    names = {name for path in paths for name in re.findall(r"\bDISTILLERY_[A-Z_]*[A-Z]\b", path.read_text("utf-8"))}
    assert names - {"DISTILLERY_MAX"} == set(doctor.VARIABLES)
