"""Parts of a configuration that are given from Python, as data, modules, functions, arrays and losses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from kd_core.base.options import Options
from kd_core.base.registry import FROM_PYTHON, Plugin, find_plugin, make, registered, short_name
from kd_core.datasets import Data, Dataset, load
from kd_core.datasets import _python as python_data
from kd_core.files import descriptions
from kd_core.methods import Method
from kd_core.methods import _python as python_losses
from kd_core.models import Model, with_article
from kd_core.models import _python as python_networks

GROUPS = {"dataset": "datasets", "teacher": "models", "student": "models", "method": "methods"}
KINDS: dict[str, type[Plugin]] = {
    "dataset": Dataset, "teacher": Model, "student": Model, "method": Method, "loss": Method, "scheme": Plugin,
}  # fmt: skip
NAMESPACES = {"teacher": "models", "student": "models", "method": "losses", "loss": "losses"}


def with_python_parts(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with a part in place of every object that is none, such as a module.

    A teacher that is given, as a module, a function or an array of logits, is taken as it is, so its epochs are 0
    unless they are given; a function without arguments makes a teacher that is still to be trained.

    Raises:
        ValueError: for an object that cannot be used; it begins with the name of the setting.
    """
    parts = dict(settings)
    if isinstance(data := parts.get("dataset"), Data):
        parts["dataset"] = python_data.as_dataset(data)
    for role in ("teacher", "student"):
        value = parts.get(role)
        if value is None or isinstance(value, str | Options):
            continue
        if role == "teacher" and not _is_factory(value) and not {"teacher_epochs", "teacher_recipe"} & parts.keys():
            parts["teacher_epochs"] = 0
        parts[role] = _network(role, value, parts)
    for name in ("loss", "method"):
        value = parts.get(name)
        if callable(value) and not isinstance(value, Options | type):
            parts[name] = python_losses.loss(value)
    for name, value in parts.items():
        _check_part(name, value)
    return parts


def store_python_parts(parts: Iterable[object], folder: Path) -> None:
    """Store in a data folder what its runs need of those parts of a configuration that were given from Python.

    Raises OSError.
    """
    for part in parts:
        if isinstance(part, python_data.PythonDataset):
            python_data.store(part, folder)
        elif isinstance(part, python_networks.PythonNetwork):
            python_networks.store(part, folder)
        elif isinstance(part, python_losses.PythonLoss):
            python_losses.store(part, folder)


def provide_python_parts(
    body: Mapping[str, Mapping[str, Any]], objects: Mapping[str, Any], *, needs_all: bool = True
) -> list[str]:
    """Make the objects available with which a stored run was trained.

    Return the arguments whose content, such as the weights of a module, is not what it was; their structure is.

    Args:
        body: the configuration of the run, from its JSON.
        objects: objects by argument, "dataset", "teacher", "student" and "loss".
        needs_all: whether those that this process does not have must be given.

    Raises:
        ValueError: where an object is needed and not given, or where the structure of the given one differs.
    """
    arguments = {"method" if name == "loss" else name: value for name, value in objects.items()}
    if unknown := sorted(set(arguments) - set(GROUPS)):
        raise ValueError(f"{unknown[0]}: choose from dataset, teacher, student, loss.")
    changed: list[str] = []
    for name in GROUPS:
        key, argument = str(body[name]["name"]), "loss" if name == "method" else name
        if not key.startswith(FROM_PYTHON):
            if name in arguments:
                raise ValueError(f"{argument}: the run was trained with {key}, which need not be given again.")
            continue
        if name in arguments:
            part = with_python_parts(_with_dataset(name, body, arguments))[name]
            _provide(name, key, part)
            changed += [argument] if part.name != key else []
        elif needs_all and _is_missing(name, key):
            raise ValueError(
                f"{argument}: the run was trained with {short_name(key)}, which was given from Python; pass the same "
                f"again, as {argument}=."
            )
    return changed


def _provide(name: str, key: str, part: Plugin) -> None:
    """Register an object under the key that a stored run knows it by. Raises ValueError if its structure differs."""
    argument = "loss" if name == "method" else name
    is_same = descriptions.structure_of(part.name) == descriptions.structure_of(key)
    if not is_same or (name == "dataset" and part.name != key):
        raise ValueError(
            f"{argument}: this is not what the run was trained with ({short_name(key)}); its "
            f"{'content' if is_same else 'structure'} differs."
        )
    if isinstance(part, Model) and part.name != key:
        python_networks.alias(part, key)
    elif isinstance(part, python_losses.PythonLoss):
        python_losses.alias(part, key)


def _with_dataset(name: str, body: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object and the data of the run, which a table of logits belongs to."""
    if name in {"dataset", "method"}:
        return {name: arguments[name]}
    return {name: arguments[name], "dataset": make("datasets", body["dataset"])}


def _is_missing(name: str, key: str) -> bool:
    """Return whether neither this process nor, for data, a data folder has the object."""
    cls: Any = registered(GROUPS[name], key)
    if name == "dataset":
        try:
            dataset: Any = find_plugin("datasets", key)()
        except ValueError:
            return True
        return not dataset.is_available()
    if name == "method":
        return cls is None or cls.function is None
    return cls is None or not cls.can_train


def _network(role: str, value: Any, settings: Mapping[str, Any]) -> Model:
    if isinstance(value, nn.Module) or _is_factory(value):
        return python_networks.from_module(role, value)
    if role == "teacher" and isinstance(value, Tensor | np.ndarray | Mapping):
        data = load(_dataset(settings))
        inputs = {name: split.inputs for name, split in data.splits.items()}
        logits = value if isinstance(value, Mapping) else {"train": value}
        return python_networks.from_logits(role, logits, inputs)
    if role == "teacher" and callable(value):
        return python_networks.from_function(role, value)
    allowed = "a name, a module, or a function without arguments that makes one"
    more = "; a teacher also a function of inputs or an array of logits" if role == "teacher" else ""
    raise ValueError(f"{role}: a {type(value).__name__} was given; it must be {allowed}{more}.")


def _check_part(name: str, value: Any) -> None:
    """Raise ValueError for a part that is neither a name nor an object of its kind."""
    base = KINDS.get(name)
    if base is None or value is None or isinstance(value, str | base):
        return
    if isinstance(value, type) and issubclass(value, base):
        raise ValueError(f"{name}: the class {value.__name__} was given; write {value.__name__}().")
    namespace = NAMESPACES.get(name, f"{name}s")
    more = {"dataset": " or a kd.Data", "loss": " or a function", "method": " or a function"}.get(name, "")
    raise ValueError(
        f"{name}: {with_article(type(value).__name__)} was given; it must be a name, an object of kd.{namespace}{more}."
    )


def _is_factory(value: Any) -> bool:
    """Return whether a value makes networks, and is none."""
    make_network: Callable[..., Any] | None = value if callable(value) and not isinstance(value, nn.Module) else None
    return make_network is not None and python_networks.takes_nothing(make_network)


def _dataset(settings: Mapping[str, Any]) -> Dataset:
    """Return the data set that settings name, for what belongs to its examples. Raises ValueError."""
    dataset = settings.get("dataset")
    if isinstance(dataset, Dataset):
        return dataset
    options = {name.removeprefix("dataset_"): value for name, value in settings.items() if name[:8] == "dataset_"}
    made: Dataset = make("datasets", {"name": dataset or "digits", **options})
    return made
