"""Passages of a text as examples of a language model."""

from __future__ import annotations

import torch
from torch import Tensor

from kd_core.datasets import Data, Split
from kd_core.tasks._text import class_names
from kd_core.tasks.language import Language

PASSAGE = 64  # characters that are predicted in an example
CONTEXT = 16  # characters before the first one that counts, in the held-out passages
HELD_OUT = 0.05  # fraction of the text for validation, and as much for the test
MAX_HELD_OUT = 60_000  # characters of each of them


def language_data(text: str, notes: tuple[str, ...] = ()) -> Data:
    """Return the passages of a text, see :func:`split_text`."""
    train, validation, test, classes = split_text(text)
    return Data(train, validation, test, classes, notes=notes, task=Language())


def split_text(text: str) -> tuple[Split, Split, Split, tuple[str, ...]]:
    """Return the passages of a text for training, validation and test, and the names of its characters.

    The last tenth of the text is held out, half of it for validation and half for the test.

    A training passage follows the other without overlap. Held-out passages overlap by :data:`CONTEXT` characters, which
    have no label, so that every held-out character is predicted once, with at least so many before it. The text must
    have more than 20 times as many characters as a passage.
    """
    alphabet = "".join(sorted(set(text)))
    place = {character: number for number, character in enumerate(alphabet)}
    numbers = torch.tensor([place[character] for character in text])
    held_out = min(round(HELD_OUT * len(numbers)), MAX_HELD_OUT)
    train, validation, test = torch.split(numbers, [len(numbers) - 2 * held_out, held_out, held_out])
    step = PASSAGE - CONTEXT
    held_out_splits = _passages(validation, step, CONTEXT), _passages(test, step, CONTEXT)
    return _passages(train, PASSAGE, 0), *held_out_splits, class_names(alphabet)


def _passages(numbers: Tensor, step: int, unlabelled: int) -> Split:
    """Return passages that begin ``step`` characters apart; the first ``unlabelled`` positions have no label."""
    windows = numbers.unfold(0, PASSAGE + 1, step)
    labels = windows[:, 1:].clone()
    labels[:, :unlabelled] = -1
    return Split(windows[:, :-1].float(), labels)
