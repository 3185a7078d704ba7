"""Texts as rows of character numbers, and texts that a network writes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd_core.base.seeds import generator
from kd_core.files.text import from_code_points
from kd_core.tasks import CHARACTERS, SplitData

VISIBLE = {" ": "␣", "\n": "⏎", "\t": "⇥"}  # names, as classes, of characters without a glyph
SHORTEST_WORD = 3  # letters
BATCH = 512  # texts per forward pass
WORD = re.compile(r"[^\W\d_]+")
_CHARACTERS = {name: character for character, name in VISIBLE.items()}


class TextInputs:
    """What tasks on whole texts have in common, whose inputs (N, L) are code points of Unicode."""

    inputs: ClassVar[str] = CHARACTERS
    example_noun: ClassVar[str] = "texts"

    def text_of(self, inputs: Tensor, data: SplitData) -> list[str]:  # noqa: ARG002
        return from_code_points(inputs)


def class_names(alphabet: str) -> tuple[str, ...]:
    """Return the characters of an alphabet as names of classes."""
    return tuple(VISIBLE.get(character, character) for character in alphabet)


def alphabet_of(classes: Sequence[str]) -> str:
    """Return the characters that classes stand for."""
    return "".join(_CHARACTERS.get(name, name) for name in classes)


def decode(numbers: Tensor, classes: Sequence[str]) -> list[str]:
    """Return rows of character numbers (N, L) as texts."""
    alphabet = alphabet_of(classes)
    return ["".join(alphabet[number] for number in row) for row in numbers.long().tolist()]


def encode(text: str, classes: Sequence[str]) -> Tensor:
    """Return a text as character numbers (1, L), float32. Raises ValueError with the characters that are no class."""
    place = {character: number for number, character in enumerate(alphabet_of(classes))}
    if unknown := sorted(set(text) - set(place)):
        raise ValueError(
            f"{' '.join(VISIBLE.get(character, character) for character in unknown)}: the networks know only the "
            f"characters {' '.join(classes)}."
        )
    return torch.tensor([[place[character] for character in text]], dtype=torch.float32)


def next_logits(network: nn.Module, texts: Tensor) -> Tensor:
    """Return the logits (N, K) of the character after each text (N, L), in the mode that the network is in."""
    last = getattr(network, "last_logits", None)
    logits: Tensor = last(texts) if last is not None else network(texts)[:, -1]
    return logits.float()


def random_numbers(texts: int, length: int, classes: int, *names: str | int) -> Tensor:
    """Return numbers (length, texts, classes) from the standard Gumbel distribution, drawn by ``names``."""
    uniform = torch.rand(length, texts, classes, generator=generator(0, *names), dtype=torch.float64)
    return -torch.log(-torch.log(uniform.clamp(1e-300, 1 - 1e-16))).float()


@torch.no_grad()
def write(network: nn.Module, beginnings: Tensor, gumbel: Tensor, temperature: Tensor | float = 1.0) -> Tensor:
    """Return beginnings (N, P) continued by characters drawn from softmax(logits / temperature), (N, P + length).

    The largest of logits / T + Gumbel noise is such a draw, so networks and temperatures with the same ``gumbel``
    (length, N, K) differ by nothing but their logits.
    """
    was_training = network.training
    network.eval()
    device = next((parameter.device for parameter in network.parameters()), beginnings.device)
    texts, gumbel = beginnings.to(device), gumbel.to(device)
    divisor = temperature.to(device)[:, None] if isinstance(temperature, Tensor) else temperature
    for noise in gumbel:
        drawn = (next_logits(network, texts) / divisor + noise).argmax(1)
        texts = torch.cat([texts, drawn[:, None].float()], 1)
    network.train(was_training)
    return texts


@torch.no_grad()
def log_probabilities(network: nn.Module, texts: Tensor) -> Tensor:
    """Return the log-probabilities (N, L, K) of the character after each position of texts (N, L), on the CPU.

    A network that takes no longer text than ``longest`` sees at least half as many characters before a later position.
    """
    was_training = network.training
    network.eval()
    device = next((parameter.device for parameter in network.parameters()), texts.device)
    length, longest = texts.shape[1], getattr(network, "longest", 0) or texts.shape[1]

    def of(start: int, end: int) -> Tensor:
        batches = torch.split(texts[:, start:end], BATCH)
        return torch.cat([network(batch.to(device)).float().log_softmax(-1).cpu() for batch in batches])

    done = min(longest, length)
    parts = [of(0, done)]
    while done < length:
        end = min(done + max(1, longest // 2), length)
        parts.append(of(end - longest, end)[:, done - end :])
        done = end
    network.train(was_training)
    return torch.cat(parts, 1)


def negative_log_likelihood(network: nn.Module, texts: Tensor, start: int) -> Tensor:
    """Return -log p (N, L - start) of the characters of texts from position ``start`` on, in nats."""
    log_p = log_probabilities(network, texts[:, :-1])[:, start - 1 :]
    labels = texts[:, start:].long().cpu()
    return F.nll_loss(log_p.flatten(0, 1), labels.flatten(), reduction="none").reshape(labels.shape)


def words(texts: Iterable[str]) -> list[str]:
    """Return the words of texts with :data:`SHORTEST_WORD` letters or more; the first and last may be cut off."""
    return [word for text in texts for word in WORD.findall(text)[1:-1] if len(word) >= SHORTEST_WORD]
