"""Functions that train the networks of one phase, with its batches, losses, updates and evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from kd_core.config.plan import (
    LOGITS,
    LearnerPlan,
    epochs_per_evaluation,
    steps_per_epoch,
)
from kd_core.config.recipe import BEST, CONSTANT, COSINE, ONE_CYCLE, STEPS, BaseRecipe
from kd_core.export.code.layout import WIDTH
from kd_core.export.code.phase_setup import PhaseSetup
from kd_core.export.code.plan import variable
from kd_core.export.code.rewriting import indented, literal
from kd_core.export.code.source import Sources
from kd_core.nn import composite, hooks
from kd_core.tasks import Task
from kd_core.training import optim
from kd_core.training.vectorized.replicas import random_layer

ARGUMENTS = {  # of the call of a loss function, by input, without those that depend on the teachers
    "student_logits": "{v}_logits",
    "is_labelled": "is_labelled",
    "fraction": "fraction",
    "student_features": "{v}_features",
    "matches": "{v}_matches",
    "epoch": "epoch",
}


class PhaseWriter(PhaseSetup):
    """The function that trains the networks of one phase."""

    def write(self) -> tuple[str, str]:
        """Return the function and the statement that calls it."""
        before, setup = self._networks(), self._setup()
        optimiser, step = self._optimiser(), self._step()
        epoch = self._epoch_end()
        loop = self._loop(step, epoch)
        returned = [self._evaluated(role) for role in self.roles]
        ends = self._ends(returned)
        examples = self._examples()
        body = [*examples, *before, *setup, *optimiser, *loop, *ends]
        parameters = ", ".join(f"{name}: nn.Module" for name in self.inputs)
        result = "nn.Module" if len(returned) == 1 else f"tuple[{', '.join(['nn.Module'] * len(returned))}]"
        networks = " and ".join(filter(None, [", ".join(self.roles[:-1]), self.roles[-1]]))
        side = " side by side on the same batches" if len(self.roles) > 1 and not self.has_pools else ""
        document = f'"""Train {"the " if len(self.roles) == 1 else ""}{networks}{side}."""'
        text = f"def {self.name}({parameters}) -> {result}:\n" + indented("\n".join([document, *body])) + "\n"
        arguments = ", ".join(name.removeprefix("previous_") for name in self.inputs)
        targets = ", ".join(map(variable, self.roles))
        return text, f"{targets} = {self.name}({arguments})"

    # -- the loop ----------------------------------------------------------------------------------------------------

    def _loop(self, step: list[str], epoch_end: list[str]) -> list[str]:
        size, seed = self.recipe.batch_size, self.phase.order_seed
        lines = ["step = 0"] if self.needs_step else []
        if self.recipe.patience or self.recipe.keep == BEST:
            best = ", ".join(f"{literal(role)}: (-1.0, 0, {{}})" for role in self.roles)
            lines.append(f"best = {{{best}}}  # validation accuracy, epoch and weights")
        lines.append(f"for epoch in range({self.recipe.epochs}):")
        inner: list[str] = []
        if self.has_pools:
            batches = []
            for learner in self.phase.learners:
                name = variable(learner.role)
                inner += [
                    f'order = torch.randperm(len({name}_rows), generator=generator({seed}, "order", epoch))',
                    f"order = order.repeat(-(-len(labels) // len({name}_rows)))[: len(labels)]  # equally many steps",
                    f"{name}_batches = split_batches({name}_rows[order], {size})",
                ]
                batches.append(f"{name}_batches")
            targets = ", ".join(f"{variable(role)}_batch" for role in self.roles)
            inner.append(f"for {targets} in zip({', '.join(batches)}, strict=True):")
            if len(self.roles) == 1:
                inner[-1] = f"for {targets} in {batches[0]}:"
        else:
            inner += [
                f'order = torch.randperm(len(labels), generator=generator({seed}, "order", epoch))',
                f"for rows in split_batches(order, {size}):",
            ]
        inner += [f"    {line}" if line else "" for line in step]
        if self.needs_step:
            inner.append("    step += 1")
        return [*lines, *(f"    {line}" if line else "" for line in [*inner, *epoch_end])]

    def _batch(self, learner: LearnerPlan) -> tuple[str, str, str]:
        """Return the variables of rows, inputs and labels of a learner's batch."""
        if not self.has_pools:
            return "rows", "x", "y"
        name = variable(learner.role)
        return f"{name}_batch", f"{name}_x", f"{name}_y"

    def _step(self) -> list[str]:
        lines = []
        if self.phase.until:
            scores = [f"{self.plan.score}({self._evaluated(role)}, data.validation)" for role in self.roles]
            score = scores[0] if len(scores) == 1 else f"min({', '.join(scores)})"
            returned = ", ".join(f"{self._evaluated(role)}.eval()" for role in self.roles)
            lines += [f"if {score} >= {self.phase.until}:", f"    return {returned}"]
        batches = [self._batch(learner) for learner in self.phase.learners]
        for rows, x, y in dict.fromkeys(batches):
            lines.append(f"{x}, {y} = inputs[{rows}], labels[{rows}]")
            lines += self._augmented(x, y)
            mixed = [f"{y}_mixed"] if self.plan.augmentation.mixup else []
            labels = {one: self.plan.task.call("row_labels", one) for one in (y, *mixed)}
            lines += [f"{one} = {code}" for one, code in labels.items() if one != code]
        forwards: dict[str, str] = {}  # of frozen teachers, by variable of the logits
        for learner in self.phase.learners:
            for role in learner.teachers if self._reads_teacher(learner) else ():
                if role not in self.roles:
                    outputs = f"{self._earlier(role)}({self._batch(learner)[1]})"
                    forwards[self._logits(learner, role)] = self.plan.task.call("rows", outputs)
        lines.append("# Forward pass.")
        if forwards:
            lines += ["with torch.no_grad():", *(f"    {name} = {call}" for name, call in forwards.items())]
        for learner in self.phase.learners:
            lines += self._forward(learner)
        lines.append("# Loss, backward pass and step.")
        for learner in self.trained:
            lines += [*self._loss_lines(learner), *self._further_losses(learner)]
        trained = [learner.role for learner in self.trained]
        total = " + ".join(f"{variable(role)}_loss" for role in trained)
        lines += ["optimiser.zero_grad()", f"({total}).backward()" if len(trained) > 1 else f"{total}.backward()"]
        lines += self._update()
        lines += [f"curves[{literal(role)}].append({variable(role)}_loss.item())" for role in trained]
        return lines

    def _augmented(self, x: str, y: str) -> list[str]:
        augmentation = self.plan.augmentation
        if not augmentation.is_on:
            return []
        self.needs_step = True
        lines = [f'seed = derive_seed({self.phase.order_seed}, "augmentation", step)']
        if augmentation.crop or augmentation.flip or augmentation.randaugment:
            lines.append(f"{x} = augment({x}, seed)")
        if augmentation.mixup:
            lines += [
                f"partners, fraction = blend(len({x}), seed)",
                f"{x}, {y}_mixed = fraction * {x} + (1 - fraction) * {x}[partners], {y}[partners]",
            ]
        return lines

    def _reads_teacher(self, learner: LearnerPlan) -> bool:
        loss = self.losses[learner.role]
        reads = loss is not None and {"teacher_logits", "teacher_features"} & set(loss.inputs)
        return bool(reads) or (loss is not None and self.plan.lacks_labels(self.phase))

    def _logits(self, learner: LearnerPlan, role: str) -> str:
        """Return the variable of the logits of a frozen teacher for the batch of a learner."""
        owner = f"_{variable(learner.role)}" if self.has_pools and len(self.roles) > 1 else ""
        name = f"previous_{variable(role)}" if role in self.roles else variable(role)
        return f"{name}_logits{owner}"

    def _forward(self, learner: LearnerPlan) -> list[str]:
        name, (_, x, _) = variable(learner.role), self._batch(learner)
        lines = []
        if learner.noise:
            self.needs_step = True
            noise = f'torch.randn({x}.shape, generator=generator({learner.seed}, "noise", step))'
            lines.append(f"{name}_inputs = {x} + {learner.noise} * {noise}.to(DEVICE)")
            x = f"{name}_inputs"
        # What a module from Python draws is not known.
        is_known = learner.model.can_be_stacked and self.plan.is_written(learner)
        if not is_known or random_layer(self.plan.network(learner)):
            self.needs_step = True
            lines.append(f'torch.manual_seed(derive_seed({learner.seed}, "layers", step))')
        outputs = f"{name}({x})"
        if self._has_further_losses:
            lines.append(f"{name}_outputs = {outputs}")
            outputs = f"{name}_outputs"
        return [*lines, f"{name}_logits = {self.plan.task.call('rows', outputs)}"]

    @property
    def _has_further_losses(self) -> bool:
        return type(self.plan.data.task).further_losses is not Task.further_losses

    def _further_losses(self, learner: LearnerPlan) -> list[str]:
        """Return the lines that add the losses of the task beside that of its rows."""
        if not self._has_further_losses:
            return []
        name, rows = variable(learner.role), self._batch(learner)[0]
        function = self.plan.task.function("further_losses")
        return [f"{name}_loss = {name}_loss + sum({function}({name}_outputs, labels[{rows}]).values())"]

    def _loss_lines(self, learner: LearnerPlan) -> list[str]:
        loss, name, (rows, _, y) = self.losses[learner.role], variable(learner.role), self._batch(learner)
        if loss is None:
            function, more = self.plan.label_loss(self.phase), ""
            if self.recipe.smoothing:
                more = f", {self.recipe.smoothing}"
            if self.plan.has_gaps:
                return [f"{name}_loss = {function}({name}_logits, {y}.clamp(min=0){more}, {y} >= 0)"]
            value = f"{function}({name}_logits, {y}{more})"
            if self.plan.augmentation.mixup:
                other = f"{function}({name}_logits, {y}_mixed{more})"
                value = f"fraction * {value} + (1 - fraction) * {other}"
            return [f"{name}_loss = {value}"]
        lines, groups = [], self._groups(learner)
        calls, weights = [], learner.weights or tuple(1.0 for _ in learner.teachers)
        for number, roles in enumerate(groups):
            logits = [
                f"{variable(role)}_logits.detach()" if role in self.roles else self._logits(learner, role)
                for role in roles
            ]
            teacher = logits[0]
            if len(logits) > 1:
                of_logits = learner.combine == LOGITS or not self.plan.data.task.has_class_rows
                function = "average_logits" if of_logits else "average_probabilities"
                self.sources.add(function, composite)
                temperature = learner.method.values().get("temperature", 1.0) if learner.method else 1.0
                more = "" if of_logits else f", {temperature}"
                lines.append(f"{name}_targets = {function}([{', '.join(logits)}], {literal(weights)}{more})")
                teacher = f"{name}_targets"
            labels = y
            if self.plan.lacks_labels(self.phase):
                lines += self._filled_labels(y, teacher)
                labels = f"{y}_filled"
            arguments = {key: text.format(v=name) for key, text in ARGUMENTS.items()}
            arguments |= {"labels": labels, "teacher_logits": teacher, "rows": rows, "mixed_labels": f"{y}_mixed"}
            arguments["ramp"] = self._ramp(learner)
            arguments["adapters"] = self._adapter_name(learner, number)
            owner = variable(roles[0])
            features = f"{{layer: value.detach() for layer, value in {owner}_features.items()}}"
            arguments["teacher_features"] = (
                features if roles[0] in self.roles else f"{self._feature_owner(roles[0])}_features"
            )
            if "student_classifier" in loss.inputs:
                function = self.sources.add("last_linear", hooks)
                taught_by = owner if roles[0] in self.roles else self._feature_owner(roles[0])
                for side, network, detached in (("student", name, ""), ("teacher", taught_by, ".detach()")):
                    arguments[f"{side}_classifier"] = f"{network}_classifier" + ("_fixed" if detached else "")
                    lines.append(f"{arguments[f'{side}_classifier']} = {function}({network}).weight{detached}")
            if "seed" in loss.inputs:
                self.needs_step = True
                arguments["seed"] = f'derive_seed({learner.seed}, "method", step)'
            calls.append(f"{loss.name}({', '.join(arguments[one] for one in loss.inputs)})")
        if len(calls) == 1:
            return [*lines, *_wrapped(f"{name}_loss = ", calls[0])]
        factors = self._factors(learner, weights, lines)
        terms = [f"{factor} * {call}" for factor, call in zip(factors, calls, strict=True)]
        return [
            *lines,
            f"{name}_loss = (",
            *(f"    {'+ ' if place else ''}{term}" for place, term in enumerate(terms)),
            ")",
        ]

    def _filled_labels(self, y: str, teacher: str) -> list[str]:
        """Return the lines that put what a teacher says in the place of missing labels."""
        task, mixed = self.plan.task, f"{y}_mixed"
        answers = task.call("answers", teacher)
        lines = [
            f"is_labelled = {task.call('is_labelled', y)}",
            f"{y}_filled = torch.where(is_labelled, {y}, {answers})",
        ]
        if self.plan.augmentation.mixup:  # a blend is labelled only if both of its examples are
            has_label = task.call("is_labelled", mixed)
            lines += [f"is_labelled &= {has_label}", f"{mixed} = torch.where({has_label}, {mixed}, {answers})"]
        return lines if self.plan.data.task.has_class_rows else [*lines, "is_labelled = is_labelled.all(1)"]

    def _ramp(self, learner: LearnerPlan) -> str:
        """Return the code of the factor on the weight of the teachers; empty for a constant one."""
        if not learner.ramp_up:
            return ""
        self.needs_step = True
        steps = learner.ramp_up * steps_per_epoch(self.phase, self.plan.data)
        return f"{self.sources.add('ramp_up', optim)}(step, {steps})"

    def _factors(self, learner: LearnerPlan, weights: Sequence[float], lines: list[str]) -> list[str]:
        """Return the code of each teacher's weight, and append to ``lines`` how it is drawn if some are dropped."""
        factors = [f"{weight / sum(weights):.10g}" for weight in weights]
        if not learner.drop:
            return factors
        self.needs_step = True
        name, function = f"{variable(learner.role)}_weights", self.sources.add("remaining_weights", composite)
        drawn = f'derive_seed({learner.seed}, "teachers", step)'
        lines.append(f"{name} = {function}([{', '.join(factors)}], {learner.drop}, {drawn})")
        return [f"{name}[{number}]" for number in range(len(factors))]

    def _feature_owner(self, role: str) -> str:
        return f"previous_{variable(role)}" if role in self.roles else variable(role)

    def _update(self) -> list[str]:
        lines = []
        if self.recipe.clip:
            for learner in self.trained:
                names = [f"*{name}.parameters()" for name in self._parameters(learner)]
                weights = names[0][1:] if len(names) == 1 else f"[{', '.join(names)}]"
                lines.append(f"nn.utils.clip_grad_norm_({weights}, {self.recipe.clip})")
        if rate := self._rate():
            self.needs_step = True
            lines.append(f'optimiser.param_groups[0]["lr"] = {self.recipe.learning_rate} * {rate}')
        lines.append("optimiser.step()")
        for learner in self.phase.learners:
            name = variable(learner.role)
            if learner.average_of:
                self.needs_step = True
                function = self.sources.add("update_average", composite)
                decay = f"min(1.0 - 1.0 / (step + 1), {learner.decay})"
                lines.append(f"{function}({name}, {variable(learner.average_of)}, {decay})")
            elif self.recipe.ema:
                lines.append(f"{name}_average.update_parameters({name})")
        return lines

    def _rate(self) -> str:
        """Return the code of the factor on the learning rate; empty for a constant one."""
        if self.recipe.schedule == CONSTANT and not self.recipe.rate_warm_up:
            return ""
        steps = self.recipe.epochs * steps_per_epoch(self.phase, self.plan.data)
        name = self.sources.add_definition("rate_factor", _rate_factor(self.recipe, steps, self.sources))
        return f"{name}(step)"

    # -- after an epoch ----------------------------------------------------------------------------------------------

    def _evaluated(self, role: str) -> str:
        has_average = self.recipe.ema and any(learner.role == role for learner in self.trained)
        return f"{variable(role)}_average.module" if has_average else variable(role)

    def _epoch_end(self) -> list[str]:
        keeps_best = self.recipe.patience or self.recipe.keep == BEST
        networks = ", ".join(f"{literal(role)}: {self._evaluated(role)}" for role in self.roles)
        lines = [
            f"for name, network in {{{networks}}}.items():",
            f"    score = {self.plan.score}(network, data.validation)",
        ]
        # Networks that share layers are kept together, by the accuracy of the owner of these layers.
        owners = {
            learner.role: self._evaluated(learner.trunk[0]) for learner in self.phase.learners if learner.trunk[0]
        }
        interval = epochs_per_evaluation(self.phase)
        if interval > 1:
            lines = [f"if (epoch + 1) % {interval} and epoch + 1 < {self.recipe.epochs}:", "    continue", *lines]
        lines.append(f'    print(f"epoch {{epoch + 1}}: {{name}} {self.plan.printed("score", "validation")}")')
        if len(self.roles) == 1 and not keeps_best:
            score = f"{self.plan.score}({self._evaluated(self.roles[0])}, data.validation)"
            printed = self.plan.printed(score, "validation")
            lines[-3:] = [f'print(f"epoch {{epoch + 1}}: {self.roles[0]} {printed}")']
        if keeps_best:
            self.sources.add_import("import copy")
            if owners:
                listed = ", ".join(f"{literal(role)}: {owner}" for role, owner in owners.items())
                score = f"{self.plan.score}({{{listed}}}.get(name, network), data.validation)"
                lines.append(f"    score = {score}  # of the owner")
            lines += [
                "    if score > best[name][0]:",
                "        best[name] = (score, epoch, copy.deepcopy(network.state_dict()))",
            ]
        if self.recipe.patience:
            patience = self.recipe.patience * interval
            lines += [f"if all(epoch - best_epoch >= {patience} for _, best_epoch, _ in best.values()):", "    break"]
        return lines

    def _ends(self, returned: list[str]) -> list[str]:
        lines = []
        if self.recipe.keep == BEST:
            lines += [
                f"if best[{literal(role)}][2]:\n    {self._evaluated(role)}.load_state_dict(best[{literal(role)}][2])"
                for role in self.roles
            ]
        return [*lines, f"return {', '.join(f'{name}.eval()' for name in returned)}"]


def _wrapped(before: str, call: str) -> list[str]:
    """Return the lines of an assignment whose call may be too long for one."""
    if len(before) + len(call) <= WIDTH - 12:
        return [before + call]
    head, arguments = call.split("(", 1)
    return [f"{before}{head}(", f"    {arguments[:-1]},", ")"]


def _rate_factor(recipe: BaseRecipe, steps: int, sources: Sources) -> str:
    """Return the function of the learning-rate schedule of one recipe."""
    warm_up = round(recipe.rate_warm_up * steps)
    lines = ['"""Return the fraction of the learning rate at a step."""']
    if warm_up:
        lines += [f"if step < {warm_up}:", f"    return (step + 1) / {warm_up}", f"step -= {warm_up}"]
    rest = steps - warm_up
    if recipe.schedule in (COSINE, ONE_CYCLE):
        cosine = sources.add("cosine", optim)
        if recipe.schedule == COSINE:
            lines.append(f"return {cosine}(1.0, 0.0, step / {rest})")
        else:
            peak = optim.RISE * rest - 1
            lines += [
                f"if step <= {peak}:",
                f"    return {cosine}({optim.LOWEST_START}, 1.0, step / {peak})",
                f"return {cosine}(1.0, {optim.LOWEST_END}, (step - {peak}) / {max(1.0, rest - 1 - peak)})",
            ]
    elif recipe.schedule == STEPS:
        sources.add_import("import bisect")
        milestones = [fraction * rest for fraction in recipe.milestone_fractions]
        lines.append(f"return {recipe.lowered_to} ** bisect.bisect_right({milestones}, step)")
    else:
        lines.append("return 1.0")
    return "def rate_factor(step: int) -> float:\n" + indented("\n".join(lines)) + "\n"
