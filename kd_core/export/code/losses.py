"""Loss of a method as one function of plain PyTorch, made from the source of the method."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from torch import Tensor

from kd_core.export.code.layout import WIDTH
from kd_core.export.code.rewriting import Rewriter, Text, indented, is_simple, self_attribute
from kd_core.export.code.source import Sources, UnwritableError, clean, function_source, method_source
from kd_core.methods import Method, _base
from kd_core.methods._base import LABEL_ERROR

# Inputs of a loss function, in the order of its parameters, with their types.
INPUTS = {
    "student_logits": "Tensor",
    "labels": "Tensor",
    "teacher_logits": "Tensor",
    "is_labelled": "Tensor",
    "mixed_labels": "Tensor",
    "fraction": "float",
    "student_features": "dict[str, Tensor]",
    "teacher_features": "dict[str, Tensor]",
    "matches": "list[Match]",
    "adapters": "nn.ModuleDict",
    "rows": "Tensor",
    "epoch": "int",
    "ramp": "float",
    "seed": "int",
    "student_classifier": "Tensor",
    "teacher_classifier": "Tensor",
}
LABEL_LOSSES = {
    "cross_entropy": '''def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy with the labels in nats, mean over the batch; F.cross_entropy differs by rounding."""
    return F.nll_loss(log_softmax(logits), labels)
''',
    "smoothed_cross_entropy": '''def smoothed_cross_entropy(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Return the cross-entropy with labels of which a fraction is spread evenly over all classes, in nats."""
    log_q = log_softmax(logits)
    losses = F.nll_loss(log_q, labels, reduction="none")
    return ((1 - smoothing) * losses - smoothing * log_q.mean(1)).mean()
''',
    "labelled_cross_entropy": '''def labelled_cross_entropy(
    logits: Tensor, labels: Tensor, is_labelled: Tensor
) -> Tensor:
    """Return the cross-entropy with the labels in nats, mean over the labelled rows of the batch."""
    losses = F.nll_loss(log_softmax(logits), labels, reduction="none")
    return (losses * is_labelled).sum() / is_labelled.sum().clamp(min=1)
''',
    "labelled_smoothed_cross_entropy": '''def labelled_smoothed_cross_entropy(
    logits: Tensor, labels: Tensor, smoothing: float, is_labelled: Tensor
) -> Tensor:
    """Return the cross-entropy with labels of which a fraction is spread evenly, mean over the labelled rows."""
    log_q = log_softmax(logits)
    losses = (1 - smoothing) * F.nll_loss(log_q, labels, reduction="none") - smoothing * log_q.mean(1)
    return (losses * is_labelled).sum() / is_labelled.sum().clamp(min=1)
''',
    "squared_error": '''def squared_error(predictions: Tensor, labels: Tensor) -> Tensor:
    """Return the mean squared difference of predictions (B, D) and labels."""
    return (predictions - labels).square().mean()
''',
    "labelled_squared_error": '''def labelled_squared_error(
    predictions: Tensor, labels: Tensor, is_labelled: Tensor
) -> Tensor:
    """Return the mean squared difference of predictions (B, D) and labels, over the labelled examples."""
    errors = (predictions - labels).square().mean(1)
    return (errors * is_labelled).sum() / is_labelled.sum().clamp(min=1)
''',
}
MATCH = '''class Match(NamedTuple):
    """Pair of layers that are compared."""

    student: str
    teacher: str
'''


@dataclass(frozen=True)
class LossFunction:
    """Name of a loss function in the script, and the inputs that it takes."""

    name: str
    inputs: tuple[str, ...]


class LossWriter(Rewriter):
    """The function of one method.

    Args:
        method: The loss with its options.
        sources: Gets the function and all that it needs.
        lacks_labels: Whether some examples have no label.
        is_mixed: Whether every example is a blend of two.
        is_ramped: Whether the weights of all parts that depend on a teacher are multiplied by a factor.
        has_classes: Whether rows are logits of classes, and no predicted numbers.
    """

    plugin: Method

    def __init__(
        self,
        method: Method,
        sources: Sources,
        *,
        lacks_labels: bool = False,
        is_mixed: bool = False,
        is_ramped: bool = False,
        has_classes: bool = True,
    ) -> None:
        super().__init__(method, sources)
        self.lacks_labels, self.is_mixed, self.is_ramped = lacks_labels, is_mixed, is_ramped
        self.has_classes, self.label_name = has_classes, "CE" if has_classes else LABEL_ERROR
        self.inputs: dict[str, None] = {"student_logits": None}
        self._signals = ""  # name of the parameter that holds the inputs
        self._values: dict[str, Any] = {}  # plain values of local names
        self._lines: list[str] = []

    def write(self, name: str = "distillation_loss") -> LossFunction:
        """Add the function and return how it is called. Raises UnwritableError."""
        parts, text, module = self._body("parts")
        if not isinstance(parts, ast.List):
            raise UnwritableError("its parts are not listed in one place")
        terms = [term for part in parts.elts for term in self._terms(part, text, module)]
        if self.is_ramped:
            terms = [self._ramped(*term) for term in terms]
        taken = {node.id for node in ast.walk(ast.parse("\n".join(self._lines))) if isinstance(node, ast.Name)}
        total = next(one for one in ("loss", "total", "sum_of_parts") if one not in taken)
        lines = [*self._lines, *(_sum(terms, total) or [f"{total} = 0 * student_logits.sum()"]), f"return {total}"]
        names = [one for one in INPUTS if one in self.inputs]
        signature = f"def {name}({', '.join(f'{one}: {INPUTS[one]}' for one in names)}) -> Tensor:"
        if len(signature) > WIDTH:
            parameters = "\n".join(f"    {one}: {INPUTS[one]}," for one in names)
            signature = f"def {name}(\n{parameters}\n) -> Tensor:"
        document = f'"""Return the loss of one batch. {self.plugin.title}, {self.plugin.paper}."""'
        body = _without_unused("\n".join([document, *lines]))
        self.sources.add_import("from torch import Tensor")
        if "adapters" in names:
            self.sources.add_import("from torch import nn")
        if "matches" in names:
            self.sources.add_import("from typing import NamedTuple")
            self.sources.add_definition("Match", MATCH)
        return LossFunction(self.sources.add_definition(name, f"{signature}\n{indented(body)}"), tuple(names))

    def _ramped(self, weight: str, value: str, name: str) -> tuple[str, str, str]:
        if name in self.plugin.teacher_free_parts:
            return weight, value, name
        self._use("ramp")
        return f"ramp * {weight}" if weight else "ramp", value, name

    def label_term(self) -> str:
        """Return the code of the loss with the labels of the batch."""
        self._use("labels")
        name = add_label_loss(self.sources, has_classes=self.has_classes, lacks_labels=self.lacks_labels)
        function, more = f"{name}(student_logits, ", ")"
        if self.lacks_labels:
            self._use("is_labelled")
            more = ", is_labelled)"
        if not self.is_mixed:
            return f"{function}labels{more}"
        self._use("mixed_labels")
        self._use("fraction")
        return f"(fraction * {function}labels{more} + (1 - fraction) * {function}mixed_labels{more})"

    def _use(self, name: str) -> None:
        if name not in INPUTS:
            raise UnwritableError(f"it reads {name}")
        self.inputs[name] = None

    def _body(self, method: str) -> tuple[ast.expr, Text, ModuleType]:
        """Write the statements of a method that takes the inputs, and return the expression that it returns."""
        tree, source, module = method_source(type(self.plugin), method)
        text, self._signals = Text(source), tree.args.args[1].arg
        *statements, last = tree.body
        if not isinstance(last, ast.Return) or last.value is None:
            raise UnwritableError(f"{method} has more than one end")
        for statement in statements:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                continue  # the docstring
            if isinstance(statement, ast.Assert):
                continue
            if any(isinstance(node, ast.Return) for node in ast.walk(statement)):
                raise UnwritableError(f"{method} has more than one end")
            self._note_value(statement, module)
            code = self.render(statement, text, module)
            margin = " " * statement.col_offset
            lines = [line.removeprefix(margin) for line in code.splitlines()]
            self._lines += [_joined("\n".join(lines))] if isinstance(statement, ast.Assign) else lines
        return last.value, text, module

    def _note_value(self, statement: ast.stmt, module: ModuleType) -> None:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            value = self._value(statement.value, module)
            if is_simple(value) and value is not None:
                self._values[statement.targets[0].id] = value

    def _value(self, node: ast.expr, module: ModuleType) -> Any:
        """Return the value of an expression that depends on the options alone; None for any other."""
        code = compile(ast.fix_missing_locations(ast.Expression(node)), "<option>", "eval")
        try:
            return eval(code, vars(module), {"self": self.plugin, **self._values})
        except Exception:  # it depends on the inputs
            return None

    def _terms(self, node: ast.expr, text: Text, module: ModuleType) -> list[tuple[str, str, str]]:
        """Return weight, value and name of the parts of the loss that an element of the list stands for."""
        if isinstance(node, ast.Starred) and isinstance(node.value, ast.Call):
            if self_attribute(node.value.func) == "common_parts":
                return self._common_terms()
        elif isinstance(node, ast.Call) and self._is_signal(node.func, "label_part"):
            return self._term(node.args[0], self.label_term(), self.label_name, text, module)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "LossPart":
            name, weight, value = node.args
            if self._value(weight, module) == 0:
                return []
            return self._term(weight, self.render(value, text, module), self._value(name, module), text, module)
        raise UnwritableError("a part of it is not written as a LossPart")

    def _term(
        self, weight: ast.expr, value: str, name: Any, text: Text, module: ModuleType
    ) -> list[tuple[str, str, str]]:
        number = self._value(weight, module)
        if number == 0:
            return []
        code = self.render(weight, text, module)
        return [("" if number == 1 else as_factor(code), as_factor(value), name or "")]

    def _common_terms(self) -> list[tuple[str, str, str]]:
        """Return the terms of the labels and of the soft targets beside the method's own."""
        _, source, module = method_source(type(self.plugin), "common_parts")
        del source
        terms = []
        for option, weight in (
            ("label_weight", self.plugin.weights.labels),
            ("soft_weight", self.plugin.weights.soft_targets),
        ):
            if not weight:
                continue
            factor = "" if weight == 1 else self.constant(option)
            if option == "label_weight":
                terms.append((factor, self.label_term(), self.label_name))
            else:
                self._use("teacher_logits")
                name = self.sources.add("soft_targets", module)
                value = f"{name}(student_logits, teacher_logits, {self.constant('temperature')})"
                terms.append((factor, value, "T²·KL"))
        return terms

    def _is_signal(self, node: ast.AST, attribute: str = "") -> str:
        """Return the name of an input; empty for any other node."""
        is_signal = (
            isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == self._signals
        )
        name: str = node.attr if is_signal else ""  # type: ignore[attr-defined]
        return name if not attribute or name == attribute else ""

    def replacement(self, node: ast.AST, text: Text, module: ModuleType) -> str | None:
        if isinstance(node, ast.Call):
            if self._is_signal(node.func, "warm_up_factor"):
                return self._warm_up(node, text, module)
            arguments = [one.id for one in node.args if isinstance(one, ast.Name)]
            if (method := self_attribute(node.func)) and arguments == [self._signals] and len(node.args) == 1:
                return self._inlined(method)
        if name := self._is_signal(node):
            self._use(name)
            return name
        if isinstance(node, ast.Name) and node.id == self._signals:
            raise UnwritableError("it passes all of its inputs on")
        return super().replacement(node, text, module)

    def _inlined(self, method: str) -> str:
        if (function := getattr(type(self.plugin), "function", None)) is not None and method == "distillation_loss":
            return self._given(function)
        before = self._signals
        value, text, module = self._body(method)
        code = self.render(value, text, module)
        self._signals = before
        return as_factor(code)

    def _given(self, function: Callable[..., Tensor]) -> str:
        """Add a function that was given from Python, and return its call."""
        name, text, module = function_source(function)
        name = self.sources.add_definition(name, clean(self.sources.add_code(text, module)))
        arguments = []
        for one in getattr(self.plugin, "inputs", ()):
            self._use(one)
            arguments.append(f"{one}={one}")
        arguments += [f"{one}={self.constant(one)}" for one in getattr(self.plugin, "passed", ())]
        return f"{name}({', '.join(arguments)})"

    def _warm_up(self, node: ast.Call, text: Text, module: ModuleType) -> str:
        epochs = self._value(node.args[0], module)
        if not epochs:
            return "1.0"
        self._use("epoch")
        return f"min((epoch + 1) / {self.render(node.args[0], text, module)}, 1.0)"


def as_factor(code: str) -> str:
    """Return an expression in parentheses, unless a product with it means the same without."""
    node = ast.parse(code, mode="eval").body
    is_product = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Pow)
    is_atom = isinstance(node, ast.Call | ast.Name | ast.Attribute | ast.Subscript | ast.Constant)
    return code if is_product or is_atom else f"({code})"


def _sum(terms: Sequence[tuple[str, str, str]], total: str) -> list[str]:
    """Return lines that add up the terms one by one, each with its name."""
    lines = []
    for number, (weight, value, name) in enumerate(terms):
        product = f"{weight} * {value}" if weight else value
        before = f"{total} = {total} + " if number else f"{total} = "
        line = f"{before}{product}"
        comment = f"  # {name}" if name else ""
        lines += [line + comment] if len(line + comment) <= WIDTH else [comment.strip(), line]
    return lines


def _joined(code: str) -> str:
    """Return a statement over several lines as one line, if that is short enough."""
    line = re.sub(r",? *\n *([)\]}])", r"\1", code)
    line = re.sub(r"([(\[{])\s*\n *", r"\1", line)
    line = re.sub(r"\s*\n *", " ", line)
    is_same = ast.dump(ast.parse(line)) == ast.dump(ast.parse(code))
    return line if is_same and len(line) <= WIDTH - 4 and "#" not in code else code


def add_label_loss(
    sources: Sources, *, has_classes: bool = True, lacks_labels: bool = False, smoothing: bool = False
) -> str:
    """Add a form of the loss with the labels, with the operations of the engine, and return its name."""
    name = "cross_entropy" if has_classes else "squared_error"
    name = f"{'labelled_' * lacks_labels}{'smoothed_' * smoothing}{name}"
    sources.add_import("from torch import Tensor")
    if has_classes:
        sources.add_import("from torch.nn import functional as F")
        sources.add("log_softmax", _base)
    sources.definitions[name] = LABEL_LOSSES[name]
    return name


def _without_unused(body: str) -> str:
    """Return code without assignments to names that are never read."""
    while True:
        tree = ast.parse(body)
        reads = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        unused = [
            statement
            for statement in tree.body
            if isinstance(statement, ast.Assign)
            and isinstance(statement.targets[0], ast.Name)
            and statement.targets[0].id not in reads
        ]
        if not unused:
            return body
        lines = body.splitlines()
        del lines[unused[0].lineno - 1 : unused[0].end_lineno]
        body = "\n".join(lines)
