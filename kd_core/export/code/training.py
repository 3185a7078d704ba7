"""Training functions of all phases, evaluation, and networks derived from trained ones."""

from __future__ import annotations

from kd_core.config import derived_networks
from kd_core.config.plan import (
    AVERAGE,
    CORRECTED,
    MEAN_LOGITS,
    RAW,
    DerivedPlan,
)
from kd_core.export.code.phases import PhaseWriter
from kd_core.export.code.plan import PlanWriter, variable
from kd_core.export.code.rewriting import literal
from kd_core.nn import composite
from kd_core.training import data as training_data

ACCURACY = '''def accuracy(network: nn.Module, split: Split) -> float:
    """Return the fraction of examples whose top class is the label."""
    logits, labels = predict(network, split.inputs), split.labels
    return int((logits.argmax(1) == labels).sum()) / len(labels)
'''
KNOWN_ACCURACY = '''def accuracy(network: nn.Module, split: Split) -> float:
    """Return the fraction of examples whose top class is the label, among those of classes that the network knows."""
    rows = in_known_classes(network, split.labels)
    logits, labels = predict(network, split.inputs[rows]), split.labels[rows]
    return int((logits.argmax(1) == labels).sum()) / len(labels)
'''
EVALUATE = '''def evaluate(network: nn.Module, split: Split) -> float:
    """Return the {title} of a network."""
    logits = {rows}
    labels = {labels}
    return {score}
'''
TEST_SCORE = '''def test_outputs(network: nn.Module) -> Tensor:
    """Return the outputs of a network for the test set."""
    return predict(network, data.test.inputs)


def test_score(network: nn.Module) -> float:
    """Return the {title} of a network."""
    return {metrics}["accuracy"]
'''
PREDICT = '''def predict(network: nn.Module, inputs: Tensor) -> Tensor:
    """Return outputs (N, ...) of a network in eval mode, computed without gradients."""
    was_training = network.training
    network.eval()
    with torch.no_grad():
        outputs = torch.cat([network(part.to(DEVICE)).float().cpu() for part in inputs.split(1024)])
    network.train(was_training)
    return outputs
'''


def add_training(plan: PlanWriter) -> list[str]:
    """Add one function for each phase and return the statements that call them."""
    plan.sources.add("split_batches", training_data)
    plan.sources.definitions["predict"] = PREDICT
    if plan.has_subsets:
        plan.sources.add("in_known_classes", composite)
    if plan.data.task.has_class_per_example:
        plan.sources.definitions["accuracy"] = KNOWN_ACCURACY if plan.has_subsets else ACCURACY
    else:
        add_evaluation(plan)
    calls: list[str] = []
    for phase in plan.phases:
        writer = PhaseWriter(plan, phase)
        text, call = writer.write()
        plan.sources.add_definition(writer.name, text)
        calls.append(call)
        calls += [derived_network(derived, plan) for derived in phase.derived]
    return calls


def add_evaluation(plan: PlanWriter) -> None:
    """Add the functions of the score of rows, and of that of the test set where it is another one."""
    task, writer = plan.data.task, plan.task
    rows, labels = writer.call("rows", "predict(network, split.inputs)"), writer.call("row_labels", "split.labels")
    values = ("logits", "labels")
    if plan.has_gaps:
        labels += f"\n    index = {writer.call('labelled_rows', 'split.labels')}"
        values = ("logits[index]", "labels[index]")
    plan.sources.definitions["evaluate"] = EVALUATE.format(
        title=task.validation_score_title, rows=rows, labels=labels, score=writer.call("score", *values)
    )
    if task.row_score_title:
        metrics = writer.call("test_metrics", "network", "None", "data", "test_outputs")
        plan.sources.definitions["test_score"] = TEST_SCORE.format(title=task.score_title, metrics=metrics)


def derived_network(derived: DerivedPlan, plan: PlanWriter) -> str:
    """Return the statement that derives a network from others."""
    names = ", ".join(map(variable, derived.sources))
    if derived.how in {AVERAGE, MEAN_LOGITS}:
        cls = plan.sources.add("EnsembleAverage", composite)
        weights = f", {literal(derived.weights)}" if derived.weights else ""
        value = f"{cls}([{names}]{weights}{', of_logits=True' if derived.how == MEAN_LOGITS else ''})"
    elif derived.how == CORRECTED:
        cls, bias = (plan.sources.add(name, composite) for name in ("LogitBias", "prior_matching_bias"))
        logits = f"predict({names}, data.validation.inputs)"
        return (
            f"bias = torch.zeros({len(plan.data.classes)}, device=DEVICE)\n"
            f"bias[{derived.omitted}] = {bias}({logits}, data.validation.labels, {derived.omitted})\n"
            f"{variable(derived.role)} = {cls}({names}, bias).eval()"
        )
    else:
        cls = plan.sources.add("MergedClassifiers", composite)
        if derived.how == RAW:
            count = len(derived.sources)
            constants = f"[1.0] * {count}, [0.0] * {count}"
        else:
            calibrate = plan.sources.add("calibrate", derived_networks)
            logits = f"[predict(one, data.validation.inputs) for one in ({names})]"
            return (
                f"logits = {logits}\n"
                f"temperatures, shifts = {calibrate}(logits, data.validation)  # bring both to one scale\n"
                f"{variable(derived.role)} = {cls}([{names}], temperatures, shifts).eval()"
            )
        value = f"{cls}([{names}], {constants})"
    return f"{variable(derived.role)} = {value}.eval()"
