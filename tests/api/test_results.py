"""Training, comparing and loading from Python."""

import builtins
import re
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import kd_core as kd
from kd_core.api.sweep import SweepCell
from kd_core.base.events import Step
from kd_core.config.run import from_flat
from kd_core.files.lock import lock_data_folder
from kd_core.training.loop import Trainer
from tests.conftest import SMALL

QUICK: dict[str, Any] = {"dataset": "moons", "epochs": 6, "teacher_epochs": 2, "labelled": 40}


@pytest.fixture(scope="module")
def result() -> kd.Result:
    return kd.distill(**QUICK)


def accuracy(network: torch.nn.Module, data: Any) -> float:
    with torch.no_grad():
        return float((network(data.test.inputs).argmax(1) == data.test.labels).float().mean())


def test_keywords_mean_what_the_flat_settings_mean(result: kd.Result) -> None:
    assert result.config == from_flat(SMALL)
    assert list(result.events) == list(Trainer(from_flat(SMALL)))


def test_the_networks_have_the_accuracies_that_the_result_says(result: kd.Result) -> None:
    data = result.config.dataset.load()
    for role, network in (("student", result.student), ("teacher", result.teacher), ("baseline", result.baseline)):
        assert not network.training
        assert accuracy(network, data) == pytest.approx(result.test[role]["accuracy"])


def test_the_verdict_prints_as_its_sentence(result: kd.Result) -> None:
    gain = 100 * (result.test["student"]["accuracy"] - result.test["baseline"]["accuracy"])
    assert result.verdict.gain == pytest.approx(gain)
    assert str(result.verdict) == result.verdict.sentence


def test_the_parts_of_the_history_sum_to_the_loss(result: kd.Result) -> None:
    rows = [row for row in result.history if row.role == "student" and "validation" not in row.part]
    steps = [event for event in result.events if isinstance(event, Step) and event.phase == "students"]
    for event in steps:
        parts = {row.part: row.value for row in rows if row.step == event.step}
        loss = parts.pop("loss")
        assert loss == event.loss["student"]
        assert sum(parts.values()) == pytest.approx(loss, rel=1e-5)
    frame = result.history.to_pandas()
    assert list(frame.columns) == ["phase", "step", "role", "part", "value"]
    assert len(frame) == len(list(result.history))


def test_without_pandas_the_error_says_how_to_get_it(result: kd.Result, monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without_pandas(name: str, *rest: Any, **more: Any) -> Any:
        if name == "pandas":
            raise ImportError(name)
        return original(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without_pandas)
    with pytest.raises(ImportError, match="pip install pandas"):
        result.history.to_pandas()


def test_parts_are_objects_or_names() -> None:
    named = kd.RunConfig(
        dataset="moons", loss="logit_mse", weight=2, scheme="mutual", student="mlp", student_widths=(8,)
    )
    objects = kd.RunConfig(
        dataset=kd.datasets.Moons(), method=kd.losses.LogitMse(weight=2), scheme=kd.schemes.Mutual(),
        student=kd.models.Mlp(widths=(8,)),
    )  # fmt: skip
    assert named.method == objects.method
    assert named.student == objects.student
    assert named.scheme == objects.scheme


def test_an_object_keeps_its_exact_numbers() -> None:
    config = kd.RunConfig(dataset="moons", loss=kd.losses.SoftTargets(alpha=1 / 3))
    assert config.method.alpha == 1 / 3


@pytest.mark.parametrize(
    ("settings", "fragments"),
    [
        ({"temprature": 3}, ["temprature", "Did you mean temperature"]),
        ({"temperature": 100}, ["temperature = 100", "0.5 to 20"]),
        ({"loss": "nothing"}, ['"nothing"', "soft_targets"]),
        ({"teacher": kd.losses.Dkd()}, ["teacher", "Dkd", "kd.models"]),
        ({"loss": "dkd", "method": "dkd"}, ["loss", "method"]),
        ({"recipes": kd.losses.Dkd()}, ["recipes"]),
    ],
)
def test_a_refused_setting_is_named_with_what_is_allowed(settings: dict[str, Any], fragments: list[str]) -> None:
    with pytest.raises(ValueError, match=re.escape(fragments[0])) as error:
        kd.distill(**settings)
    assert all(fragment in str(error.value) for fragment in fragments)


def test_a_failed_run_raises_its_sentence() -> None:
    with pytest.raises(RuntimeError, match="step"):
        kd.distill(**QUICK | {"epochs": 50}, learning_rate=1.0, optimiser="sgd", loss="logit_mse", weight=1000)


def test_a_failed_run_has_no_verdict_and_no_gain(result: kd.Result) -> None:
    finished = result.events[-1]
    failed = kd.Result(result.config, [*result.events[:-1], replace(finished, outcome="failed")], {})
    assert failed.test == result.test  # it was evaluated as it was
    assert (failed.verdict.outcome, failed.verdict.gain, failed.verdict.interval) == ("failed", None, None)
    assert "points" not in str(failed.verdict)
    cell = SweepCell({}, result.config, (failed, failed), None, None)
    assert cell.verdict.outcome == "failed"


def test_a_stored_run_has_the_same_numbers_and_networks(result: kd.Result, tmp_path: Path) -> None:
    stored = kd.distill(result.config, store=tmp_path)
    loaded = kd.load_run(stored.id, tmp_path)
    assert loaded.config == result.config
    assert loaded.test == result.test
    assert loaded.verdict == result.verdict
    assert list(loaded.history) == list(result.history)
    assert loaded.state == "completed"
    for role, network in loaded.networks.items():
        theirs = result.networks[role].state_dict()
        assert all(torch.equal(value, theirs[name]) for name, value in network.state_dict().items())
    assert loaded.epochs == [0, 1, 2, 3, 4, 5, 6]
    first, last = (loaded.networks_at(epoch)["student"].state_dict() for epoch in (0, 6))
    assert any(not torch.equal(first[name], last[name]) for name in first)


def test_networks_too_large_for_snapshots_come_from_the_checkpoint(
    result: kd.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kd_core.store.weight_snapshots.weights_to_keep", lambda *_, **__: None)
    stored = kd.distill(result.config, store=tmp_path)
    assert stored.epochs == []
    data = stored.config.dataset.load()
    assert accuracy(stored.student, data) == pytest.approx(stored.test["student"]["accuracy"])


def test_a_run_that_is_not_stored_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=tmp_path.name):
        kd.load_run("nothing", tmp_path)
    assert list(tmp_path.iterdir()) == []
    sweep = kd.compare_seeds(**QUICK, seeds=1, store=tmp_path)
    with pytest.raises(ValueError, match="nothing"):
        kd.load_run("nothing", tmp_path)
    assert kd.load_run(sweep.results[0].id, tmp_path).test == sweep.results[0].test


def test_nothing_is_stored_in_a_folder_that_another_process_has_locked(tmp_path: Path) -> None:
    lock = lock_data_folder(tmp_path)
    try:
        with pytest.raises(ValueError, match="DISTILLERY_DATA"):
            kd.distill(**QUICK, store=tmp_path)
    finally:
        lock.release()


def test_a_saved_trainer_goes_on_with_the_same_events(tmp_path: Path) -> None:
    trainer = kd.Trainer(kd.RunConfig(**QUICK))
    for event in trainer:
        if isinstance(event, kd.events.Validated) and event.phase == "students" and event.epoch == 3:
            trainer.adjust(temperature=2.0)
            break
    trainer.save(tmp_path / "run.safetensors")
    rest = list(kd.Trainer.load(tmp_path / "run.safetensors"))
    assert rest == list(trainer)
    assert [event.new for event in rest if isinstance(event, kd.events.Adjusted)] == [2.0]


def test_what_is_no_saved_trainer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no checkpoint", encoding="utf-8")
    with pytest.raises(ValueError, match="text"):
        kd.Trainer.load(tmp_path / "text")
    with pytest.raises(FileNotFoundError):
        kd.Trainer.load(tmp_path / "nothing")


def test_seeds_are_compared_with_one_teacher(tmp_path: Path) -> None:
    compared = kd.compare_seeds(**QUICK, seeds=[4, 2])
    assert [one.config.seed for one in compared.results] == [4, 2]
    assert compared.results[0].test["teacher"] == compared.results[1].test["teacher"]
    tests = [one.test for one in compared.results]
    gains = [100 * (test["student"]["accuracy"] - test["baseline"]["accuracy"]) for test in tests]
    assert compared.verdict.gain == pytest.approx(statistics.fmean(gains))
    data = compared.config.dataset.load()
    for one in compared.results:
        assert accuracy(one.student, data) == pytest.approx(one.test["student"]["accuracy"])
    frame = compared.to_pandas()
    assert set(frame["role"]) == {"teacher", "student", "baseline"}
    assert len(frame) == 6
    stored = kd.compare_seeds(**QUICK, seeds=[4, 2], store=tmp_path)
    assert [one.test for one in stored.results] == tests


def test_a_sweep_trains_every_combination_and_chooses_by_validation() -> None:
    grid = kd.sweep(**QUICK, temperature=[1, 4], loss="soft_targets", alpha=[0.1, 0.9], seeds=2)
    assert [cell.values for cell in grid.cells] == [
        {"temperature": t, "alpha": a} for t in ("1", "4") for a in ("0.1", "0.9")
    ]
    for cell in grid.cells:
        last = [
            [event.accuracy["student"] for event in one.events if "student" in getattr(event, "accuracy", {})][-1]
            for one in cell.results
        ]
        assert cell.accuracy == pytest.approx(statistics.fmean(last))
        assert [one.config.method.temperature for one in cell.results] == [float(cell.values["temperature"])] * 2
    assert grid.best.accuracy == max(cell.accuracy for cell in grid.cells)
    frame = grid.to_pandas()
    assert list(frame["temperature"]) == ["1", "1", "4", "4"]
    assert list(frame["p_value"]) == [cell.p_value for cell in grid.cells]
    assert all(cell.interval[0] < cell.gain < cell.interval[1] for cell in grid.cells)


@pytest.mark.slow
def test_a_sweep_over_all_losses_leaves_out_those_that_do_not_apply() -> None:
    quick = QUICK | {"epochs": 1, "teacher_epochs": 1}
    grid = kd.sweep(**quick, loss="all", temperature=2, weight=0.5, seeds=1)
    names = [cell.values["method"] for cell in grid.cells]
    assert {"soft_targets", "hints"} <= set(names)
    assert [sentence.split()[0] for sentence in grid.left_out] == [
        name for name in kd.base.registry.plugins("methods") if name not in names
    ]
    for cell in grid.cells:
        settings = cell.config.flat()
        assert (settings["temperature"], settings.get("weight", "0.5")) == ("2", "0.5")


def test_a_sweep_takes_classes_as_objects_with_their_defaults() -> None:
    quick = QUICK | {"epochs": 1, "teacher_epochs": 1}
    grid = kd.sweep(**quick, loss=[kd.losses.SoftTargets(), "hints"], seeds=1)
    assert [cell.values for cell in grid.cells] == [{"method": "soft_targets"}, {"method": "hints"}]
    with pytest.raises(ValueError, match="loss: a list holds classes with their defaults"):
        kd.sweep(**quick, loss=[kd.losses.SoftTargets(temperature=2)])
    with pytest.raises(ValueError, match="Attention transfer needs feature maps"):
        kd.sweep(**quick, loss=["soft_targets", "attention"])


@pytest.mark.parametrize("seeds", [0, -1])
def test_no_seeds_are_refused(seeds: int) -> None:
    with pytest.raises(ValueError, match="seeds"):
        kd.compare_seeds(**QUICK, seeds=seeds)


@pytest.mark.parametrize("config", ["moons", None, {"dataset": "moons"}])
def test_a_trainer_refuses_what_is_no_configuration(config: object) -> None:
    with pytest.raises(ValueError, match=r"config: a \w+ was given.*kd\.RunConfig"):
        kd.Trainer(config)  # type: ignore[arg-type]


@pytest.mark.parametrize("device", ["gpu", "cuda:7", "mps:3"])
def test_a_trainer_names_the_devices_that_there_are(device: str) -> None:
    with pytest.raises(ValueError, match=rf"device = {device}: this machine offers .*cpu"):
        kd.Trainer(kd.RunConfig(dataset="moons"), device=device)
