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
ROW_ACCURACY = '''def accuracy(network: nn.Module, split: Split) -> float:
    """Return the fraction of {rows} whose top class is the label."""
    logits, labels = predict(network, split.inputs){rows_code}, split.labels{labels_code}
    has_label = labels >= 0
    return int((logits.argmax(1) == labels)[has_label].sum()) / int(has_label.sum())
'''
PREDICT = '''def predict(network: nn.Module, inputs: Tensor) -> Tensor:
    """Return logits (N, K) of a network in eval mode, computed without gradients."""
    was_training = network.training
    network.eval()
    with torch.no_grad():
        logits = torch.cat([network(part.to(DEVICE)).float().cpu() for part in inputs.split(1024)])
    network.train(was_training)
    return logits
'''


def add_training(plan: PlanWriter) -> list[str]:
    """Add one function for each phase and return the statements that call them."""
    plan.sources.add("split_batches", training_data)
    plan.sources.definitions["predict"] = PREDICT
    if plan.has_subsets:
        plan.sources.add("in_known_classes", composite)
    task = plan.data.task
    if task.rows_code:
        codes = {"rows": task.row_noun, "rows_code": task.rows_code, "labels_code": task.labels_code}
        plan.sources.definitions["accuracy"] = ROW_ACCURACY.format(**codes)
    else:
        plan.sources.definitions["accuracy"] = KNOWN_ACCURACY if plan.has_subsets else ACCURACY
    calls: list[str] = []
    for phase in plan.phases:
        writer = PhaseWriter(plan, phase)
        text, call = writer.write()
        plan.sources.add_definition(writer.name, text)
        calls.append(call)
        calls += [derived_network(derived, plan) for derived in phase.derived]
    return calls


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
