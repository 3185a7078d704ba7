"""Runs of a stack that are ended early, and the others, which keep their numbers."""

import pytest

from kd_core.base.events import Finished, Validated
from kd_core.config.run import from_flat
from kd_core.training.loop import GroupTrainer
from kd_core.training.vectorized.pruned_group import PRUNED, PrunedGroupTrainer

SETTINGS = {"dataset": "moons", "epochs": "6", "teacher_epochs": "1", "labelled": "40", "method": "soft_targets"}
CONFIGS = [
    from_flat(SETTINGS | {"temperature": temperature, "seed": str(seed)})
    for temperature in ("1", "4", "8")
    for seed in range(2)
]


def accuracies(trainer: GroupTrainer, condemned: list[int], checkpoint_at: int = 0) -> tuple[dict, dict, object]:
    by_run: dict[int, list[dict[str, float]]] = {}
    ends, saved, is_asked = {}, None, False
    for chunk in trainer.chunks():
        for run, event in chunk:
            if isinstance(event, Validated) and "student" in event.accuracy:
                by_run.setdefault(run, []).append(event.accuracy)
                if event.epoch == 2 and condemned and not is_asked:
                    trainer.prune(condemned)
                    is_asked = True
            if isinstance(event, Finished):
                ends[run] = event
        if checkpoint_at and max(map(len, by_run.values()), default=0) >= checkpoint_at and saved is None:
            saved = trainer.checkpoint()
    return by_run, ends, saved


@pytest.mark.parametrize("extra", [{}, {"student": "cnn", "dataset": "digits"}, {"ema": "0.9", "optimiser": "sgd"}])
def test_the_runs_that_are_left_have_the_numbers_of_a_whole_group(extra: dict[str, str]) -> None:
    configs = [config.with_flat(**extra, epochs=4) for config in CONFIGS] if extra else CONFIGS
    whole, ends, _ = accuracies(PrunedGroupTrainer(configs), [])
    pruned, early, _ = accuracies(PrunedGroupTrainer(configs), [0, 1, 4])
    assert {run: end.outcome for run, end in early.items()} == {
        run: PRUNED if run in (0, 1, 4) else "completed" for run in range(6)
    }
    for run in (2, 3, 5):
        for smaller, other in zip(pruned[run], whole[run], strict=True):
            assert smaller == pytest.approx(other, abs=0.01)
        assert early[run].test_accuracy == pytest.approx(ends[run].test_accuracy, abs=0.01)
    assert all(len(pruned[run]) < len(whole[run]) for run in (0, 1, 4))
    assert early[0].test["student"]["accuracy"] <= 1


def test_a_group_goes_on_from_a_checkpoint_after_runs_were_ended() -> None:
    pruned, ends, state = accuracies(PrunedGroupTrainer(CONFIGS), [0, 5], checkpoint_at=5)
    assert state is not None
    resumed, others, _ = accuracies(PrunedGroupTrainer(CONFIGS, resume=state), [])
    assert set(others) == {1, 2, 3, 4}
    for run in others:
        assert resumed[run] == pruned[run][-len(resumed[run]) :]
        assert others[run] == ends[run]


def test_the_last_run_can_be_ended_and_one_alone_goes_on() -> None:
    _, ends, _ = accuracies(PrunedGroupTrainer(CONFIGS[:2]), [0])
    assert [ends[0].outcome, ends[1].outcome] == [PRUNED, "completed"]
    _, ends, _ = accuracies(PrunedGroupTrainer(CONFIGS[:2]), [0, 1])
    assert {end.outcome for end in ends.values()} == {PRUNED}
