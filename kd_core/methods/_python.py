"""Losses given from Python, as functions of the outputs of student and teacher."""

from __future__ import annotations

import copy
import functools
import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from kd_core.base.discovery import PluginError
from kd_core.base.options import Option, boolean, integer, number, option_field, options_of, text
from kd_core.base.paths import NotAvailableError
from kd_core.base.registry import check_options, register, registered
from kd_core.base.seeds import use_seed
from kd_core.files import descriptions
from kd_core.methods._base import LossInputs
from kd_core.methods._weighted import WeightedMethod, weight_option
from kd_core.models import with_article
from kd_core.nn.hooks import LOGITS
from kd_core.nn.pairs import Match, Pair

INPUTS = {field.name for field in fields(LossInputs)}
SHARED = ("labels", "rows", "teacher_logits", "teacher_features")  # inputs that are read again after the loss
CHECKED = 4  # examples of the trial of a loss
LARGEST = 1e6  # of an option that is a number


@dataclass(frozen=True)
class PythonLoss(WeightedMethod):
    """Base of the classes of given losses. One class is one function, and its fields are the function's options."""

    summary: ClassVar[str] = "A loss function given to the Python interface."
    family: ClassVar[str] = "response"
    paper: ClassVar[str] = "given from Python"
    requires: ClassVar[str] = "what its function reads"
    function: ClassVar[Callable[..., Tensor] | None] = None  # None where it was given to another process
    inputs: ClassVar[tuple[str, ...]] = ()  # the attributes of LossInputs that the function reads
    passed: ClassVar[tuple[str, ...]] = ()  # the options that it reads
    layers: ClassVar[tuple[tuple[str, str], ...]] = ()  # of student and teacher, whose features it reads

    def __call__(self, *arguments: Any, **more: Any) -> Tensor:
        """Compute the function."""
        return self._function()(*arguments, **more)

    def matches(self, pair: Pair) -> tuple[Match, ...]:
        return tuple(Match(*names) for names in self.layers) or super().matches(pair)

    def unsupported_reason(self, pair: Pair) -> str:
        if reason := pair.unknown_layer(self.matches(pair)):
            return reason
        return _trial(self, pair) if type(self).function is not None else ""

    def distillation_loss(self, signals: LossInputs) -> Tensor:
        value = self.compute(signals)
        if reason := _wrong_result(value):
            raise ValueError(f"loss = {self.title}: it {reason}.")
        return value

    def compute(self, signals: LossInputs) -> Tensor:
        """Return what the function returns, whether or not that is a loss."""
        values = {name: getattr(signals, name) for name in self.inputs}
        return self._function()(**values, **{name: getattr(self, name) for name in self.passed})

    def _function(self) -> Callable[..., Tensor]:
        function = type(self).function
        if function is None:
            raise NotAvailableError(
                f"The loss {self.title} was given from Python, and is not at hand here: pass it again, in Python."
            )
        return function


def loss(function: Callable[..., Tensor] | None = None, /, **settings: Any) -> Any:
    """Make a loss of a function, which then is a value for ``loss=``. For use as a decorator.

        @kd.loss(weight=2.0)
        def cosine(student_logits, teacher_logits, margin=0.0):
            return (1 - margin - torch.cosine_similarity(student_logits, teacher_logits)).clamp(min=0).mean()

    The training loss is ``label_weight`` · CE + ``soft_weight`` · T² KL + ``weight`` · the function. The function gets
    what its arguments are called after: the attributes of :class:`~kd_core.methods.LossInputs`, such as
    ``student_logits`` (B, K), ``teacher_logits`` (B, K), ``labels`` (B,), ``student_features`` and
    ``teacher_features`` (tensors by layer). Its other arguments need defaults and are options of the loss:
    ``cosine.with_values(margin=0.1)``, or ``kd.sweep(loss=cosine, margin=[0, 0.1])``. It can still be called.

    Args:
        function: the function.
        settings: ``layers``, pairs of names of layers of student and teacher, as (("layer2", "layer3"),); other
            defaults of ``label_weight`` (1), ``soft_weight`` (0), ``temperature`` (4) and ``weight`` (1).

    Raises:
        ValueError: for an argument without a default that is no input of a loss, and a default that is no option.
    """
    if function is None:
        return functools.partial(_make, settings=settings)
    return _make(function, settings)


def _make(function: Callable[..., Tensor], settings: Mapping[str, Any]) -> PythonLoss:
    title = getattr(function, "__name__", type(function).__name__)
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        raise ValueError(
            f"loss: {function!r:.60} is no function whose arguments can be read; write one in Python."
        ) from None
    values = dict(settings)
    layers = _layers(values.pop("layers", ()))
    shared = options_of(WeightedMethod)
    if unknown := sorted(set(values) - set(shared)):
        raise ValueError(f"{unknown[0]}: kd.loss has no such setting; it has layers, {', '.join(shared)}.")
    inputs, options = [], {name: option_field(value, shared[name]) for name, value in values.items()}
    options |= {} if "weight" in options else {"weight": weight_option(1.0, title)}
    passed = []
    for name, parameter in parameters.items():
        if name in INPUTS:
            inputs.append(name)
        elif parameter.default is parameter.empty:
            names = ", ".join(sorted(INPUTS))
            raise ValueError(f"{name}: the loss {title} needs it, and it is no input of a loss: {names}.")
        else:
            passed.append(name)
            options[name] = _option(title, name, parameter.default, shared)
    declared = [(name, asdict(field.metadata["option"]), field.default) for name, field in options.items()]
    key = descriptions.make_key(title, repr((_code(function), layers, declared)))
    cls = registered("methods", key)
    if cls is None or cls.function is None:  # type: ignore[attr-defined]
        cls = _loss_class(title, options, function, inputs, passed, layers)
        try:
            check_options("methods", cls)
        except PluginError as error:
            raise ValueError(f"{title}: {error}") from error
        register("methods", key, cls)
    method = cls()
    assert isinstance(method, PythonLoss)
    return method


def _layers(layers: Any) -> tuple[tuple[str, str], ...]:
    """Return pairs of names of layers. Raises ValueError."""
    try:
        if isinstance(layers, str) or any(isinstance(names, str) for names in layers):
            raise TypeError
        return tuple((str(student), str(teacher)) for student, teacher in layers)
    except (TypeError, ValueError):
        raise ValueError(
            f"layers = {layers!r}: it must be a list of pairs, of a layer of the student and one of the teacher, "
            'such as [("0", "2")].'
        ) from None


def store(method: PythonLoss, folder: Path) -> None:
    """Store what a data folder must know to show runs with the loss. Raises OSError."""
    if type(method).function is not None:
        options = {
            name: [asdict(option), type(method).__dataclass_fields__[name].default]
            for name, option in options_of(type(method)).items()
        }
        values = {"title": method.title, "options": options, "inputs": list(method.inputs), "layers": method.layers}
        descriptions.write(folder, method.name, values, {})


def described(key: str) -> type[PythonLoss] | None:
    """Return the class of a loss that was given to another process; None if no data folder describes it."""
    state = descriptions.read(key)
    if state is None:
        return None
    values, options = state.values, {}
    for name, (body, default) in state.values["options"].items():
        tuples: dict[str, Any] = {part: tuple(value) for part, value in body.items() if isinstance(value, list)}
        options[name] = option_field(default, Option(**body | tuples))
    layers = tuple((student, teacher) for student, teacher in values["layers"])
    return _loss_class(values["title"], options, None, values["inputs"], (), layers)


def alias(method: PythonLoss, key: str) -> None:
    """Give the loss another key, that of the loss with which a stored run was trained."""
    register("methods", key, type(method))


def _loss_class(  # noqa: PLR0917
    title: str,
    options: Mapping[str, Any],
    function: Callable[..., Tensor] | None,
    inputs: Any,
    passed: Any,
    layers: tuple[tuple[str, str], ...],
) -> type[PythonLoss]:
    has_teacher = any(name.startswith("teacher") for name in inputs)
    kinds = {"switch": "bool", "whole": "int", "text": "str"}
    body = {
        "__doc__": "Given loss.",
        "__module__": __name__,
        "__annotations__": {name: kinds.get(one.metadata["option"].kind, "float") for name, one in options.items()},
        "title": title,
        "formula": rf"\lambda\,\mathrm{{CE}} + w\,\text{{{title}}}",
        "part_name": title,
        "teacher_free_parts": ("CE",) if has_teacher else ("CE", title),
        "family": "feature" if layers else "response",
        "function": None if function is None else staticmethod(function),
        "inputs": tuple(inputs),
        "passed": tuple(passed),
        "layers": layers,
        **options,
    }
    return dataclass(frozen=True)(type("PythonLoss", (PythonLoss,), body))


def _option(title: str, name: str, default: Any, shared: Mapping[str, Option]) -> Any:
    """Declare an argument of the function as an option. Raises ValueError for a default of another type."""
    if name in shared:
        return option_field(default, shared[name])
    help_text = f"Option {name} of the loss {title}."
    if isinstance(default, bool):
        return boolean(default, help_text)
    if isinstance(default, int):
        return integer(default, -int(LARGEST), int(LARGEST), help_text)
    if isinstance(default, float):
        return number(default, -LARGEST, LARGEST, help_text, step=0.1, live=True)
    if isinstance(default, str):
        return text(default, 200, help_text)
    raise ValueError(f"{name}: its default in {title} is a {type(default).__name__}; give a number, a text or a bool.")


def _code(function: Callable[..., Any]) -> str:
    """Return a text that depends on what a function computes, as far as its code and its closure tell."""
    code = getattr(function, "__code__", None)
    if code is None:
        return type(function).__qualname__
    cells = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    values = [repr(value) if isinstance(value, int | float | str | tuple) else type(value).__name__ for value in cells]
    return repr((_instructions(code), values))


def _instructions(code: types.CodeType) -> Any:
    constants = []
    for one in code.co_consts:
        members = sorted(map(repr, one)) if isinstance(one, frozenset) else repr(one)  # sets have no order
        constants.append(_instructions(one) if isinstance(one, types.CodeType) else members)
    return code.co_code, code.co_names, code.co_varnames, constants


def _wrong_result(value: Any) -> str:
    """Return what is wrong with the result of a loss, as the end of a sentence; empty if it is one number."""
    if not isinstance(value, Tensor):
        kind = with_article(type(value).__name__)
        return f"returns {kind}: it must return a tensor computed from the student’s outputs"
    if value.dim():
        return f"returns a tensor of shape {tuple(value.shape)}: it must return one number, such as its mean"
    return ""


def _flat(value: Tensor | Mapping[str, Tensor]) -> Tensor:
    """Return a tensor, or several by layer, as one vector."""
    tensors = [value] if isinstance(value, Tensor) else list(value.values())
    return torch.cat([torch.empty(0), *(tensor.flatten() for tensor in tensors)])


@functools.lru_cache(maxsize=256)
def _trial(method: PythonLoss, pair: Pair) -> str:
    """Compute the loss of random outputs, and return what is wrong with it, as the end of a sentence."""
    with use_seed(0, "trial"), torch.enable_grad():
        student = torch.randn(CHECKED, pair.classes, requires_grad=True)
        features = [
            {name: torch.randn(CHECKED, *shapes[name], requires_grad=True) for name in names if name != LOGITS}
            for shapes, names in (
                (pair.student_shapes, [match.student for match in method.matches(pair)]),
                (pair.teacher_shapes, [match.teacher for match in method.matches(pair)]),
            )
        ]
        teacher_features = {name: value.detach() for name, value in features[1].items()}
        signals = LossInputs(
            student, torch.arange(CHECKED) % pair.classes, torch.randn(CHECKED, pair.classes), 0, features[0],
            teacher_features, method.matches(pair), rows=torch.arange(CHECKED),
        )  # fmt: skip
        try:
            before = {name: copy.deepcopy(getattr(signals, name)) for name in SHARED if name in method.inputs}
            value = method.compute(signals)
            if reason := _wrong_result(value):
                return reason
            for name, tensors in before.items():
                if not torch.equal(_flat(tensors), _flat(getattr(signals, name))):
                    return f"changes {name} in place, which other losses and later epochs read: let it copy them"
            if not value.isfinite():
                return f"returns {value.item()} for random outputs: it must return a finite number"
            leaves = [student, *features[0].values()]
            gradients = torch.autograd.grad(value, leaves, allow_unused=True) if value.requires_grad else ()
        except Exception as error:
            message = " ".join(str(error).split())[:200]
            return f"cannot be computed ({type(error).__name__}: {message})"
    if all(gradient is None for gradient in gradients):
        return "gives no gradient: it must depend on the outputs of the student by operations of torch"
    return ""
