"""Short descriptions of methods, runs and sweeps, and symbols of options."""

from __future__ import annotations

from kd_core.base.options import Option, as_text, options_of
from kd_core.config.run import DEFAULTS
from kd_core.config.sweep import titles, value_title
from kd_core.methods import Method
from kd_core.store.store import Run, SweepRow
from pages.ui.widgets.text.plan import describe_networks

SYMBOLS = {"temperature": "T", "alpha": "α", "learning_rate": "rate"}
ALWAYS = ("temperature", "alpha", "weight")  # options that a summary names even at their defaults


def symbol(option: str) -> str:
    """Return the short name of an option."""
    return SYMBOLS.get(option, option.replace("_", " "))


def method_summary(method: Method) -> str:
    """Return a method with its temperature, weight and options that differ from their defaults.

    Example: "Soft targets, T 4, α 0.9".
    """
    parts, default = [method.title], type(method)()
    for name, option in options_of(type(method)).items():
        value = getattr(method, name)
        if value != getattr(default, name) or (name in ALWAYS and affects_loss(method, name, option)):
            parts.append(f"{symbol(name)} {as_text(value)}")
    return ", ".join(parts)


def run_title(row: Run) -> str:
    """Return a run's name, data set, scheme, method and seed, as plain text (not Markdown)."""
    config = row.available_config
    if config is None:
        return row.annotations.name or f"{row.id} (cannot be read here)"
    scheme = f" · {config.scheme.title}" if config.scheme.name != DEFAULTS["scheme"] else ""
    settings = f"{config.dataset.title}{scheme} · {method_summary(config.method)} · seed {config.seed}"
    return f"{row.annotations.name} · {settings}" if row.annotations.name else settings


def describe_sweep(row: SweepRow) -> str:
    """Return a sweep's settings and values, data, networks, method and number of seeds, as plain text (not Markdown).

    Raises ValueError if it needs something that this installation does not have.
    """
    base, names = row.config, titles(row.config)
    varied = {axis.option for axis in row.plan.axes}
    axes = (
        f"{names.get(axis.option, axis.option)} "
        f"({', '.join(value_title(axis.option, value) for value in axis.values[:6])}{', …' * (len(axis.values) > 6)})"
        for axis in row.plan.axes
    )
    fixed = [
        "" if "dataset" in varied else base.dataset.title,
        "" if varied & {"student", "teacher"} else describe_networks(base),
        "" if "method" in varied else base.method.title,
        f"{len(row.plan.seeds)} seeds",
    ]
    return " · ".join([" × ".join(axes) or "Seeds only", *filter(None, fixed)])


def affects_loss(method: Method, name: str, option: Option) -> bool:
    """Whether the loss depends on an option with the method's current values.

    Only live options can lose their effect: those for which another value leaves the formula with numbers unchanged.
    """
    if not option.live or name not in options_of(type(method)):
        return True
    other = option.low if getattr(method, name) != option.low else option.high
    return method.with_values(**{name: other}).to_latex() != method.to_latex()
