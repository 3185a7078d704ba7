"""Tests of the declared dependencies, and of the wheel in an empty folder."""

import ast
import os
import socket
import subprocess
import sys
import sysconfig
import time
import tomllib
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

from kd_core import __version__
from kd_core.store.store import Store

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def requirements(name: str) -> set[str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return {line for line in lines if line and not line.startswith(("#", "-r "))}


def test_requirements_are_the_dependencies_and_the_extra_app() -> None:
    assert requirements("requirements.txt") == {*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["app"]}


def extra(name: str) -> set[str]:
    """Return the requirements of an extra, with those of the other extras that it names."""
    every: set[str] = set()
    for requirement in PROJECT["optional-dependencies"][name]:
        if requirement.startswith("distillery-lab["):
            every |= set().union(*map(extra, requirement.partition("[")[2].rstrip("]").split(",")))
        else:
            every.add(requirement)
    return every


def test_development_requirements_are_the_extra_dev() -> None:
    assert requirements("requirements.txt") | requirements("requirements-dev.txt") == extra("dev") | set(
        PROJECT["dependencies"]
    )


def test_what_the_engine_imports_is_declared() -> None:
    distributions = {
        "PIL": "pillow",
        "sklearn": "scikit-learn",
        "mlflow": "mlflow-skinny",
        "torch_pruning": "torch-pruning",
        "ray": "ray[client]",
        "grpc": "ray[client]",
    }
    declared = {
        requirement.split(">")[0] for requirement in [*PROJECT["dependencies"], *extra("dev"), *extra("cluster")]
    }
    imported = set()
    for path in (ROOT / "kd_core").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
    third_party = imported - {"kd_core", *sys.stdlib_module_names}
    assert {distributions.get(name, name) for name in third_party} <= declared


@pytest.mark.slow
def test_the_wheel_trains_and_serves_the_app_from_an_empty_folder(tmp_path: Path) -> None:
    """Dependencies come from this environment, since downloading them again would take gigabytes."""
    build = [sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", "--quiet", "--wheel-dir", str(tmp_path)]
    subprocess.run(build, check=True, timeout=280)
    (wheel,) = tmp_path.glob("distillery_lab-*.whl")
    with zipfile.ZipFile(wheel) as content:
        files = content.namelist()
    assert {name.split("/")[0] for name in files} == {"kd_core", f"distillery_lab-{__version__}.dist-info"}
    assert {"kd_core/py.typed", "kd_core/_app/app.py", "kd_core/_app/.streamlit/config.toml"} <= set(files)
    pages = {path.relative_to(ROOT) for path in (ROOT / "pages").rglob("*") if path.is_file()}
    assert {f"kd_core/_app/{path.as_posix()}" for path in pages if path.suffix != ".pyc"} <= set(files)

    folder = tmp_path / "environment"
    venv.create(folder, with_pip=False)
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    install = [sys.executable, "-m", "pip", "--python", str(scripts / "python"), "install", "--no-deps", "--quiet"]
    subprocess.run([*install, str(wheel)], check=True, timeout=60)

    empty, home = tmp_path / "empty", tmp_path / "home"
    empty.mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "DISTILLERY_DATA")}
    environment |= {"XDG_DATA_HOME": str(home), "OMP_NUM_THREADS": "1"}

    def distillery(*arguments: str) -> str:
        command = [str(scripts / "distillery"), *arguments]
        process = subprocess.run(
            command, cwd=empty, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert process.returncode == 0, process.stderr
        return process.stdout

    assert distillery("--version") == f"distillery {__version__}\n"
    assert "Baseline" in distillery("train", "dataset=digits", "epochs=2", "teacher_epochs=1", "teacher_width=4")
    (run,) = Store(home / "distillery" / "distillery.sqlite").runs()
    assert (run.config.dataset.name, run.state) == ("digits", "completed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [str(scripts / "distillery"), "app", "--port", str(port)],
        cwd=empty, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        for address in ("/_stcore/health", "/"):
            assert answers(f"http://127.0.0.1:{port}{address}", server)
    finally:
        server.terminate()
        server.communicate(timeout=30)
    assert list(empty.iterdir()) == []


def answers(url: str, server: subprocess.Popen[str]) -> bool:
    end = time.monotonic() + 60
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            time.sleep(0.2)
    return False
