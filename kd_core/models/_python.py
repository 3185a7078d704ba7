"""Networks given from Python, which are modules, functions of inputs, and tables of logits."""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from kd_core.base.paths import NotAvailableError
from kd_core.base.registry import register, registered
from kd_core.base.seeds import use_seed
from kd_core.files import descriptions
from kd_core.models import Model
from kd_core.models._python_modules import (
    ExportedNetwork,
    FunctionNetwork,
    LogitTable,
    example_keys,
    export_forward,
)
from kd_core.models._python_probe import Facts, examine

EXPORTED = ".pt2"  # suffix of the file of an exported forward pass
PROBED = 4  # examples of the forward pass that finds the shapes


@dataclass(frozen=True)
class PythonNetwork(Model):
    """Base of the classes of given networks. One class is one network."""

    summary: ClassVar[str] = "A network given to the Python interface."
    family: ClassVar[str] = "your own"
    can_be_stacked: ClassVar[bool] = False  # nothing is known of its forward pass

    sample: ClassVar[nn.Module | None] = None  # None where the network was given to another process and not exported
    factory: ClassVar[Callable[[], nn.Module] | None] = None  # makes a new network for every seed
    facts: ClassVar[dict[tuple[int, ...], Facts]]  # by shape of an input

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:  # noqa: ARG002
        """Return a copy of the module, or a new one. It computes on the CPU even where the meta device is set.

        Raises NotAvailableError where the network was given to another process.
        """
        if self.sample is None:
            raise NotAvailableError(
                f"The network {self.title} was given from Python, and is not at hand here: pass it again, in Python."
            )
        if type(self).factory is not None and torch.get_default_device().type != "meta":
            network = _network(type(self).factory())  # type: ignore[misc]
        else:  # nothing is drawn, which could change a run that trains now
            with torch.device("cpu"):
                network = copy.deepcopy(self.sample)
        if not any(parameter.requires_grad for parameter in network.parameters()):
            network.requires_grad_(True)  # of a teacher that was given frozen; it is frozen again once it teaches
        return network

    def probe(self, inputs: Tensor) -> None:
        shape = tuple(inputs.shape[1:])
        if shape not in self.facts and self.sample is not None:
            self.facts[shape] = examine(self.sample, inputs[:PROBED].clone())

    def _facts(self, shape: tuple[int, ...]) -> Facts:
        if shape not in self.facts and self.sample is not None:
            self.probe(torch.zeros(PROBED, *shape))
        return self.facts.get(shape) or Facts(reason="was given from Python for inputs of another shape")

    def unsupported_reason(self, shape: tuple[int, ...]) -> str:
        return self._facts(shape).reason

    def refusal(self, shape: tuple[int, ...], classes: int, *, is_trained: bool = False, is_split: bool = False) -> str:
        facts = self._facts(shape)
        if facts.reason:
            return facts.reason
        if facts.logits != (classes,):
            returned = " × ".join(map(str, ("N", *facts.logits)))
            return (
                f"returns a tensor of shape {returned}, and there are {classes} classes: it must return N × {classes}"
            )
        if is_split:
            return "cannot be cut into first and last layers, as this needs"
        return facts.training_reason if is_trained else ""

    def feature_layers(self) -> dict[str, str]:
        """Return every layer that the last forward pass has found; layers are named by their module paths."""
        return dict(next(reversed(self.facts.values())).paths) if self.facts else {}

    def layer_shapes(self, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        """Return the shape of every layer for one input of ``shape``, and of the logits."""
        facts = self._facts(shape)
        return {**facts.shapes, "logits": facts.logits}

    def stages(self, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
        """Return the last layer of every size of maps."""
        last = {shapes[layer][1:]: layer for layer in super().stages(shapes)}
        return list(last.values())

    def split(self, network: nn.Module, layer: str) -> tuple[nn.Sequential, nn.Sequential]:  # noqa: ARG002
        raise ValueError(f"the network {self.title} cannot be cut after {layer}.")

    def scaled(self, factor: float) -> Self:
        if factor < 1:
            raise ValueError(f"{self.title} was given from Python, and there is no smaller network of its kind.")
        return self


def from_module(argument: str, value: Any) -> Model:
    """Return a module, or a function without arguments that makes one, as a network of a configuration.

    Raises ValueError, which begins with ``argument``, for what is no network and for a module that cannot be copied.
    """
    factory = None if isinstance(value, nn.Module) else value
    if factory is not None:
        with use_seed(0, "sample"):
            value = factory()
        if not isinstance(value, nn.Module):
            raise ValueError(f"{argument}: {_name(factory)}() returned a {type(value).__name__} and no nn.Module.")
    try:
        sample = copy.deepcopy(_network(value)).cpu()
        state = sample.state_dict()
        tensors = [f"{name} {tuple(tensor.shape)} {tensor.dtype}" for name, tensor in state.items()]
    except Exception as error:
        raise ValueError(
            f"{argument}: the module {type(value).__name__} cannot be copied ({type(error).__name__}: {error}), and "
            "every network of a run is a copy of it."
        ) from error
    lines = [f"{name} {type(module).__qualname__} {module.extra_repr()}" for name, module in value.named_modules()]
    content = () if factory is not None else state.values()
    key = descriptions.make_key(type(value).__name__, "\n".join([*lines, *tensors]), content)
    return _model(key, type(value).__name__, sample, factory)


def from_function(argument: str, function: Callable[[Any], Any]) -> Model:
    """Return a function of inputs (B, ...) that returns logits (B, K) as a network that cannot be trained."""
    if id(function) not in _functions:
        name = _name(function)
        structure = f"{argument} {getattr(function, '__module__', '')} {name}"
        # What it computes is not known, so nothing that was cached for another function is taken for it.
        _functions[id(function)] = function, descriptions.make_key(name, structure, [uuid.uuid4().hex])
    return _model(_functions[id(function)][1], _name(function), FunctionNetwork(function), None)


def from_logits(argument: str, logits: Mapping[str, Any], inputs: Mapping[str, Tensor]) -> Model:
    """Return logits (N, K) of the examples of some splits as a network that cannot be trained.

    Args:
        argument: begins the sentence of an error.
        logits: by "train", and perhaps "validation" and "test"; arrays or tensors.
        inputs: by split, of all examples.

    Raises:
        ValueError: for other splits, other numbers of rows, and what is not finite.
    """
    tensors: dict[str, Tensor] = {}
    for name, values in logits.items():
        if name not in inputs:
            raise ValueError(f'{argument}: "{name}" is no split; choose from {", ".join(inputs)}.')
        try:
            array = torch.as_tensor(values)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"{argument}: the logits of the {name} examples must be numbers ({error}).") from error
        if array.dim() != 2 or len(array) != len(inputs[name]):
            raise ValueError(
                f"{argument}: logits of shape {tuple(array.shape)} for {len(inputs[name])} {name} examples; there must "
                "be one row for each, in their order."
            )
        tensors[name] = array.detach().cpu().float()
        if not tensors[name].isfinite().all():
            raise ValueError(f"{argument}: the logits of the {name} examples hold NaN or infinite values.")
    if "train" not in tensors:
        raise ValueError(f'{argument}: the logits of the training examples are not given; pass them as "train".')
    keys = torch.cat([example_keys(inputs[name]) for name in tensors])
    table = LogitTable(keys, torch.cat([*tensors.values()]))
    structure = f"logits {[(name, tuple(tensor.shape)) for name, tensor in tensors.items()]}"
    content = [tensor for name in tensors for tensor in (inputs[name], tensors[name])]
    key = descriptions.make_key("logits", structure, content)
    return _model(key, "table of logits", FunctionNetwork(table), None)


_functions: dict[int, tuple[Callable[[Any], Any], str]] = {}  # by identity, so that one function has one key


def alias(model: Model, key: str) -> None:
    """Give the network another key, that of the network with which a stored run was trained.

    A module starts from the weights that are stored with the run, as it did then.
    """
    assert isinstance(model, PythonNetwork)
    assert model.sample is not None
    state, sample = descriptions.read(key), copy.deepcopy(model.sample)
    if state is not None and state.tensors and type(model).factory is None:
        sample.load_state_dict(state.tensors)
    _model(key, model.title, sample, type(model).factory)


def store(model: Model, folder: Path) -> None:
    """Store what a data folder must know to show runs of the network, its weights, and its forward pass.

    The forward pass in eval mode is exported by torch, if that can trace it. Raises OSError.
    """
    assert isinstance(model, PythonNetwork)
    if model.sample is not None:
        facts = [[list(shape), asdict(facts)] for shape, facts in model.facts.items()]
        tensors = {} if type(model).factory is not None else model.sample.state_dict()
        descriptions.write(folder, model.name, {"title": model.title, "facts": facts}, tensors)
        if not isinstance(model.sample, ExportedNetwork):
            export = functools.partial(export_forward, model.sample, next(reversed(model.facts)))
            with contextlib.suppress(Exception):  # the pages then say that the network cannot be computed there
                descriptions.write_file(folder, model.name, EXPORTED, export)


def described(key: str) -> type[Model] | None:
    """Return the class of a network that was given to another process; None if no data folder describes it."""
    state = descriptions.read(key)
    if state is None:
        return None
    facts = {}
    for shape, values in state.values["facts"]:
        shapes = {name: tuple(size) for name, size in values["shapes"].items()}
        facts[tuple(shape)] = Facts(**values | {"shapes": shapes, "logits": tuple(values["logits"])})
    sample = None
    if path := descriptions.find_file(key, EXPORTED):
        with contextlib.suppress(Exception):  # written by another version of torch
            sample = ExportedNetwork(path)
    return _model_class(state.values["title"], sample, None, facts)


def _model(key: str, title: str, sample: nn.Module, factory: Callable[[], nn.Module] | None) -> Model:
    cls = registered("models", key)
    if cls is None or not isinstance(cls.sample, type(sample)):  # type: ignore[attr-defined]
        cls = _model_class(title, sample, factory, {})
        register("models", key, cls)
    model = cls()
    assert isinstance(model, Model)
    return model


def _model_class(
    title: str, sample: nn.Module | None, factory: Callable[[], nn.Module] | None, facts: dict[tuple[int, ...], Facts]
) -> type[Model]:
    body: dict[str, Any] = {
        "__doc__": "Given network.",
        "__module__": __name__,
        "title": title,
        "sample": sample,
        "facts": facts,
    }
    is_table = isinstance(sample, FunctionNetwork) and isinstance(sample.function, LogitTable)
    body |= {"is_at_hand": sample is not None, "takes_new_inputs": not is_table}
    body["can_train"] = sample is not None and not isinstance(sample, ExportedNetwork)
    body["factory"] = None if factory is None else staticmethod(factory)
    return dataclass(frozen=True)(type("PythonNetwork", (PythonNetwork,), body))


def _network(module: nn.Module) -> nn.Module:
    """Return a module with parameters; one without becomes a function."""
    has_parameters = any(True for _ in module.parameters())
    return module if has_parameters else FunctionNetwork(module)


def takes_nothing(function: Callable[..., Any]) -> bool:
    """Return whether a function can be called without arguments, and so makes a network instead of being one."""
    if isinstance(function, type):
        return True
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    required = [
        one for one in parameters if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    ]
    return not required


def _name(function: object) -> str:
    return getattr(function, "__name__", type(function).__name__).replace("<", "").replace(">", "")
