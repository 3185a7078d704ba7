"""Measurement of a network at one stage of its compression, and the accuracy of pruning by its fraction."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from kd_core.analysis.intervals import estimate_measure
from kd_core.analysis.latency import BATCHES
from kd_core.base.devices import limit_threads
from kd_core.base.marks import percent
from kd_core.base.metrics import accuracy, compute_metrics
from kd_core.export.compression.int8 import CALIBRATION, OnnxNetwork, can_quantise, quantise, to_onnx
from kd_core.export.compression.unpruned import Unpruned
from kd_core.models._pruning import CHANNELS, KINDS, MOST, WEIGHTS, can_prune, count_nonzero, count_parameters, prune
from kd_core.nn import cost, weights
from kd_core.nn.inference import predict_logits

__all__ = ["CHANNELS", "FRACTIONS", "KINDS", "MOST", "WEIGHTS", "Stage", "can_prune", "pruning_curve"]

FRACTIONS = tuple(step / 20 for step in range(20))  # of the curve and of the slider, up to MOST
PASSES = 60  # of which the latency is the median
PYTORCH, ONNX = "PyTorch", "onnxruntime"
INT8, ONE = "int8", "1"  # beginning of the names of quantised stages; latency of one example


@dataclass(frozen=True)
class Stage:
    """A network after one step of compression, measured on the whole test set and on this machine.

    Attributes:
        name: "teacher", "student" (or the role that is compressed), "pruned", "distilled again", "fine-tuned",
            "int8 static" or "int8 dynamic".
        accuracy: Fraction of the test examples.
        interval: 95 % confidence interval of the accuracy over test examples.
        agreement: Fraction of the test examples on which its top class is that of the unpruned network.
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

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        return asdict(self)

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Stage:
        """Return the stage that :meth:`to_json` described. Raises TypeError for another version's."""
        return cls(**{**body, "interval": tuple(body["interval"])})


def pruning_curve(unpruned: Unpruned, kind: str) -> list[tuple[float, float]]:
    """Return (fraction, accuracy on the validation set) of pruning without further training, computed once per run.

    A fraction at which nothing can be removed is left out. Raises ImportError without the package that this needs.
    """
    key = unpruned.key("curve", kind)
    curve = unpruned.cache.get(key)
    if curve is None:
        validation = unpruned.data.validation
        curve = []
        with limit_threads():
            for fraction in FRACTIONS:
                try:
                    network = prune(unpruned.network, fraction, kind, validation.inputs)
                except ValueError:
                    continue
                curve.append([fraction, accuracy(predict_logits(network, validation.inputs), validation.labels)])
        unpruned.cache.put(key, curve)
    return [(fraction, value) for fraction, value in curve]


def measure_stage(
    unpruned: Unpruned, name: str, network: Callable[[], nn.Module], key: Sequence[object] = (), run: str = ""
) -> Stage:
    """Return the measurements of a float32 network, which is made and measured once for ``name`` and ``key``."""

    def measure() -> Stage:
        float32 = network()
        return _measure(unpruned, name, float32, float32, run)

    return _measured(unpruned, name, (*key, run), measure)


def measure_int8(
    unpruned: Unpruned, kind: str, network: Callable[[], nn.Module], key: Sequence[object] = (), run: str = ""
) -> Stage:
    """Return the measurements of a network after quantisation of ``kind``, made once for ``kind`` and ``key``.

    Raises ImportError without onnxruntime, and ValueError for a network that it cannot quantise.
    """

    def measure() -> Stage:
        float32 = network()
        quantised = OnnxNetwork(int8_file(unpruned, kind, float32))
        return _measure(unpruned, f"{INT8} {kind}", quantised, float32, run)

    return _measured(unpruned, f"{INT8} {kind}", (*key, run), measure)


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
    if fastest.seconds[ONE] > before.seconds[ONE]:
        return f"int8 is slower here, {times} for one example: the network is too small to gain speed from int8."
    fraction = percent(fastest.seconds[ONE] / before.seconds[ONE], 0)
    return f"int8 takes {times} for one example, {fraction} of the time."


def _measured(unpruned: Unpruned, name: str, key: Sequence[object], measure: Callable[[], Stage]) -> Stage:
    """Return a cached stage, or measure it and store it."""
    place = unpruned.key("stage", name, *key, ONNX if can_quantise() else PYTORCH)
    with contextlib.suppress(TypeError, KeyError):  # nothing is stored, or by another version
        return Stage.from_json(unpruned.cache.get(place))
    stage = measure()
    unpruned.cache.put(place, stage.to_json())
    return stage


def _measure(unpruned: Unpruned, name: str, network: nn.Module, float32: nn.Module, run: str) -> Stage:
    """Measure a network; ``float32`` is the same one before quantisation, whose parameters can be counted."""
    test = unpruned.data.test
    engine = ONNX if can_quantise() else PYTORCH
    with limit_threads():
        deployed = network
        if engine == ONNX and not isinstance(network, OnnxNetwork):
            try:
                deployed = OnnxNetwork(to_onnx(network, test.inputs))
            except ValueError:
                engine = PYTORCH
        reference = predict_logits(unpruned.network, test.inputs)
        metrics = compute_metrics(predict_logits(network, test.inputs), test.labels, reference)
    size = len(deployed.blob) if isinstance(deployed, OnnxNetwork) else len(weights.export(network))
    seconds = {
        str(batch): statistics.median(cost.pass_times(lambda: deployed, unpruned.shape, batch, PASSES))
        for batch in BATCHES
    }
    interval = estimate_measure([{name: metrics}], name, "accuracy").examples_interval()
    return Stage(
        name, metrics["accuracy"], interval, metrics["agreement"], count_parameters(float32), count_nonzero(float32),
        size, seconds, engine, run,
    )  # fmt: skip
