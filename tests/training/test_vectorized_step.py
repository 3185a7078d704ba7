"""Step of several replicas, compared with torch.optim on one network after the other."""

import copy
import itertools
import shutil
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from kd_core.base.devices import limit_threads
from kd_core.base.registry import find_plugin
from kd_core.config.recipe import Recipe, TeacherRecipe
from kd_core.methods import LossInputs, Method
from kd_core.methods.soft_targets import SoftTargets
from kd_core.models.cnn import Cnn
from kd_core.models.mlp import Mlp
from kd_core.training.vectorized import compilation, loss
from kd_core.training.vectorized.compilation import is_worthwhile
from kd_core.training.vectorized.loss import ReplicaLoss
from kd_core.training.vectorized.replicas import Replicas, linear_layers, network_incompatibility
from kd_core.training.vectorized.step import ReplicaData, StackedBatch, StackedBatches, VectorizedStep

CLASSES, EXAMPLES, SIZE, STEPS = 5, 40, 16, 4
RATES = [0.01, 0.01, 0.03, 0.02]  # the last replica has no teacher
MLP, CONVOLUTIONS = Mlp(widths=(12, 8)), Cnn(width=4, depth=1, normalisation="batch")
SOFT = [SoftTargets(temperature=t, alpha=a) for t, a in ((1.0, 0.0), (4.0, 0.9), (12.0, 1.0))]

DIST: list[Method] = [find_plugin("methods", "dist")(temperature=t) for t in (1, 2, 4)]  # type: ignore[misc]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with limit_threads():
        yield


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def networks(model: Mlp | Cnn, count: int = len(RATES)) -> list[nn.Module]:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return [model.build((1, 6, 6), CLASSES) for _ in range(count)]


def replica_data(taught: int, *, missing: int = 0, count: int = len(RATES)) -> ReplicaData:
    labels = torch.arange(EXAMPLES).remainder(CLASSES).repeat(2, 1)
    labels[1] = labels[1].flip(0)
    labels[:, :missing] = -1
    return ReplicaData(
        normal(EXAMPLES, 1, 6, 6),
        labels,
        torch.stack([3 * normal(EXAMPLES, CLASSES, seed=1), normal(EXAMPLES, CLASSES, seed=2)]),
        torch.arange(count) % 2,
        torch.arange(taught) % 2,
    )


def rows() -> list[Tensor]:
    generator = torch.Generator().manual_seed(7)
    return [torch.stack([torch.randperm(EXAMPLES, generator=generator)[:SIZE] for _ in range(2)]) for _ in range(STEPS)]


def batches(data: ReplicaData) -> list[StackedBatch]:
    return [data.gather(chosen) for chosen in rows()]


def stack(
    model: Mlp | Cnn, methods: list[Method], recipe: Recipe | TeacherRecipe, compiling: str = "never"
) -> VectorizedStep:
    objective = ReplicaLoss(methods, len(RATES) - len(methods), smoothing=recipe.smoothing)
    streams = replica_data(len(methods)).streams.tolist()
    return VectorizedStep(Replicas(networks(model)), objective, recipe, RATES, streams, compiling=compiling)


def train_single(
    number: int, network: nn.Module, method: Method | None, recipe: Recipe | TeacherRecipe, data: ReplicaData
) -> tuple[nn.Module, list[float]]:
    """Train one replica with torch, and return it with its losses."""
    optimiser_class = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimiser]
    more = {"momentum": 0.9} if recipe.optimiser == "sgd" else {}
    optimiser = optimiser_class(network.parameters(), lr=RATES[number], weight_decay=recipe.weight_decay, **more)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema), use_buffers=True)
    losses = []
    for batch in rows():
        chosen = batch[data.streams[number]]
        labels, logits = data.labels[data.streams[number]][chosen], network(data.inputs[chosen])
        if method is None:
            loss = F.cross_entropy(logits, labels, label_smoothing=recipe.smoothing)
        else:
            teacher, is_labelled = data.teachers[data.teacher_index[number]][chosen], labels >= 0
            filled = torch.where(is_labelled, labels, teacher.argmax(1))
            parts = method.parts(
                LossInputs(logits, filled, teacher, is_labelled=None if is_labelled.all() else is_labelled)
            )
            loss = sum(part.weight * part.value for part in parts)
        optimiser.zero_grad()
        loss.backward()
        if recipe.clip:
            nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
        optimiser.step()
        average.update_parameters(network)
        losses.append(loss.item())
    return average.module if recipe.ema else network, losses


def state_of(step: VectorizedStep, row: int) -> dict[str, torch.Tensor]:
    """Return the weights and buffers of a row, as it is evaluated and kept."""
    weights, buffers = step.evaluated()
    return {name: value[row] for name, value in {**step.replicas.views(weights), **buffers}.items()}


def assert_same(step: VectorizedStep, methods: list[Method], recipe: Recipe | TeacherRecipe, model: Mlp | Cnn) -> None:
    data = replica_data(len(methods))
    totals = torch.stack([step(batch).totals for batch in batches(data)])
    for number, network in enumerate(networks(model)):
        method = methods[number] if number < len(methods) else None
        trained, losses = train_single(number, network.train(), method, recipe, data)
        torch.testing.assert_close(totals[:, number], torch.tensor(losses), rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(state_of(step, number), dict(trained.state_dict()), rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize(
    ("model", "optimiser", "more"),
    [
        (MLP, "sgd", {}),
        (MLP, "adam", {}),
        (MLP, "adamw", {"weight_decay": 0.1}),
        (MLP, "sgd", {"weight_decay": 0.01, "clip": 0.5}),
        (MLP, "adam", {"weight_decay": 0.01, "ema": 0.7}),
        (CONVOLUTIONS, "sgd", {"ema": 0.7}),
        (CONVOLUTIONS, "adam", {"clip": 0.5}),
        (Mlp(widths=(12,), activation="gelu"), "sgd", {}),
    ],
)
def test_a_stacked_step_agrees_with_a_step_of_each_network(
    model: Mlp | Cnn, optimiser: str, more: dict[str, float]
) -> None:
    recipe = Recipe(optimiser=optimiser, **more)  # type: ignore[arg-type]
    assert_same(stack(model, SOFT, recipe), SOFT, recipe, model)


def test_a_method_without_a_closed_form_is_differentiated_by_autograd() -> None:
    methods = [
        find_plugin("methods", "dist")(temperature=t, inter=i, intra=1.5) for t, i in ((1, 0.0), (4, 2.0), (4, 1.0))
    ]
    recipe = Recipe(optimiser="sgd")
    step = stack(MLP, methods, recipe)
    assert not step.objective.is_closed
    assert_same(step, methods, recipe, MLP)


@pytest.mark.parametrize(
    ("form", "mean", "squared"), list(itertools.product(("kl", "ce"), ("batch", "element"), (True, False)))
)
def test_the_closed_form_of_every_variant_agrees_with_autograd(form: str, mean: str, squared: bool) -> None:
    methods = [SoftTargets(t, a, form, mean, squared) for t, a in ((1.0, 0.3), (7.0, 0.8))]
    closed, by_autograd = ReplicaLoss(methods, 0), ReplicaLoss(methods, 0)
    by_autograd.is_closed = False
    signals = normal(2, CLASSES, 9), torch.arange(18).view(2, 9) % CLASSES, normal(2, 9, CLASSES, seed=1)
    torch.testing.assert_close(closed(*signals), by_autograd(*signals), rtol=1e-5, atol=1e-6)


def test_losses_one_by_one_agree_with_vectorised_ones() -> None:
    signals = normal(3, CLASSES, 9), torch.arange(27).view(3, 9) % CLASSES, normal(3, 9, CLASSES, seed=1)
    one_by_one, vectorised = ReplicaLoss(DIST, 0), ReplicaLoss(DIST, 0, looped=0)
    torch.testing.assert_close(one_by_one(*signals), vectorised(*signals), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("methods", [SOFT, DIST], ids=["soft", "dist"])
def test_an_example_without_a_label_gets_the_teachers_top_class(methods: list[Method]) -> None:
    data = replica_data(3, missing=20, count=3)
    step = VectorizedStep(
        Replicas(networks(MLP)[:3]),
        ReplicaLoss(methods, 0, lacks_labels=True),
        Recipe(),
        RATES[:3],
        data.streams.tolist(),
        compiling="never",
    )
    totals = torch.stack([step(batch).totals for batch in batches(data)])
    for number, network in enumerate(networks(MLP)[:3]):
        _, losses = train_single(number, network, methods[number], Recipe(), data)
        torch.testing.assert_close(totals[:, number], torch.tensor(losses), rtol=1e-4, atol=1e-6)


def test_replicas_without_a_method_train_with_label_smoothing() -> None:
    recipe = TeacherRecipe(smoothing=0.2)
    assert_same(stack(MLP, [], recipe), [], recipe, MLP)


def test_a_single_network_is_a_stack_of_one() -> None:
    data = replica_data(1, count=1)
    step = VectorizedStep(
        Replicas(networks(MLP)[:1]), ReplicaLoss(SOFT[1:2], 0), Recipe(), [0.01], [0], compiling="never"
    )
    losses = [step(batch).totals.item() for batch in batches(data)]
    assert losses == pytest.approx(train_single(0, networks(MLP)[0], SOFT[1], Recipe(), data)[1], rel=1e-4)


def test_a_teacher_of_weight_0_changes_no_bit_of_the_weights() -> None:
    """The reference is a replica without teacher, with the same initial weights, examples and rate."""
    twins = [networks(MLP)[0], copy.deepcopy(networks(MLP)[0])]
    data = ReplicaData(
        normal(EXAMPLES, 1, 6, 6),
        replica_data(1).labels,
        replica_data(1).teachers,
        torch.tensor([0, 0]),
        torch.tensor([0]),
    )
    objective = ReplicaLoss([SoftTargets(temperature=8.0, alpha=0.0)], 1)
    step = VectorizedStep(Replicas(twins), objective, Recipe(), [0.01, 0.01], [0, 0], compiling="never")
    for batch in batches(data):
        step(batch)
    assert all(torch.equal(value, state_of(step, 1)[name]) for name, value in state_of(step, 0).items())


def test_a_loaded_state_gives_the_same_steps() -> None:
    recipe = Recipe(optimiser="adam", ema=0.5)
    one, other = stack(CONVOLUTIONS, SOFT, recipe), stack(CONVOLUTIONS, SOFT, recipe)
    for batch in batches(replica_data(3)):
        one(batch)
    other.load({name: value.clone() for name, value in one.tensors().items()}, one.done)
    for batch in batches(replica_data(3)):
        assert torch.equal(one(batch).totals, other(batch).totals)


@pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++", "c++"))), reason="there is no C++ compiler")
@pytest.mark.filterwarnings("ignore")  # of the compiler, about this machine
@pytest.mark.slow
def test_a_compiled_step_agrees_with_an_eager_one() -> None:
    recipe = Recipe(optimiser="adam", clip=0.5, ema=0.7, weight_decay=0.01)
    eager, compiled = (stack(MLP, SOFT, recipe, mode) for mode in ("never", "always"))
    for batch in batches(replica_data(3)):
        torch.testing.assert_close(compiled(batch).totals, eager(batch).totals, rtol=1e-5, atol=1e-6)
    assert all(job.ready is not None for job in compiled._jobs.values())
    torch.testing.assert_close(compiled.tensors(), eager.tensors(), rtol=1e-4, atol=1e-5)


def test_without_a_compiler_the_step_stays_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("no C++ compiler was found")

    monkeypatch.setattr(compilation, "compile_graph", fails)
    recipe = Recipe()
    eager, attempted = (stack(MLP, SOFT, recipe, mode) for mode in ("never", "always"))
    for batch in batches(replica_data(3)):
        assert torch.equal(eager(batch).totals, attempted(batch).totals)


@pytest.mark.slow
def test_a_worthwhile_step_is_compiled_in_the_background_and_used_after_the_next_swap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []

    def compiled(function: Callable[..., Any], _: object) -> Callable[..., Any]:
        return lambda *arguments: (calls.append(threading.current_thread().name), function(*arguments))[1]

    monkeypatch.setattr(compilation, "compile_graph", compiled)
    monkeypatch.setattr(compilation, "is_worthwhile", lambda *_: True)
    eager, other = (stack(MLP, SOFT, Recipe(), how) for how in ("never", "auto"))
    other.plan(StackedBatches(replica_data(3), rows()[0], SIZE), 1, 1.0)
    for number, batch in enumerate(batches(replica_data(3))):
        torch.testing.assert_close(other(batch).totals, eager(batch).totals, rtol=1e-5, atol=1e-6)
        if number == 1:
            other.wait()
            assert calls == ["compiling a step"]  # on copies, and not in a step yet
            other.swap()
    assert calls[1:] == [threading.current_thread().name] * 2
    torch.testing.assert_close(other.tensors(), eager.tensors(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("methods", [SOFT, DIST], ids=["soft", "dist"])
@pytest.mark.slow
def test_the_traced_step_agrees_with_the_eager_one_for_convolutions_too(
    methods: list[Method], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights and running statistics change in place; the backend runs the traced graph without generating code."""
    monkeypatch.setattr(
        compilation, "compile_graph", lambda traced, _: torch.compile(traced, backend="aot_eager", fullgraph=True)
    )
    recipe = Recipe(optimiser="sgd", clip=0.5)
    eager, other = (stack(CONVOLUTIONS, methods, recipe, mode) for mode in ("never", "always"))
    for batch in batches(replica_data(3)):
        torch.testing.assert_close(other(batch).totals, eager(batch).totals, rtol=1e-5, atol=1e-6)
    assert all(job.ready is not None for job in other._jobs.values())
    torch.testing.assert_close(other.tensors(), eager.tensors(), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_eager_steps_and_a_compilation_in_the_background_do_not_disturb_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both run the same network, whose weights are replaced for the time of a call."""
    monkeypatch.setattr(compilation, "is_worthwhile", lambda *_: True)
    monkeypatch.setattr(compilation, "compile_graph", lambda traced, _: traced)
    recipe = Recipe(optimiser="sgd")
    eager, other = (stack(CONVOLUTIONS, SOFT, recipe, mode) for mode in ("never", "auto"))
    epoch = StackedBatches(replica_data(3), torch.cat(rows(), dim=1), SIZE)
    for _ in range(3):
        other.forget_compiled()
        other.plan(epoch, epochs=1, operations=1e6)
        while not all(job.is_over for job in other._jobs.values()):
            for number in range(len(epoch)):
                batch = epoch[number]
                torch.testing.assert_close(other(batch).totals, eager(batch).totals, rtol=0, atol=0)
        assert all(job.ready is not None for job in other._jobs.values())
    torch.testing.assert_close(other.tensors(), eager.tensors(), rtol=0, atol=0)


def test_compilation_is_worthwhile_only_for_many_or_large_steps() -> None:
    assert not is_worthwhile(1000, 1e6)
    assert is_worthwhile(1_000_000, 1e6)
    assert is_worthwhile(1000, 1e10)


def test_only_plain_mlps_have_linear_layers_alone() -> None:
    assert linear_layers(networks(MLP)[0]) == ["1", "3", "5"]
    assert linear_layers(networks(Mlp(activation="tanh"))[0]) == []
    assert linear_layers(networks(CONVOLUTIONS)[0]) == []


def test_a_network_with_random_layers_is_refused() -> None:
    assert "random layer" in network_incompatibility(nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)))
    assert not network_incompatibility(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))


def test_methods_that_differ_in_more_than_numbers_or_read_features_are_refused() -> None:
    dist, attention = find_plugin("methods", "dist"), find_plugin("methods", "attention")
    assert not loss.method_incompatibility([dist(temperature=1), dist(temperature=2)], CLASSES)  # type: ignore[list-item]
    assert "differ" in loss.method_incompatibility([dist(), SoftTargets()], CLASSES)  # type: ignore[list-item]
    assert "form" in loss.method_incompatibility([SoftTargets(), SoftTargets(form="ce")], CLASSES)
    assert "more than logits" in loss.method_incompatibility([attention()], CLASSES)  # type: ignore[list-item]
