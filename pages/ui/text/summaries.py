"""A method or a run in a few words, the symbols of options, and whether an option matters now."""

from __future__ import annotations

from kd_core.base.options import Option, as_text, options_of
from kd_core.config.run import DEFAULTS
from kd_core.methods import Method
from kd_core.store.store import Run

SYMBOLS = {"temperature": "T", "alpha": "α", "learning_rate": "rate"}
ALWAYS = ("temperature", "alpha", "weight")  # what one asks of a method first


def symbol(option: str) -> str:
    """What an option is called where there is little room."""
    return SYMBOLS.get(option, option.replace("_", " "))


def method_summary(method: Method) -> str:
    """A method with its temperature and weight, and whatever else is not as usual: "Soft targets, T 4, α 0.9"."""
    said, usual = [method.title], type(method)()
    for name, declared in options_of(type(method)).items():
        value = getattr(method, name)
        if value != getattr(usual, name) or (name in ALWAYS and affects_loss(method, name, declared)):
            said.append(f"{symbol(name)} {as_text(value)}")
    return ", ".join(said)


def run_title(row: Run) -> str:
    """A run in a few words, its name first; as text, not as Markdown."""
    config = row.available_config
    if config is None:
        return row.annotations.name or f"{row.id} (cannot be read here)"
    scheme = f" · {config.scheme.title}" if config.scheme.name != DEFAULTS["scheme"] else ""
    words = f"{config.dataset.title}{scheme} · {method_summary(config.method)} · seed {config.seed}"
    return f"{row.annotations.name} · {words}" if row.annotations.name else words


def affects_loss(method: Method, name: str, declared: Option) -> bool:
    """Whether the loss depends on a live option now: its formula with numbers changes with it."""
    if not declared.live or name not in options_of(type(method)):
        return True
    other = declared.low if getattr(method, name) != declared.low else declared.high
    return method.with_values(**{name: other}).to_latex() != method.to_latex()
