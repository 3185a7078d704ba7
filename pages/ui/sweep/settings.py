"""Options of the Sweep page, the form of a new sweep, and their URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kd_core.base.options import Options, choice, integer, text
from kd_core.config.run import DEFAULTS, RunConfig
from kd_core.config.sweep import Axis, Sweep, default_values, expand_all, parse_values, sweepable_options, titles
from kd_core.config.sweep.search import MAX_TRIALS, TRIALS, Search
from kd_core.store.store import SweepRow
from pages.ui.app.settings import read, with_labels
from pages.ui.app.url_state import UrlState, show_link_errors

NONE = "none"
GRID, SEARCH = "grid", "search"
ACROSS, DOWN = "across", "down"
FIRST = ("temperature", "alpha", "weight", "learning_rate", "epochs")  # preferred default axes
SEEDS = 3
MAX_ERRORS = 6  # listed on the screen


@dataclass(frozen=True)
class SweepOptions(Options):
    """Choices of this page. The other parameters of its URL are settings of the runs, as on the Distill page."""

    sweep: str = text("", 40, "Id of the sweep or search that is shown.")
    mode: str = choice(GRID, (GRID, SEARCH), "Every combination of values, or a search over ranges.")
    across: str = text("", 80, "Option on the x-axis.")
    across_values: str = text("", 2000, "Values on the x-axis, joined by commas.")
    down: str = text("", 80, "Option on the y-axis; none for a single row.")
    down_values: str = text("", 2000, "Values on the y-axis, joined by commas.")
    space: str = text("", 4000, "What a search varies, as temperature=1..20 joined by semicolons.")
    trials: int = integer(TRIALS, 1, MAX_TRIALS, "Trials of a search.")
    trial_patience: int = integer(0, 0, MAX_TRIALS, "Trials without a better one that end a search; 0 for none.")
    seeds: int = integer(SEEDS, 1, 100, "Seeds per cell, or per trial of a search.")
    cell: str = text("", 400, "Values of the selected cell, joined by commas; the best cell if empty.")
    confirmed: str = text("", 400, "Values of the cell whose test result is shown.")


@dataclass(frozen=True)
class SweepForm:
    """Content of the form, with the settings of the runs, and the options and values of both axes.

    Attributes:
        options: Options of the page.
        base: Configuration that the axes vary.
        axes: Flat names of the options on both axes; the second may be :data:`NONE`.
        values: Values of both axes as typed, valid or not.
    """

    options: SweepOptions
    base: RunConfig
    axes: tuple[str, str]
    values: tuple[str, str]

    def sweep(self) -> tuple[Sweep, list[str]]:
        """Return the sweep and a sentence for each class that "all" leaves out.

        Raises ValueError, with the options named as on the screen.
        """
        pairs = [(name, values) for name, values in zip(self.axes, self.values, strict=True) if name != NONE]
        parsed = tuple(Axis(name, parse_values(values)) for name, values in pairs)
        first = self.base.seed
        try:
            axes, left_out = expand_all(self.base, parsed)
            return Sweep(self.base, axes, tuple(range(first, first + self.options.seeds))), left_out
        except ValueError as error:
            raise ValueError(with_labels(str(error), titles(self.base))) from error


url = UrlState("sweep", SweepOptions, extra=None)


def current_form(row: SweepRow | None) -> SweepForm:
    """Return the form as the URL has it, else as the shown sweep has it, else the defaults.

    Invalid parameters are named on the screen.
    """
    settings = url.other_parameters()
    config_errors: list[str] = []
    defaults: dict[str, Any] = {}
    if row is not None and not settings:
        base, defaults = row.config, _options_of(row.plan)
    else:
        base, config_errors = read(settings or {"dataset": DEFAULTS["dataset"]})
    options, option_errors = url.read(**defaults)
    errors = [*option_errors.values(), *config_errors]
    sweepable = sweepable_options(base)
    names: list[str] = []
    for name in (options.across, options.down):
        is_valid = name in sweepable or (name == NONE and bool(names))
        if name and not is_valid:
            errors.append(f"{name[:60]}: these runs have no such option to vary.")
        default = next((other for other in (*FIRST, *sweepable) if other in sweepable and other not in names), NONE)
        names.append(name if name and is_valid else default)
    show_link_errors(errors[:MAX_ERRORS])
    values = [
        text or (", ".join(default_values(base, name)) if name != NONE else "")
        for text, name in zip((options.across_values, options.down_values), names, strict=True)
    ]
    return SweepForm(options, base, (names[0], names[1]), (values[0], values[1]))


def open_sweep(sweep_id: str, base: RunConfig, mode: str = GRID) -> None:
    """Write another sweep or search and the settings of its runs into the URL, with no cell selected."""
    url.update(base.differences(), sweep=sweep_id, mode=mode, cell="", confirmed="")


def read_space(text: str) -> dict[str, str]:
    """Return the ranges and choices of a search by flat name."""
    parts = (part.partition("=") for part in text.split(";"))
    return {name.strip(): values.strip() for name, _, values in parts if name.strip()}


def space_text(space: Mapping[str, str]) -> str:
    """Return what :func:`read_space` reads back."""
    return ";".join(f"{name}={values}" for name, values in space.items())


def cell_key(values: tuple[str, ...]) -> str:
    """Return the text form of a cell in the URL."""
    return ",".join(values)


def _options_of(sweep: Sweep | Search) -> dict[str, Any]:
    if isinstance(sweep, Search):
        space = space_text({each.option: each.text for each in sweep.dimensions})
        return {
            "mode": SEARCH, "space": space, "seeds": len(sweep.seeds), "trials": sweep.trials,
            "trial_patience": sweep.patience, ACROSS: "", DOWN: "",
        }  # fmt: skip
    options: dict[str, Any] = {"seeds": len(sweep.seeds), ACROSS: "", DOWN: NONE if sweep.axes else ""}
    for name, axis in zip((ACROSS, DOWN), sweep.axes, strict=False):
        options |= {name: axis.option, f"{name}_values": ", ".join(axis.values)}
    return options
