"""Losses between transformers, and between them and convolutional networks."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

import kd_core as kd
from kd_core.base.events import Finished, Step
from kd_core.base.seeds import use_seed
from kd_core.config.run import from_flat, read_flat
from kd_core.methods.attention_maps import AttentionMaps, attention_maps
from kd_core.methods.distillation_token import SOFT, DistillationToken, distillation_token
from kd_core.models.cnn import Cnn
from kd_core.models.vit import Vit
from kd_core.nn.hooks import LOGITS, record_features
from kd_core.nn.pairs import Pair
from kd_core.training.loop import PhaseCache, Trainer

PAIR = Pair(Vit(width=8), Cnn(8, 2), (1, 8, 8), 10)
DIGITS = {"dataset": "digits", "student": "vit", "student_width": "16", "labelled": "60", "epochs": "3",
          "teacher_epochs": "2"}  # fmt: skip
CACHE: PhaseCache = {}


def train(**flat: str) -> Trainer:
    training = Trainer(from_flat({**DIGITS, **flat}), cache=CACHE)
    events = list(training)
    assert isinstance(events[-1], Finished), events[-1]
    assert all(math.isfinite(value) for event in events if isinstance(event, Step) for value in event.loss.values())
    return training


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_the_hard_form_is_the_cross_entropy_with_the_top_class_of_the_teacher() -> None:
    token, teacher = 3 * numbers(1, 6, 5), 3 * numbers(2, 6, 5)
    expected = 0.0
    for logits, other in zip(token.tolist(), teacher.tolist(), strict=True):
        top = other.index(max(other))
        expected += math.log(sum(map(math.exp, logits))) - logits[top]
    torch.testing.assert_close(distillation_token(token, teacher).item(), expected / 6, rtol=1e-12, atol=0)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_soft_form_is_the_divergence_at_a_temperature(temperature: float) -> None:
    token, teacher = 3 * numbers(1, 6, 5), 3 * numbers(2, 6, 5)
    expected = 0.0
    for logits, other in zip(token.tolist(), teacher.tolist(), strict=True):
        q, p = ([math.exp(value / temperature) for value in row] for row in (logits, other))
        q, p = ([value / sum(row) for value in row] for row in (q, p))
        expected += temperature**2 * sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    value = distillation_token(token, teacher, SOFT, temperature).item()
    torch.testing.assert_close(value, expected / 6, rtol=1e-12, atol=0)


@pytest.mark.parametrize("per_head", [False, True])
def test_attention_is_compared_row_by_row(per_head: bool) -> None:
    student, teacher = numbers(1, 2, 3, 4, 4).softmax(-1), numbers(2, 2, 3, 4, 4).softmax(-1)
    expected, rows = 0.0, 0
    for example in range(2):
        for heads in [(0,), (1,), (2,)] if per_head else [(0, 1, 2)]:
            for token in range(4):
                p, q = (
                    [sum(float(maps[example, head, token, key]) for head in heads) / len(heads) for key in range(4)]
                    for maps in (teacher, student)
                )
                expected += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
                rows += 1
    torch.testing.assert_close(attention_maps(student, teacher, per_head).item(), expected / rows, rtol=1e-12, atol=0)
    assert attention_maps(teacher, teacher, per_head) == 0


def test_attention_that_is_exactly_zero_has_a_finite_loss_and_gradient() -> None:
    logits = torch.tensor([[[[500.0, -500.0], [0.0, 0.0]]]], requires_grad=True)
    loss = attention_maps(logits.softmax(-1), torch.tensor([[[[0.0, 1.0], [1.0, 0.0]]]]))
    loss.backward()
    assert loss.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_the_student_has_the_weights_of_its_control_and_one_token_and_one_head_more() -> None:
    torch.manual_seed(3)
    alone = PAIR.student.build(PAIR.shape, PAIR.classes)
    torch.manual_seed(3)
    network = DistillationToken().build(PAIR)
    first = {tuple(value.flatten().tolist()) for value in alone.parameters()}
    second = {tuple(value.flatten().tolist()) for value in network.parameters()}
    assert first < second
    more = sum(p.numel() for p in network.parameters()) - sum(p.numel() for p in alone.parameters())
    assert more == 8 + 8 * 10 + 10


def test_the_answer_is_the_mean_of_both_heads_and_each_reads_its_own_token() -> None:
    torch.manual_seed(0)
    network = DistillationToken().build(PAIR).eval()
    with record_features(network, {LOGITS: "heads", "tokens": "body"}) as recorded, torch.no_grad():
        logits = network(torch.randn(4, 1, 8, 8))
    heads = network.heads
    for place, head in enumerate((heads.class_head, heads.distillation_head)):
        torch.testing.assert_close(recorded[LOGITS][:, place], head(recorded["tokens"][:, place]))
    torch.testing.assert_close(logits, recorded[LOGITS].mean(1))
    assert recorded["tokens"].shape == (4, 2 + 16, 8)
    with record_features(network.train(), {LOGITS: "heads"}) as recorded:
        assert torch.equal(network(torch.randn(4, 1, 8, 8)), recorded[LOGITS][:, 0])


@pytest.mark.parametrize(("taught", "untaught"), [("label_weight", "distillation"), ("weight", "class")])
def test_the_labels_reach_the_class_head_alone_and_the_teacher_the_other(taught: str, untaught: str) -> None:
    weights = {"label_weight": "0", "weight": "0"} | {taught: "1"}
    training = train(method="distillation_token", **weights)
    with use_seed(training.config.seed, "weights"):
        initial = dict(training.config.method.build(training.config.pair).named_parameters())
    unchanged = {
        name for name, value in training.networks["student"].named_parameters() if torch.equal(value, initial[name])
    }
    heads = {name for name in initial if name.startswith("heads.")}
    assert unchanged == {name for name in heads if name.startswith(f"heads.{untaught}_head")}


@pytest.mark.parametrize(
    ("flat", "reason"),
    [
        ({"method": "distillation_token", "student": "cnn"}, "a CNN 16×2 has none"),
        ({"method": "attention_maps"}, "the teacher, CNN 16×2, has none"),
        ({"method": "attention_maps", "teacher": "vit", "teacher_patch": "4"}, "4 × 17 × 17, the teacher’s 4 × 5 × 5"),
        ({"method": "attention_maps", "teacher": "vit", "teacher_heads": "2", "per_head": "true"}, "as many heads"),
        ({"method": "attention_maps", "teacher": "vit", "layers": "embedding"}, "embedding has none: choose from"),
        ({"method": "distillation_token", "fine_tune": "2"}, "cannot be trained on or averaged"),
        ({"method": "class_attention"}, "does not end in this way"),
    ],
)
def test_a_pair_without_tokens_or_attention_is_refused_in_a_sentence(flat: dict[str, str], reason: str) -> None:
    errors = read_flat({**DIGITS, **flat})[1]
    assert len(errors) == 1
    assert reason in errors[0]
    assert errors[0].endswith(".")


@pytest.mark.parametrize("teacher", ["cnn", "vit"])
@pytest.mark.parametrize(
    "method",
    ["one_for_all", "hints", "attention", "review", "flow", "selectivity", "similarity", "relational",
     "reused_classifier", "simple_recipe", "channel_correlation", "contrastive", "variational_information"],
)  # fmt: skip
def test_every_kind_of_loss_leads_from_a_convolution_to_a_transformer_and_between_two(
    method: str, teacher: str
) -> None:
    train(method=method, teacher=teacher, epochs="1")


def test_a_transformer_teaches_a_convolution_and_all_exits_of_one_for_all_learn() -> None:
    training = train(method="one_for_all", teacher="vit", student="cnn", student_width="8", epochs="2")
    assert training.networks["student"] is not None
    exits = from_flat({**DIGITS, "method": "one_for_all", "student_depth": "3"})
    pair = exits.pair
    assert [match.student for match in exits.method.matches(pair)] == ["stage 1", "stage 2", "stage 3"]
    adapters = exits.method.adapters(pair, torch.zeros(0))
    for layer in ("stage 1", "stage 2", "stage 3"):
        place = int(layer[-1]) - 1
        logits = adapters[f"student {place}"](torch.randn(2, *pair.student_shapes[layer]))
        assert logits.shape == (2, 10)


@pytest.mark.slow
def test_attention_maps_come_closer_to_those_of_the_teacher() -> None:
    flat: dict[str, Any] = {"teacher": "vit", "epochs": "15", "labelled": "200"}
    distances = {}
    for weight in ("0", "30"):
        training = train(method="attention_maps", weight=weight, **flat)
        model, inputs = training.config.student, training.data.test.inputs
        maps = {}
        for role in ("student", "teacher"):
            network = training.networks[role]
            with record_features(network, model.attention_layers()) as recorded, torch.no_grad():
                network(inputs)
            maps[role] = recorded["stage 2"]
        distances[weight] = float(attention_maps(maps["student"], maps["teacher"]))
    assert distances["30"] < 0.5 * distances["0"]


def test_runs_with_a_transformer_are_stacked_and_repeat_the_single_ones() -> None:
    grid = kd.sweep(**DIGITS, temperature=[1, 4], seeds=2)
    for cell in grid.cells:
        single = kd.distill(**{**DIGITS, "temperature": cell.values["temperature"]}, seed=0)
        assert single.test["student"]["accuracy"] == pytest.approx(
            cell.results[0].test["student"]["accuracy"], abs=0.01
        )


def test_attention_maps_of_a_loss_take_the_last_layer_unless_others_are_named() -> None:
    pair = Pair(Vit(depth=3), Vit(depth=2, width=64), (1, 8, 8), 10)
    (match,) = AttentionMaps().matches(pair)
    assert (match.student, match.teacher) == ("stage 3", "stage 2")
    first, second = AttentionMaps(layers="stage 1, stage 2=stage 1").matches(pair)
    assert (first.teacher, second.student, second.teacher) == ("stage 1", "stage 2", "stage 1")
