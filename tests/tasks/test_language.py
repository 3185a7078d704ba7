"""Character language models, against computations by hand."""

from __future__ import annotations

import math
import pydoc_data.topics
import random
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from kd_core.analysis.intervals import estimate_measure
from kd_core.analysis.verdict import verdict
from kd_core.base.events import Event, Finished, Step, Validated, Written
from kd_core.base.options import options_of
from kd_core.base.registry import find_plugin, plugins
from kd_core.config.run import RunConfig, from_flat
from kd_core.datasets import Data, forget, load
from kd_core.datasets._text import CONTEXT, PASSAGE, language_data
from kd_core.datasets.python_docs import PythonDocs
from kd_core.files.checkpoint import Checkpoint
from kd_core.methods import LossInputs
from kd_core.models import Model
from kd_core.models.transformer import Transformer
from kd_core.nn.hooks import record_features, select_layers
from kd_core.nn.pairs import Pair
from kd_core.schemes import comparison_of
from kd_core.tasks import POSITION, measure_of
from kd_core.tasks._text import decode, encode, log_probabilities, random_numbers, words, write
from kd_core.tasks.language import Language
from kd_core.training.loop import Trainer
from tools.testing.networks import outputs_for

LANGUAGE_MODELS = [name for name, cls in plugins("models").items() if cls.outputs == POSITION]  # type: ignore[attr-defined]
COMPARE_STATES = {
    "attention", "channel_correlation", "channel_wise", "hints", "masked_generation", "pearson_features", "review",
    "selectivity", "similarity", "variational_information",
}  # fmt: skip
SMALL = {
    "dataset": "python_docs", "epochs": "2", "teacher_epochs": "1", "student_hidden": "6", "teacher_hidden": "12",
    "teacher_context": "4", "student_context": "3",
}  # fmt: skip


@pytest.fixture
def short_text(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Python's documentation shrinks to some 3,000 characters of random words."""
    draw = random.Random(0)
    text = " ".join(draw.choice(("the", "class", "object", "of", "an", "attribute", "returns")) for _ in range(600))
    monkeypatch.setattr(pydoc_data.topics, "topics", {"only": text})
    monkeypatch.setattr("kd_core.tasks.language.SAMPLES", 8)
    monkeypatch.setattr("kd_core.tasks.language.WRITTEN", 30)
    forget(PythonDocs())
    yield text
    forget(PythonDocs())


class Bigrams(nn.Module):
    """Network whose logits depend on the last character alone."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.table = nn.Parameter(logits)

    def forward(self, characters: Tensor) -> Tensor:
        return self.table[characters.long()]


def test_every_held_out_character_is_predicted_once_after_enough_context(short_text: str) -> None:
    data, alphabet = load(PythonDocs()), sorted(set(short_text))
    size = round(0.05 * len(short_text))
    for split, end in ((data.validation, len(short_text) - size), (data.test, len(short_text))):
        held_out = short_text[end - size : end]
        predicted = "".join(alphabet[label] for label in split.labels.flatten().tolist() if label >= 0)
        assert held_out[CONTEXT + 1 :].startswith(predicted)
        assert len(held_out) - len(predicted) <= CONTEXT + PASSAGE
        assert (split.labels[:, :CONTEXT] == -1).all()
    train = "".join(decode(data.train.inputs, data.classes))
    assert short_text.startswith(train)
    assert torch.equal(data.train.inputs[:, 1:].long(), data.train.labels[:, :-1])


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_a_prediction_depends_on_no_later_character(name: str) -> None:
    family = plugins("models")[name]()
    assert isinstance(family, Model)
    network = family.build((12,), 5).eval()
    characters = torch.randint(0, 5, (3, 12), generator=torch.Generator().manual_seed(0)).float()
    logits = network(characters)
    for position in (0, 5, 10):
        changed = characters.clone()
        changed[:, position + 1 :] = (changed[:, position + 1 :] + 1) % 5
        torch.testing.assert_close(network(changed)[:, : position + 1], logits[:, : position + 1])
    assert not torch.equal(network((characters + 1) % 5)[:, 11], logits[:, 11])
    torch.testing.assert_close(network.last_logits(characters), logits[:, -1])
    torch.testing.assert_close(network.last_logits(characters[:, :2]), logits[:, 1])


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_a_network_judges_texts_that_are_longer_than_its_context(name: str) -> None:
    torch.manual_seed(0)
    network = find_plugin("models", name)().build((8,), 5)
    texts = torch.randint(0, 5, (3, 30)).float()
    judged = log_probabilities(network, texts)
    assert judged.shape == (3, 30, 5)
    network.eval()
    longest = network.longest or 30
    for end in range(1, 31):
        # Windows of 8 characters, the first at the beginning and each later one 4 characters further or at the end.
        last = end if end <= longest else min(30, longest + 4 * math.ceil((end - longest) / 4))
        with torch.no_grad():
            logits = network(texts[:, max(0, last - longest) : end])[:, -1]
        assert torch.allclose(judged[:, end - 1], logits.log_softmax(1), atol=1e-5), end


@pytest.mark.slow
@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_every_language_model_teaches_itself_and_texts_are_longer_than_its_context(
    short_text: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("kd_core.tasks.language.WRITTEN", PASSAGE + 20)
    monkeypatch.setattr("kd_core.tasks.language.SAMPLED", 8)
    sizes = [option for option in ("hidden", "width") if option in options_of(find_plugin("models", name))]
    settings = {"dataset": "python_docs", "teacher": name, "student": name, "epochs": "1", "teacher_epochs": "1"}
    settings |= {f"{role}_{size}": "16" for role in ("teacher", "student") for size in sizes}
    events = list(Trainer(from_flat(settings | {"labelled": "20"})))
    assert isinstance(events[-1], Finished)
    assert events[-1].outcome == "completed"
    (*_, written) = (event for event in events if isinstance(event, Written))
    assert {len(row) for rows in written.surprise.values() for row in rows} == {PASSAGE + 20}
    assert all(0 <= bits < 60 for rows in written.surprise.values() for row in rows for bits in row)


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_the_states_that_losses_compare_are_those_behind_the_logits(name: str) -> None:
    model = find_plugin("models", name)()
    assert isinstance(model, Model)
    network = model.build((16,), 9).eval()
    layer, path = list(model.feature_layers().items())[-1]
    with record_features(network, {layer: path}) as features:
        logits = network(torch.randint(9, (3, 16)).float())
    states = features[layer].squeeze(3).transpose(1, 2)
    states = network.norm(states) if hasattr(network, "norm") else states
    torch.testing.assert_close(network.logits(states), logits, rtol=0, atol=0)


@pytest.mark.parametrize("student", LANGUAGE_MODELS)
@pytest.mark.parametrize(
    "name", [name for name, cls in plugins("methods").items() if cls.family in {"feature", "relation"}]
)
def test_a_loss_of_features_teaches_a_character_network_or_is_refused_in_a_sentence(name: str, student: str) -> None:
    method = find_plugin("methods", name)()
    pair = Pair(find_plugin("models", student)(), Transformer(width=16, layers=3), (16,), 9)
    if reason := method.unsupported_reason(pair):
        assert name not in COMPARE_STATES
        assert reason.startswith("needs ")
        return
    torch.manual_seed(0)
    networks = {"student": method.build(pair), "teacher": pair.teacher.build((16,), 9)}
    adapters = method.adapters(pair, torch.zeros(4, dtype=torch.long))
    matches = method.matches(pair)
    paths = {
        "student": select_layers(method.feature_layers(pair), [match.student for match in matches]),
        "teacher": select_layers(method.teacher_layers(pair), [match.teacher for match in matches]),
    }
    characters, rows, features = torch.randint(9, (4, 16)).float(), {}, {}
    for role, network in networks.items():
        with record_features(network, paths[role]) as features[role]:
            rows[role] = Language().rows(network(characters))
    inputs = LossInputs(
        rows["student"], torch.randint(9, (64,)), rows["teacher"].detach(), 0, features["student"],
        {layer: value.detach() for layer, value in features["teacher"].items()}, matches, adapters, torch.arange(4),
    )  # fmt: skip
    loss = sum(part.weight * part.value for part in method.parts(inputs) if part.name != "CE")
    loss.backward()
    assert float(loss.detach()) > 0
    assert float(networks["student"].characters.weight.grad.abs().sum()) > 0
    assert networks["teacher"].characters.weight.grad is None


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_network_writes_characters_as_often_as_softmax_says(temperature: float) -> None:
    logits = torch.tensor([2.0, 0.0, -1.0, 1.0]).repeat(4, 1)
    texts = write(Bigrams(logits), torch.zeros(4000, 1), random_numbers(4000, 5, 4, "test"), temperature)
    counts = texts[:, 1:].long().flatten().bincount(minlength=4).numpy()
    weights = np.exp(np.array([2.0, 0.0, -1.0, 1.0]) / temperature)
    assert stats.chisquare(counts, counts.sum() * weights / weights.sum()).pvalue > 1e-3


def test_the_same_noise_writes_the_same_text_at_nearly_the_same_temperature() -> None:
    logits = torch.randn(4, 4, generator=torch.Generator().manual_seed(1))
    noise = random_numbers(50, 30, 4, "test")
    first, second = (write(Bigrams(logits), torch.zeros(50, 1), noise, t) for t in (1.0, 1.001))
    assert (first == second).float().mean() > 0.95


def test_text_survives_encoding_and_an_unknown_character_is_named() -> None:
    data = language_data("a b\nc\td" * 400)
    assert data.classes == ("⇥", "⏎", "␣", "a", "b", "c", "d")
    assert decode(encode("a b\nc\t", data.classes), data.classes) == ["a b\nc\t"]
    with pytest.raises(ValueError, match=r"^z é: the networks know only the characters ⇥ ⏎ ␣ a b c d\.$"):
        encode("az é", data.classes)


def test_words_are_those_between_the_first_and_the_last() -> None:
    assert words(["cut whole ab word2s off", "one"]) == ["whole", "word"]


def test_the_measures_of_a_language_model_equal_a_computation_by_hand(short_text: str) -> None:
    data = load(PythonDocs())
    count, draw = len(data.classes), torch.Generator().manual_seed(2)
    student, teacher = (torch.randn(count, count, generator=draw) for _ in range(2))
    metrics = Language().test_metrics(Bigrams(student), Bigrams(teacher), data, outputs_for(data))
    p, q = (np.exp(t.numpy()) / np.exp(t.numpy()).sum(1, keepdims=True) for t in (teacher, student))
    bits, forward, reverse = [], [], []
    for row, labels in zip(data.test.inputs.long().tolist(), data.test.labels.tolist(), strict=True):
        for character, label in zip(row, labels, strict=True):
            if label >= 0:
                bits.append(-math.log2(q[character, label]))
                forward.append(sum(p[character] * np.log(p[character] / q[character])))
                reverse.append(sum(q[character] * np.log(q[character] / p[character])))
    assert metrics["bits_per_character"] == pytest.approx(np.mean(bits), rel=1e-5)
    assert metrics["perplexity"] == pytest.approx(2 ** np.mean(bits), rel=1e-5)
    assert metrics["forward_kl"] == pytest.approx(np.mean(forward), rel=1e-5)
    assert metrics["reverse_kl"] == pytest.approx(np.mean(reverse), rel=1e-5)
    assert metrics.keys() == {measure.name for measure in Language.measures}
    assert "teacher_bits" not in Language().test_metrics(Bigrams(teacher), None, data, outputs_for(data))


def test_a_network_that_repeats_a_word_writes_real_words_and_few_different_ones(short_text: str) -> None:
    data = load(PythonDocs())
    alphabet = "".join(" " if name == "␣" else name for name in data.classes)
    logits = torch.zeros(len(alphabet), len(alphabet))
    for character, after in zip("the ", "he t", strict=True):
        logits[alphabet.index(character), alphabet.index(after)] = 100
    logits[logits.sum(1) == 0, alphabet.index("t")] = 100  # whatever else a beginning ends with
    metrics = Language().test_metrics(Bigrams(logits), None, data, outputs_for(data))
    assert metrics["real_words"] > 0.95
    assert metrics["distinct_words"] < 0.1
    assert metrics["sample_entropy"] == pytest.approx(0, abs=1e-4)


def run(config: RunConfig) -> list[Event]:
    return list(Trainer(config))


@pytest.mark.slow
def test_a_run_shows_texts_and_how_much_they_surprise_the_teacher(short_text: str) -> None:
    training = Trainer(from_flat({**SMALL, "batch_size": "4"}))
    events = list(training)
    texts = [event for event in events if isinstance(event, Written) and event.phase == "students"]
    validated = [event for event in events if isinstance(event, Validated) and event.phase == "students"]
    assert len(texts) == len(validated) == 1 + 2 * Language.evaluations_per_epoch
    last = texts[-1]
    assert last.texts.keys() == {"teacher", "student", "baseline"}
    assert texts[0].texts["teacher"] == last.texts["teacher"]
    assert texts[0].texts["student"] != last.texts["student"]
    data, text = load(PythonDocs()), last.texts["student"][4]
    numbers = encode(last.beginning + text, data.classes)
    log_p = training.networks["teacher"](numbers[:, :-1]).log_softmax(-1)[0]
    expected = [-log_p[place - 1, int(numbers[0, place])].item() / math.log(2) for place in range(16, 16 + len(text))]
    assert last.surprise["student"][4] == pytest.approx(expected, abs=0.006)
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert {"bits_per_character", "real_words", "teacher_bits"} <= finished.test["student"].keys()
    assert "recalls" not in finished.test["student"]  # a letter is no class to be fair to
    sentence = verdict([finished.test], comparison_of(training.config)).sentence
    assert "of the characters of the test set" in sentence
    assert "examples" not in sentence


@pytest.mark.parametrize("scheme", ["on_policy", "sequence_level"])
@pytest.mark.slow
def test_training_on_written_texts_resumes_with_the_same_numbers(short_text: str, scheme: str) -> None:
    config = from_flat({**SMALL, "scheme": scheme, "batch_size": "8"})
    whole, place = run(config), 0
    training = Trainer(config)
    for event in training:
        place += 1
        if isinstance(event, Step) and event.phase == "students" and event.step == 3:
            break
    state = training.checkpoint()
    copied = Checkpoint({name: tensor.clone() for name, tensor in state.tensors.items()}, state.values)
    assert list(Trainer(config, resume=copied)) == whole[place:]


@pytest.mark.slow
def test_the_student_writes_its_batches_and_the_control_takes_as_many_steps(short_text: str) -> None:
    config = from_flat({**SMALL, "scheme": "on_policy", "divergence": "reverse", "batch_size": "8"})
    training = Trainer(config)
    for event in training:
        if isinstance(event, Step) and event.phase == "students" and event.step == 2:
            break
    trainer = training._phase_trainer
    assert trainer is not None
    student, control = trainer.trainers
    batch = student.batch(2)
    assert batch.is_made
    assert not batch.inputs.requires_grad  # no gradient flows through sampling
    assert (batch.labels == -1).all()
    stored = student.sampler.batch(2).inputs
    assert torch.equal(control.batch(2).inputs, stored)
    assert not torch.equal(batch.inputs, stored)
    steps = [event for event in run(config) if isinstance(event, Step)]
    assert all({"student", "baseline"} == step.loss.keys() for step in steps if step.phase != "teacher")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"wrong": "0.2"}, "wrong = 0.2: the labels of passages are those of their characters"),
        ({"omitted": "e"}, "omitted = e: the labels of passages"),
        ({"mixup": "0.5"}, "mixup = 0.5: these data are passages, and characters cannot be blended"),
        (
            {"student": "mlp", "student_hidden": ""},
            "student = mlp: an MLP takes numbers, and these data are characters",
        ),
        ({"scheme": "unlabelled"}, "the labels of passages are the characters that follow"),
        ({"scheme": "on_policy", "warm_up_epochs": "2"}, "warm_up_epochs = 2: with epochs = 2 none is left"),
        ({"dataset": "digits", "scheme": "on_policy"}, "these networks classify images, and cannot write any"),
        ({"dataset": "digits", "student": "gru"}, "student = gru: a GRU takes characters, and these data are numbers"),
    ],
)
def test_what_does_not_apply_to_a_text_is_refused_in_a_sentence(
    short_text: str, settings: dict[str, str], message: str
) -> None:
    flat = {name: value for name, value in ({**SMALL, **settings}).items() if value}
    if flat["dataset"] == "digits":
        flat = {name: value for name, value in settings.items() if value}
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        from_flat(flat)


def test_a_measure_that_is_no_mean_over_examples_has_the_interval_of_its_seeds() -> None:
    values = [2.7, 2.74, 2.69, 2.78, 2.71]
    estimate = estimate_measure([{"student": {"bits_per_character": value}} for value in values], "student",
                                "bits_per_character")  # fmt: skip
    expected = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert estimate.interval() == pytest.approx(expected)
    assert measure_of("bits_per_character").format(2.741) == "2.74 bits"
    assert measure_of("real_words").format(0.462) == "46.2 %"
    assert measure_of("accuracy").counts_examples


def test_the_data_of_a_language_model_are_no_points_of_a_plane() -> None:
    data: Data = language_data("ab" * 1000)
    assert not data.is_planar
    assert not data.has_images
    assert data.noun == "passages"
