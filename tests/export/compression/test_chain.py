"""Chain of pruning, distillation from the unpruned network and int8, stage by stage."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import kd_core as kd
from kd_core.__main__ import main
from kd_core.api.stored import StoredRun, open_store
from kd_core.config.run import RunConfig
from kd_core.export.compression import int8, onnx_export, stages
from kd_core.export.compression.chain import COLUMNS, compress, plan_stages
from kd_core.export.compression.stages import FRACTIONS, WEIGHTS, Stage, int8_sentence, measure_stages, pruning_curve
from kd_core.export.compression.unpruned import open_unpruned, roles_of, second_run
from kd_core.export.network import graphs
from kd_core.models._pruning import prune
from kd_core.runs.manager import RunManager
from tools.testing.waiting import wait_for_end

pytestmark = pytest.mark.slow

needs_onnx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in graphs.ONNX_PACKAGES), reason="onnxruntime is not installed"
)
Digits = tuple[RunManager, str]


def forbidden(config: RunConfig) -> str:
    raise AssertionError("nothing may be trained")


def correct(network: torch.nn.Module, split: object) -> float:
    with torch.no_grad():
        return float(np.mean(network(split.inputs).numpy().argmax(1) == split.labels.numpy()))


def test_the_chain_has_a_row_per_stage_and_trains_the_pruned_network_once(
    digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "has_packages", lambda: False)  # PyTorch measures as well, in less time
    runs, run = digits
    trained: list[RunConfig] = []

    def train(config: RunConfig) -> str:
        trained.append(config)
        second = runs.start(config)
        wait_for_end(runs, second, 60)
        return second

    row = runs.store.run(run)
    table = compress(runs.store, row, train, fraction=0.9, kind=WEIGHTS, int8=False, epochs=8)
    assert [stage.name for stage in table.stages] == ["teacher", "student", "pruned", "distilled again", "fine-tuned"]
    assert [list(line) for line in table.rows] == [list(COLUMNS)] * 5
    config = trained[0]
    assert (config.recipe.epochs, config.teacher_recipe.epochs, config.student.source) == (
        8, 0, config.teacher_recipe.weights,
    )  # fmt: skip
    unpruned = open_unpruned(runs.store, row, "student")
    test = unpruned.data.test
    assert table["student"].accuracy == pytest.approx(correct(unpruned.network, test))
    assert table["student"].accuracy == pytest.approx(row.test["student"]["accuracy"])
    pruned = prune(unpruned.network, 0.9, WEIGHTS, test.inputs)
    assert table["pruned"].accuracy == pytest.approx(correct(pruned, test))
    assert (
        table["pruned"].nonzero == sum(int((p != 0).sum()) for p in pruned.parameters()) < table["student"].nonzero / 5
    )
    assert table["student"].agreement == 1
    assert min(table["distilled again"].accuracy, table["fine-tuned"].accuracy) > table["pruned"].accuracy + 0.1
    assert table["distilled again"].nonzero == table["fine-tuned"].nonzero == table["pruned"].nonzero
    second = runs.store.run(table["distilled again"].run)
    assert second.test["student"]["accuracy"] == pytest.approx(table["distilled again"].accuracy)
    assert second.test["baseline"]["accuracy"] == pytest.approx(table["fine-tuned"].accuracy)
    again = compress(runs.store, row, forbidden, fraction=0.9, kind=WEIGHTS, int8=False, epochs=8)
    assert again == table  # measured once, too
    low, high = table["pruned"].interval
    assert low < table["pruned"].accuracy < high


@needs_onnx
def test_int8_answers_like_float32_in_a_smaller_file_and_says_what_it_does_to_the_speed(
    digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx

    runs, run = digits
    unpruned = open_unpruned(runs.store, runs.store.run(run), "student")
    inputs, network = unpruned.data.test.inputs, unpruned.network
    monkeypatch.setattr(onnx_export, "_export", forbidden)  # in this process, where runs may train
    planned = plan_stages(runs.store, unpruned, 0, WEIGHTS, None, int8=True)
    measured = {stage.name: stage for stage in measure_stages(unpruned, planned, is_beside_training=True)}
    assert list(measured) == ["teacher", "student", "int8 static", "int8 dynamic"]
    for name in ("int8 static", "int8 dynamic"):
        assert measured[name].size < measured["student"].size
        assert measured[name].agreement > 0.95
        assert measured[name].engine == measured["student"].engine == "onnxruntime"
        assert set(measured[name].seconds) == {"1", "64"}
    sentence = int8_sentence(measured.values())
    assert "in float32" in sentence
    fastest = min(measured[name].seconds["1"] for name in ("int8 static", "int8 dynamic"))
    assert ("slower" in sentence) == (fastest > 1.05 * measured["student"].seconds["1"])
    float32 = int8.OnnxNetwork(onnx_export.to_onnx(network, inputs))
    with torch.no_grad():
        torch.testing.assert_close(float32(inputs), network(inputs), atol=1e-4, rtol=0)
    model = onnx.load_from_string(stages.int8_file(unpruned, int8.STATIC, network))
    largest = sorted(model.graph.initializer, key=lambda tensor: -np.prod(tensor.dims))[:2]
    assert {tensor.data_type for tensor in largest} == {onnx.TensorProto.INT8}


def stage(name: str, milliseconds: float, **more: object) -> Stage:
    fields = {"accuracy": 0.9, "interval": (0.8, 1.0), "agreement": 1.0, "parameters": 10, "nonzero": 10, "size": 1}
    return Stage(name, **fields | more, seconds={"1": milliseconds / 1e3, "64": 1.0}, engine="onnxruntime", run="r")


def test_a_small_network_that_int8_slows_down_is_called_slower() -> None:
    teacher, student = stage("teacher", 1.0, parameters=99), stage("student", 0.02)
    slower = int8_sentence([teacher, student, stage("int8 static", 0.05)])
    assert slower.startswith("int8 is slower here, 0.05 ms against 0.02 ms in float32")
    faster = int8_sentence([teacher, student, stage("int8 static", 0.05), stage("int8 dynamic", 0.01)])
    assert "0.01 ms against 0.02 ms in float32" in faster
    assert "50" in faster
    assert int8_sentence([teacher, student, stage("int8 static", 0.0201)]).startswith("int8 is not faster here")
    assert int8_sentence([teacher, student]) == ""


def test_the_curve_is_the_validation_accuracy_at_every_fraction_and_is_computed_once(
    digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, run = digits
    unpruned = open_unpruned(runs.store, runs.store.run(run), "student")
    curve = pruning_curve(unpruned, WEIGHTS)
    assert [fraction for fraction, _ in curve] == list(FRACTIONS)
    validation = unpruned.data.validation
    for fraction, accuracy in (curve[0], curve[10], curve[-1]):
        network = prune(unpruned.network, fraction, WEIGHTS, validation.inputs)
        assert accuracy == pytest.approx(correct(network, validation))
    monkeypatch.setattr(stages, "prune", forbidden)
    assert pruning_curve(unpruned, WEIGHTS) == curve
    unpruned.cache.path.write_text("{damaged", encoding="utf-8")
    with pytest.raises(TypeError):  # measured again
        pruning_curve(unpruned, WEIGHTS)


def test_a_method_that_does_not_fit_the_pruned_network_is_replaced_by_soft_targets(digits: Digits) -> None:
    runs, run = digits
    unpruned = open_unpruned(runs.store, runs.store.run(run), "student")
    source = unpruned.store_weights()
    assert unpruned.weights_id == source
    first = second_run(unpruned, source, 0.5, WEIGHTS)
    assert first.method == unpruned.run.config.method
    assert first.basics.control
    with pytest.raises(ValueError, match="epochs = 0"):
        second_run(unpruned, source, 0.5, WEIGHTS, epochs=0)


def test_roles_and_unfinished_runs_are_checked(digits: Digits) -> None:
    runs, run = digits
    row = runs.store.run(run)
    assert roles_of(runs.store, row) == ["student", "baseline", "teacher"]
    with pytest.raises(ValueError, match="role = pupil: choose one of"):
        open_unpruned(runs.store, row, "pupil")
    runs.store.add("half", row.config, "training")
    with pytest.raises(ValueError, match="has no result yet"):
        compress(runs.store, runs.store.run("half"), forbidden)
    runs.store.set_state("half", "failed")


def test_a_missing_package_is_named_and_the_rest_still_works(digits: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    runs, run = digits
    row = runs.store.run(run)
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    with pytest.raises(ImportError, match=r"distillery-lab\[export\]"):
        compress(runs.store, row, forbidden, fraction=0)
    table = compress(runs.store, row, forbidden, fraction=0, int8=False)
    assert {stage.engine for stage in table.stages} == {"PyTorch"}


def test_the_library_and_the_terminal_print_the_same_stages(
    digits: Digits, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stages, "has_packages", lambda: False)
    runs, run = digits
    monkeypatch.setenv("DISTILLERY_DATA", str(runs.folder))
    table = StoredRun(runs.store, runs.store.run(run)).compress(fraction=0, int8=False)
    assert list(table.to_pandas()["stage"]) == ["teacher", "student"]
    assert main(["compress", run, "prune=0", "int8=false", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stages"] == json.loads(json.dumps(table.rows))
    assert main(["compress", run, "prune=0", "int8=false"]) == 0
    assert capsys.readouterr().out.splitlines()[2].startswith("student  ")
    assert main(["compress", run, "prune=1"]) == 2
    assert "prune = 1: choose a number from 0 to 0.95" in capsys.readouterr().err.replace('"', "")
    assert main(["compress", "nothing"]) == 2
    assert main(["compress", run, "prune=0.5", "kind=weights"]) == 1
    assert "compress the run in the app" in capsys.readouterr().err


def test_the_terminal_trains_the_pruned_network_and_the_library_reuses_that_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stages, "has_packages", lambda: False)
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path))
    first = kd.distill(dataset="moons", labelled=40, epochs=2, teacher_epochs=1, store=tmp_path).id
    chain = ["compress", first, "prune=0.5", "kind=weights", "int8=false", "epochs=1"]
    assert main([*chain, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    second = printed["stages"][-1]["run"]
    assert [row["stage"] for row in printed["stages"]][-2:] == ["distilled again", "fine-tuned"]
    assert kd.load_run(second).config.recipe.epochs == 1
    table = kd.load_run(first).compress(fraction=0.5, kind="weights", int8=False, epochs=1)
    assert json.loads(json.dumps(table.rows)) == printed["stages"]
    kd.load_run(first).compress(fraction=0.5, kind="weights", int8=False, epochs=2)  # another training
    assert len(open_store(tmp_path).runs()) == 3
