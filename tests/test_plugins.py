"""Plug-ins from outside the package, from the documentation, from entry points, and broken ones."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.base import discovery
from kd_core.base.events import Finished
from kd_core.base.options import options_of
from kd_core.base.registry import find_key, find_plugin, full_title, plugins, problems
from kd_core.config import claims, presets
from kd_core.config.run import RunConfig, from_flat
from kd_core.config.validation import RESERVED_NAMES
from kd_core.runs import manager
from kd_core.training.loop import Trainer
from pages.ui.app import auth, settings, url_state
from pages.ui.sweep.settings import SweepOptions
from tools.testing.widgets import open_settings

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
# Path below a plug-in folder -> code, from the documentation.
EXAMPLES = dict(
    re.findall(
        r"`(\w+/\w+\.py)`:\n\n```python\n(.*?)```", (ROOT / "docs" / "extending.md").read_text("utf-8"), re.DOTALL
    )
)
KEYS = {path.split("/")[0]: Path(path).stem for path in EXAMPLES}
RUN = {
    "dataset": "rings", "teacher": "mlp", "student": "linear", "method": "cosine", "scheme": "late_teacher",
    "dataset_rings": "4", "student_bottleneck": "8", "weight": "3", "alone": "1", "epochs": "2", "teacher_epochs": "1",
}  # fmt: skip
Write = Callable[[str, str], Path]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty plug-in folder that the registry reads."""
    folder = tmp_path / "plug-ins"
    folder.mkdir()
    monkeypatch.setenv(discovery.VARIABLE, str(folder))
    discovery.reload()
    yield folder
    monkeypatch.undo()
    discovery.reload()


@pytest.fixture
def write(folder: Path) -> Write:
    def write(path: str, code: str) -> Path:
        target = folder / path
        target.parent.mkdir(exist_ok=True)
        target.write_text(code, encoding="utf-8")
        return target

    return write


@pytest.fixture
def examples(write: Write) -> None:
    for path, code in EXAMPLES.items():
        write(path, code)


def test_the_documentation_has_an_example_of_each_kind() -> None:
    assert sorted(KEYS) == sorted(discovery.GROUPS)


@pytest.mark.usefixtures("examples")
def test_the_examples_are_listed_beside_the_built_in_plug_ins() -> None:
    assert problems() == ()
    for group in ("datasets", "models", "methods", "schemes"):
        assert list(plugins(group))[-1] == KEYS[group]
        assert len(plugins(group)) > 5
    assert "two_moons" in [preset.name for preset in presets.all_presets()]
    assert claims.find("noisy_moons").seeds == 5


@pytest.mark.usefixtures("examples")
def test_a_run_of_the_examples_trains() -> None:
    *_, finished = Trainer(from_flat(RUN))
    assert isinstance(finished, Finished)
    assert finished.outcome == "completed"
    assert {"teacher", "student", "baseline"} <= set(finished.test)


@pytest.mark.usefixtures("examples")
def test_a_preset_from_outside_trains() -> None:
    *_, finished = Trainer(from_flat(presets.config(presets.find("two_moons"), small=True)))
    assert isinstance(finished, Finished)
    assert finished.outcome == "completed"


@pytest.mark.usefixtures("examples")
def test_a_run_of_the_examples_survives_json_and_a_link() -> None:
    config = from_flat(RUN)
    assert RunConfig.from_json(config.to_json()) == config
    assert from_flat(config.differences()) == config
    assert {name: config.flat()[name] for name in RUN} == RUN


@pytest.fixture
def distill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed_components: None
) -> Iterator[Callable[..., AppTest]]:
    """Open the Distill page with a link, on an empty data folder."""
    monkeypatch.setattr(auth, "_is_local", lambda: True)
    runs = manager.RunManager(tmp_path / "data")
    monkeypatch.setattr(manager, "_shared", runs)

    def open_page(**link: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        for name, value in {"autoplay": "0", **link}.items():
            app.query_params[name] = value
        app.run()
        app.switch_page("pages/distill.py").run()
        assert not app.exception
        assert not app.error
        return app

    yield open_page
    runs.close()


@pytest.mark.usefixtures("examples")
def test_the_form_shows_and_offers_the_examples(distill: Callable[..., AppTest]) -> None:
    app = distill(**RUN)
    for name in ("dataset", "student", "method", "scheme"):
        assert app.selectbox(key=f"set {name}").value == RUN[name]
    assert app.number_input(key="set weight").value == 3
    open_settings(app, "Data")
    assert app.number_input(key="all dataset_rings").value == 4
    assert "cosine" in app.latex[0].value
    app.selectbox(key="set method").select("soft_targets").run()
    app.selectbox(key="set method").select("cosine").run()
    assert app.query_params["method"] == "cosine"


def test_the_app_shows_which_plug_in_is_broken_and_works(write: Write, distill: Callable[..., AppTest]) -> None:
    write("methods/broken.py", "raise RuntimeError('not today')\n")
    app = distill()
    assert any("not today" in caption.value and "left out" in caption.value for caption in app.caption)
    assert app.selectbox(key="set method").value == "soft_targets"


def test_a_link_with_an_acronym_shows_the_method_under_its_key(distill: Callable[..., AppTest]) -> None:
    app = distill(method="fitnets", student="cnn")
    assert app.selectbox(key="set method").value == "hints"
    assert any("FitNets" in label for label in app.selectbox(key="set method").options)


def test_an_entry_point_names_a_class_or_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "rings_and_cosines"
    package.mkdir()
    (package / "__init__.py").touch()
    for group, path in (("methods", "losses.py"), ("presets", "experiments.py"), ("datasets", "data.py")):
        (package / path).write_text(EXAMPLES[next(name for name in EXAMPLES if name.startswith(group))], "utf-8")
    metadata = tmp_path / "rings_and_cosines-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: rings-and-cosines\nVersion: 1.0\n", "utf-8")
    (metadata / "entry_points.txt").write_text(
        "[distillery.methods]\ncosine_distance = rings_and_cosines.losses:Cosine\n"
        "broken = rings_and_cosines.nothing:Nothing\n"
        "[distillery.datasets]\nrings = rings_and_cosines.data\n"
        "[distillery.presets]\nnotes = rings_and_cosines.experiments\n",
        "utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv(discovery.VARIABLE, raising=False)
    discovery.reload()
    try:
        config = from_flat({"dataset": "rings", "method": "cosine_distance", "epochs": "1", "teacher_epochs": "1"})
        assert config.method.to_dict()["name"] == "cosine_distance"
        assert RunConfig.from_json(config.to_json()) == config
        assert presets.find("two_moons").source.year == 2026
        (problem,) = problems()
        assert "rings_and_cosines.nothing:Nothing of rings-and-cosines" in problem
        assert "cannot be imported" in problem
    finally:
        monkeypatch.undo()
        discovery.reload()


COSINE = EXAMPLES["methods/cosine.py"]
RINGS = EXAMPLES["datasets/rings.py"]
BROKEN = [
    ("syntax", "methods/broken.py", "def :\n", "cannot be imported (SyntaxError"),
    ("import", "methods/broken.py", "import math\n\nimport no_such_module\n", "ModuleNotFoundError: No module named"),
    ("line", "methods/broken.py", "one = 1\n\nraise RuntimeError('not\\ntoday')\n", "RuntimeError: not today, line 3)"),
    ("exit", "methods/broken.py", "raise SystemExit(3)\n", "SystemExit"),
    ("empty", "methods/broken.py", "", "defines 0 (none)"),
    ("two", "methods/broken.py", COSINE + "\n\nclass Second(Cosine):\n    pass\n", "defines 2 (Cosine, Second)"),
    ("title", "methods/broken.py", COSINE.replace("    title =", "    name_on_screen ="), "Cosine lacks title"),
    ("formula", "methods/broken.py", re.sub("    (paper|formula) =.*\n", "", COSINE), "lacks paper, formula"),
    ("method", "datasets/broken.py", RINGS.replace("def load", "def read"), "Rings lacks load"),
    ("base", "methods/broken.py", RINGS, "does not derive from Method"),
    ("dataclass", "methods/broken.py", COSINE.replace("@dataclass(frozen=True)\n", ""), "is not a dataclass"),
    ("field", "methods/broken.py", COSINE.replace(' = weight_option(2.0, "the cosine distance")', " = 2.0"),
     "the field weight is no option"),
    ("range", "datasets/broken.py", RINGS.replace("integer(3, 2, 6", "integer(9, 2, 6"), "from 2 to 6"),
    ("taken", "methods/broken.py", COSINE.replace("    weight: float", "    epochs: float"), "are called epochs"),
    ("built in", "methods/hints.py", COSINE, 'the name "hints" belongs to a built-in one'),
    ("key", "methods/My-Loss.py", COSINE, '"My-Loss" is no name'),
    ("source", "presets/broken.py", "PRESETS = ()\n", "has no SOURCE"),
    ("presets", "presets/broken.py", EXAMPLES["presets/rings_2026.py"].replace("PRESETS", "LIST"), "has no PRESETS"),
    ("settings", "presets/broken.py", EXAMPLES["presets/rings_2026.py"].replace('"moons"', '"nowhere"'),
     "the settings of two_moons are refused"),
    ("claim", "claims/broken.py", EXAMPLES["claims/noisy_moons.py"].replace("CLAIM =", "STATEMENT ="), "has no CLAIM"),
    ("contrast", "claims/broken.py", EXAMPLES["claims/noisy_moons.py"].replace('gain("noisy labels")', 'gain("noise")'),
     "its contrast names noise"),
    ("seeds", "claims/broken.py", EXAMPLES["claims/noisy_moons.py"].replace("seeds=5", "seeds=2"), "it has 2 seeds"),
    ("preset", "presets/broken.py", EXAMPLES["presets/rings_2026.py"].replace('"two_moons"', '"mnist_soft_targets"'),
     'the name "mnist_soft_targets" belongs to another preset'),
]  # fmt: skip


@pytest.mark.parametrize(("path", "code", "reason"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_a_broken_plug_in_is_reported_in_a_sentence_and_the_rest_works(
    write: Write, path: str, code: str, reason: str
) -> None:
    file = write(path, code)
    write("models/linear.py", EXAMPLES["models/linear.py"])
    (problem,) = problems()
    assert problem.startswith(f"{file} is left out: ")
    assert reason in problem
    assert problem.endswith(".")
    assert "\n" not in problem
    assert find_plugin("methods", "hints").__module__ == "kd_core.methods.hints"
    assert from_flat({"student": "linear"}).student.name == "linear"


def test_the_second_of_two_folders_with_the_same_name_in_them_is_reported(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write("methods/cosine.py", COSINE)
    second = tmp_path / "second" / "methods" / "cosine.py"
    second.parent.mkdir(parents=True)
    second.write_text(COSINE, encoding="utf-8")
    monkeypatch.setenv(discovery.VARIABLE, f"{first.parents[1]}:{second.parents[1]}")
    discovery.reload()
    (problem,) = problems()
    assert problem.startswith(f"{second} is left out")
    assert str(first) in problem


def test_a_folder_without_plug_ins_is_reported(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    (problem,) = problems()
    assert problem.startswith(f"{folder} in {discovery.VARIABLE}")
    assert "methods" in problem


def test_a_file_whose_name_begins_with_an_underscore_is_left_to_the_others(write: Write) -> None:
    write("methods/_title.py", "TITLE = 'Shared title'\n")
    code = COSINE.replace("from dataclasses", "from distillery_plugins.methods._title import TITLE\nfrom dataclasses")
    write("methods/cosine.py", code.replace('"Cosine of logits"', "TITLE"))
    assert problems() == ()
    assert plugins("methods")["cosine"].title == "Shared title"


@pytest.mark.usefixtures("examples")
def test_the_contract_tests_hold_for_the_examples_and_for_a_loss_inside_a_copy_of_the_package(tmp_path: Path) -> None:
    for name in ("kd_core", "pages", "tests", "tools"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("static"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    inside = COSINE.replace("Cosine of logits", "Cosine inside of the package")
    (tmp_path / "kd_core" / "methods" / "inside.py").write_text(inside, encoding="utf-8")
    names = (
        "inside or cosine or late_teacher or (rings and mlp) or (moons and linear) or two_moons or noisy_moons "
        "or (test_architecture and not side_effect)"
    )
    files = ("tests/methods/test_promises.py", "tests/test_plugin_contract.py", "tests/test_architecture.py")
    command = [sys.executable, "-m", "pytest", "-o", "addopts=", "-v", "-p", "no:cacheprovider", "-k", names, *files]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stdout
    passed = re.findall(r"::(\S+) PASSED", done.stdout)
    of_inside = [name for name in passed if "inside" in name]
    assert len(of_inside) > 10
    assert len(passed) - len(of_inside) > 15
    for example in ("cosine", "late_teacher", "rings", "linear", "two_moons", "noisy_moons"):
        assert any(example in name for name in passed), example


def test_every_acronym_of_a_paper_finds_its_plug_in_in_any_case() -> None:
    methods = {
        "FitNets": "hints", "AT": "attention", "CRD": "contrastive", "CC": "correlation", "FSP": "flow",
        "PKT": "probability_transfer", "RKD": "relational", "ReviewKD": "review", "SimKD": "reused_classifier",
        "NST": "selectivity", "SP": "similarity", "VID": "variational_information", "CTKD": "curriculum_temperature",
        "DKD": "dkd", "DIST": "dist", "LSKD": "logit_standardization", "Tf-KD": "virtual_teacher", "KD": "soft_targets",
    }  # fmt: skip
    schemes = {"TAKD": "offline", "BYOT": "own_teacher", "DML": "mutual"}
    for group, acronyms in (("methods", methods), ("schemes", schemes)):
        for acronym, key in acronyms.items():
            assert [find_key(group, text) for text in (acronym, acronym.lower(), key)] == [key] * 3
            assert acronym in full_title(plugins(group)[key])
    assert find_key("methods", "soft TARGETS") == "soft_targets"
    config = from_flat({"dataset": "moons", "method": "fitnets", "scheme": "takd"})
    assert (config.method.name, config.scheme.name) == ("hints", "offline")


def test_names_of_the_parameters_of_pages_are_taken() -> None:
    assert RESERVED_NAMES.issuperset({*url_state.RESERVED, *options_of(settings.DistillOptions)})
    assert RESERVED_NAMES.issuperset(options_of(SweepOptions))
