"""Continuation of a beginning by the stored networks of a run, and the next character after any text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kd_core.analysis.replay import Replay, WeightSnapshot
from kd_core.base.devices import limit_threads
from kd_core.tasks._text import encode, next_logits
from kd_core.tasks.language import TEMPERATURES, write_texts

NO_BEGINNING = "Type at least one character: the networks continue a text."


def continue_text(
    replay: Replay, snapshot: WeightSnapshot, beginning: str, roles: Sequence[str], teacher: str
) -> dict[str, Any]:
    """Return a beginning and its continuations, with the fields of :class:`kd_core.base.events.Written`.

    Raises ValueError for an empty beginning, and with the characters that the networks do not know.
    """
    if not beginning:
        raise ValueError(NO_BEGINNING)
    classes = replay.data.classes
    numbers = encode(beginning, classes)
    networks = {role: network for role, network in replay.networks(snapshot).items() if role in roles}
    with limit_threads():
        texts, surprise = write_texts(networks, networks.get(teacher), numbers, classes)
    return {"beginning": beginning, "temperatures": list(TEMPERATURES), "texts": texts, "surprise": surprise}


def next_character_logits(replay: Replay, snapshot: WeightSnapshot, text: str) -> dict[str, list[float]]:
    """Return the logits (K) of the character after a text by role. Raises ValueError as :func:`continue_text`."""
    if not text:
        raise ValueError(NO_BEGINNING)
    numbers = encode(text, replay.data.classes)
    with limit_threads():
        return {role: next_logits(network, numbers)[0].tolist() for role, network in replay.networks(snapshot).items()}
