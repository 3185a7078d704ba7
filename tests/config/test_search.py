"""Definition of a search, with its ranges, choices and refusals."""

import pytest

from kd_core.config.run import RunConfig, from_flat
from kd_core.config.sweep import Axis, Sweep, sweepable_options
from kd_core.config.sweep.search import (
    Dimension,
    Search,
    default_range,
    is_range,
    is_search,
    parse_dimension,
    plan_search,
)


@pytest.fixture(scope="module")
def digits() -> RunConfig:
    return from_flat({"dataset": "digits", "labelled": "50"})


def planned(config: RunConfig, **varied: str) -> Search:
    return plan_search(config, varied, {}, (0, 1), trials=10)[0]


def test_a_range_keeps_its_ends_its_scale_and_its_kind(digits: RunConfig) -> None:
    search = planned(
        digits, temperature="2..4:linear", learning_rate="0.0003..0.03", epochs="5..100:linear", alpha="0..1"
    )
    assert search.dimensions == (
        Dimension("temperature", (), 2, 4),
        Dimension("learning_rate", (), 0.0003, 0.03, is_log=True),
        Dimension("epochs", (), 5, 100, is_whole=True),
        Dimension("alpha", (), 0, 1),
    )
    assert Search.from_json(search.to_json()) == search
    assert is_search(search.to_json())
    assert not is_search(Sweep(digits, (Axis("alpha", ("0.1",)),)).to_json())


def test_the_text_of_a_dimension_is_read_back(digits: RunConfig) -> None:
    options = sweepable_options(digits)
    for name, text in {
        "temperature": "1..16:log",
        "optimiser": "adam,sgd",
        "clip": "0..5",
        "squared": "true,false",
    }.items():
        dimension = parse_dimension(name, text, options[name])
        assert parse_dimension(name, dimension.text, options[name]) == dimension


def test_all_stands_for_the_methods_that_apply_and_others_are_named(digits: RunConfig) -> None:
    search, left_out = plan_search(digits, {"method": "all", "temperature": "1..16"}, {"epochs": "3"}, (0,))
    methods = search.dimensions[0].choices
    assert "dkd" in methods
    assert "attention" not in methods  # an MLP has no feature maps
    assert any(sentence.startswith("attention is left out") for sentence in left_out)
    assert {search.config({"method": name}).recipe.epochs for name in methods[:3]} == {3}


def test_a_trial_has_only_the_settings_of_its_method(digits: RunConfig) -> None:
    search = planned(digits, method="soft_targets,logit_mse", alpha="0..1")
    assert search.values_of(search.config({"method": "soft_targets", "alpha": "0.5"})) == {
        "method": "soft_targets",
        "alpha": "0.5",
    }
    assert search.values_of(search.config({"method": "logit_mse"})) == {"method": "logit_mse"}


def test_seeds_of_the_confirmation_are_those_that_no_trial_has(digits: RunConfig) -> None:
    search, _ = plan_search(digits, {"alpha": "0..1"}, {}, (4, 9), trials=5, confirmations=3)
    assert search.confirmation_seeds == (10, 11, 12)
    assert search.count == 5 * 2 + 3


@pytest.mark.parametrize(
    ("varied", "message"),
    [
        ({}, "nothing to search over"),
        ({"temperature": "4..4"}, "temperature = 4..4: this range is empty"),
        ({"temperature": "8..2"}, "this range is empty"),
        ({"temprature": "1..4"}, "Did you mean temperature"),
        ({"weight": "1..4"}, "weight: there is no such setting"),
        ({"temperature": "0.1..4"}, "choose a number from 0.5 to 20"),
        ({"epochs": "1.5..4"}, "choose a whole number"),
        ({"optimiser": "1..4"}, "only numbers have ranges; choose one of"),
        ({"optimiser": "adam,adam"}, "a value is given twice"),
        ({"alpha": "0..1:log"}, "begins above zero"),
        ({"alpha": "0..1:logarithmic"}, '"log" or "linear"'),
        ({"alpha": ""}, "give a range such as 1..20"),
        ({"seed": "1,2"}, "seed cannot be an axis"),
        ({"device": "cpu,cuda"}, "all runs of a search are trained on one device"),
        ({"method": "soft_targets,attention"}, "attention|feature"),
        ({"method": "warmth"}, 'method = "warmth": choose one of'),
    ],
)
def test_an_invalid_search_is_refused_with_what_to_change(
    digits: RunConfig, varied: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        planned(digits, **varied)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"trials": 0}, "trials = 0: choose a whole number from 1 to 500"),
        ({"trials": 501}, "from 1 to 500"),
        ({"patience": -1}, "patience = -1"),
    ],
)
def test_numbers_of_trials_have_limits(digits: RunConfig, limits: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan_search(digits, {"alpha": "0..1"}, {}, (0,), **limits)


def test_a_fixed_setting_that_no_trial_has_is_refused(digits: RunConfig) -> None:
    with pytest.raises(ValueError, match="epohcs: there is no such setting"):
        plan_search(digits, {"alpha": "0..1"}, {"epohcs": "3"}, (0,))


def test_a_stored_search_whose_option_is_gone_or_narrower_is_refused_with_its_name(digits: RunConfig) -> None:
    text = planned(digits, temperature="1..16").to_json()
    with pytest.raises(ValueError, match="warmth: there is no such setting"):
        Search.from_json(text.replace('"axes":[["temperature"', '"axes":[["warmth"'))
    with pytest.raises(ValueError, match='temperature = "900"'):
        Search.from_json(text.replace('"high":16', '"high":900'))
    with pytest.raises(ValueError, match="lacks a part"):
        Search.from_json(text.replace('"trials"', '"attempts"'))


def test_every_setting_has_a_default_range_that_can_be_searched(digits: RunConfig) -> None:
    names = [name for name in sweepable_options(digits) if name not in ("dataset", "scheme", "teacher", "student")]
    for name in names:
        text = default_range(digits, name)
        option = sweepable_options(digits)[name]
        if option.kind in ("number", "whole"):
            dimension = parse_dimension(name, text, option)
            assert option.low <= dimension.low < dimension.high <= option.high
    with pytest.raises(ValueError, match="warmth cannot be searched over"):
        default_range(digits, "warmth")


def test_a_path_is_no_range() -> None:
    ranges = ("1..20", "0.1..1:log", " 1e-4 .. 1e-2")
    assert [text for text in (*ranges, "../data", "a..b", "adam,sgd", "../5") if is_range(text)] == [*ranges]
