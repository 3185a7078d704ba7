"""Small networks that a loss can compare, for tests of every loss."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from kd_core.config.run import read_flat
from kd_core.datasets import Data
from kd_core.methods import Method
from kd_core.models.cnn import Cnn
from kd_core.models.detector import Detector
from kd_core.models.vit import Vit
from kd_core.nn.inference import predict_logits
from kd_core.nn.pairs import Pair
from kd_core.tasks import Outputs

CONVOLUTIONS = {"student": "cnn", "student_width": "4", "teacher": "cnn", "teacher_width": "8"}
TRANSFORMERS = {"student": "vit", "student_width": "8", "teacher": "vit", "teacher_width": "16"}
DETECTORS = {
    "dataset": "shapes", "dataset_count": "100", "teacher": "detector", "teacher_width": "8", "student": "detector",
    "student_width": "4", "scheme": "offline",
}  # fmt: skip
PAIRS = tuple(
    Pair(student, teacher, (1, 8, 8), 10)
    for student, teacher in ((Cnn(8, 2), Cnn(16, 3)), (Vit(width=8), Vit(width=16)), (Detector(4), Detector(8)))
)


def pair_for(method: Method) -> Pair:
    """Return the first pair of networks that a loss takes."""
    return next(pair for pair in PAIRS if not method.unsupported_reason(pair))


def networks_for(method: str, settings: Mapping[str, str] = CONVOLUTIONS) -> dict[str, str]:
    """Return flat settings of networks that a loss takes on digits, those of ``settings`` if it takes them.

    Where it takes none on digits they are networks on shapes, with the name of that data set.
    """
    return dict(_first_networks(method, tuple(settings.items())))


@functools.cache
def _first_networks(method: str, settings: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    chosen = {"dataset": "digits", "method": method}
    ways = (dict(settings), TRANSFORMERS, DETECTORS)
    return next(networks for networks in ways if not read_flat({**chosen, **networks})[1])


def outputs_for(data: Data) -> Outputs:
    """Return the outputs of networks for the test inputs, as the test metrics of a task get them."""
    return lambda network: predict_logits(network, data.test.inputs)
