"""Scripts and modules of plain PyTorch, generated from the parts of a run."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from kd_core.base import seeds
from kd_core.base.devices import MULTITHREADING_FLOPS
from kd_core.base.events import Adjusted, Event
from kd_core.base.seeds import use_seed
from kd_core.config.compute import EXACT
from kd_core.config.plan import DerivedPlan, LearnerPlan, build, find_by_role
from kd_core.config.run import RunConfig
from kd_core.datasets import NotAvailableError, load
from kd_core.export.code import data as data_code
from kd_core.export.code.layout import WIDTH
from kd_core.export.code.networks import NetworkWriter, check_names, state_of
from kd_core.export.code.plan import PlanWriter, TaskWriter, variable
from kd_core.export.code.rewriting import indented, literal
from kd_core.export.code.source import Sources, UnwritableError
from kd_core.export.code.training import add_training
from kd_core.models import with_article
from kd_core.nn import composite
from kd_core.schemes import plan_of
from kd_core.training.dry_run import max_forward_flops, prepared_event

LARGEST_CHECKED = 50_000_000  # parameters of a network whose initial weights are compared with those of the run
SECTIONS = ("Random numbers", "Data", "Networks", "Loss", "Training")


def script(config: RunConfig, *, changes: Sequence[str] = ()) -> str:
    """Return a script of plain PyTorch that trains the networks of a run as the engine does.

    It imports nothing of this package. What it leaves out is said in its first lines, and returned by
    :func:`left_out`.

    Args:
        config: The run.
        changes: Sentences on what else happened in the run and is not repeated, such as changes made by hand.
    """
    return Script(config, changes).text()


def notebook(config: RunConfig, *, changes: Sequence[str] = ()) -> bytes:
    """Return :func:`script` as a Jupyter notebook, with a cell for each section."""
    written = Script(config, changes)
    cells = [_cell("markdown", f"# {written.head}", 0), _cell("code", written.imports(), 1)]
    for title, code in written.sections.items():
        cells += [_cell("markdown", f"## {title}", len(cells)), _cell("code", code, len(cells) + 1)]
    body = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(body, ensure_ascii=False, indent=1).encode()


def _cell(kind: str, text: str, number: int) -> dict[str, Any]:
    cell = {
        "id": f"cell-{number}",
        "cell_type": kind,
        "metadata": {},
        "source": text.strip("\n").splitlines(keepends=True),
    }
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def left_out(config: RunConfig) -> list[str]:
    """Return a sentence for each thing in which the script of a run differs from the run."""
    return Script(config).left_out


class Script:
    """The script of one run, section by section.

    Attributes:
        head: What the script does, what it needs and what it leaves out.
        sections: Code by title.
        left_out: A sentence for each thing in which it differs from the run.
    """

    def __init__(self, config: RunConfig, changes: Sequence[str] = ()) -> None:
        self.config, self.phases, self.data = config, plan_of(config), load(config.dataset)
        self.sources = Sources(data_code.PROVIDED)
        self.sections: dict[str, str] = {}
        self._written: set[str] = set()
        plan = PlanWriter(
            self.phases, self.data, self.sources, config.augmentation, channels_last=config.compute.channels_last
        )
        for name in ("derive_seed", "generator"):
            self.sources.add(name, seeds)
        self._end_section("Random numbers")
        self.needs = data_code.add_loading(config.dataset, self.sources)
        if config.augmentation.is_on:
            data_code.add_augmentation(config.augmentation, self.sources)
        self._end_section("Data", "data = load_data()")
        plan.add_networks()
        self._end_section("Networks")
        plan.add_losses()
        self._end_section("Loss")
        calls = add_training(plan)
        self.sources.add_import("from collections import defaultdict")
        self._end_section("Training", before="curves = defaultdict(list)  # loss of every step, by network")
        self.sections["Results"] = self._results(plan, calls)
        self.left_out = [*plan.left_out, *self._other_differences(), *self._differing_weights(plan), *changes]
        self.head = self._head()

    def text(self) -> str:
        """Return the whole script."""
        imports = self.imports()
        parts = [f"{_docstring(self.head)}\n\n{imports}"]
        for title, code in self.sections.items():
            parts.append(f"# -- {title} {'-' * (WIDTH - 7 - len(title))}\n\n{code.strip()}")
        return "\n\n\n".join(parts) + "\n"

    def imports(self) -> str:
        """Return the import lines and the constants."""
        standard, others = sorted_imports(self.sources.imports)
        device = 'DEVICE = "cpu"  # "cuda" for a GPU, where the last digits differ'
        constants = dict.fromkeys([device, *self.sources.constants.values()])  # one line may define several names
        groups = (["from __future__ import annotations"], standard, others, constants, self._threads())
        return "\n\n".join("\n".join(group) for group in groups if group)

    def _threads(self) -> list[str]:
        """Return the statement without which sums are rounded differently from those of the run, if there is one."""
        try:
            networks = prepared_event(self.data, self.phases).networks
        except NotAvailableError:  # one was given from Python, to another process
            return []
        flops = {network.role: float(network.flops) for network in networks}
        if max_forward_flops(self.phases, flops) >= MULTITHREADING_FLOPS:
            return []
        return ["torch.set_num_threads(1)  # as in the run; networks this small are fastest on one thread"]

    def _end_section(self, title: str, *after: str, before: str = "") -> None:
        """Put the definitions since the last section into one of their own."""
        new = [text for name, text in self.sources.definitions.items() if name not in self._written]
        self._written |= set(self.sources.definitions)
        if new:
            self.sections[title] = "\n\n\n".join(part.strip("\n") for part in (before, *new, *after) if part)

    def _results(self, plan: PlanWriter, calls: Sequence[str]) -> str:
        scores = "test_accuracy" if self.data.task.has_class_per_example else "test_scores"
        score = "test_score(network)" if self.data.task.row_score_title else f"{plan.score}(network, data.test)"
        roles = list(dict.fromkeys(network.role for phase in self.phases for network in phase.networks))
        networks = "\n".join(f"    {literal(role)}: {variable(role)}," for role in roles)
        return "\n".join(
            [
                *calls,
                "",
                f"networks = {{\n{networks}\n}}",
                f"{scores} = {{name: {score} for name, network in networks.items()}}",
                f"for name, value in {scores}.items():",
                f'    print(f"{{name}}: {plan.printed("value", "test")}")',
            ]
        )

    def _head(self) -> str:
        config = self.config
        learns = f"{with_article(config.student.label())} learns from {with_article(config.teacher.label())}"
        settings = " ".join(f"{name}={value}" for name, value in config.differences().items())
        lines = [
            f"{config.method.title}, scheme “{config.scheme.title}”, in plain PyTorch.",
            "",
            *textwrap.wrap(
                f"{learns[0].upper()}{learns[1:]} on {config.dataset.title}. {self.needs}",
                WIDTH,
                break_on_hyphens=False,
            ),
            "",
        ]
        if self.left_out:
            lines += ["Its numbers differ from those of the run, since this is left out:"]
            for sentence in self.left_out:
                lines += textwrap.wrap(f"- {sentence}", WIDTH, subsequent_indent="  ")
        else:
            lines += textwrap.wrap(
                "It draws the same random numbers and takes the same steps as the run. Losses and accuracies are the "
                "same up to rounding, which a long training can amplify.", WIDTH,
            )  # fmt: skip
        command = textwrap.wrap(f"distillery train {settings}", WIDTH - 6, break_on_hyphens=False)
        return "\n".join([*lines, "", "The same run with Distillery:", "", *(f"    {line}" for line in command)])

    def _other_differences(self) -> list[str]:
        compute = self.config.compute
        if compute.precision == EXACT:
            return []
        return [f"Networks compute in {compute.precision} in the run, and in {EXACT} here."]

    def _differing_weights(self, plan: PlanWriter) -> list[str]:
        """Return a sentence for each network whose initial weights are others than in the run."""
        sentences, seen = [], set()
        for _, learner in plan.learners:
            name = plan.builder_of[learner]
            if name in seen or not plan.is_written(learner):
                continue
            seen.add(name)
            if learner.model != learner.model.without_pretrained():
                continue  # they would be downloaded
            size = sum(weight.numel() for weight in plan.network(learner).parameters())
            label = with_article(learner.model.label())
            if not learner.model.can_be_stacked:
                sentences.append(f"{label[0].upper()}{label[1:]} begins with weights that are not drawn: load them.")
            elif size > LARGEST_CHECKED:
                sentences.append(f"The initial weights of {label} may be drawn in another order: it was not tried.")
            elif not self._has_same_weights(learner, name):
                sentences.append(f"The initial weights of {label} are drawn in another order.")
        return sentences

    def _has_same_weights(self, learner: LearnerPlan, builder: str) -> bool:
        with use_seed(learner.seed, "weights"):
            expected = build(learner, self.phases, self.data).state_dict()
        code = "\n\n".join(
            [
                self.imports(),
                *(self.sections[title] for title in ("Random numbers", "Networks") if title in self.sections),
            ]
        )
        with use_seed(learner.seed, "weights"):
            state = state_of(code, builder, learner.seed)
        return state.keys() == expected.keys() and all(torch.equal(state[name], expected[name]) for name in expected)


def sentences_on_changes(events: Iterable[Event]) -> list[str]:
    """Return a sentence for each option that was changed by hand in a run, which no script repeats."""
    return [
        f"{event.option} was changed by hand from {event.old:g} to {event.new:g} after step {event.step} of the phase "
        f"“{event.phase}”."
        for event in events
        if isinstance(event, Adjusted)
    ]


def model_code(config: RunConfig, role: str = "student", network: nn.Module | None = None) -> str:
    """Return a module of plain PyTorch whose ``build()`` has the names and shapes of the weights of a network.

    Args:
        config: The run.
        role: The network in it.
        network: The trained network; by default it is built as the run builds it. Networks that are derived from
            others have constants that only the trained one has.

    Raises:
        ValueError: The network cannot be written, because it is a function, a table of logits, or a module without
            source.
    """
    phases, data = plan_of(config), load(config.dataset)
    sources = Sources(data_code.PROVIDED)
    if network is None:
        with torch.device("meta"):
            network = _untrained(config, role)
    try:
        code = NetworkWriter(sources).expression(network)
        if data.task.answer_settings:
            TaskWriter(data.task, sources).function("decoded")
        sources.add_import("from torch import nn")
        if any("torch." in text for text in (str(code), *sources.definitions.values())):
            sources.add_import("import torch")
        lines = code.lines("return ", "", WIDTH - 4)
        learner = find_by_role(phases, role)
        label = learner.model.label() if isinstance(learner, LearnerPlan) else learner.in_words()
        title = f"{label}, the {role} of a run on {config.dataset.title}, in plain PyTorch."
        shape = ", ".join(map(str, data.shape))
        build_text = (
            "def build() -> nn.Module:\n"
            f'    """Build the network: inputs (B, {shape}) to logits (B, {len(data.classes)})."""\n'
            f"{indented(chr(10).join(lines))}"
        )
        standard, others = sorted_imports(sources.imports)
        groups = [["from __future__ import annotations"], standard, others, dict.fromkeys(sources.constants.values())]
        top = "\n\n".join("\n".join(group) for group in groups if group)
        definitions = (definition.strip("\n") for definition in sources.definitions.values())
        module = "\n\n\n".join([f"{_docstring(title)}\n\n{top}", *definitions, build_text]) + "\n"
        check_names(module, network)
    except (UnwritableError, ImportError, AttributeError, TypeError) as error:
        raise ValueError(f"The network of the {role} cannot be written as code: {error}.") from error
    return module


def _untrained(config: RunConfig, role: str) -> nn.Module:
    """Return a network of a run on the present device, with constants of 0 or 1 where training determines them."""
    phases, data = plan_of(config), load(config.dataset)
    planned = find_by_role(phases, role)
    if isinstance(planned, LearnerPlan):
        return build(planned, phases, data)
    assert isinstance(planned, DerivedPlan)
    members = [_untrained(config, source) for source in planned.sources]
    if len(members) == 1:
        return composite.LogitBias(members[0], torch.zeros(len(data.classes)))
    if planned.how in ("average", "mean of logits"):
        return composite.EnsembleAverage(members, planned.weights, of_logits=planned.how != "average")
    return composite.MergedClassifiers(members, [1.0] * len(members), [0.0] * len(members))


def _docstring(text: str) -> str:
    quoted = text.replace("\\", "\\\\").replace('"""', "'''")
    return f'"""{quoted}\n"""' if "\n" in quoted else f'"""{quoted}"""'


def sorted_imports(lines: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return import lines of the standard library and of other packages, one for each module."""
    names: dict[str, list[str]] = {}
    for line in lines:
        module, _, name = line.removeprefix("from ").partition(" import ")
        names.setdefault(module if line.startswith("from ") else line, []).extend([name] if name else [])
    merged = [f"from {key} import {', '.join(sorted(values))}" if values else key for key, values in names.items()]
    merged.sort(key=lambda line: (line.startswith("from "), line))
    standard = [line for line in merged if re.split(r"[ .]", line)[1] in sys.stdlib_module_names]
    return standard, [line for line in merged if line not in standard]
