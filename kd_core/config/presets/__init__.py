"""Published experiments as settings, one file per source: what was found there, and what of it differs here.

There is no list to edit: a file in this folder that has a ``SOURCE`` and ``PRESETS`` is one more source.
"""

from __future__ import annotations

import functools
import importlib
import json
import pkgutil
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kd_core.base.options import as_text, options_of, parse_options
from kd_core.base.registry import find_plugin as find_member
from kd_core.config.comparison import TestMetrics
from kd_core.config.run import DEFAULTS, OPTION_GROUPS, PLUGIN_FIELDS
from kd_core.files.archive import format_bytes

Settings = Mapping[str, str]  # flat, as in the URL and on the command line
MEASURED = Path(__file__).with_name("measured.json")
# What turns a preset into a trial that ends within seconds: the same path, too short to show anything.
SMALL = {"epochs": "1", "teacher_epochs": "1", "batch_size": "8", "teacher_batch_size": "8", "labelled": "16"}
SCALE = 0.25  # of its networks
NOT_RUN = "not run here"
UNITS = {"accuracy": "%", "omitted": "%", "errors": "errors"}


@dataclass(frozen=True)
class Publication:
    """Where numbers were published."""

    title: str
    authors: str
    year: int
    where: str  # table or section
    about: str  # one or two sentences for the screen


@dataclass(frozen=True)
class Claim:
    """One published number, and which of ours it is to be compared with.

    ``value`` is written as in the source. ``role`` is a network of the run, empty where none corresponds; ``measure``:
    its accuracy on the test split, the errors it makes there, or the recall of the class that was ``omitted``.
    """

    what: str
    value: str
    role: str = "student"
    measure: str = "accuracy"

    def found(self, tests: Sequence[TestMetrics]) -> str:
        """The same number from finished runs, one per seed: mean ± standard deviation; empty if they lack it."""
        numbers = [self._number(test[self.role]) for test in tests if self.role in test]
        if not numbers or len(numbers) != len(tests):
            return ""
        digits = 0 if self.measure == "errors" else 2
        spread = f" ± {statistics.stdev(numbers):.{digits}f}" if len(numbers) > 1 else ""
        return f"{statistics.fmean(numbers):.{digits}f}{spread} {UNITS[self.measure]}"

    def _number(self, test: Mapping[str, float]) -> float:
        if self.measure == "errors":
            return (1 - test["accuracy"]) * test["examples"]
        return 100 * test[self.measure]


@dataclass(frozen=True)
class Variant:
    """The same experiment with some settings changed, and what was published of that."""

    name: str
    title: str
    changes: Settings
    claims: tuple[Claim, ...]


@dataclass(frozen=True)
class Preset:
    """An experiment. ``notes``: one sentence for everything in which ours differs from the published one."""

    name: str
    title: str
    short: str  # its headline numbers, a few characters
    idea: str  # what it shows, one sentence
    source: Publication
    settings: Settings
    claims: tuple[Claim, ...]  # that hold for every variant
    notes: tuple[str, ...]
    variants: tuple[Variant, ...] = ()
    is_comparable: bool = True  # False where the data are others, so that the numbers cannot be held against each other

    def variant(self, name: str = "") -> Variant:
        """One variant; the first if none is named. Raises ValueError for one that does not exist."""
        if not self.variants and not name:
            return Variant("", "", {}, ())
        found = {variant.name: variant for variant in self.variants}
        if name and name not in found:
            known = ", ".join(found) or "none, it has no variants"
            raise ValueError(f'variant = "{name}": choose one of {known}.')
        return found[name] if name else self.variants[0]


@functools.cache
def sources() -> tuple[tuple[Publication, tuple[Preset, ...]], ...]:
    """Every source with its experiments, the oldest first."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules: list[Any] = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return tuple(sorted(((one.SOURCE, one.PRESETS) for one in modules), key=lambda pair: pair[0].year))


def all_presets() -> tuple[Preset, ...]:
    """Every experiment."""
    return tuple(preset for _, presets in sources() for preset in presets)


def find(name: str) -> Preset:
    """Raises ValueError with the known names."""
    known = {preset.name: preset for preset in all_presets()}
    if name not in known:
        raise ValueError(f'preset = "{name}": choose one of {", ".join(known)}.')
    return known[name]


def config(preset: Preset, variant: str = "", *, small: bool = False) -> dict[str, str]:
    """Its flat settings. ``small``: a trial of the same loss and phases on a few examples, for one epoch.

    A trial has smaller networks of the same kinds and needs no pretrained weights. Raises ValueError for a variant
    that does not exist.
    """
    flat = {**preset.settings, **preset.variant(variant).changes}
    if not small:
        return flat
    flat |= SMALL
    if flat.get("scheme") != "missing_class":  # there the teacher must see what the student does not
        flat["teacher_view"] = "student"
    if "teacher_pretrained" in flat:
        flat |= {"teacher_pretrained": "false", "teacher_image_size": "64", "dataset_pixels": "32"}
    for role in ("teacher", "student"):
        if flat[role] == "imagenet_resnet":  # even the smallest of these takes seconds per step
            flat |= network(role, "resnet", depth="8", widening=1)
        family: Any = find_member("models", flat[role])
        model = family(**parse_options(family, flat, f"{role}_")[0]).scaled(SCALE)
        flat |= network(role, model.name, **model.values())
    return flat


def claims(preset: Preset, variant: str = "") -> tuple[Claim, ...]:
    """What was published of this variant, that of the whole experiment first."""
    return (*preset.claims, *preset.variant(variant).claims)


def family(flat: Settings) -> str:
    """What all runs of these settings have in common, whatever their seed: ``family`` in the store.

    Unlike a configuration it can be had without the data. The settings must name whatever a scheme suggests.
    """
    suggested = getattr(find_member("datasets", flat["dataset"]), "recommended", {})
    body: dict[str, Any] = {}
    for name, group, prefix in PLUGIN_FIELDS:
        usual = find_member(group, suggested.get(name, DEFAULTS[name]))
        cls: Any = find_member(group, flat[name]) if name in flat else usual
        values = parse_options(cls, suggested if cls is usual else {}, prefix)[0] | parse_options(cls, flat, prefix)[0]
        body[name] = cls(**values).to_dict()
    for name, kind, prefix in OPTION_GROUPS:
        body[name] = kind(**parse_options(kind, suggested, prefix)[0] | parse_options(kind, flat, prefix)[0]).values()
    body["basics"].pop("seed")
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def in_words(preset: Preset, variant: str = "") -> list[str]:
    """Lines for a terminal: what it shows, what was published and measured, and what differs."""
    chosen, found = preset.variant(variant), load_measurements()
    lines = [preset.title + (f": {chosen.title}" if chosen.title else ""), preset.idea]
    lines.append(f"Published: {preset.source.authors} {preset.source.year}, {preset.source.where}.")
    here = found.get(f"{preset.name} {chosen.name}".strip(), {}).get("values", {})
    lines += [
        f"  {claim.what:<48} {claim.value:<20} {here.get(claim.what, NOT_RUN)}" for claim in claims(preset, chosen.name)
    ]
    if len(preset.variants) > 1:
        lines.append("Variants: " + ", ".join(one.name for one in preset.variants))
    lines += ["What differs from the source:", *(f"- {note}" for note in preset.notes)]
    return [*lines, f"Needs: {needs(preset)}"]


def needs(preset: Preset) -> str:
    """The data and the weights that it needs, and whether they are on this machine, as a sentence."""
    dataset: Any = find_member("datasets", preset.settings["dataset"])()
    there = "on this machine"
    if not dataset.is_available():
        there = f"{format_bytes(dataset.download_size)}, to be fetched first: `python -m kd_core fetch {dataset.name}`"
    weights = ""
    if preset.settings.get("teacher_pretrained") == "true":
        weights = ". The teacher’s weights from ImageNet, which torchvision fetches once"
    return f"{dataset.title}, {there}{weights}."


def load_measurements() -> dict[str, dict[str, Any]]:
    """What was measured with the settings of a preset and noted beside the code, under "name" or "name variant".

    Each entry has the command, the date, the number of seeds, and values by claim.
    """
    found: dict[str, dict[str, Any]] = json.loads(MEASURED.read_text(encoding="utf-8"))
    return found


def for_teacher(recipe: Settings) -> dict[str, str]:
    """The same recipe under the names of the teacher's."""
    return {f"teacher_{name}": text for name, text in recipe.items()}


def network(role: str, name: str, **options: Any) -> dict[str, str]:
    """A family of networks and its options as flat settings of one role. Raises ValueError for an unknown option."""
    unknown = set(options) - set(options_of(find_member("models", name)))
    if unknown:
        raise ValueError(f"{name} has no option called {', '.join(sorted(unknown))}.")
    return {role: name, **{f"{role}_{option}": as_text(value) for option, value in options.items()}}
