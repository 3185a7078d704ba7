"""Language modelling, the next character at every position of a text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.events import Event, Written
from kd_core.tasks import CHARACTERS, POSITION, Measure, Outputs, SplitData, Task
from kd_core.tasks._text import (
    WORD,
    decode,
    log_probabilities,
    negative_log_likelihood,
    random_numbers,
    words,
    write,
)

TEMPERATURES = (0.3, 0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0)  # of the texts that are written during training
BEGINNING, WRITTEN = 16, 160  # characters that a text begins with, and that a network adds
SAMPLES, SAMPLED = 512, 100  # texts that a network is judged by, and characters that it writes in each
COLD = 0.5  # temperature of a second set of texts, whose words are counted
BITS = 1 / math.log(2)  # per nat


@dataclass(frozen=True)
class Language(Task):
    title: ClassVar[str] = "Language modelling"
    summary: ClassVar[str] = "At every position of a text the next character is predicted."
    inputs: ClassVar[str] = CHARACTERS
    outputs: ClassVar[str] = POSITION
    row_noun: ClassVar[str] = "characters"
    example_noun: ClassVar[str] = "passages"
    evaluations_per_epoch: ClassVar[int] = 4
    can_write: ClassVar[bool] = True
    page: ClassVar[str] = "language"
    hub_task: ClassVar[str] = "text-generation"
    script: ClassVar[str] = "write.py"
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure(
            "bits_per_character", "Bits per character", "bits", is_better_high=False,
            meaning="How much each character of the held-out text surprises the network.",
        ),
        Measure(
            "perplexity", "Perplexity", is_better_high=False,
            meaning="Among how many equally likely characters the network would have to choose to be as unsure.",
        ),
        Measure(
            "forward_kl", "KL(teacher ‖ student)", "nats", is_better_high=False,
            meaning="High where the network finds unlikely what the teacher finds likely.",
        ),
        Measure(
            "reverse_kl", "KL(student ‖ teacher)", "nats", is_better_high=False,
            meaning="High where the network finds likely what the teacher finds unlikely.",
        ),
        Measure(
            "teacher_bits", "Teacher’s bits on its texts", "bits", is_better_high=False,
            meaning="How much each character that the network writes surprises the teacher.",
        ),
        Measure(
            "sample_entropy", "Entropy while writing", "bits", is_better_high=None,
            meaning="How unsure the network is while it writes; low where it repeats itself.",
        ),
        Measure(
            "real_words", "Real words", "%", meaning="Words that it writes and that occur in the training text.",
        ),
        Measure("distinct_words", "Distinct words", "%", meaning="Different words among all that it writes."),
        Measure("real_words_cold", "Real words at T = 0.5", "%", meaning="The real ones of what it writes at T = 0.5."),
        Measure(
            "distinct_words_cold", "Distinct words at T = 0.5", "%",
            meaning="The different ones of what it writes at T = 0.5.",
        ),
    )  # fmt: skip

    def row_inputs(self, inputs: Tensor, rows: Tensor) -> Tensor:
        """Return the last :data:`BEGINNING` characters up to each position, -1 before the beginning of a passage."""
        windows = F.pad(inputs, (BEGINNING - 1, 0), value=-1).unfold(1, BEGINNING, 1)
        return windows.flatten(0, 1)[rows]

    def details(
        self,
        position: tuple[str, int, int],
        networks: Mapping[str, nn.Module],
        teacher: tuple[str, nn.Module] | None,
        data: SplitData,
    ) -> Iterable[Event]:
        beginning = data.validation.inputs[:1, :BEGINNING].cpu()
        present = dict(networks) if teacher is None else {teacher[0]: teacher[1], **networks}
        texts, surprise = write_texts(present, teacher and teacher[1], beginning, data.classes)
        yield Written(*position, decode(beginning, data.classes)[0], list(TEMPERATURES), texts, surprise)

    def test_metrics(
        self, network: nn.Module, teacher: nn.Module | None, data: SplitData, outputs: Outputs
    ) -> Mapping[str, Any]:
        index = self.labelled_rows(data.test.labels)
        labels = self.row_labels(data.test.labels)[index]
        log_q = self.rows(outputs(network).log_softmax(-1))[index]
        bits = BITS * F.nll_loss(log_q, labels).item()
        samples = _samples(network, data)
        log_q_of_samples = log_probabilities(network, samples[:, :-1])[:, BEGINNING - 1 :]
        metrics = {
            "bits_per_character": bits,
            "perplexity": 2**bits,
            "sample_entropy": BITS * -(log_q_of_samples.exp() * log_q_of_samples).sum(-1).mean().item(),
        }
        vocabulary = set(WORD.findall(" ".join(decode(data.train.inputs, data.classes))))
        for end, texts in (("", samples), ("_cold", _samples(network, data, COLD))):
            written = words(decode(texts[:, BEGINNING:], data.classes))
            metrics[f"real_words{end}"] = sum(word in vocabulary for word in written) / max(1, len(written))
            metrics[f"distinct_words{end}"] = len(set(written)) / max(1, len(written))
        if teacher is not None:
            log_p = self.rows(outputs(teacher).log_softmax(-1))[index]
            metrics["forward_kl"] = (log_p.exp() * (log_p - log_q)).sum(1).mean().item()
            metrics["reverse_kl"] = (log_q.exp() * (log_q - log_p)).sum(1).mean().item()
            metrics["teacher_bits"] = BITS * negative_log_likelihood(teacher, samples, BEGINNING).mean().item()
        return metrics

    def text_of(self, inputs: Tensor, data: SplitData) -> list[str]:
        return decode(inputs, data.classes)

    def write_examples(
        self, network: nn.Module, inputs: Tensor, classes: int, *, copies: int, seed: int, temperature: float
    ) -> tuple[Tensor, Tensor]:
        beginnings = inputs[:, :BEGINNING].repeat(copies, 1)
        length = inputs.shape[1] + 1 - beginnings.shape[1]
        gumbel = random_numbers(len(beginnings), length, classes, "examples", seed)
        texts = write(network, beginnings, gumbel, temperature)
        return texts[:, :-1], texts[:, 1:].long()


def write_texts(
    networks: Mapping[str, nn.Module], teacher: nn.Module | None, beginning: Tensor, classes: Sequence[str]
) -> tuple[dict[str, list[str]], dict[str, list[list[float]]]]:
    """Return by role the continuations of a beginning (1, P), one per temperature, and the teacher's surprise in bits.

    Without a teacher there is no surprise, see :class:`kd_core.base.events.Written`.
    """
    texts: dict[str, list[str]] = {}
    surprise: dict[str, list[list[float]]] = {}
    start = beginning.shape[1]
    for role, network in networks.items():
        continued = write_at_temperatures(network, beginning, len(classes))
        texts[role] = decode(continued[:, start:], classes)
        if teacher is not None:
            bits = BITS * negative_log_likelihood(teacher, continued, start)
            surprise[role] = [[round(value, 2) for value in row] for row in bits.tolist()]
    return texts, surprise


def write_at_temperatures(network: nn.Module, beginning: Tensor, classes: int) -> Tensor:
    """Return a beginning (1, P) continued at each of :data:`TEMPERATURES`, (temperatures, P + WRITTEN), on the CPU.

    A network and its stored continuation are the same for the same weights, so a frozen teacher writes once.
    """
    gumbel = random_numbers(1, WRITTEN, classes, "written")
    count = len(TEMPERATURES)
    return write(
        network, beginning.expand(count, -1), gumbel.expand(-1, count, -1), torch.tensor(TEMPERATURES)
    ).cpu()  # fmt: skip


def _samples(network: nn.Module, data: SplitData, temperature: float = 1.0) -> Tensor:
    """Return texts (SAMPLES, BEGINNING + SAMPLED) that a network writes after beginnings of the held-out text."""
    inputs = data.test.inputs.cpu()
    rows = torch.arange(SAMPLES) % len(inputs)
    gumbel = random_numbers(SAMPLES, SAMPLED, len(data.classes), "samples")
    return write(network, inputs[rows, :BEGINNING], gumbel, temperature).cpu()
