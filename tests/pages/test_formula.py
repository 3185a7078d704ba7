"""Numbers of the loss formula at every step of its sliders."""

import pytest

from kd_core.base.options import option_label, options_of
from kd_core.base.registry import plugins
from kd_core.methods import Method
from pages.ui.widgets import formula
from pages.ui.widgets.text import plan
from tests.pages.test_scheme_form import config_of


@pytest.mark.parametrize("name", plugins("methods"))
def test_the_sliders_of_every_method_lead_to_the_formula_of_their_value(name: str) -> None:
    config, method = config_of("offline"), plugins("methods")[name]()
    assert isinstance(method, Method)
    declared = options_of(type(method))
    labels = {option_label(key, option): key for key, option in declared.items()}
    for slider in formula.sliders(config, method):
        option = labels[slider["label"]]
        last = round((declared[option].high - slider["low"]) / slider["step"])
        for step in (0, 1, last // 3, last):
            value = round(slider["low"] + step * slider["step"], 10)
            expected = plan.formula(config, method.with_values(**{option: value}))
            numbers = formula.NUMBER.findall(plan.formula(config, method))
            texts = {place: column[step] for place, column in slider["numbers"].items()}
            if None in texts.values():
                assert formula.NUMBER.sub("#", expected) != formula.NUMBER.sub("#", plan.formula(config, method))
                continue
            for place, text in texts.items():
                numbers[place] = text
            assert numbers == formula.NUMBER.findall(expected)


def test_a_loss_without_a_temperature_has_no_number_that_follows_its_slider() -> None:
    method = plugins("methods")["hints"]()
    assert isinstance(method, Method)
    assert all(not slider["numbers"] for slider in formula.sliders(config_of("offline"), method))
