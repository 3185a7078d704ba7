"""Learning-rate schedules, compared with torch.optim.lr_scheduler."""

import pytest
import torch
from torch.optim import lr_scheduler

from kd_core.config.recipe import Recipe
from kd_core.training.optim import rate_factor

STEPS = 200


def by_torch(make: object) -> list[float]:
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(optimiser)
    rates = []
    for _ in range(STEPS):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    return rates


def ours(**options: object) -> list[float]:
    return [rate_factor(Recipe(**options), done, STEPS) for done in range(STEPS)]


def test_a_constant_rate_is_the_chosen_one() -> None:
    assert ours() == [1.0] * STEPS


def test_the_cosine_equals_torch() -> None:
    expected = by_torch(lambda optimiser: lr_scheduler.CosineAnnealingLR(optimiser, STEPS))
    assert ours(schedule="cosine") == pytest.approx(expected, abs=1e-9)


def test_the_steps_equal_torch() -> None:
    expected = by_torch(lambda optimiser: lr_scheduler.MultiStepLR(optimiser, [125, 150, 175], 0.1))
    assert ours(schedule="steps") == pytest.approx(expected)
    expected = by_torch(lambda optimiser: lr_scheduler.MultiStepLR(optimiser, [60, 120, 160], 0.2))
    assert ours(schedule="steps", milestones="30-60-80", lowered_to=0.2) == pytest.approx(expected)


def test_one_cycle_equals_torch() -> None:
    expected = by_torch(lambda optimiser: lr_scheduler.OneCycleLR(optimiser, 1.0, STEPS, cycle_momentum=False))
    assert ours(schedule="one-cycle") == pytest.approx(expected, abs=1e-9)


def test_a_warm_up_rises_to_the_full_rate_and_the_schedule_fills_the_rest() -> None:
    rates = ours(schedule="cosine", rate_warm_up=0.1)
    assert rates[0] == pytest.approx(1 / 20)
    assert rates[19] == rates[20] == 1.0
    assert rates[110] == pytest.approx(0.5)
    assert rates == sorted(rates[:20]) + sorted(rates[20:], reverse=True)


@pytest.mark.parametrize("milestones", ["", "fifty", "0-50", "50-100", "50,75"])
def test_invalid_milestones_are_refused(milestones: str) -> None:
    with pytest.raises(ValueError, match="choose numbers between 0 and 100, joined by dashes"):
        Recipe(schedule="steps", milestones=milestones)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "steps", "one-cycle"])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_very_short_runs_have_a_rate_at_every_step(schedule: str, steps: int) -> None:
    for warm_up in (0.0, 0.5):
        rates = [rate_factor(Recipe(schedule=schedule, rate_warm_up=warm_up), done, steps) for done in range(steps)]
        assert all(0 <= rate <= 1 for rate in rates)
        assert max(rates) > 0
