"""Configuration of a run, in JSON, URL and flat-text form; it determines the events of the run."""

from __future__ import annotations

import contextlib
import difflib
import functools
import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, ClassVar

from kd_core.base.options import Option, Options, as_text, default_of, options_of, parse_options, shared_options
from kd_core.base.registry import Plugin, find_plugin, make, plugins
from kd_core.config.augmentation import Augmentation
from kd_core.config.comparison import Comparison
from kd_core.config.compute import Compute
from kd_core.config.label_subset import FULL, LabelSubset, TrainSubset
from kd_core.config.python_parts import with_python_parts
from kd_core.config.recipe import Recipe, RunOptions, TeacherRecipe
from kd_core.datasets import Data, Dataset, load
from kd_core.methods import Method
from kd_core.models import Model, with_article
from kd_core.nn.pairs import Pair

# (attribute, plug-in group or class of its options, prefix of their flat names in the URL and on the command line).
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
DEFAULTS = {"dataset": "digits", "teacher": "cnn", "student": "mlp", "method": "soft_targets", "scheme": "offline"}
UNKNOWN = ": there is no such setting."


class BaseScheme(Plugin):
    """Interface of a scheme to the configuration, which does not import the schemes."""

    comparison: ClassVar[Comparison] = Comparison()  # of the verdict
    full_teacher: ClassVar[Mapping[str, str]] = {}  # flat settings under which the teacher is trained to its end

    @classmethod
    def recommended_settings(cls, data: Data) -> Mapping[str, str]:  # noqa: ARG003
        """Return flat settings under which the effect of the scheme is visible."""
        return {}

    @abstractmethod
    def unsupported_reason(self, config: RunConfig) -> str:
        """Return why the scheme cannot run this configuration, as sentences for the screen; empty if it can."""
        raise NotImplementedError


@dataclass(frozen=True, init=False)
class RunConfig:
    """Everything that determines a run.

    Settings are given by their flat names (``dataset="moons"``, ``epochs=40``), as parts (``dataset=Moons()``,
    ``recipe=Recipe(epochs=40)``), or both; ``loss`` is another name for ``method``. What is left out is what the data
    set and the scheme suggest, else the default.

    Raises:
        ValueError: for settings that are unknown, out of range, or do not fit together; one sentence a line.
    """

    dataset: Dataset
    teacher: Model
    student: Model
    method: Method
    scheme: BaseScheme
    labels: LabelSubset
    recipe: Recipe
    teacher_recipe: TeacherRecipe
    basics: RunOptions
    augmentation: Augmentation
    compute: Compute

    def __init__(self, **settings: Any) -> None:
        settings = with_python_parts(settings)
        names = {part.name for part in fields(self)}
        is_whole = {name for name, *_ in PLUGIN_FIELDS} <= settings.keys() <= names
        is_whole = is_whole and all(isinstance(part, Options) for part in settings.values())
        parts = settings if is_whole else vars(from_flat(flatten(settings)))
        for name, *_ in PLUGIN_FIELDS:
            object.__setattr__(self, name, parts[name])
        for name, kind, _ in OPTION_GROUPS:
            object.__setattr__(self, name, parts[name] if name in parts else kind())
        data = load(self.dataset)
        self.labels.validate(data)
        self.augmentation.validate(data)
        for role, model in (("teacher", self.teacher), ("student", self.student)):
            if reason := _unsupported_model(role, model, data):
                raise ValueError(reason)
        if self.augmentation.is_on and not self.teacher.takes_new_inputs:
            raise ValueError(
                f"teacher = {self.teacher.short_name}: its logits are given for the examples as they are, and "
                "augmentation changes these. Switch augmentation off, or give a function as the teacher."
            )
        if reason := self.scheme.unsupported_reason(self):
            raise ValueError(reason)

    @property
    def seed(self) -> int:
        """Seed of the run; the teacher has its own."""
        return self.basics.seed

    @property
    def view(self) -> TrainSubset:
        """Training examples of student and baseline."""
        return TrainSubset(self.labels, self.seed)

    @property
    def teacher_view(self) -> tuple[LabelSubset, int]:
        """Labels of the teacher (all without noise, or those of the student) and the seed of their choice."""
        sees_all = self.teacher_recipe.view == "full"
        return (FULL, self.teacher_recipe.seed) if sees_all else (self.labels, self.seed)

    @property
    def pair(self) -> Pair:
        """Student and teacher as the method sees them."""
        data = load(self.dataset)
        return Pair(self.student, self.teacher, data.shape, len(data.classes))

    def live_options(self) -> dict[str, Option]:
        """Return the options that may be changed during training, by name."""
        options = options_of(type(self.method)) | options_of(type(self.recipe))
        return {name: option for name, option in options.items() if option.live}

    def live_values(self) -> dict[str, float]:
        """Return the values of the live options at the start."""
        values = self.method.values() | self.recipe.values()
        return {name: values[name] for name in self.live_options()}

    def to_json(self) -> str:
        """Return the canonical JSON text, which is the same for equal configurations."""
        body = {f.name: part.to_dict() if isinstance(part := getattr(self, f.name), Plugin) else part.values()
                for f in fields(self)}  # fmt: skip
        return json.dumps(body, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> RunConfig:
        """Parse what :meth:`to_json` returned; missing options get their defaults. Raises ValueError."""
        return cls(**_parts(text))

    @classmethod
    @functools.lru_cache(maxsize=256)  # pages list the same runs again and again
    def from_json_unchecked(cls, text: str) -> RunConfig:
        """Parse the configuration of a stored run without checking again that its parts fit together.

        The check needs the data, which are slow to load for a list of runs.
        """
        config = cls.__new__(cls)
        for name, part in _parts(text).items():
            object.__setattr__(config, name, part)
        return config

    def flat(self) -> dict[str, str]:
        """Return every setting as text by flat name."""
        texts = {}
        for name, _, prefix in PLUGIN_FIELDS:
            member = getattr(self, name)
            texts[name] = member.name
            texts |= {prefix + option: as_text(value) for option, value in member.values().items()}
        for name, _, prefix in OPTION_GROUPS:
            texts |= {prefix + option: as_text(value) for option, value in getattr(self, name).values().items()}
        return texts

    def differences(self) -> dict[str, str]:
        """Return the settings that differ from the recommended ones, which is enough for a link."""
        return differences(self.flat())

    def with_flat(self, optional: Mapping[str, Any] = MappingProxyType({}), /, **changes: Any) -> RunConfig:
        """Return the configuration with some flat settings changed. Raises ValueError.

        Another class takes its defaults. An option of the old one stays if it was set, and if the new one has an option
        of this name with the same default, hence on the same scale, and allows the value. With another data set or
        scheme, whatever was not set is as that recommends. ``optional`` changes are made where there is such a setting.
        """
        before = {name: type(getattr(self, name)) for name, *_ in PLUGIN_FIELDS}
        wanted = {**optional, **changes}
        new = {name: find_plugin(group, str(wanted[name]), name) for name, group, _ in PLUGIN_FIELDS if name in wanted}
        after, settings = before | new, self.flat()
        if after != before:
            changed = self._changed_settings()
            if (after["dataset"], after["scheme"]) != (before["dataset"], before["scheme"]):
                settings = changed | {name: settings[name] for name in ("dataset", "scheme")}
                chosen = settings | wanted
                recommended = read_flat({name: chosen[name] for name in ("dataset", "scheme")})[0]
                after |= {name: type(getattr(recommended, name)) for name in before.keys() - chosen.keys()}
            for name, _, prefix in PLUGIN_FIELDS:
                if after[name] is not before[name]:
                    for option in options_of(before[name]):
                        settings.pop(prefix + option, None)
                    settings |= shared_options(before[name], after[name], changed, prefix)
        names = {prefix + option for name, _, prefix in PLUGIN_FIELDS for option in options_of(after[name])}
        names |= after.keys() | {prefix + option for _, cls, prefix in OPTION_GROUPS for option in options_of(cls)}
        return from_flat(settings | {name: value for name, value in optional.items() if name in names} | changes)

    def _changed_settings(self) -> dict[str, str]:
        """Return the settings that are neither recommended nor the defaults of a class that was not recommended."""
        changed = self.differences()
        for name, _, prefix in PLUGIN_FIELDS:
            values = getattr(self, name).values() if name in changed else {}
            for option, value in values.items():
                if as_text(value) == as_text(default_of(type(getattr(self, name)), option)):
                    changed.pop(prefix + option, None)
        return changed


def _parts(text: str) -> dict[str, Any]:
    """Parse what :meth:`RunConfig.to_json` returned, by attribute. Raises ValueError."""
    try:
        body = json.loads(text)
        parts: dict[str, Any] = {name: make(group, body[name]) for name, group, _ in PLUGIN_FIELDS}
        return parts | {name: cls(**body.get(name, {})) for name, cls, _ in OPTION_GROUPS}
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"This is no configuration in JSON, or a part is missing or unknown: {error}.") from error


def read_flat(flat: Mapping[str, Any]) -> tuple[RunConfig, list[str]]:
    """Return a valid configuration from flat settings, and one sentence for each setting that had to be refused.

    A setting that is missing or refused gets the value that scheme or data set recommend, else its default.
    """
    errors, settings = list[str](), dict(flat)
    try:
        dataset = find_plugin("datasets", str(settings.get("dataset", DEFAULTS["dataset"])), "dataset")
    except ValueError as error:
        errors.append(str(error))
        dataset = find_plugin("datasets", DEFAULTS["dataset"])
        settings = {name: value for name, value in settings.items() if not name.startswith("dataset")}
    is_dataset_known = not errors  # otherwise whether the others fit it cannot be said
    if reason := _unavailable_data(_construct(dataset, {}, settings, "dataset_", [])):
        errors.append(reason)
        settings = {"seed": settings["seed"]} if "seed" in settings else {}  # the others cannot be checked without data
        dataset = find_plugin("datasets", DEFAULTS["dataset"])
    chosen = _construct(dataset, {}, settings, "dataset_", [])
    recommended = {"method": chosen.task.default_method, **chosen.recommended_settings()}
    with contextlib.suppress(ValueError):  # an unknown scheme is refused below
        scheme = find_plugin("schemes", str(settings.get("scheme", "")))
        assert issubclass(scheme, BaseScheme)
        recommended |= scheme.recommended_settings(load(_construct(dataset, recommended, settings, "dataset_", [])))
    parts, names = {}, set()
    for name, group, prefix in PLUGIN_FIELDS:
        default = recommended.get(name, DEFAULTS[name])
        try:
            cls = find_plugin(group, str(settings.get(name, default)), name)
        except ValueError as error:
            errors.append(str(error))
            cls = find_plugin(group, default)
        names |= {name} | {prefix + option for option in options_of(cls)}
        parts[name] = _construct(cls, recommended if plugins(group)[default] is cls else {}, settings, prefix, errors)
    for name, group_class, prefix in OPTION_GROUPS:
        names |= {prefix + option for option in options_of(group_class)}
        parts[name] = _construct(group_class, recommended, settings, prefix, errors)
    errors += [f"{name}{UNKNOWN}" for name in sorted(set(settings) - names)]
    return _compatible_config(parts, recommended, errors if is_dataset_known else []), errors


def from_flat(flat: Mapping[str, Any]) -> RunConfig:
    """Return a configuration from flat settings. Raises ValueError with a line for each refused setting."""
    config, errors = read_flat(flat)
    if errors:
        allowed = config.flat()
        similar = {f"{name}{UNKNOWN}": difflib.get_close_matches(name, allowed) for name in flat if name not in allowed}
        hints = (f" Did you mean {' or '.join(names)}?" if (names := similar.get(error)) else "" for error in errors)
        raise ValueError("\n".join(error + hint for error, hint in zip(errors, hints, strict=True)))
    return config


def differences(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the flat settings, valid or not, that differ from those that data set and scheme recommend."""
    base = {"dataset": settings["dataset"]}
    if settings["scheme"] != DEFAULTS["scheme"]:
        base["scheme"] = settings["scheme"]
    recommended = read_flat(base)[0].flat()
    for name, *_ in PLUGIN_FIELDS:  # options of another class are not comparable, even under the same name
        if settings[name] != recommended[name]:
            for option in option_names(name, settings[name]):
                recommended.pop(option, None)
    return base | {name: text for name, text in settings.items() if recommended.get(name) != text}


def option_names(field: str, plugin: str) -> set[str]:
    """Return the flat names of the options of the plug-in that is chosen for a field of the configuration."""
    group, prefix = next((group, prefix) for name, group, prefix in PLUGIN_FIELDS if name == field)
    return {prefix + option for option in options_of(find_plugin(group, plugin))}


def flatten(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with every part among them written out by flat names; other settings overrule those of parts.

    Raises ValueError where both "loss" and "method" are given: they are two names for one setting.
    """
    if {"loss", "method"} <= settings.keys():
        raise ValueError("loss and method are two names for one setting: choose one of them.")
    prefixes = {name: prefix for name, _, prefix in (*PLUGIN_FIELDS, *OPTION_GROUPS)}
    parts: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for key, value in settings.items():
        name = "method" if key == "loss" else key
        if not isinstance(value, Options) or name not in prefixes:
            others[name] = value
            continue
        parts |= {prefixes[name] + option: chosen for option, chosen in value.values().items()}
        if isinstance(value, Plugin):
            parts[name] = value.name
    return parts | others


def _construct(
    cls: type[Any], recommended: Mapping[str, Any], settings: Mapping[str, Any], prefix: str, errors: list[str]
) -> Any:
    """Return an instance with the valid settings, and append a sentence for each invalid one to ``errors``."""
    values, refused = parse_options(cls, settings, prefix)
    errors += refused
    defaults = parse_options(cls, recommended, prefix)[0]
    try:
        return cls(**(defaults | values))
    except ValueError as error:  # options that are valid one by one, and not together
        errors.append(prefix + str(error))
        return cls(**defaults)


def _compatible_config(parts: dict[str, Any], recommended: Mapping[str, str], errors: list[str]) -> RunConfig:
    """Return the configuration of these parts, replacing those that do not fit together by recommended ones."""
    data = load(parts["dataset"])
    try:
        parts["augmentation"].validate(data)
    except ValueError as error:
        errors.append(str(error))
        parts["augmentation"] = Augmentation()
    for role in ("teacher", "student"):
        if reason := _unsupported_model(role, parts[role], data):
            errors.append(reason)
            parts[role] = _default_model(role, recommended, data)
    default_parts = {
        name: _construct(find_plugin(f"{name}s", plugin), recommended, {}, "", [])
        for name, plugin in (("method", data.task.default_method), ("scheme", DEFAULTS["scheme"]))
    }
    labels = {"labels": _construct(LabelSubset, recommended, {}, "", [])}
    method = _construct(find_plugin("methods", recommended["method"]), recommended, {}, "", [])
    new_teacher = {"weights": ""} if data.task.has_class_rows else {"weights": "", "smoothing": 0.0}
    new_weights = {"teacher_recipe": parts["teacher_recipe"].with_values(**new_teacher)}
    default_models = {role: _default_model(role, recommended, data) for role in ("teacher", "student")}
    new_sizes = {
        name: parts[name].with_values(batch_size=type(parts[name])().batch_size, **more)
        for name, more in (("recipe", {}), ("teacher_recipe", new_teacher))
    }
    # As chosen; with other batches, and without uploaded weights; then with other labels, another method, or defaults.
    for changes in (
        {},
        new_weights,
        new_sizes,
        new_sizes | labels,
        new_weights | labels,
        new_weights | {"method": method},
        new_weights | {"method": default_parts["method"]},
        new_sizes | {"labels": LabelSubset(), **default_parts},
        new_sizes | {"labels": LabelSubset(), "augmentation": Augmentation(), **default_parts, **default_models},
    ):
        try:
            return RunConfig(**parts | changes)
        except ValueError as error:
            if not changes:
                errors.append(str(error))
    raise AssertionError("the default settings fit every data set")


def _default_model(role: str, recommended: Mapping[str, str], data: Data) -> Model:
    """Return the recommended family, or the first one that takes these data."""
    classes = (find_plugin("models", recommended.get(role, DEFAULTS[role])), *plugins("models").values())
    models: Iterator[Model] = (_construct(cls, recommended, {}, role + "_", []) for cls in classes)
    return next(model for model in models if not model.data_refusal(data))


def _unavailable_data(dataset: Dataset) -> str:
    """Return why a data set cannot be loaded, as a sentence; empty if it can."""
    try:
        load(dataset)
    except ValueError as error:
        return f"dataset = {dataset.short_name}: {error}"
    return ""


def _unsupported_model(role: str, model: Model, data: Data) -> str:
    model.probe(data.train.inputs)
    reason = model.task_refusal(data.task) or model.refusal(data.shape, len(data.classes))
    return f"{role} = {model.short_name}: {with_article(model.title)} {reason}." if reason else ""
