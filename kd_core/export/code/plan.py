"""Networks and losses of a plan as functions of plain PyTorch."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Sequence
from types import ModuleType

import torch
from torch import nn

from kd_core.config.augmentation import Augmentation
from kd_core.config.plan import (
    LearnerPlan,
    PhasePlan,
    build,
)
from kd_core.datasets import Data, NotAvailableError
from kd_core.export.code.layout import WIDTH, Code
from kd_core.export.code.losses import LossFunction, LossWriter, add_label_loss
from kd_core.export.code.networks import Construction, NetworkWriter
from kd_core.export.code.rewriting import Rewriter, Text, indented
from kd_core.export.code.source import Sources, UnwritableError, method_source
from kd_core.methods import Method
from kd_core.tasks import Task

NAMES = {"rows": "logit_rows", "score": "row_score"}  # of methods whose names mean something else in a script


def variable(role: str) -> str:
    """Return the name of a variable for a role, such as "teacher 1"."""
    return re.sub(r"\W+", "_", role.lower()).strip("_")


class TaskWriter(Rewriter):
    """What a task says of rows, labels and scores, as code."""

    def __init__(self, task: Task, sources: Sources) -> None:
        super().__init__(task, sources)
        self._arguments: dict[str, str] = {}  # code by parameter

    def function(self, method: str, name: str = "") -> str:
        arguments, self._arguments = self._arguments, {}  # names of a function are its own
        name = super().function(method, name or NAMES.get(method, method))
        self._arguments = arguments
        return name

    def call(self, method: str, *arguments: str) -> str:
        """Return the code of a method with these arguments, a single expression in the place of a call.

        Raises UnwritableError.
        """
        tree, source, module = method_source(type(self.plugin), method)
        statements = [one for one in tree.body if not isinstance(one, ast.Expr)]  # without the docstring
        last = statements[-1]
        named = dict(zip((one.arg for one in tree.args.args[1:]), arguments, strict=True))
        reads = [node.id for node in ast.walk(last) if isinstance(node, ast.Name)]
        is_short = all(code.isidentifier() or reads.count(name) <= 1 for name, code in named.items())
        if len(statements) > 1 or not is_short or not isinstance(last, ast.Return) or last.value is None:
            return f"{self.function(method)}({', '.join(arguments)})"
        before, self._arguments = self._arguments, named
        code = self.render(last.value, Text(source), module)
        self._arguments = before
        return code

    def replacement(self, node: ast.AST, text: Text, module: ModuleType) -> str | None:
        if isinstance(node, ast.Name) and node.id in self._arguments:
            return self._arguments[node.id]
        return super().replacement(node, text, module)


class PlanWriter:
    """Functions that build the networks of a plan and compute their losses.

    Args:
        phases: The plan of the run.
        data: The three splits.
        sources: Gets the functions and what they need.
        augmentation: Changes of the inputs.
        channels_last: Whether images and convolutions have the channels last in memory.
    """

    def __init__(
        self,
        phases: Sequence[PhasePlan],
        data: Data,
        sources: Sources,
        augmentation: Augmentation,
        *,
        channels_last: bool,
    ) -> None:
        self.phases, self.data, self.sources = phases, data, sources
        self.task = TaskWriter(data.task, sources)
        self.augmentation, self.channels_last = augmentation, channels_last
        self.left_out: dict[str, None] = {}  # sentences
        self.learners = [(phase, learner) for phase in phases for learner in phase.learners]
        self.builders: dict[str, str] = {}  # names of functions, by their text without the name
        self.builder_of: dict[LearnerPlan, str] = {}
        self._losses: dict[object, LossFunction | None] = {}
        self.has_subsets = any(learner.classes for _, learner in self.learners)
        self.score = "accuracy" if data.task.has_class_per_example else "evaluate"  # function of network and split
        # Pixels of a mask may have no label.
        self.has_gaps = not all(
            bool(data.task.is_labelled(data.task.row_labels(split.labels)).all()) for split in data.splits.values()
        )

    # -- networks ----------------------------------------------------------------------------------------------------

    def add_networks(self) -> None:
        """Add one function for each kind of network."""
        bodies = {learner: self._builder(learner) for _, learner in self.learners}
        kinds: dict[str, set[str]] = {}
        for learner, body in bodies.items():
            kinds.setdefault(body, set()).add("teacher" if (learner.kind or learner.role) == "teacher" else "student")
        self.sources.add_import("from torch import nn")
        for learner, body in bodies.items():
            if body not in self.builders:
                role = variable(learner.role)
                name = "network" if len(kinds[body]) > 1 else role if role != "baseline" else "student"
                text = f"def build_{name}(seed: int) -> nn.Module:\n{indented(body)}\n"
                self.builders[body] = self.sources.add_definition(f"build_{name}", text)
            self.builder_of[learner] = self.builders[body]

    def _builder(self, learner: LearnerPlan) -> str:
        """Return the body of the function that builds a network from a seed."""
        construction, label = Construction(), learner.model.label()
        try:
            with construction.record():
                network = self.network(learner)
            lines, expression = NetworkWriter(self.sources, construction).statements(network)
        except (UnwritableError, NotAvailableError) as reason:
            self.left_out[f"The network {label} must be filled in: {str(reason).rstrip('.')}."] = None
            return f'"""Build {label}."""\nraise NotImplementedError("Build the network here.")'
        parameters = sum(parameter.numel() for parameter in network.parameters())
        document = f'"""Build {label}: {parameters:,} parameters."""'
        has_maps = any(parameter.dim() == 4 for parameter in network.parameters())
        layout = ", memory_format=torch.channels_last" if self.channels_last and has_maps else ""
        lines = ['torch.manual_seed(derive_seed(seed, "weights"))', *lines]
        if source := self._initial_weights(learner):
            tensors = "zip(network.state_dict().values(), source.state_dict().values(), strict=True)"
            copied = [f"for target, value in {tensors}:", "    target.copy_(value)"]
            lines = [lines[0], source, *lines[1:], *expression.assigned("network", WIDTH - 4), *copied]
            expression = Code("network")
        return "\n".join([document, *lines, *expression.lines("return ", f".to(DEVICE{layout})", WIDTH - 4)])

    def is_written(self, learner: LearnerPlan) -> bool:
        """Return whether the function that builds a network is not to be filled in."""
        return "NotImplementedError" not in self.sources.definitions[self.builder_of[learner]]

    def network(self, learner: LearnerPlan) -> nn.Module:
        """Build a network without memory for its weights. Raises NotAvailableError for what another process has."""
        with torch.device("meta"):
            return build(learner, self.phases, self.data)

    def _initial_weights(self, learner: LearnerPlan) -> str:
        """Return lines that build a network with the initial weights of a learner; empty if it is drawn as written."""
        is_whole = learner.method is None or not learner.method.changes_student
        if not is_whole or learner.trunk[0]:
            return ""
        classes = len(learner.classes or self.data.classes)
        lines = learner.model.initial_weights_code(self.data.shape, classes)
        return self.sources.add_code(lines, sys.modules[type(learner.model).__module__])

    def printed(self, value: str, split: str) -> str:
        """Return what a script prints of a score, inside of a formatted text."""
        if self.data.task.has_class_per_example:
            return f"{{{value}:.{1 if split == 'validation' else 2}%}} of the {split} set"
        title = self.data.task.validation_score_title if split == "validation" else self.data.task.score_title
        return f"{title} {{{value}:.4f}} ({split})"

    # -- losses ------------------------------------------------------------------------------------------------------

    def add_losses(self) -> None:
        """Add one function for each loss."""
        for phase, learner in self.learners:
            if self.loss(phase, learner) is None:
                self.label_loss(phase)

    def label_loss(self, phase: PhasePlan) -> str:
        """Add the loss of a learner without a teacher, and return the name of its function."""
        return add_label_loss(
            self.sources, has_classes=self.data.task.has_class_rows, lacks_labels=self.has_gaps,
            smoothing=bool(phase.recipe.smoothing),
        )  # fmt: skip

    def loss(self, phase: PhasePlan, learner: LearnerPlan) -> LossFunction | None:
        """Return the loss function of a learner; None for one that learns from the labels alone."""
        method = learner.method
        if method is None or not learner.teachers:
            return None
        lacks_labels = self.lacks_labels(phase)
        key = (method, lacks_labels, bool(learner.ramp_up))
        if key not in self._losses:
            name = "distillation_loss" if not learner.is_fixed else f"{variable(learner.role)}_loss_function"
            trial = Sources(self.sources.provided, self.sources.packages)
            options = {
                "lacks_labels": lacks_labels,
                "is_mixed": bool(self.augmentation.mixup),
                "is_ramped": bool(learner.ramp_up),
                "has_classes": self.data.task.has_class_rows,
            }
            try:
                LossWriter(method, trial, **options).write(name)
            except UnwritableError as reason:
                self._losses[key] = self._missing_loss(method, name, str(reason))
            else:
                self._losses[key] = LossWriter(method, self.sources, **options).write(name)
        return self._losses[key]

    def _missing_loss(self, method: Method, name: str, reason: str) -> LossFunction:
        self.left_out[f"The loss {method.title} must be filled in: {reason}."] = None
        text = (
            f"def {name}(student_logits: Tensor, labels: Tensor, teacher_logits: Tensor) -> Tensor:\n"
            f'    """Return the loss of one batch. {method.title}."""\n'
            '    raise NotImplementedError("Write the loss here.")\n'
        )
        return LossFunction(self.sources.add_definition(name, text), ("student_logits", "labels", "teacher_logits"))

    def lacks_labels(self, phase: PhasePlan) -> bool:
        return phase.view.is_blind or phase.view.with_rest or self.has_gaps
