"""Options of the Language page and their URL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kd_core.base.options import Option, Options, integer, number, options_of, text
from kd_core.tasks.language import TEMPERATURES
from pages.ui.app.url_state import UrlState

MAX_TEXT = 400  # characters; the text before a character that was chosen is never longer


@dataclass(frozen=True)
class LanguageOptions(Options):
    """Choices of what is shown and how. None of them changes a network."""

    temperature: float = number(
        1.0, TEMPERATURES[0], TEMPERATURES[-1], "Divides the logits of every network before a character is drawn."
    )
    evaluation: int = integer(-1, -1, 1_000_000, "Which evaluation of the run is shown, from 0; -1 is the last one.")
    after: str = text("", MAX_TEXT, "Text after which the next-character distributions are shown.")
    next: str = text("", 1, "Character that was written there.")
    top_k: int = integer(0, 0, 1000, "Draw from this many of the most likely characters only; 0 for all.")
    top_p: float = number(
        1.0, 0.01, 1.0, "Draw from the most likely characters only that reach this probability together; 1 for all.",
        step=0.01,
    )  # fmt: skip
    beginning: str = text("", 200, "Beginning that all networks continue.")


url = UrlState("language", LanguageOptions, extra=("run",))


def declared(name: str) -> Option:
    """Return the declaration of an option."""
    return options_of(LanguageOptions)[name]


def write_place(place: dict[str, Any]) -> None:
    """Write a character that was chosen in a text into the URL."""
    url.update(after=str(place["after"])[-MAX_TEXT:], next=str(place["next"])[:1])
