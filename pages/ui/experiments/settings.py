"""Options of the Experiments page and their URL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kd_core.base.options import Options, text
from pages.ui.app.url_state import UrlState
from pages.ui.widgets import keys


@dataclass(frozen=True)
class ExperimentsOptions(Options):
    """Choices of what is shown. None of them changes a run."""

    claim: str = text("", 80, "Claim whose reason and settings are open.")
    find: str = text("", 200, "Words that a claim must contain, all of them.")
    preset: str = text("", 80, "Published experiment that is open.")
    paper: str = text("", 200, "Words that a published experiment must contain, all of them.")


url = UrlState("experiments", ExperimentsOptions)


def bind(name: str, value: Any) -> dict[str, Any]:
    """Bind a widget, whose default is ``value``, to an option. Return the arguments of the Streamlit widget."""

    def write() -> None:
        url.update(**{name: keys.current_value(f"experiments {name}") or ""})

    return {"key": keys.key(f"experiments {name}", value), "on_change": write}
