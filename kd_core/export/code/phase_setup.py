"""Networks, adapters, examples and optimiser of one phase, before its first step."""

from __future__ import annotations

import torch

from kd_core.base.seeds import use_seed
from kd_core.config.plan import (
    ALL,
    LABELLED,
    LOSSES,
    LearnerPlan,
    PhasePlan,
    pairs_of,
)
from kd_core.export.code.data import add_examples
from kd_core.export.code.layout import WIDTH
from kd_core.export.code.networks import Construction, NetworkWriter
from kd_core.export.code.plan import PlanWriter, variable
from kd_core.export.code.rewriting import literal
from kd_core.export.code.source import UnwritableError
from kd_core.methods import Method
from kd_core.nn import hooks
from kd_core.nn.hooks import select_layers
from kd_core.training import optim

OPTIMISERS = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD"}


class PhaseSetup:
    """What comes before the loop in the function of a phase.

    The lines build networks and adapters, record features, choose the examples and create the optimiser.
    """

    def __init__(self, plan: PlanWriter, phase: PhasePlan) -> None:
        self.plan, self.phase, self.sources, self.recipe = plan, phase, plan.sources, phase.recipe
        self.name = f"train_{variable(phase.name)}"
        self.roles = [learner.role for learner in phase.learners]
        self.losses = {learner.role: plan.loss(phase, learner) for learner in phase.learners}
        self.trained = [learner for learner in phase.learners if not learner.average_of]
        self.inputs: dict[str, None] = {}  # variables of networks of earlier phases
        self.needs_step = False
        # Learners that see different examples have batches of their own.
        self.has_pools = any(learner.sees != ALL for learner in phase.learners)
        for learner in phase.learners:
            if learner.maker is not None:
                made = learner.maker.in_words()
                plan.left_out[f"The {learner.role} is trained on {made}, and here on stored examples."] = None

    def _examples(self) -> list[str]:
        name = add_examples(self.phase.view, self.plan.data, self.plan.task, channels_last=self._has_maps)
        return [f"inputs, labels = {name}()"]

    @property
    def _has_maps(self) -> bool:
        return (
            self.plan.channels_last
            and len(self.plan.data.shape) == 3
            and any("channels_last" in body for body in self.plan.builders)
        )

    def _earlier(self, role: str) -> str:
        """Return the variable of a network of an earlier phase, and make it a parameter."""
        name = f"previous_{variable(role)}" if role in self.roles else variable(role)
        self.inputs[name] = None
        return name

    def _networks(self) -> list[str]:
        lines = []
        for learner in self.phase.learners:
            name = variable(learner.role)
            lines.append(f"{name} = {self.plan.builder_of[learner]}({learner.seed})")
            if learner.average_of:
                lines.append(f"{name}.load_state_dict({variable(learner.average_of)}.state_dict())")
                lines.append(f"{name}.eval().requires_grad_(False)  # a moving average of weights")
            if learner.uploaded:
                self.sources.add_import("from safetensors.torch import load_file")
                lines.append(f'{name}.load_state_dict(load_file("{name}.safetensors"))')
                self.plan.left_out[f"It begins with the weights in {name}.safetensors: fill in their path."] = None
            if learner.begins_with:
                lines.append(f"{name}.load_state_dict({self._earlier(learner.begins_with)}.state_dict())")
            lines += self._taken_over(learner, name)
            if learner.is_probe:
                lines.append(f"{name}.eval().requires_grad_(False)  # but for the last layer")
                lines.append(f"{name}.get_submodule({literal(self._last_layer(learner))}).requires_grad_(True)")
            if learner.trunk[0]:
                role, layer = learner.trunk
                lines.append(f"{name}.trunk = {variable(role)}[:{self._end_of(role, layer)}]  # shared layers")
            if self.recipe.ema and learner in self.trained:
                self.sources.add_import("from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn")
                average = f"get_ema_multi_avg_fn({self.recipe.ema})"
                lines.append(f"{name}_average = AveragedModel({name}, multi_avg_fn={average}, use_buffers=True)")
        return lines

    def _last_layer(self, learner: LearnerPlan) -> str:
        network = self.plan.network(learner)
        paths: dict[object, str] = {module: path for path, module in network.named_modules()}
        return paths[hooks.last_linear(network)]

    def _taken_over(self, learner: LearnerPlan, name: str) -> list[str]:
        """Return the lines that copy parts of a trained teacher into the student."""
        method = learner.method
        if method is None or not learner.teachers or learner.teachers[0] in self.roles:
            return []
        if type(method).initialise_student is Method.initialise_student:
            return []
        code = method.initialise_code(pairs_of(learner, self.plan.phases, self.plan.data)[0])
        if not code:
            self.plan.left_out[f"What the student takes over from the teacher ({method.title}) is left out."] = None
            return []
        return [code.format(student=name, teacher=self._earlier(learner.teachers[0]))]

    def _end_of(self, role: str, layer: str) -> int:
        model = next(learner.model for learner in self.phase.learners if learner.role == role)
        with torch.device("meta"):
            trunk, _ = model.split(model.build(self.plan.data.shape, len(self.plan.data.classes)), layer)
        return len(trunk)

    def _setup(self) -> list[str]:
        """Return the lines that build adapters, record features and choose the examples of each network."""
        lines: list[str] = []
        recorded: dict[str, dict[str, str]] = {}  # paths of layers by variable
        for learner in self.phase.learners:
            loss, name = self.losses[learner.role], variable(learner.role)
            if loss is None or learner.method is None:
                continue
            pairs = pairs_of(learner, self.plan.phases, self.plan.data)
            for number in range(len(self._groups(learner)) if "adapters" in loss.inputs else 0):
                lines += self._adapters(learner, pairs[number], self._adapter_name(learner, number))
            matches = learner.method.matches(pairs[0])
            if "student_features" in loss.inputs:
                paths = select_layers(learner.method.feature_layers(pairs[0]), [match.student for match in matches])
                recorded.setdefault(name, {}).update(paths)
            if "teacher_features" in loss.inputs:
                for pair, role in zip(pairs, learner.teachers, strict=False):
                    paths = select_layers(learner.method.teacher_layers(pair), [match.teacher for match in matches])
                    owner = variable(role) if role in self.roles else self._earlier(role)
                    recorded.setdefault(owner, {}).update(paths)
            if "matches" in loss.inputs:
                listed = ", ".join(f"Match({literal(match.student)}, {literal(match.teacher)})" for match in matches)
                lines.append(f"{name}_matches = [{listed}]")
        for owner, paths in recorded.items():
            hook = self.sources.add("add_feature_hook", hooks)
            lines.append(f"{owner}_features: dict[str, Tensor] = {{}}  # of the last forward pass, by layer")
            lines += [
                f"{hook}({owner}, {literal(path)}, {literal(layer)}, {owner}_features)" for layer, path in paths.items()
            ]
        if self.has_pools:
            for learner in self.phase.learners:
                lines += self._pool(learner)
        return lines

    def _groups(self, learner: LearnerPlan) -> list[tuple[str, ...]]:
        """Return the teachers of each criterion."""
        if learner.combine == LOSSES and len(learner.teachers) > 1:
            return [(role,) for role in learner.teachers]
        return [learner.teachers]

    def _adapter_name(self, learner: LearnerPlan, number: int) -> str:
        suffix = f"_{number + 1}" if len(self._groups(learner)) > 1 else ""
        return f"{variable(learner.role)}_adapters{suffix}"

    def _adapters(self, learner: LearnerPlan, pair: object, name: str) -> list[str]:
        method, construction = learner.method, Construction()
        assert method is not None
        labels = self.phase.view.sample(self.plan.data)[1]
        with use_seed(learner.seed, "adaptors"), construction.record():
            adapters = method.adapters(pair, labels)  # type: ignore[arg-type]
        try:
            expression = NetworkWriter(self.sources, construction, {id(labels): "labels.cpu()"}).expression(adapters)
        except UnwritableError as reason:
            self.plan.left_out[f"The adapters of {method.title} must be filled in: {reason}."] = None
            return [f"{name} = nn.ModuleDict()"]
        seed = f'torch.manual_seed(derive_seed({learner.seed}, "adaptors"))'
        return [seed, *expression.lines(f"{name} = ", ".to(DEVICE)", WIDTH - 4)]

    def _pool(self, learner: LearnerPlan) -> list[str]:
        """Return the lines that choose the examples that a network is trained on."""
        name = variable(learner.role)
        chooses = learner.confidence or learner.is_balanced
        if learner.sees == ALL or (learner.sees != LABELLED and not chooses):
            return [f"{name}_rows = torch.arange(len(labels))"]
        if learner.sees == LABELLED:
            has_label = f"({self.plan.task.call('is_labelled', 'labels')})"
            several = ".flatten(1).any(1)" if self.plan.data.train.labels.dim() > 1 else ""
            return [f"{name}_rows = {has_label}{several}.nonzero().flatten()"]
        teacher = self._earlier(learner.teachers[0])
        lines = [
            f"probability, top_class = predict({teacher}, inputs).softmax(1).max(1)",
            f"is_confident = probability >= {learner.confidence}",
        ]
        if learner.is_balanced:
            lines += [
                "classes = top_class[is_confident].unique().tolist()",
                "limit = -(-int(is_confident.sum()) // max(1, len(classes)))  # pseudo-labels of each class",
                "for label in classes:",
                "    members = (is_confident & (top_class == label)).nonzero().flatten()",
                "    is_confident[members[probability[members].argsort(descending=True)][limit:]] = False",
            ]
        return [*lines, f"{name}_rows = ((labels.cpu() >= 0) | is_confident).nonzero().flatten()"]

    def _optimiser(self) -> list[str]:
        owned = [self._parameters(learner) for learner in self.trained]
        parameters = ", ".join(f"*{name}.parameters()" for names in owned for name in names)
        if any(learner.trunk[0] for learner in self.phase.learners):
            line = f"parameters = list(dict.fromkeys([{parameters}]))  # shared ones once"
        else:
            line = f"parameters = [{parameters}]"
        options = [f"lr={self.recipe.learning_rate}"]
        if self.recipe.weight_decay:
            options.append(f"weight_decay={self.recipe.weight_decay}")
        if self.recipe.optimiser == "sgd":
            options.append(f"momentum={optim.MOMENTUM}")
        cls = OPTIMISERS[self.recipe.optimiser]
        if len(owned) == len(owned[0]) == 1:
            return [f"optimiser = torch.optim.{cls}({parameters[1:]}, {', '.join(options)}, fused=True)"]
        return [line, f"optimiser = torch.optim.{cls}(parameters, {', '.join(options)}, fused=True)"]

    def _parameters(self, learner: LearnerPlan) -> list[str]:
        """Return the modules that are trained for a learner."""
        loss = self.losses[learner.role]
        names = [variable(learner.role)]
        if loss is not None and "adapters" in loss.inputs:
            names += [self._adapter_name(learner, number) for number in range(len(self._groups(learner)))]
        return names
