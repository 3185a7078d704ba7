"""Compiled steps of a single run, compared with eager ones."""

import shutil
from collections.abc import Callable, Sequence

import pytest
import torch

from kd_core.base.events import Adjusted, Event, Failed, Step, Switched, Validated
from kd_core.config.run import RunConfig, from_flat
from kd_core.files.checkpoint import Checkpoint
from kd_core.runs.manager import COMPLETED, RunManager
from kd_core.training.loop import Trainer
from kd_core.training.vectorized import compilation
from kd_core.training.vectorized.step import VectorizedStep
from tools.testing.waiting import wait_for_end

pytestmark = pytest.mark.slow

FLAT = {"dataset": "moons", "epochs": "6", "teacher_epochs": "2", "labelled": "48", "batch_size": "16"}
PER_EPOCH = 3
has_compiler = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "clang++", "c++"))), reason="there is no C++ compiler"
)


@pytest.fixture(autouse=True)
def compile_before_the_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile short runs, too, and wait for the compiler, so that nothing depends on the clock."""
    plan = VectorizedStep.plan
    monkeypatch.setattr(compilation, "is_worthwhile", lambda *_: True)
    monkeypatch.setattr(VectorizedStep, "plan", lambda self, *args: (plan(self, *args), self.wait()))


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Use the traced graph in the place of the compiled one; the list has an entry for each compilation."""
    compilations: list[int] = []
    monkeypatch.setattr(
        compilation, "compile_graph", lambda graph, arguments: (compilations.append(len(arguments)), graph)[1]
    )
    return compilations


def run(
    flat: dict[str, str], adjustments: Sequence[Adjusted | Switched] = (), adjusted: dict[int, dict] | None = None,
    chunk_seconds: float = 1e9,
) -> tuple[list[Event], Trainer]:  # fmt: skip
    training, events = Trainer(from_flat(FLAT | flat), adjustments=adjustments), []
    training.chunk_seconds = chunk_seconds
    for event in training:
        events.append(event)
        if adjusted and isinstance(event, Step) and event.phase == "students":
            training.chunk_seconds = 0.0
            training.adjust(**adjusted.get(event.step, {}))
    return events, training


def of(kind: type, events: list[Event]) -> list:
    return [event for event in events if isinstance(event, kind)]


def assert_agree(events: list[Event], others: list[Event], rtol: float = 1e-3) -> None:
    """Compare everything but the switch, up to rounding."""
    events = [event for event in events if not isinstance(event, Switched)]
    assert [event.kind for event in events] == [event.kind for event in others]
    for one, other in zip(of(Step, events), of(Step, others), strict=True):
        assert (one.phase, one.step, one.epoch, one.learning_rate) == (
            other.phase, other.step, other.epoch, other.learning_rate
        )  # fmt: skip
        assert one.loss == pytest.approx(other.loss, rel=rtol, abs=1e-6)
        assert {role: list(parts) for role, parts in one.parts.items()} == {
            role: list(parts) for role, parts in other.parts.items()
        }
        for role, parts in one.parts.items():
            for name, values in parts.items():
                assert values == pytest.approx(other.parts[role][name], rel=rtol, abs=1e-6)
    for one, other in zip(of(Validated, events), of(Validated, others), strict=True):
        assert one.loss == pytest.approx(other.loss, rel=rtol, abs=1e-6)


def resumed(flat: dict[str, str], after: int) -> list[Event]:
    """Return the events of a run that is interrupted after a step of the students and resumed."""
    config = from_flat(FLAT | flat)
    training, first, is_there = Trainer(config), [], False
    for event in training:
        first.append(event)
        is_there |= isinstance(event, Step) and (event.phase, event.step) == ("students", after)
        if is_there and not training.has_pending_events:
            break
    state = training.checkpoint()
    copy = Checkpoint({name: value.clone() for name, value in state.tensors.items()}, state.values)
    return [*first, *Trainer(config, resume=copy)]


def checkpointed(flat: dict[str, str], after: int) -> tuple[list[Event], list[Event]]:
    """Return the events of a run, and those of one that is resumed from its checkpoint after a step of the students."""
    config = from_flat(FLAT | flat)
    training, events, is_there, again = Trainer(config), [], False, []
    for event in training:
        events.append(event)
        is_there |= isinstance(event, Step) and (event.phase, event.step) == ("students", after)
        if is_there and not again and not training.has_pending_events:
            state, again = training.checkpoint(), [*events]
            copy = Checkpoint({name: value.clone() for name, value in state.tensors.items()}, state.values)
    return events, [*again, *Trainer(config, resume=copy)]


@has_compiler
@pytest.mark.filterwarnings("ignore")  # of the compiler, about this machine
def test_a_compiled_run_agrees_with_the_eager_one_and_is_replayed_and_resumed_exactly() -> None:
    compiled, again = checkpointed({"compiled": "true"}, PER_EPOCH + 1)
    assert of(Switched, compiled) == [Switched("students", PER_EPOCH, "compiled")]
    assert_agree(compiled, run({})[0])
    assert run({"compiled": "true"}, of(Switched, compiled), chunk_seconds=0.0)[0] == compiled
    assert again == compiled


@pytest.mark.parametrize(
    "flat",
    [
        {"optimiser": "sgd", "schedule": "cosine", "clip": "0.5", "weight_decay": "0.01"},
        {"optimiser": "adam", "ema": "0.9", "labelled": "40"},
        {"optimiser": "adamw", "control": "false", "keep": "best", "patience": "3"},
        {"dataset": "digits", "student": "cnn", "student_normalisation": "batch", "epochs": "3", "optimiser": "sgd"},
        {"method": "dist", "dataset": "digits", "epochs": "3"},
        {"scheme": "unlabelled", "labelled": "12", "epochs": "3"},
        {"scheme": "born_again", "epochs": "3"},
    ],
    ids=str,
)
def test_compiled_steps_agree_with_eager_ones_for_every_kind_of_training(
    flat: dict[str, str], traced: list[int]
) -> None:
    compiled, training = run(flat | {"compiled": "true"})
    assert traced
    assert of(Switched, compiled)
    assert_agree(compiled, run(flat)[0])
    for network in training.networks.values():  # memory of its own, not a row of a stack
        assert all(value.untyped_storage().nbytes() == value.nbytes for value in network.parameters())


@pytest.mark.parametrize("after", [PER_EPOCH - 1, PER_EPOCH, 2 * PER_EPOCH + 1])
@pytest.mark.parametrize("flat", [{"ema": "0.9"}, {"optimiser": "sgd", "keep": "best"}], ids=str)
def test_a_resumed_compiled_run_has_the_same_events(flat: dict[str, str], after: int, traced: list[int]) -> None:
    assert resumed(flat | {"compiled": "true"}, after) == run(flat | {"compiled": "true"})[0]


def test_an_adjustment_takes_effect_at_its_step_without_compiling_again(traced: list[int]) -> None:
    adjusted = {7: {"temperature": 9.0, "learning_rate": 0.01}, 11: {"alpha": 0.1}}
    compiled, _ = run({"compiled": "true"}, adjusted=adjusted)
    assert len(traced) == 1
    assert [(change.step, change.option) for change in of(Adjusted, compiled)] == [
        (7, "temperature"), (7, "learning_rate"), (11, "alpha")
    ]  # fmt: skip
    assert_agree(compiled, run({}, adjusted=adjusted)[0])
    changes = [event for event in compiled if isinstance(event, Adjusted | Switched)]
    assert run({"compiled": "true"}, changes)[0] == compiled


def test_an_adjustment_of_a_compiled_constant_switches_to_eager_steps_and_is_replayed(traced: list[int]) -> None:
    flat, adjusted = {"method": "logit_mse"}, {7: {"soft_weight": 0.1}}
    compiled, _ = run(flat | {"compiled": "true"}, adjusted=adjusted)
    assert [(switch.step, switch.path) for switch in of(Switched, compiled)] == [(PER_EPOCH, "compiled"), (7, "eager")]
    assert_agree(compiled, run(flat, adjusted=adjusted)[0])
    changes = [event for event in compiled if isinstance(event, Adjusted | Switched)]
    assert run(flat | {"compiled": "true"}, changes)[0] == compiled


def test_a_replay_switches_where_its_record_says_and_nowhere_else(traced: list[int]) -> None:
    later = Switched("students", 3 * PER_EPOCH, "compiled")
    assert of(Switched, run({"compiled": "true"}, [later])[0]) == [later]
    elsewhere = run({"compiled": "true"}, [Switched("another phase", 2, "compiled")])[0]
    assert elsewhere == run({})[0]


@pytest.mark.parametrize("chunk_seconds", [0.0, 1e9])
def test_a_loss_that_is_not_finite_ends_a_compiled_run_like_an_eager_one(
    chunk_seconds: float, traced: list[int]
) -> None:
    def fail(flat: dict[str, str]) -> tuple[Failed, dict[str, torch.Tensor]]:
        training, events = Trainer(from_flat(FLAT | flat)), []
        for event in training:
            training.chunk_seconds = chunk_seconds
            if isinstance(event, Step) and (event.phase, event.step) == ("students", 2 * PER_EPOCH):
                with torch.no_grad():
                    next(training.networks["student"].parameters()).fill_(float("inf"))
            events.append(event)
        (failed,) = of(Failed, events)
        return failed, training.networks["student"].state_dict()

    compiled, weights = fail({"compiled": "true"})
    eager, eager_weights = fail({})
    assert compiled == eager
    assert traced
    torch.testing.assert_close(weights, eager_weights, rtol=1e-3, atol=1e-5)


def test_without_a_compiler_a_run_stays_eager_and_a_replay_warns(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("no C++ compiler was found")

    monkeypatch.setattr(compilation, "compile_graph", fails)
    eager = run({})[0]
    assert run({"compiled": "true"})[0] == eager
    assert not any("compiled again" in record.message for record in caplog.records)
    assert run({"compiled": "true"}, [Switched("students", PER_EPOCH, "compiled")])[0] == eager
    assert sum("compiled again" in record.message for record in caplog.records) == 1


@pytest.mark.parametrize(
    "flat",
    [
        {"method": "hints"},
        {"scheme": "mutual"},
        {"method": "curriculum_temperature"},
        {"dataset": "digits", "flip": "true"},
        {"precision": "bfloat16"},
    ],
    ids=str,
)
def test_incompatible_phases_stay_eager(flat: dict[str, str], traced: list[int]) -> None:
    short = {"epochs": "2", **flat}
    assert run({**short, "compiled": "true"})[0] == run(short)[0]
    assert not traced


def test_a_stored_run_records_where_compiled_steps_begin(
    runs: RunManager, small_with: Callable[..., RunConfig], traced: list[int]
) -> None:
    config = small_with(**FLAT, compiled="true")
    name = runs.start(config)
    assert wait_for_end(runs, name) == COMPLETED
    stored = [event for _, event in runs.store.events(name)]
    assert of(Switched, stored) == [Switched("students", PER_EPOCH, "compiled")]
    assert list(Trainer(config, adjustments=of(Switched, stored))) == stored
