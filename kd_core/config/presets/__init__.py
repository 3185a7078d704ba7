"""Published experiments as settings, one file per publication.

A file in this folder with a ``SOURCE`` and ``PRESETS`` adds a publication; there is no list to edit.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kd_core.base import discovery
from kd_core.base.discovery import PluginError
from kd_core.base.options import as_text, options_of, parse_options
from kd_core.base.registry import find_key, find_plugin
from kd_core.config.comparison import TestMetrics
from kd_core.config.run import DEFAULTS, OPTION_GROUPS, PLUGIN_FIELDS
from kd_core.files.archive import format_bytes

Settings = Mapping[str, str]  # flat, as in the URL and on the command line
MEASURED = Path(__file__).with_name("measured.json")
# Settings that turn a preset into a trial of a few seconds: the same loss and phases, too short to show anything.
SMALL = {"epochs": "1", "teacher_epochs": "1", "batch_size": "8", "teacher_batch_size": "8", "labelled": "16"}
SCALE = 0.25  # of the networks in a trial
NOT_RUN = "not run here"
UNITS = {"accuracy": "%", "omitted": "%", "errors": "errors"}


@dataclass(frozen=True)
class Publication:
    """Publication that the numbers come from."""

    title: str
    authors: str
    year: int
    where: str  # table or section
    about: str  # one or two sentences for the screen


@dataclass(frozen=True)
class PublishedNumber:
    """Published number, and the measurement that it is compared with.

    ``value`` is written as in the source. ``role`` is a network of the run, empty where none corresponds; ``measure``
    is its accuracy on the test set, its number of errors there, or the recall of the class that was ``omitted``.
    """

    what: str
    value: str
    role: str = "student"
    measure: str = "accuracy"

    def found(self, tests: Sequence[TestMetrics]) -> str:
        """Return the same number from finished runs, one per seed, as mean ± standard deviation, or ""."""
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
    """Variant of an experiment with changed settings and the numbers published for them."""

    name: str
    title: str
    changes: Settings
    published: tuple[PublishedNumber, ...]


@dataclass(frozen=True)
class Preset:
    """Published experiment. ``notes`` has one sentence for each difference between the original and the one here."""

    name: str
    title: str
    short: str  # its headline numbers, a few characters
    idea: str  # its result, one sentence
    source: Publication
    settings: Settings
    published: tuple[PublishedNumber, ...]  # of every variant
    notes: tuple[str, ...]
    variants: tuple[Variant, ...] = ()
    is_comparable: bool = True  # False where the data differ, so that the numbers must not be compared

    def variant(self, name: str = "") -> Variant:
        """Return one variant, the first if none is named. Raises ValueError for an unknown name."""
        if not self.variants and not name:
            return Variant("", "", {}, ())
        variants = {variant.name: variant for variant in self.variants}
        if name and name not in variants:
            allowed = ", ".join(variants) or "none, it has no variants"
            raise ValueError(f'variant = "{name}": choose one of {allowed}.')
        return variants[name] if name else self.variants[0]


Source = tuple[Publication, tuple[Preset, ...]]


def sources() -> tuple[Source, ...]:
    """Return every publication with its experiments, the oldest first."""
    modules = discovery.members("presets", __name__, _read_module)
    return tuple(sorted(modules.values(), key=lambda pair: pair[0].year))


def _read_module(_group: str, _key: str, module: object, others: Mapping[str, Source]) -> Source:
    """Return SOURCE and PRESETS of a module. Raises PluginError."""
    source, presets = getattr(module, "SOURCE", None), getattr(module, "PRESETS", None)
    if not isinstance(source, Publication):
        raise PluginError("it has no SOURCE", "assign a kd_core.config.presets.Publication to it")
    if not isinstance(presets, tuple) or not all(isinstance(preset, Preset) for preset in presets):
        raise PluginError("it has no PRESETS", "assign a tuple of kd_core.config.presets.Preset to it")
    if not getattr(module, "__name__", "").startswith(f"{__name__}."):
        _check_presets(presets, others)
    return source, presets


def _check_presets(presets: Sequence[Preset], others: Mapping[str, Source]) -> None:
    """Check names and settings of presets from outside. Raises PluginError."""
    names = {preset.name for _, listed in others.values() for preset in listed}
    for preset in presets:
        if preset.name in names:
            raise PluginError(f'the name "{preset.name}" belongs to another preset', "choose another name")
        names.add(preset.name)
        for variant in preset.variants or (preset.variant(),):
            try:
                family(config(preset, variant.name))
                config(preset, variant.name, small=True)
            except (ValueError, LookupError) as error:
                lacking = f"they lack {error}" if isinstance(error, KeyError) else str(error).rstrip(".")
                raise PluginError(f"the settings of {preset.name} are refused ({lacking})", "correct them") from error


def all_presets() -> tuple[Preset, ...]:
    """Return every experiment."""
    return tuple(preset for _, presets in sources() for preset in presets)


def find(name: str) -> Preset:
    """Return the experiment of this name. Raises ValueError with the allowed names."""
    presets = {preset.name: preset for preset in all_presets()}
    if name not in presets:
        raise ValueError(f'preset = "{name}": choose one of {", ".join(presets)}.')
    return presets[name]


def config(preset: Preset, variant: str = "", *, small: bool = False) -> dict[str, str]:
    """Return the flat settings of an experiment.

    Args:
        preset: The experiment.
        variant: Name of the variant, the first if empty.
        small: Return those of a trial instead: the same loss and phases on a few examples for one epoch, with smaller
            networks of the same kinds and without pretrained weights.

    Raises:
        ValueError: There is no such variant.
    """
    flat = {**preset.settings, **preset.variant(variant).changes}
    if not small:
        return flat
    flat |= SMALL
    if flat.get("scheme") != "missing_class":  # there the teacher must be trained on more than the student
        flat["teacher_view"] = "student"
    if "teacher_pretrained" in flat:
        flat |= {"teacher_pretrained": "false", "teacher_image_size": "64", "dataset_pixels": "32"}
    for role in ("teacher", "student"):
        if flat[role] == "imagenet_resnet":  # even the smallest of these takes seconds per step
            flat |= network(role, "resnet", depth="8", widening=1)
        cls: Any = find_plugin("models", flat[role])
        model = cls(**parse_options(cls, flat, f"{role}_")[0]).scaled(SCALE)
        flat |= network(role, model.name, **model.values())
    return flat


def published(preset: Preset, variant: str = "") -> tuple[PublishedNumber, ...]:
    """Return the published numbers of a variant, those of the whole experiment first."""
    return (*preset.published, *preset.variant(variant).published)


def family(flat: Settings) -> str:
    """Return the JSON text that all runs of these settings share whatever their seed, ``family`` in the store.

    Unlike a configuration it needs no data. The settings must name whatever a scheme would suggest.
    """
    suggested = getattr(find_plugin("datasets", flat["dataset"]), "recommended", {})
    body: dict[str, Any] = {}
    for name, group, prefix in PLUGIN_FIELDS:
        default = find_plugin(group, suggested.get(name, DEFAULTS[name]))
        cls: Any = find_plugin(group, flat[name]) if name in flat else default
        suggestion = suggested if cls is default else {}
        values = parse_options(cls, suggestion, prefix)[0] | parse_options(cls, flat, prefix)[0]
        body[name] = cls(**values).to_dict()
    for name, kind, prefix in OPTION_GROUPS:
        body[name] = kind(**parse_options(kind, suggested, prefix)[0] | parse_options(kind, flat, prefix)[0]).values()
    body["basics"].pop("seed")
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def in_words(preset: Preset, variant: str = "") -> list[str]:
    """Return lines for a terminal with the result, published and measured numbers, and differences."""
    chosen, source = preset.variant(variant), preset.source
    values = load_measurements().get(f"{preset.name} {chosen.name}".strip(), {}).get("values", {})
    return [
        preset.title + (f": {chosen.title}" if chosen.title else ""),
        preset.idea,
        f"Published: {source.authors} {source.year}, {source.where}.",
        *(
            f"  {number.what:<48} {number.value:<20} {values.get(number.what, NOT_RUN)}"
            for number in published(preset, chosen.name)
        ),
        *(["Variants: " + ", ".join(one.name for one in preset.variants)] if len(preset.variants) > 1 else []),
        "Differences from the source:",
        *(f"- {note}" for note in preset.notes),
        f"Needs: {needs(preset)}",
    ]


def needs(preset: Preset) -> str:
    """Return a sentence on the data and weights of an experiment, and whether they are on this machine."""
    dataset: Any = find_plugin("datasets", preset.settings["dataset"])()
    availability = "on this machine"
    if not dataset.is_available():
        size = format_bytes(dataset.download_size)
        availability = f"{size}, to be downloaded first: `python -m kd_core fetch {dataset.name}`"
    weights = ""
    if preset.settings.get("teacher_pretrained") == "true":
        weights = ". The teacher’s ImageNet weights, which torchvision downloads once"
    return f"{dataset.title}, {availability}{weights}."


def load_measurements() -> dict[str, dict[str, Any]]:
    """Return measurements stored beside the code, by "name" or "name variant".

    Each entry has the command, the date, the number of seeds, and values by number.
    """
    measurements: dict[str, dict[str, Any]] = json.loads(MEASURED.read_text(encoding="utf-8"))
    return measurements


def for_teacher(recipe: Settings) -> dict[str, str]:
    """Return the same recipe under the names of the teacher's options."""
    return {f"teacher_{name}": text for name, text in recipe.items()}


def network(role: str, name: str, **options: Any) -> dict[str, str]:
    """Return a network and its options as flat settings of one role. Raises ValueError for an unknown option."""
    unknown = set(options) - set(options_of(find_plugin("models", name)))
    if unknown:
        raise ValueError(f"{name} has no option called {', '.join(sorted(unknown))}.")
    return {role: find_key("models", name), **{f"{role}_{option}": as_text(value) for option, value in options.items()}}
