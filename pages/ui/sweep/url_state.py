"""The address of the Sweep page: what is varied over which settings, the sweep that is shown, and what was chosen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import streamlit as st

from kd_core.base.options import Options, as_text, integer, options_of, parse_options, text
from kd_core.config import sweep as axes
from kd_core.config.run import DEFAULTS, RunConfig, read_flat
from kd_core.config.sweep import Axis, Sweep
from kd_core.store.store import SweepRow
from pages.ui.text.escape import escape_markdown

NONE = "none"
ACROSS, DOWN = "across", "down"
FIRST = ("temperature", "alpha", "weight", "learning_rate", "epochs")  # what one varies first
SEEDS = 3
RESERVED = ("autoplay", "embed", "embed_options")


@dataclass(frozen=True)
class SweepOptions(Options):
    """Nothing here changes a run; the other parameters of the address are the settings of the runs, as in the lab."""

    sweep: str = text("", 40, "The sweep that is shown.")
    across: str = text("", 80, "The option that varies from column to column.")
    across_values: str = text("", 2000, "Its values, joined by commas.")
    down: str = text("", 80, "The option that varies from row to row; none for none.")
    down_values: str = text("", 2000, "Its values, joined by commas.")
    seeds: int = integer(SEEDS, 1, 100, "Seeds of every cell.")
    cell: str = text("", 400, "The values of the chosen cell, joined by commas; the best one if empty.")
    confirmed: str = text("", 400, "The values of the cell that was confirmed on the test split.")


@dataclass(frozen=True)
class SweepForm:
    """What the address asks for: the view, the settings of the runs, and the options and values of both axes."""

    view: SweepOptions
    base: RunConfig
    chosen: tuple[str, str]  # flat names; the second may be none
    typed: tuple[str, str]  # values, right or wrong

    def sweep(self) -> Sweep:
        """Raises ValueError, with options called as on the screen."""
        pairs = [(name, values) for name, values in zip(self.chosen, self.typed, strict=True) if name != NONE]
        made = tuple(Axis(name, axes.parse_values(values)) for name, values in pairs)
        try:
            first = self.base.seed
            return Sweep(self.base, made, tuple(range(first, first + self.view.seeds)))
        except ValueError as error:
            raise ValueError(in_titles(str(error), axes.titles(self.base))) from error


def current(row: SweepRow | None) -> SweepForm:
    """What the address asks for, for the rest what the shown sweep has, else the usual; refusals are said."""
    given = {name: value for name, value in st.query_params.items() if name not in RESERVED}
    own = {name: value for name, value in given.items() if name in options_of(SweepOptions)}
    settings = {name: value for name, value in given.items() if name not in own}
    values, refused = parse_options(SweepOptions, own)
    if row is not None and not settings:
        base = row.config
        values = _of_sweep(row.sweep) | values
    else:
        base, strange = read_flat(settings or {"dataset": DEFAULTS["dataset"]})
        refused += strange
    view = SweepOptions(**values)
    offered = axes.sweepable_options(base)
    names: list[str] = []
    for wanted in (view.across, view.down):
        usual = next((name for name in (*FIRST, *offered) if name in offered and name not in names), NONE)
        if wanted and wanted not in offered and not (names and wanted == NONE):
            refused.append(f"{wanted[:60]}: these runs have no such option to vary.")
            wanted = ""  # noqa: PLW2901
        names.append(wanted or usual)
    if refused:
        listed = "".join(f"\n- {escape_markdown(line)}" for line in refused[:6])
        st.error(f"The link asks for what cannot be had. The usual is shown instead.\n{listed}")
    typed = [
        asked or (", ".join(axes.default_values(base, name)) if name != NONE else "")
        for asked, name in zip((view.across_values, view.down_values), names, strict=True)
    ]
    _remember()
    return SweepForm(view, base, (names[0], names[1]), (typed[0], typed[1]))


def restore() -> None:
    """Back from another page by the menu, the address is what it was. Call before anything reads it."""
    if not st.query_params and (before := st.session_state.get("survey")):
        st.query_params.update(before)


def update_url(**changes: Any) -> None:
    """Writes settings into the address; a usual value needs no word there."""
    for name, value in changes.items():
        if value == SweepOptions.__dataclass_fields__[name].default:
            st.query_params.pop(name, None)
        else:
            st.query_params[name] = as_text(value)
    _remember()


def show(sweep_id: str, base: RunConfig) -> None:
    """Another sweep in the address, with the settings of its runs; nothing is chosen in it yet."""
    st.query_params.update(base.differences())
    update_url(sweep=sweep_id, cell="", confirmed="")


def in_titles(line: str, titles: dict[str, str]) -> str:
    """A refusal with the options called as on the screen: “Temperature T” = 99 instead of temperature = 99."""
    return re.sub(
        r"\b(\w+)(?= =|:| is varied)", lambda found: f"“{titles[found[1]]}”" if found[1] in titles else found[1], line
    )


def cell_key(values: tuple[str, ...]) -> str:
    """A cell in the address."""
    return ",".join(values)


def _of_sweep(sweep: Sweep) -> dict[str, Any]:
    found: dict[str, Any] = {"seeds": len(sweep.seeds), ACROSS: "", DOWN: NONE if sweep.axes else ""}
    for name, axis in zip((ACROSS, DOWN), sweep.axes, strict=False):
        found |= {name: axis.option, f"{name}_values": ", ".join(axis.values)}
    return found


def _remember() -> None:
    st.session_state["survey"] = {name: value for name, value in st.query_params.items() if name not in RESERVED}
