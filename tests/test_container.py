"""Tests of Dockerfile and compose.yaml, whose steps are executed in an empty environment."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import urllib.request
from pathlib import Path

import pytest
import yaml

from kd_core.cli.operations import doctor
from kd_core.cli.operations.app import health_address
from kd_core.cli.parser import COMMANDS
from kd_core.runs.cluster.local_cluster import free_port
from tools.testing.waiting import wait

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


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder in the place of the root of the image, after all steps of its first stage.

    The environment that they create is empty but for a path to the packages of this one, so that pip finds the
    requirements satisfied instead of downloading gigabytes.
    """
    root = tmp_path_factory.mktemp("image")
    (root / "opt").mkdir()
    (root / "data").mkdir()
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(root)}
    folder, stage = root, DOCKERFILE.split("\nFROM ")[1]
    for name, text in re.findall(r"^(ARG|ENV|WORKDIR|COPY|RUN) (.*)$", stage, re.MULTILINE):
        if name == "WORKDIR":
            folder = root / text.lstrip("/")
            folder.mkdir()
        elif name == "COPY":
            *sources, target = text.split()
            for source in sources:
                place = folder / (source if target == "./" else target)
                place.parent.mkdir(parents=True, exist_ok=True)
                (shutil.copytree if (ROOT / source).is_dir() else shutil.copy)(ROOT / source, place)
        elif name == "RUN":
            run(["sh", "-c", inside(root, text)], folder, environment)
            for packages in (root / "opt" / "distillery").glob("lib/python*/site-packages"):
                (packages / "shared.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
        else:
            environment |= variables(inside(root, text), environment)
    return root


def inside(root: Path, text: str) -> str:
    """Return an instruction with the absolute paths of the image in a folder."""
    return re.sub(r"(?<![\w.:}])/(opt|data)\b", rf"{root}/\1", text)


def variables(text: str, environment: dict[str, str]) -> dict[str, str]:
    """Return the variables of ENV or ARG, with the PATH that they extend."""
    pairs = [pair.partition("=") for pair in shlex.split(text)]
    return {name: value.replace("$PATH", environment["PATH"]) for name, _, value in pairs}


def run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    ended = subprocess.run(command, check=False, cwd=folder, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_its_steps_install_the_package_without_pip_and_write_the_browser_files(image: Path) -> None:
    (package,) = (image / "opt" / "distillery").glob("lib/python*/site-packages/kd_core")
    assert (package / "_app" / "static" / "plotly.min.js").exists()
    assert any((package / "_app" / "static").glob("components-*/run/epoch_slider.js"))
    assert not (package.parent / "pip").exists()
    assert (image / "source" / "torch.txt").read_text(encoding="utf-8").startswith("torch>=")


@pytest.mark.slow
def test_what_its_steps_installed_starts_is_healthy_and_stops_by_sigterm(image: Path) -> None:
    (entry,), (command,) = instructions("ENTRYPOINT"), instructions("CMD")
    environment = {"PATH": os.environ["PATH"], "HOME": str(image)}
    environment |= variables(inside(image, instructions("ENV")[-1]), environment)
    environment["STREAMLIT_SERVER_ADDRESS"], port = "127.0.0.1", str(free_port())
    (check,) = re.findall(r"CMD (\[\"python\".*\])", DOCKERFILE)
    script = json.loads(check)[2].replace("8501", port)
    python = str(image / "opt" / "distillery" / "bin" / "python")
    program = [str(image / "opt" / "distillery" / "bin" / json.loads(entry)[0]), *json.loads(command), "--port", port]
    with (image / "log").open("wb") as log:
        app = subprocess.Popen(program, cwd=image, env=environment, stdout=log, stderr=log)
    try:
        wait(lambda: subprocess.call([python, "-c", script], env=environment, stderr=subprocess.DEVNULL) == 0, 240)
        app.send_signal(signal.SIGTERM)
        assert app.wait(30) == 0
    finally:
        app.kill()
        app.wait()


def has_engine() -> bool:
    """Whether the command line of Docker is there and reaches its daemon."""
    docker = shutil.which("docker")
    return docker is not None and subprocess.run([docker, "info"], check=False, capture_output=True).returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not has_engine(), reason="there is no engine for containers; see the tests above")
def test_the_image_is_built_where_there_is_an_engine() -> None:
    argument = f"TORCH_INDEX={os.environ.get('TORCH_INDEX', '')}"
    subprocess.run(["docker", "build", "--build-arg", argument, "--tag", "distillery-test", "."], cwd=ROOT, check=True)
    command = ["docker", "run", "--rm", "distillery-test", "doctor", "--json"]
    assert json.loads(subprocess.run(command, check=False, capture_output=True, text=True).stdout)


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
    port = free_port()
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
