"""Measurement of a network at one stage of its compression, and the accuracy of pruning by its fraction."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from kd_core.analysis.intervals import estimate_measure
from kd_core.analysis.latency import BATCHES
from kd_core.base.devices import limit_threads
from kd_core.base.marks import percent
from kd_core.config.label_subset import NONE
from kd_core.config.plan import TEACHER
from kd_core.export.compression.int8 import CALIBRATION, OnnxNetwork, quantise
from kd_core.export.compression.onnx_export import export_beside_training, has_packages, to_onnx
from kd_core.export.compression.unpruned import Unpruned
from kd_core.models._pruning import CHANNELS, KINDS, MOST, WEIGHTS, can_prune, count_nonzero, count_parameters, prune
from kd_core.nn import cost, weights
from kd_core.nn.inference import predict_logits
from kd_core.training.evaluation import evaluate_on_test

__all__ = ["CHANNELS", "FRACTIONS", "KINDS", "MOST", "WEIGHTS", "Stage", "can_prune", "pruning_curve"]

FRACTIONS = tuple(step / 20 for step in range(20))  # of the curve and of the slider, up to MOST
PASSES = 60  # of which the latency is the median
NOISE = 0.05  # of a latency: a smaller difference is none
PYTORCH, ONNX = "PyTorch", "onnxruntime"
INT8, ONE = "int8", "1"  # beginning of the names of quantised stages; latency of one example


@dataclass(frozen=True)
class Stage:
    """A network after one step of compression, measured on the whole test set and on this machine.

    Attributes:
        name: "teacher", "student" (or the role that is compressed), "pruned", "distilled again", "fine-tuned",
            "int8 static" or "int8 dynamic".
        accuracy: Score of the task on the test set; of a classification the fraction of right examples.
        interval: 95 % confidence interval of the accuracy over test examples; a point where it does not count them.
        agreement: Fraction of the rows of the test set on which its top class is that of the unpruned network.
        parameters: Number of parameters, of int8 those in float32.
        nonzero: Number of parameters that are not zero.
        size: Bytes of its file, ONNX where onnxruntime is installed, else safetensors.
        seconds: Median seconds of a forward pass on one thread, by the number of examples (as text, as in JSON).
        engine: What computed them, "onnxruntime" or "PyTorch".
        run: Id of the run that trained it; empty for what was not trained.
    """

    name: str
    accuracy: float
    interval: tuple[float, float]
    agreement: float
    parameters: int
    nonzero: int
    size: int
    seconds: Mapping[str, float]
    engine: str
    run: str = ""


def pruning_curve(unpruned: Unpruned, kind: str) -> list[tuple[float, float]]:
    """Return (fraction, score on the validation set) of pruning without further training, computed once per run.

    A fraction at which nothing can be removed is left out. Raises ImportError without the package that this needs.
    """
    key = unpruned.key("curve", kind)
    curve = unpruned.cache.get(key)
    if curve is None:
        validation, task = unpruned.data.validation, unpruned.data.task
        index = task.labelled_rows(validation.labels)
        labels = task.row_labels(validation.labels)[index]
        curve = []
        with limit_threads():
            for fraction in FRACTIONS:
                try:
                    network = prune(unpruned.network, fraction, kind, validation.inputs)
                except ValueError:
                    continue
                rows = task.rows(predict_logits(network, validation.inputs))[index]
                curve.append([fraction, task.score(rows, labels)])
        unpruned.cache.put(key, curve)
    return [(fraction, value) for fraction, value in curve]


@dataclass(frozen=True)
class PlannedStage:
    """Stage that is to be measured; ``network`` makes the one in float32, also where it is then quantised.

    ``key`` is what its numbers depend on beside the weights of the unpruned network and the ``run`` that trained it.
    """

    name: str
    network: Callable[[], nn.Module]
    key: tuple[object, ...] = ()
    run: str = ""
    quantisation: str = ""


def measure_stages(
    unpruned: Unpruned, planned: Sequence[PlannedStage], *, is_beside_training: bool = False
) -> Iterator[Stage]:
    """Yield the measurements of every stage, which are made once and then read from the file of the run.

    Args:
        unpruned: The network that is compressed.
        planned: The stages.
        is_beside_training: Whether runs may train in this process, which an export in it would disturb.

    Raises:
        ImportError: for int8, without onnxruntime.
        ValueError: for a network that cannot be quantised.
    """
    missing = [stage for stage in planned if _stored(unpruned, stage) is None]
    if missing and is_beside_training and has_packages():
        export_beside_training([stage.network() for stage in missing], unpruned.data.test.inputs)
    for stage in planned:
        measured = _stored(unpruned, stage)
        if measured is None:
            measured = _measure(unpruned, stage)
            unpruned.cache.put(_place(unpruned, stage), asdict(measured))
        yield measured


def metrics_on_test(network: nn.Module, unpruned: Unpruned) -> dict[str, Any]:
    """Return the test metrics of a network, with its agreement with the unpruned one."""
    return evaluate_on_test({0: {TEACHER: unpruned.network, "": network}}, unpruned.data, NONE)[0][""]


def int8_file(unpruned: Unpruned, kind: str, network: nn.Module) -> bytes:
    """Return the ONNX file of a network with int8 weights, calibrated on training examples."""
    inputs = unpruned.data.train.inputs
    rows = torch.linspace(0, len(inputs) - 1, min(CALIBRATION, len(inputs))).round().long()
    return quantise(to_onnx(network, inputs), kind, inputs[rows])


def int8_sentence(stages: Iterable[Stage]) -> str:
    """Return a sentence on the latency of int8 against the same network in float32; empty without both."""
    stages = list(stages)
    quantised = [stage for stage in stages if stage.name.startswith(INT8)]
    if not quantised:
        return ""
    fastest = min(quantised, key=lambda stage: stage.seconds[ONE])
    same = [stage for stage in stages if (stage.run, stage.parameters) == (fastest.run, fastest.parameters)]
    before = next((stage for stage in same if stage not in quantised and stage.engine == fastest.engine), None)
    if before is None:
        return ""
    times = f"{1e3 * fastest.seconds[ONE]:.3g} ms against {1e3 * before.seconds[ONE]:.3g} ms in float32"
    ratio = fastest.seconds[ONE] / before.seconds[ONE]
    if ratio > 1 - NOISE:
        word = "slower" if ratio > 1 + NOISE else "not faster"
        return f"int8 is {word} here, {times} for one example: the network is too small to gain speed from int8."
    return f"int8 takes {times} for one example, {percent(ratio, 0)} of the time."


def _place(unpruned: Unpruned, planned: PlannedStage) -> str:
    return unpruned.key("stage", planned.name, *planned.key, planned.run, ONNX if has_packages() else PYTORCH)


def _stored(unpruned: Unpruned, planned: PlannedStage) -> Stage | None:
    """Return a stage that was measured before; None if there is none, or one of another version."""
    body = unpruned.cache.get(_place(unpruned, planned))
    try:
        return Stage(**{**body, "interval": tuple(body["interval"])})
    except (TypeError, KeyError):
        return None


def _measure(unpruned: Unpruned, planned: PlannedStage) -> Stage:
    float32, test = planned.network(), unpruned.data.test
    engine, network = ONNX if has_packages() else PYTORCH, float32
    if planned.quantisation:
        network = OnnxNetwork(int8_file(unpruned, planned.quantisation, float32))
    with limit_threads():
        metrics = metrics_on_test(network, unpruned)
        if engine == ONNX and not planned.quantisation:
            try:
                network = OnnxNetwork(to_onnx(float32, test.inputs))
            except ValueError:
                engine = PYTORCH
    size = len(network.blob) if isinstance(network, OnnxNetwork) else len(weights.export(network))
    seconds = {
        str(batch): statistics.median(cost.pass_times(lambda: network, unpruned.shape, batch, PASSES))
        for batch in BATCHES
    }
    interval = estimate_measure([{planned.name: metrics}], planned.name, "accuracy").examples_interval()
    return Stage(
        planned.name, metrics["accuracy"], interval, metrics["agreement"], count_parameters(float32),
        count_nonzero(float32), size, seconds, engine, planned.run,
    )  # fmt: skip
