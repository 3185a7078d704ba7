"""Options of the Compress page and their URL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kd_core.base.options import Options, boolean, choice, number, text
from kd_core.config.plan import STUDENT
from kd_core.export.compression.stages import CHANNELS, KINDS, MOST
from pages.ui.app.url_state import UrlState
from pages.ui.widgets import keys

COSTS = ("size", "latency", "nonzero")


@dataclass(frozen=True)
class CompressOptions(Options):
    """Choices of what is compressed and how. None of them changes a stored run."""

    role: str = text(STUDENT, 80, "Network of the run that is compressed.")
    kind: str = choice(CHANNELS, KINDS, "Whole channels, or single weights.")
    fraction: float = number(0.5, 0.0, MOST, "Fraction of the channels or weights that is removed.", step=0.05)
    tested: bool = boolean(False, "Measure the pruned network on the test set.")
    int8: bool = boolean(False, "Quantise the last network to int8 and measure it.")
    cost: str = choice(COSTS[0], COSTS, "Cost that accuracy is plotted against.")


url = UrlState("compress", CompressOptions, extra=("run",))


def choose(**values: Any) -> None:
    """Write options into the URL. Another network, kind or fraction has not been measured on the test set yet."""
    if values.keys() & {"role", "kind", "fraction"}:
        values |= {"tested": False, "int8": False}
    url.update(**values)


def bind(name: str, value: Any) -> dict[str, Any]:
    """Bind a widget, whose default is ``value``, to an option. Return the arguments of the Streamlit widget."""

    def write() -> None:
        chosen = keys.current_value(f"compress {name}")
        choose(**{name: url.default(name) if chosen is None else chosen})

    return {"key": keys.key(f"compress {name}", value), "on_change": write}
