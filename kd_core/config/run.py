"""RunConfig: everything that determines a run. The same configuration gives the same events."""

from __future__ import annotations

import contextlib
import functools
import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from kd_core.base.options import Option, Options, as_text, options_of, parse_options
from kd_core.base.registry import Plugin, find_plugin, make, plugins
from kd_core.config.augmentation import Augmentation
from kd_core.config.comparison import Comparison
from kd_core.config.compute import Compute
from kd_core.config.label_subset import FULL, LabelSubset, TrainSubset
from kd_core.config.recipe import Recipe, RunOptions, TeacherRecipe
from kd_core.datasets import Data, Dataset, load
from kd_core.methods import Method
from kd_core.models import Model, with_article
from kd_core.nn.pairs import Pair

# Flat names, as in the URL and on the command line: (attribute, folder of its choices or its class, prefix).
PLUGIN_FIELDS = (
    ("dataset", "datasets", "dataset_"),
    ("teacher", "models", "teacher_"),
    ("student", "models", "student_"),
    ("method", "methods", ""),
    ("scheme", "schemes", ""),
)
OPTION_GROUPS: tuple[tuple[str, type[Options], str], ...] = (
    ("labels", LabelSubset, ""),
    ("recipe", Recipe, ""),
    ("teacher_recipe", TeacherRecipe, "teacher_"),
    ("basics", RunOptions, ""),
    ("augmentation", Augmentation, ""),
    ("compute", Compute, ""),
)
# Parameters of a page's link beside the settings of a run.
RESERVED_NAMES = {
    *("run", "autoplay", "log", "embed", "embed_options"),
    *("sweep", "across", "across_values", "down", "down_values", "seeds", "cell", "confirmed"),
}
DEFAULTS = {"dataset": "digits", "teacher": "cnn", "student": "mlp", "method": "soft_targets", "scheme": "offline"}


class BaseScheme(Plugin):
    """What a configuration asks of its scheme. Schemes know the configuration, not the other way round."""

    comparison: ClassVar[Comparison] = Comparison()  # of which networks the verdict speaks

    @classmethod
    def recommended_settings(cls, data: Data) -> Mapping[str, str]:  # noqa: ARG003
        """Flat settings under which it is worth watching."""
        return {}

    @abstractmethod
    def unsupported_reason(self, config: RunConfig) -> str:
        """Return why this configuration makes no sense under this scheme, as sentences; empty if it does."""


@dataclass(frozen=True)
class RunConfig:
    """A whole run. Raises ValueError when its parts do not fit together."""

    dataset: Dataset
    teacher: Model
    student: Model
    method: Method
    scheme: BaseScheme
    labels: LabelSubset = field(default_factory=LabelSubset)
    recipe: Recipe = field(default_factory=Recipe)
    teacher_recipe: TeacherRecipe = field(default_factory=TeacherRecipe)
    basics: RunOptions = field(default_factory=RunOptions)
    augmentation: Augmentation = field(default_factory=Augmentation)
    compute: Compute = field(default_factory=Compute)

    def __post_init__(self) -> None:
        data = load(self.dataset)
        self.labels.validate(data)
        self.augmentation.validate(data)
        for role, model in (("teacher", self.teacher), ("student", self.student)):
            if refusal := _refusal(role, model, data.shape):
                raise ValueError(refusal)
        if refusal := self.scheme.unsupported_reason(self):
            raise ValueError(refusal)

    @property
    def seed(self) -> int:
        return self.basics.seed

    @property
    def view(self) -> TrainSubset:
        """What student and baseline are shown."""
        return TrainSubset(self.labels, self.seed)

    @property
    def teacher_view(self) -> tuple[LabelSubset, int]:
        """What the teacher is shown and the seed that picks it: all and clean, or exactly what the student sees."""
        sees_all = self.teacher_recipe.view == "full"
        return (FULL, self.teacher_recipe.seed) if sees_all else (self.labels, self.seed)

    @property
    def pair(self) -> Pair:
        """Student and teacher, as the method sees them."""
        data = load(self.dataset)
        return Pair(self.student, self.teacher, data.shape, len(data.classes))

    def live_options(self) -> dict[str, Option]:
        """The options that may be changed while a run trains."""
        both = options_of(type(self.method)) | options_of(type(self.recipe))
        return {name: option for name, option in both.items() if option.live}

    def live_values(self) -> dict[str, float]:
        """Their values at the start."""
        both = self.method.values() | self.recipe.values()
        return {name: both[name] for name in self.live_options()}

    def to_json(self) -> str:
        """Canonical: two equal configurations give the same text."""
        body = {f.name: part.to_dict() if isinstance(part := getattr(self, f.name), Plugin) else part.values()
                for f in fields(self)}  # fmt: skip
        return json.dumps(body, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> RunConfig:
        """Raises ValueError for a text that :meth:`to_json` would not write; options it lacks get their defaults."""
        return cls(**_parts(text))

    @classmethod
    @functools.lru_cache(maxsize=256)  # pages list the same runs at every draw; nothing but the text decides
    def from_json_unchecked(cls, text: str) -> RunConfig:
        """As :meth:`from_json`, of a run that has been: whether its parts fit together was checked when it began, and
        its data are not loaded to check it again. For lists of runs."""
        found = cls.__new__(cls)
        for name, part in _parts(text).items():
            object.__setattr__(found, name, part)
        return found

    def flat(self) -> dict[str, str]:
        """Every setting as text under its flat name."""
        texts = {}
        for name, _, prefix in PLUGIN_FIELDS:
            member = getattr(self, name)
            texts[name] = member.name
            texts |= {prefix + option: as_text(value) for option, value in member.values().items()}
        for name, _, prefix in OPTION_GROUPS:
            texts |= {prefix + option: as_text(value) for option, value in getattr(self, name).values().items()}
        return texts

    def differences(self) -> dict[str, str]:
        """The settings that differ from what data set and scheme suggest: enough to write a short link."""
        named = {"dataset": self.dataset.name}
        if self.scheme.name != DEFAULTS["scheme"]:
            named["scheme"] = self.scheme.name
        usual = read_flat(named)[0].flat()
        chosen = self.flat()
        for name, _, prefix in PLUGIN_FIELDS:  # options of another family have no counterpart to differ from
            if chosen[name] != usual[name]:
                for option in options_of(type(getattr(self, name))):
                    usual.pop(prefix + option, None)
        return named | {k: v for k, v in chosen.items() if usual.get(k) != v}

    def with_flat(self, **changes: Any) -> RunConfig:
        """The same run with some flat settings changed. Raises ValueError."""
        return from_flat(self.flat() | changes)


def _parts(text: str) -> dict[str, Any]:
    """What :meth:`RunConfig.to_json` wrote, by attribute. Raises ValueError."""
    try:
        body = json.loads(text)
        parts: dict[str, Any] = {name: make(group, body[name]) for name, group, _ in PLUGIN_FIELDS}
        return parts | {name: kind(**body.get(name, {})) for name, kind, _ in OPTION_GROUPS}
    except (KeyError, TypeError) as error:
        raise ValueError(f"This configuration lacks or does not know {error}.") from error


def read_flat(given: Mapping[str, Any]) -> tuple[RunConfig, list[str]]:
    """A valid configuration from flat settings, and one sentence for each setting that had to be refused.

    What is not given is what scheme or data set suggest, else the default. A refused setting is replaced the same way.
    """
    errors: list[str] = []
    texts = dict(given)
    try:
        dataset = find_plugin("datasets", str(texts.get("dataset", DEFAULTS["dataset"])), "dataset")
    except ValueError as error:
        errors.append(str(error))
        dataset = find_plugin("datasets", DEFAULTS["dataset"])
        texts["dataset"] = DEFAULTS["dataset"]
    if refusal := _unloadable(_construct(dataset, {}, texts, "dataset_", [])):
        errors.append(refusal)
        texts = {"seed": texts["seed"]} if "seed" in texts else {}  # nothing else can be judged without the data
        dataset = find_plugin("datasets", DEFAULTS["dataset"])
    suggested = dict(_construct(dataset, {}, texts, "dataset_", []).recommended_settings())
    with contextlib.suppress(ValueError):  # an unknown scheme is refused below
        scheme = find_plugin("schemes", str(texts.get("scheme", "")))
        assert issubclass(scheme, BaseScheme)
        suggested |= scheme.recommended_settings(load(_construct(dataset, suggested, texts, "dataset_", [])))
    parts, known = {}, set()
    for name, group, prefix in PLUGIN_FIELDS:
        wanted = str(texts.get(name, suggested.get(name, DEFAULTS[name])))
        try:
            cls = find_plugin(group, wanted, name)
        except ValueError as error:
            errors.append(str(error))
            cls = find_plugin(group, suggested.get(name, DEFAULTS[name]))
        names = {prefix + option for option in options_of(cls)}
        known |= {name} | names
        suggestion = suggested if find_plugin(group, suggested.get(name, DEFAULTS[name])) is cls else {}
        parts[name] = _construct(cls, suggestion, texts, prefix, errors)
    for name, kind, prefix in OPTION_GROUPS:
        known |= {prefix + option for option in options_of(kind)}
        parts[name] = _construct(kind, suggested, texts, prefix, errors)
    errors += [f"{name}: there is no such setting." for name in sorted(set(texts) - known)]
    return _fitting(parts, suggested, errors), errors


def from_flat(given: Mapping[str, Any]) -> RunConfig:
    """A configuration from flat settings. Raises ValueError with one sentence per refused setting, a line each."""
    config, errors = read_flat(given)
    if errors:
        raise ValueError("\n".join(errors))
    return config


def _construct(
    cls: type[Any], suggested: Mapping[str, Any], given: Mapping[str, Any], prefix: str, errors: list[str]
) -> Any:
    values, refused = parse_options(cls, given, prefix)
    errors += refused
    usual = parse_options(cls, suggested, prefix)[0]
    try:
        return cls(**(usual | values))
    except ValueError as error:  # options that are fine one by one, and not together
        errors.append(prefix + str(error))
        return cls(**usual)


def _fitting(parts: dict[str, Any], suggested: Mapping[str, str], errors: list[str]) -> RunConfig:
    """The configuration of these parts; those that do not fit together give way to the suggested ones."""
    data = load(parts["dataset"])
    shape = data.shape
    try:
        parts["augmentation"].validate(data)
    except ValueError as error:
        errors.append(str(error))
        parts["augmentation"] = Augmentation()
    for role in ("teacher", "student"):
        if refusal := _refusal(role, parts[role], shape):
            errors.append(refusal)
            fallback = suggested.get(role, DEFAULTS[role])
            families = (find_plugin("models", fallback), *plugins("models").values())
            candidates = (_construct(cls, suggested, {}, role + "_", []) for cls in families)
            parts[role] = next(model for model in candidates if not model.unsupported_reason(shape))
    usual = {
        name: _construct(find_plugin(name + "s", DEFAULTS[name]), suggested, {}, "", [])
        for name in ("method", "scheme")
    }
    method = _construct(find_plugin("methods", suggested.get("method", DEFAULTS["method"])), suggested, {}, "", [])
    labels = _construct(LabelSubset, suggested, {}, "", [])
    untaught = {"teacher_recipe": parts["teacher_recipe"].with_values(weights="")}
    # What was asked for; without the odd weights, labels or method; as usual.
    for changes in (
        {},
        untaught,
        untaught | {"labels": labels},
        untaught | {"method": method},
        untaught | {"method": usual["method"]},
        untaught | {"labels": LabelSubset(), **usual},
    ):
        try:
            return RunConfig(**parts | changes)
        except ValueError as error:
            if not changes:
                errors.append(str(error))
    raise AssertionError("the usual settings fit every data set")


def _unloadable(dataset: Dataset) -> str:
    """Why there are no data, as a sentence; empty if there are."""
    try:
        load(dataset)
    except ValueError as error:
        return f"dataset = {dataset.name}: {error}"
    return ""


def _refusal(role: str, model: Model, shape: tuple[int, ...]) -> str:
    refusal = model.unsupported_reason(shape)
    return f"{role} = {model.name}: {with_article(model.title)} {refusal}." if refusal else ""


def all_options() -> Iterator[tuple[str, str, Option]]:
    """Every option of every choice: (flat name, what it belongs to, declaration)."""
    for _, group, prefix in PLUGIN_FIELDS:
        for cls in plugins(group).values():
            yield from ((prefix + key, cls.title, option) for key, option in options_of(cls).items())
    for name, kind, prefix in OPTION_GROUPS:
        yield from ((prefix + key, name, option) for key, option in options_of(kind).items())


def taken_names(group: str) -> set[str]:
    """Return the names that an option of a plug-in in ``group`` may not have: its flat name means something else."""
    flat = {prefix + option for _, kind, prefix in OPTION_GROUPS for option in options_of(kind)}
    flat |= RESERVED_NAMES | {name for name, *_ in PLUGIN_FIELDS}
    prefixes = {prefix for _, field_group, prefix in PLUGIN_FIELDS if field_group == group}
    names = {name.removeprefix(prefix) for prefix in prefixes for name in flat if name.startswith(prefix)}
    for other in {"methods", "schemes"} - {group} if "" in prefixes else ():
        names |= {option for cls in plugins(other, outside=False).values() for option in options_of(cls)}
    return names
