"""Scripts of plain PyTorch, whose numbers are those of the engine."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import kd_core as kd
from kd_core.__main__ import main
from kd_core.base import discovery
from kd_core.base.events import Adjusted
from kd_core.base.registry import find_plugin, make, plugins
from kd_core.config.run import RunConfig, from_flat
from kd_core.datasets import NotAvailableError, load
from kd_core.export.code import Script, notebook, save_data, script, sentences_on_changes
from kd_core.export.code.data import add_loading
from kd_core.export.code.source import Sources
from tests.export.code.conftest import Namespace, Numbers
from tools.testing.networks import DETECTORS, networks_for

pytestmark = pytest.mark.slow

Engine = Callable[[RunConfig], Numbers]
Execute = Callable[..., Namespace]
SMALL = {
    "dataset": "digits", "labelled": "50", "epochs": "2", "teacher_epochs": "1", "teacher": "cnn", "teacher_width": "8",
    "student": "cnn", "student_width": "4",
}  # fmt: skip
# Teacher and student are trained on the same few examples, which takes a step an epoch.
TINY = SMALL | {"teacher_view": "student", "teacher_epochs": "2"}
OPTIONS: dict[str, dict[str, str]] = {
    "augmented": {"crop": "1", "flip": "true", "mixup": "0.4"},
    "averaged and clipped": {"ema": "0.9", "clip": "0.1", "method": "correlation", "optimiser": "sgd"},
    "cosine with warm-up": {"schedule": "cosine", "rate_warm_up": "0.3", "batch_size": "16", "epochs": "3"},
    "one cycle": {"schedule": "one-cycle", "batch_size": "16", "epochs": "3", "teacher_smoothing": "0.1"},
    "lowered at milestones": {"schedule": "steps", "epochs": "6", "weight_decay": "0.001"},
    "stopped early at the best": {"patience": "1", "keep": "best", "epochs": "9", "learning_rate": "0.1"},
    "wrong labels and a class less": {"wrong": "0.3", "omitted": "3"},
    "a rest of one example": {"labelled": "65", "batch_size": "16", "student": "vgg", "student_multiplier": "0.125"},
    "assistant and fine-tuning": {"assistants": "1", "fine_tune": "1"},
    "losses with each teacher": {"scheme": "ensemble", "combine": "losses", "method": "hints", "count": "2"},
    "pseudo-labels": {"scheme": "unlabelled", "confidence": "0.2", "balanced": "true", "noise": "0.1", "rounds": "2"},
    "stages at their best": {"scheme": "own_teacher", "student_depth": "3", "keep": "best", "patience": "2"},
    "blends without labels": {"scheme": "unlabelled", "mixup": "0.3"},
    "classes of two teachers": {
        "scheme": "merge", "teacher": "resnet", "teacher_view": "full", "labelled": "0", "batch_size": "500",
        "teacher_batch_size": "250", "teacher_epochs": "1",
    },
    "class maps of each other": {"scheme": "mutual", "method": "class_attention"},
    "points": {"dataset": "spirals", "teacher": "mlp", "student": "mlp"},
    "a transformer on texts": {"dataset": "python_docs", "teacher": "transformer", "teacher_width": "8",
                               "teacher_layers": "1", "student": "gru", "student_hidden": "8",
                               "labelled": "30", "method": "divergence"},
    "patches": {"student": "vit", "method": "distillation_token", "targets": "soft targets", "soft_weight": "0.5"},
}  # fmt: skip
TASKS: dict[str, dict[str, str]] = {
    "numbers": {"dataset": "friedman", "method": "bounded_regression"},
    "numbers and examples without one": {
        "dataset": "friedman", "scheme": "unlabelled", "labelled": "3900", "batch_size": "1000", "mixup": "0.2",
    },
    "several labels": {"dataset": "several_digits", "teacher_width": "4", "student_widths": "8"},
    "several labels and examples without any": {
        "dataset": "several_digits", "teacher_width": "4", "student_widths": "8", "scheme": "unlabelled",
        "labelled": "3900", "batch_size": "1000", "mixup": "0.3",
    },
    "masks": {
        "dataset": "scenes", "dataset_count": "20", "teacher_width": "4", "student": "dilated_cnn", "labelled": "10",
    },
    "masks and images without one": {
        "dataset": "scenes", "dataset_count": "20", "teacher_width": "4", "scheme": "unlabelled", "labelled": "10",
        "method": "soft_targets",
    },
    "boxes": {**DETECTORS, "labelled": "30"},
    "boxes and images without any": {**DETECTORS, "labelled": "30", "scheme": "unlabelled"},
}  # fmt: skip
LOADED = {"mnist": {}, "cifar10": {}, "svhn": {}, "emnist": {"split": "letters"}}
# Written whole so far; what is added later may leave something out, if its script says so.
METHODS = {
    "attention", "attention_maps", "binary", "channel_correlation", "class_attention", "contrastive", "correlation",
    "curriculum_temperature", "dist", "distillation_token", "divergence", "dkd", "flow", "hard_labels", "hints",
    "label_smoothing",
    "logit_mse", "logit_standardization", "mixed", "mlkd", "nkd", "one_for_all", "probability_transfer",
    "relational", "reused_classifier", "review", "rld", "selectivity", "similarity", "simple_recipe",
    "soft_targets", "transformed_teacher", "variational_information", "virtual_teacher", "wsld",
}  # fmt: skip
SCHEMES = {
    "born_again", "defective", "ensemble", "foundation", "merge", "missing_class", "mutual", "offline", "own_teacher",
    "reversed", "rocket", "self_attention", "self_taught", "snapshot", "teacher_free", "unlabelled",
}  # fmt: skip
WITHOUT_SOURCE = """
@kd.loss
def distance(student_logits, teacher_logits):
    return (student_logits - teacher_logits).abs().mean()
"""


def config_of(flat: dict[str, str], base: dict[str, str] = TINY) -> RunConfig:
    settings = {**base, **flat}
    for role in ("teacher", "student"):
        if f"{role}_width" in settings and settings[role] != "cnn":
            del settings[f"{role}_width"]
    return from_flat(settings)


def run_of(config: RunConfig, execute: Execute) -> Namespace:
    """Execute the script of a run, which must leave nothing out."""
    written = Script(config)
    assert written.left_out == []
    return execute(written.text())


def assert_equal(namespace: Namespace, numbers: Numbers) -> None:
    curves = namespace["curves"]
    assert {role: len(losses) for role, losses in curves.items()} == {
        role: len(losses) for role, losses in numbers.curves.items()
    }
    for role, losses in numbers.curves.items():
        assert curves[role] == pytest.approx(losses, rel=1e-4, abs=1e-6), role
    for role, accuracy in numbers.accuracy.items():
        if "test_accuracy" in namespace:
            assert namespace["test_accuracy"][role] == accuracy, role
        else:  # rounding may change the order of two cells, which AP ranks
            assert namespace["test_scores"][role] == pytest.approx(accuracy, rel=1e-3, abs=1e-6), role


def accepted(flat: dict[str, str], base: dict[str, str]) -> RunConfig:
    """Return a configuration, and skip the test of a plug-in that does not fit the networks."""
    try:
        return config_of(flat, base)
    except ValueError as reason:
        pytest.skip(str(reason))


def assert_repeated(config: RunConfig, engine: Engine, execute: Execute) -> None:
    """Compare a script with the run, or check that it says what is to be filled in."""
    written = Script(config)
    if written.left_out:
        compile(written.text(), "script.py", "exec")
        assert "this is left out" in written.head
        assert config.method.name not in METHODS
        assert config.scheme.name not in SCHEMES
    else:
        assert_equal(execute(written.text()), engine(config))


@pytest.mark.parametrize(
    "method",
    [name for name, cls in plugins("methods", outside=False).items() if cls.takes_classes],  # type: ignore[attr-defined]
)
def test_the_script_of_every_method_repeats_the_numbers_of_the_run(
    method: str, engine: Engine, execute: Execute
) -> None:
    networks = networks_for(method)
    assert_repeated(accepted({**networks, "method": method}, TINY), engine, execute)


@pytest.mark.parametrize("scheme", plugins("schemes", outside=False))
def test_the_script_of_every_scheme_repeats_the_numbers_of_the_run(
    scheme: str, engine: Engine, execute: Execute
) -> None:
    digits = load(make("datasets", {"name": "digits"}))
    recommended = dict(find_plugin("schemes", scheme).recommended_settings(digits))  # type: ignore[attr-defined]
    needed = {name: recommended[name] for name in ("omitted", "method", "labelled") if name in recommended}
    depth = {"student_depth": "3"} if scheme in ("own_teacher", "self_attention") else {}
    more = {"epochs": "3", "batch_size": "256", "scheme": scheme}
    assert_repeated(accepted({**needed, **depth, **more}, SMALL), engine, execute)


@pytest.mark.parametrize("name", OPTIONS)
def test_the_script_repeats_a_run_with_other_settings(
    name: str, engine: Engine, execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    for constant in ("SAMPLES", "SAMPLED", "WRITTEN"):  # of the texts that each network is judged by
        monkeypatch.setattr(f"kd_core.tasks.language.{constant}", 8)
    base = {key: value for key, value in TINY.items() if name != "points" or not key.endswith("width")}
    config = config_of(OPTIONS[name], base)
    assert_equal(run_of(config, execute), engine(config))


@pytest.mark.parametrize("name", TASKS)
def test_the_script_of_every_task_repeats_the_numbers_of_the_run(name: str, engine: Engine, execute: Execute) -> None:
    config = from_flat({"epochs": "1", "teacher_epochs": "1", **TASKS[name]})
    assert_equal(run_of(config, execute), engine(config))


def test_a_notebook_has_the_cells_of_the_script(execute: Execute) -> None:
    nbformat = pytest.importorskip("nbformat")
    config = config_of({"method": "dkd"})
    book = nbformat.reads(notebook(config).decode(), as_version=4)
    nbformat.validate(book)
    cells = [cell.source for cell in book.cells if cell.cell_type == "code"]
    assert execute("\n".join(cells))["test_accuracy"] == execute(script(config))["test_accuracy"]
    assert book.cells[0].source.startswith("# Decoupled distillation (DKD)")


def test_a_script_of_plug_ins_from_outside_is_written_from_their_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Engine, execute: Execute
) -> None:
    pages = Path(__file__).parents[3] / "docs" / "extending.md"
    examples = re.findall(r"`(\w+/\w+\.py)`:\n\n```python\n(.*?)```", pages.read_text("utf-8"), re.DOTALL)
    for path, code in examples:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(code, encoding="utf-8")
    monkeypatch.setenv(discovery.VARIABLE, str(tmp_path))
    discovery.reload()
    try:
        config = from_flat({
            "dataset": "rings", "teacher": "mlp", "student": "linear", "method": "cosine", "scheme": "late_teacher",
            "epochs": "2", "teacher_epochs": "1",
        })  # fmt: skip
        assert_equal(run_of(config, execute), engine(config))
    finally:
        monkeypatch.undo()
        discovery.reload()


def test_a_loss_without_source_is_to_be_filled_in_and_the_script_says_so() -> None:
    namespace: dict[str, Any] = {"kd": kd, "__name__": "nowhere"}
    sys.modules["nowhere"] = ModuleType("nowhere")
    exec(WITHOUT_SOURCE, namespace)
    text = kd.code(loss=namespace["distance"], epochs=2)
    (sentence,) = re.findall(r"- (The loss distance must be filled in.*)", text)
    assert "no source" in sentence
    assert "raise NotImplementedError" in text
    compile(text, "script.py", "exec")


def test_a_network_of_another_process_is_to_be_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of({"teacher": "mlp"})
    assert "must be filled in" not in script(config)  # the shapes of the layers are known from now on

    def refuse(*_: object) -> None:
        raise NotAvailableError("it was given from Python.")

    monkeypatch.setattr(type(config.teacher), "build", refuse)
    text = script(config)
    assert "- The network MLP 64 must be filled in: it was given from Python.\n" in text
    assert "return nn.Sequential" in text  # the student


def test_the_weights_of_a_given_module_are_to_be_loaded() -> None:
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(2, 2))
    text = kd.code(dataset="moons", student=module, epochs=1)
    assert "begins with weights that are not drawn: load them" in " ".join(text.split())
    assert "nn.Linear(2, 2)" in text


def test_sixteen_bits_and_changes_by_hand_are_said_in_the_first_lines() -> None:
    config = config_of({"precision": "bfloat16"})
    changes = sentences_on_changes([Adjusted("students", 3, "temperature", 4.0, 2.0)])
    head = script(config, changes=changes).split('"""')[1]
    assert "Networks compute in bfloat16 in the run" in " ".join(head.split())
    assert "temperature was changed by hand from 4 to 2 after step 3" in " ".join(head.split())
    assert "Its numbers differ" not in script(config_of({})).split('"""')[1]


def test_data_that_a_script_cannot_load_are_read_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Engine, execute: Execute
) -> None:
    digits = load(make("datasets", {"name": "digits"}))
    images = kd.Data.from_tensors(digits.train.inputs[:200], digits.train.labels[:200])
    config = kd.RunConfig(dataset=images, teacher="mlp", student="mlp", epochs=2, teacher_epochs=1)
    text = script(config)
    assert "read from the file data.npz" in " ".join(text.split())
    monkeypatch.chdir(tmp_path)
    save_data(config)
    assert_equal(execute(text), engine(config))


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("name", LOADED)
def test_downloaded_data_are_split_and_standardised_as_in_the_run(
    name: str, data_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, execute: Execute
) -> None:
    dataset = make("datasets", {"name": name, **LOADED[name]})
    sources = Sources(("Split", "Data"))
    add_loading(dataset, sources)
    (tmp_path / "data").symlink_to(data_home / "datasets" / name)
    monkeypatch.chdir(tmp_path)
    lines = ["from __future__ import annotations", *sources.imports, *sources.constants.values()]
    data = execute("\n\n".join([*lines, *sources.definitions.values()]))["load_data"]()
    expected = load(dataset)
    for split, (inputs, labels) in zip(expected.splits.values(), data[:3], strict=True):
        torch.testing.assert_close(inputs, split.inputs, rtol=0, atol=0)
        assert torch.equal(labels, split.labels)
    assert tuple(data.classes) == expected.classes


def test_the_terminal_prints_the_script_of_its_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["code", "dataset=moons", "temperature=3"]) == 0
    assert capsys.readouterr().out == kd.code(dataset="moons", temperature=3)
    assert main(["code", "dataset=moons", "--notebook"]) == 0
    assert json.loads(capsys.readouterr().out)["nbformat"] == 4


@pytest.mark.parametrize("scheme", ["on_policy", "sequence_level"])
def test_a_training_on_written_texts_says_what_its_script_leaves_out(scheme: str) -> None:
    written = Script(from_flat({"dataset": "python_docs", "scheme": scheme}))
    compile(written.text(), "script.py", "exec")
    assert any("writes" in sentence for sentence in written.left_out)
