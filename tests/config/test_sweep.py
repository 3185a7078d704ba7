"""Options that can be an axis of a sweep, and their default values."""

from __future__ import annotations

import pytest

from kd_core.base.registry import plugins
from kd_core.config import sweep
from kd_core.config.run import RunConfig, from_flat, read_flat


def test_method_data_recipe_and_student_can_be_varied_and_the_seed_cannot(small: RunConfig) -> None:
    options = sweep.sweepable_options(small)
    assert {"temperature", "alpha", "labelled", "wrong", "epochs", "learning_rate", "student_widths"} <= set(options)
    assert not {"seed", "teacher_epochs", "milestones"} & set(options)
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
    ],
)
def test_default_values_surround_the_chosen_one(small: RunConfig, flat: str, values: tuple[str, ...]) -> None:
    assert sweep.default_values(small, flat) == values


@pytest.mark.parametrize("method", sorted(plugins("methods")))
def test_every_option_of_every_method_has_values_that_a_sweep_takes(method: str) -> None:
    config = from_flat({"dataset": "digits", "student": "cnn", "method": method})
    names = [name for name in sweep.sweepable_options(config) if name in config.method.values()]
    for flat in names:
        values = sweep.default_values(config, flat)
        assert values
        for value in values:  # one by one, since some depend on other options
            refused = read_flat({**config.flat(), flat: value})[1]
            assert not any(line.startswith(f"{flat} = ") for line in refused)


def test_an_option_that_cannot_be_an_axis_is_refused(small: RunConfig) -> None:
    with pytest.raises(ValueError, match=r"seed cannot be varied\. Choose one of temperature, "):
        sweep.default_values(small, "seed")


def test_a_typed_list_is_split_at_commas_and_semicolons() -> None:
    assert sweep.parse_values(" 1, 2;3,, 4 ") == ("1", "2", "3", "4")
    assert sweep.parse_values("") == ()
