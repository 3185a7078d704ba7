"""Tests of Dockerfile and compose.yaml, whose steps are read here; nothing is built."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import yaml

from kd_core.cli.operations import doctor
from kd_core.cli.operations.app import health_address
from kd_core.cli.parser import COMMANDS

ROOT = Path(__file__).parents[1]
DOCKERFILE = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.*)$", DOCKERFILE, re.MULTILINE)


def copied() -> list[str]:
    """The paths of this checkout that are copied into the image."""
    return [path for line in instructions("COPY") if "--from" not in line for path in line.split()[:-1]]


def test_everything_that_is_copied_exists_and_is_not_ignored() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    included = [line[1:] for line in lines if line.startswith("!")]
    for path in copied():
        assert (ROOT / path).exists(), path
        assert any(fnmatch.fnmatch(path, pattern) for pattern in included), path
    assert sorted(included) == sorted(copied())


@pytest.mark.slow
def test_the_wheel_is_built_from_what_is_copied(tmp_path: Path) -> None:
    """Pip builds it in a folder with nothing else, as in the image, and the browser files are written."""
    for path in copied():
        source, target = ROOT / path, tmp_path / "source" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    packages = tmp_path / "packages"
    build = [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--target", str(packages), "."]
    subprocess.run(build, cwd=tmp_path / "source", check=True, timeout=250)
    (install,) = (line for line in instructions("RUN") if "publish" in line)
    environment = {**os.environ, "PYTHONPATH": str(packages)}
    steps = [shlex.split(step)[2] for step in re.findall(r"python -c '[^']*'", install)]
    folder = run(steps[0], tmp_path, environment).strip()
    assert Path(folder).is_relative_to(packages)
    run(steps[1], Path(folder), environment)
    assert (Path(folder) / "static" / "plotly.min.js").exists()
    assert any((Path(folder) / "static").glob("components-*/run/epoch_slider.js"))


def run(script: str, folder: Path, environment: dict[str, str]) -> str:
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout


def test_torch_alone_comes_from_the_index_of_the_build_argument(tmp_path: Path) -> None:
    (install,) = (line for line in instructions("RUN") if "TORCH_INDEX" in line)
    select = install.split("&&")[0]
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    subprocess.run(["sh", "-c", select], cwd=tmp_path, check=True, timeout=10)
    names = [doctor.bounds(line)[0] for line in (tmp_path / "torch.txt").read_text().splitlines()]
    assert names == ["torch", "torchvision"]
    assert "TORCH_INDEX=" in instructions("ARG")
    assert COMPOSE["services"]["app"]["build"]["args"] == {"TORCH_INDEX": "${TORCH_INDEX:-}"}


def test_the_image_starts_the_app_as_a_user_without_rights_and_stops_by_sigterm() -> None:
    (entry,), (command,) = instructions("ENTRYPOINT"), instructions("CMD")
    assert json.loads(entry) == ["distillery"]
    assert json.loads(command)[0] in COMMANDS
    assert instructions("STOPSIGNAL") == ["SIGTERM"]
    assert instructions("USER") not in ([], ["root"])
    variables = dict(re.findall(r"(\w+)=(\S+)", instructions("ENV")[-1]))
    assert {name for name in variables if name.startswith("DISTILLERY_")} <= set(doctor.VARIABLES)
    assert [variables["DISTILLERY_DATA"]] == instructions("VOLUME")


def test_the_health_check_fails_where_nothing_answers_and_passes_where_the_app_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (check,) = re.findall(r"CMD (\[\"python\".*\])", DOCKERFILE)
    script = json.loads(check)[2]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = compile(script.replace("8501", str(port)), "health", "exec")
    with pytest.raises(OSError, match="refused"):
        exec(code, {})
    requested: list[str] = []
    monkeypatch.setattr(urllib.request, "urlopen", lambda address, **_: requested.append(address))
    exec(code, {})
    monkeypatch.setenv("STREAMLIT_SERVER_BASE_URL_PATH", "/lab/")
    exec(code, {})
    assert requested == [f"http://127.0.0.1:{port}/_stcore/health", f"http://127.0.0.1:{port}/lab/_stcore/health"]
    assert health_address(80) == "http://127.0.0.1:80/lab/_stcore/health"


def test_compose_has_a_password_a_grace_period_and_a_port_on_this_machine_alone() -> None:
    (service,) = COMPOSE["services"].values()
    assert ":?" in service["environment"]["DISTILLERY_PRESENTER_PASSWORD"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert int(service["stop_grace_period"].rstrip("s")) > 10
    mounted = [volume.split(":")[1] for volume in service["volumes"]]
    assert instructions("VOLUME")[0] in mounted
    assert {name for name in service["environment"] if name.startswith("DISTILLERY_")} <= set(doctor.VARIABLES)
