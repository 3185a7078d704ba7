"""Networks as expressions of plain PyTorch, layer by layer."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from kd_core.export.code.layout import Call, Code, Repeated
from kd_core.export.code.rewriting import is_simple, literal
from kd_core.export.code.source import Sources, UnwritableError, method_source
from kd_core.models import Model

MAX_PERIOD = 4  # layers of a block that is repeated
LONG = 60  # characters of a block that is worth a loop when it occurs twice; a shorter one when it occurs three times
SKIPPED = ("device", "dtype")
FROM_PARTS = """    def __init__(self, **parts: object) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
"""


@dataclass
class Construction:
    """How networks were built.

    Attributes:
        arguments: Of the constructor of a module, by its id; the module is kept, so that no other gets its id.
        built: What families of networks returned, in this order.
        initialised: Modules, and the functions of ours that have set their weights, by module and name.
    """

    arguments: dict[int, tuple[nn.Module, dict[str, Any]]] = field(default_factory=dict)
    built: list[nn.Module] = field(default_factory=list)
    initialised: list[tuple[nn.Module, str, str]] = field(default_factory=list)

    @contextmanager
    def record(self) -> Iterator[None]:
        """Record what this thread builds in the context."""
        before = sys.getprofile()
        sys.setprofile(self._observe)
        try:
            yield
        finally:
            sys.setprofile(before if callable(before) else None)  # that of cProfile cannot be set again

    def _observe(self, frame: FrameType, event: str, value: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_name == "__init__" and code.co_argcount:
            module = frame.f_locals.get(code.co_varnames[0])
            if isinstance(module, nn.Module) and id(module) not in self.arguments:
                count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & inspect.CO_VARARGS)
                names = code.co_varnames[1:count]
                self.arguments[id(module)] = module, {name: frame.f_locals[name] for name in names}
        elif event == "call" and code.co_name.startswith("initialise") and code.co_argcount == 1:
            module = frame.f_locals[code.co_varnames[0]]
            if isinstance(module, nn.Module):
                self.initialised.append((module, frame.f_globals["__name__"], code.co_name))
        elif event == "return" and code.co_name == "build" and isinstance(frame.f_locals.get("self"), Model):
            self.built.append(value)


class NetworkWriter:
    """Expressions that build modules again, with the same names of all weights.

    Args:
        sources: Gets the classes of modules that are not torch's.
        construction: How the modules were built; without it their arguments are read from their attributes.
        names: Code of objects that are given, by their id.
    """

    def __init__(
        self, sources: Sources, construction: Construction | None = None, names: Mapping[int, str] | None = None
    ) -> None:
        self.sources, self.construction = sources, construction or Construction()
        self.names = dict(names or {})

    def statements(self, network: nn.Module) -> tuple[list[str], Code]:
        """Return lines that build and initialise what a network is made of, and the expression of the network.

        A network of which only some layers are used is built as a whole, since that draws its random numbers.
        """
        lines, inside = [], set(map(id, network.modules()))
        initialised = {id(module) for module, *_ in self.construction.initialised}
        parts = [
            one
            for one in self.construction.built
            if one is not network
            and any(id(layer) in inside for layer in one.modules())
            and (id(one) not in inside or id(one) in initialised)
        ]
        for number, one in enumerate(parts, start=1):
            name = "network" if len(parts) == 1 else f"network_{number}"
            lines += [*self.expression(one).assigned(name), *self._initialisation(one, name)]
            self.names[id(one)] = name
        expression = self.expression(network)
        if initialisation := self._initialisation(network, "network"):
            lines += [*expression.assigned("network"), *initialisation]
            expression = Code("network")
        return lines, expression

    def _initialisation(self, network: nn.Module, name: str) -> list[str]:
        return [
            f"{self.sources.add(function, importlib.import_module(source))}({name})"
            for module, source, function in self.construction.initialised
            if module is network
        ]

    def expression(self, module: nn.Module) -> Code:
        """Return the code of a module. Raises UnwritableError."""
        if id(module) in self.names:
            return Code(self.names[id(module)])
        if (part := self._slice(list(module.named_children()))) and type(module) is nn.Sequential:
            return Code(part)
        cls = type(module)
        if cls is nn.Sequential or (isinstance(module, nn.Sequential) and cls.forward is nn.Sequential.forward
                                    and not self._is_own(cls)):  # fmt: skip
            return self._sequential(module)
        if cls is nn.ModuleList:
            return Call(
                "nn.ModuleList", [("", Call("", [("", self.expression(child)) for child in module.children()], "[]"))]
            )
        if cls is nn.ModuleDict:
            items = [(f"{literal(name)}: ", self.expression(child)) for name, child in module.named_children()]
            return Call("nn.ModuleDict", [("", Call("", items, "{}"))])
        return self._instance(module)

    def _sequential(self, module: nn.Module) -> Code:
        children = [(name, self.expression(child)) for name, child in module.named_children()]
        if [name for name, _ in children] == [str(number) for number in range(len(children))]:
            return Call("nn.Sequential", [("", child) for child in with_loops([child for _, child in children])])
        self.sources.add_import("from collections import OrderedDict")
        if all(name.isidentifier() for name, _ in children):
            return Call("nn.Sequential", [("", Call("OrderedDict", [(f"{name}=", code) for name, code in children]))])
        pairs = [("", Call("", [("", Code(literal(name))), ("", code)])) for name, code in children]
        return Call("nn.Sequential", [("", Call("OrderedDict", [("", Call("", pairs, "[]"))]))])

    def _slice(self, children: Sequence[tuple[str, nn.Module]]) -> str:
        """Return the code of consecutive layers of a network that has a name; empty if they are not that."""
        for network in self.construction.built:
            if id(network) in self.names and children:
                layers = list(network.children())
                starts = [place for place, layer in enumerate(layers) if layer is children[0][1]]
                for first in starts:
                    last = first + len(children)
                    part = layers[first:last]
                    if len(part) == len(children) and all(a is b for a, (_, b) in zip(part, children, strict=True)):
                        end = "" if last == len(layers) else last
                        return f"{self.names[id(network)]}[{first or ''}:{end}]"
        return ""

    def _is_own(self, cls: type) -> bool:
        return cls.__module__.split(".")[0] in self.sources.packages

    def _instance(self, module: nn.Module) -> Code:
        cls = type(module)
        if cls.__module__.startswith("torch.nn."):
            return Call(f"nn.{cls.__name__}", self._arguments(module))
        if not self._is_own(cls) and cls.__module__.split(".")[0] not in ("torchvision", "timm"):
            self.sources.packages.add(cls.__module__.split(".")[0])  # a module of the user's
        try:
            if not self._is_own(cls) and "__init__" in vars(cls):
                raise UnwritableError("its class is a part of a library")
            arguments = self._arguments(module)
            return Call(self.sources.add(cls.__name__, importlib.import_module(cls.__module__)), arguments)
        except UnwritableError:
            return self._from_parts(module)

    def _arguments(self, module: nn.Module) -> list[tuple[str, Code]]:
        """Return the arguments of a constructor, those without a default by position."""
        recorded = self.construction.arguments.get(id(module), (None, None))[1]
        arguments: list[tuple[str, Code]] = []
        for name, parameter in inspect.signature(type(module)).parameters.items():
            if name in SKIPPED or parameter.kind is parameter.VAR_KEYWORD:
                continue
            if parameter.kind is parameter.VAR_POSITIONAL:
                values = recorded[name] if recorded else tuple(module.children())
                arguments += self._unpacked(values)
                continue
            value = recorded[name] if recorded else _attribute(module, name, parameter.default)
            if isinstance(value, bool) and isinstance(getattr(module, name, None), bool):
                value = getattr(module, name)  # it may have been switched since
            if parameter.default is parameter.empty:
                arguments.append(("", self._value(value)))
            elif not (value is parameter.default or (is_simple(value) and value == parameter.default)):
                arguments.append((f"{name}=", self._value(value)))
        return arguments

    def _unpacked(self, values: Sequence[Any]) -> list[tuple[str, Code]]:
        if all(isinstance(value, nn.Module) for value in values) and (part := self._slice([("", v) for v in values])):
            return [("*", Code(part))]
        return [("", self._value(value)) for value in values]

    def _value(self, value: Any) -> Code:
        """Return the code of an argument. Raises UnwritableError for what cannot be written."""
        if id(value) in self.names:
            return Code(self.names[id(value)])
        if isinstance(value, nn.Module):
            return self.expression(value)
        if is_simple(value):
            return Code(literal(value))
        if isinstance(value, list | tuple):
            return Call("", [("", self._value(one)) for one in value], "[]")
        if isinstance(value, nn.Parameter):
            return Code(f"nn.Parameter(torch.zeros{tuple(value.shape)})")
        if isinstance(value, Tensor):
            return Code(f"torch.zeros{tuple(value.shape)}")
        raise UnwritableError(f"a layer has an argument of the type {type(value).__name__}")

    def _from_parts(self, module: nn.Module) -> Code:
        """Write the class of a module with a constructor that takes its layers and plain attributes."""
        cls = type(module)
        if cls.__bases__ != (nn.Module,) or any(True for _ in module.buffers(recurse=False)):
            raise UnwritableError(f"the layers of {cls.__name__} cannot be written one by one")
        source = importlib.import_module(cls.__module__)
        names = [name for name, value in vars(cls).items() if inspect.isfunction(value) and name != "__init__"]
        methods = []
        for name in names:
            tree, text, _ = method_source(cls, name)
            self.sources.add_code(text, source)
            methods.append("\n".join("    " + line if line else line for line in text.rstrip().splitlines()))
            del tree
        text = "\n\n".join([f"class {cls.__name__}(nn.Module):\n{FROM_PARTS.rstrip()}", *methods])
        self.sources.add_import("from torch import nn")
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in vars(module).items()}
        parts = {name: value for name, value in values.items() if name[0] != "_" and is_simple(value)}
        parts.pop("training", None)
        others = (name for name in values if name[0] != "_" and name not in {*parts, "training"})
        if unknown := [name for name in others if f"self.{name}" in text]:
            raise UnwritableError(f"{cls.__name__} reads {unknown[0]}, which is not a plain value")
        name = self.sources.add_definition(cls.__name__, text)
        items = [(f"{name}=", Code(literal(value))) for name, value in parts.items()]
        items += [(f"{name}=", self._value(value)) for name, value in module._parameters.items()]
        items += [(f"{name}=", self._value(value)) for name, value in module._modules.items()]
        return Call(name, items)


def with_loops(children: Sequence[Code]) -> list[Code]:
    """Return layers in which a block that is repeated several times is written once."""
    texts, place = [str(child) for child in children], 0
    result: list[Code] = []
    while place < len(children):
        period, count = max(
            ((period, _repetitions(texts, place, period)) for period in range(1, MAX_PERIOD + 1)),
            key=lambda pair: (pair[1] - 1) * pair[0],
        )
        length = sum(map(len, texts[place : place + period]))
        if count > 2 or (count == 2 and length > LONG):
            result.append(Repeated(count, list(children[place : place + period])))
            place += period * count
        else:
            result.append(children[place])
            place += 1
    return result


def _repetitions(texts: Sequence[str], start: int, period: int) -> int:
    block, count = texts[start : start + period], 1
    while len(block) == period and texts[start + count * period : start + (count + 1) * period] == block:
        count += 1
    return count


def _attribute(module: nn.Module, name: str, default: Any) -> Any:
    """Return the argument of a constructor from the attribute of the same name. Raises UnwritableError."""
    is_torch = type(module).__init__.__module__.startswith("torch.nn.")
    if is_torch and not hasattr(module, name):
        return default
    if name == "bias" and is_torch:
        return module.bias is not None
    value = getattr(module, name, UnwritableError)
    if value is UnwritableError:
        raise UnwritableError(f"{type(module).__name__} does not keep its argument {name}")
    if isinstance(value, tuple) and len(set(value)) == 1 and is_torch:
        return value[0]
    return value


def state_of(code: str, name: str, *arguments: Any) -> Mapping[str, Tensor]:
    """Execute code and return the state of the network that the function ``name`` builds in it."""
    namespace: dict[str, Any] = {"__name__": "written"}
    exec(compile(code, "<written>", "exec"), namespace)
    state: Mapping[str, Tensor] = namespace[name](*arguments).state_dict()
    return state


def check_names(code: str, network: nn.Module) -> None:
    """Raise UnwritableError if ``build()`` of some code has other names or shapes of weights than a network."""
    with torch.device("meta"):
        state = state_of(code, "build")
    expected = {name: value.shape for name, value in network.state_dict().items()}
    if {name: value.shape for name, value in state.items()} != expected:
        raise UnwritableError("the names of its weights cannot be kept")
