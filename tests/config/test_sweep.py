"""Settings that can be an axis of a sweep, their default values, and sweeps over classes."""

from __future__ import annotations

import pytest

from kd_core.base.registry import plugins
from kd_core.config import sweep
from kd_core.config.run import RunConfig, from_flat, read_flat
from kd_core.config.sweep import Axis, Sweep
from kd_core.methods.dkd import Dkd
from tools.testing.methods import BY_NAME
from tools.testing.networks import networks_for


def test_everything_can_be_varied_but_the_seed_and_the_device(small: RunConfig) -> None:
    options = sweep.sweepable_options(small)
    assert set(small.flat()) - set(options) == {"seed", "device"}
    assert sweep.titles(small)["temperature"] == "Temperature T"
    assert list(sweep.titles(small)) == list(options)


@pytest.mark.parametrize(
    ("flat", "values"),
    [
        ("temperature", ("1", "2", "4", "8", "16")),
        ("alpha", ("0.1", "0.3", "0.5", "0.7", "0.9")),
        ("labelled", ("10", "20", "40", "80", "160")),
        ("learning_rate", ("0.00075", "0.0015", "0.003", "0.006", "0.012")),
        ("optimiser", ("adam", "adamw", "sgd")),
        ("squared", ("false", "true")),
        ("clip", ("0", "0.5", "1", "2", "4")),
        ("method", ("all",)),
        ("milestones", ("62.5-75-87.5",)),
    ],
)
def test_default_values_surround_the_chosen_one(small: RunConfig, flat: str, values: tuple[str, ...]) -> None:
    assert sweep.default_values(small, flat) == values


@pytest.mark.parametrize("method", sorted(BY_NAME))
def test_every_option_of_every_method_has_values_that_a_sweep_takes(method: str) -> None:
    config = from_flat({"dataset": "digits", **networks_for(method), "method": method})
    names = [name for name in sweep.sweepable_options(config) if name in config.method.values()]
    for flat in names:
        values = sweep.default_values(config, flat)
        assert values
        for value in values:  # one by one, since some depend on other options
            refused = read_flat({**config.flat(), flat: value})[1]
            assert not any(line.startswith(f"{flat} = ") for line in refused)


def test_an_option_that_cannot_be_an_axis_is_refused(small: RunConfig) -> None:
    with pytest.raises(ValueError, match=r"seed cannot be varied\. Choose one of dataset, "):
        sweep.default_values(small, "seed")


def test_a_typed_list_is_split_at_commas_and_semicolons() -> None:
    assert sweep.parse_values(" 1, 2;3, 4 ") == ("1", "2", "3", "4")
    assert sweep.parse_values("") == ()


@pytest.mark.parametrize("text", ["1,,2", ",1", "1;", ","])
def test_a_typed_list_that_lacks_a_value_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="lacks a value"):
        sweep.parse_values(text)


def test_another_method_takes_its_defaults_and_set_options_of_the_same_name_and_default() -> None:
    digits = from_flat({"epochs": 6})
    assert digits.with_flat(method="dkd") == from_flat({"epochs": 6, "method": "dkd"})
    assert digits.with_flat(temperature=2, alpha=0.3).with_flat(method="dkd").method == Dkd(temperature=2.0)
    assert digits.with_flat(temperature=2).with_flat(method="KD").method == digits.with_flat(temperature=2).method


def test_options_on_another_scale_and_values_that_are_not_allowed_do_not_stay() -> None:
    hints = from_flat({"student": "cnn", "method": "hints", "weight": 50, "soft_weight": 0.5})
    similarity = hints.with_flat(method="similarity").method.values()
    assert (similarity["soft_weight"], similarity["weight"]) == (0.5, 3000.0)
    wide = from_flat({"teacher": "cnn", "teacher_width": 32})
    assert wide.with_flat(teacher="resnet").teacher == from_flat({"teacher": "resnet"}).teacher


def test_a_value_of_the_same_change_is_for_the_new_class() -> None:
    digits = from_flat({})
    assert digits.with_flat(method="dkd", alpha=0.5, beta=2).method == Dkd(alpha=0.5, beta=2.0)
    with pytest.raises(ValueError, match="form: there is no such setting"):
        digits.with_flat(method="dkd", form="kl")


@pytest.mark.parametrize("dataset", ["digits", "circles"])
def test_other_data_bring_what_they_recommend_for_all_that_was_not_set(dataset: str) -> None:
    moons = from_flat({"dataset": "moons", "labelled": 33, "temperature": 2, "seed": 5})
    expected = from_flat({"dataset": dataset, "labelled": 33, "temperature": 2, "seed": 5})
    assert moons.with_flat(dataset=dataset) == expected


def test_another_scheme_brings_what_it_recommends_for_all_that_was_not_set() -> None:
    assert from_flat({}).with_flat(scheme="missing_class") == from_flat({"scheme": "missing_class"})
    chosen = {"alpha": "0.7", "epochs": "9"}
    assert from_flat(chosen).with_flat(scheme="mutual") == from_flat({"scheme": "mutual", **chosen})


@pytest.mark.parametrize("name", ["method", "student", "scheme"])
def test_all_is_every_class_whose_combinations_are_valid(name: str) -> None:
    base = from_flat({})
    plan, left_out = sweep.plan_sweep(base, {name: ("all",)}, {}, (0,))
    group = sweep.GROUPS[name]
    valid = [key for key in plugins(group) if not read_flat({name: key})[1]]
    assert plan.axes == (Axis(name, tuple(valid)),)
    assert [sentence.split(" is left out: ")[0] for sentence in left_out] == [
        key for key in plugins(group) if key not in valid
    ]
    assert plan.configs() == [from_flat({name: key}) for key in valid]


def test_a_named_class_that_does_not_apply_is_refused(small: RunConfig) -> None:
    with pytest.raises(ValueError, match="Attention transfer needs feature maps"):
        sweep.plan_sweep(small, {"method": ("hints", "attention")}, {}, (0,))
    with pytest.raises(ValueError, match="choose a number from"):
        sweep.plan_sweep(small, {"method": ("all",)}, {"temperature": "900"}, (0,))


def test_classes_are_named_by_their_keys_and_once(small: RunConfig) -> None:
    plan, _ = sweep.plan_sweep(small, {"method": ("KD", "FitNets")}, {}, (0,))
    assert plan.axes[0].values == ("soft_targets", "hints")
    with pytest.raises(ValueError, match="soft_targets is given twice"):
        sweep.plan_sweep(small, {"method": ("KD", "soft_targets")}, {}, (0,))


def test_a_fixed_setting_holds_in_every_run_that_has_it(small: RunConfig) -> None:
    plan, _ = sweep.plan_sweep(small, {"method": ("soft_targets", "hints", "similarity")}, {"weight": "7"}, (0, 1))
    assert [getattr(config.method, "weight", None) for config in plan.configs()] == [None, None, 7, 7, 7, 7]
    assert Sweep.from_json(plan.to_json()) == plan
    plan, _ = sweep.plan_sweep(small, {"dataset": ("moons", "digits")}, {"student": "mlp", "student_widths": "7"}, (0,))
    assert [config.student.label() for config in plan.configs()] == ["MLP 7", "MLP 7"]
    with pytest.raises(ValueError, match=r"temprature: there is no such setting\. Did you mean temperature"):
        sweep.plan_sweep(small, {"method": ("all",)}, {"temprature": "2"}, (0,))


def test_three_axes_may_be_of_a_class_and_its_options() -> None:
    varied = {"student": ("cnn", "resnet"), "method": ("hints", "attention"), "weight": ("10", "100")}
    plan, _ = sweep.plan_sweep(from_flat({}), varied, {}, (0, 1))
    assert plan.count == 16
    settings = [(c.student.name, c.method.name, c.method.values()["weight"], c.seed) for c in plan.configs()]
    assert settings[:3] == [("cnn", "hints", 10, 0), ("cnn", "hints", 10, 1), ("cnn", "hints", 100, 0)]
    assert settings[-1] == ("resnet", "attention", 100, 1)


def test_a_sweep_stored_before_fixed_settings_existed_is_read(small: RunConfig) -> None:
    plan = Sweep(small, (Axis("alpha", ("0.1", "0.2")),), (0, 1))
    assert '"fixed"' not in plan.to_json()
    assert Sweep.from_json(plan.to_json()) == plan
