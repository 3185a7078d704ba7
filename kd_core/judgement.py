"""The end of a run: every network on the test split, which is touched nowhere else."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from kd_core.datasets import Data
from kd_core.metrics import judge
from kd_core.plan import TEACHER
from kd_core.teaching import answers
from kd_core.views import NONE


def judged(networks: Mapping[str, nn.Module], data: Data, omitted: str) -> dict[str, dict[str, float]]:
    """What the test split says of each network, by role; ``omitted`` is the class that the students never saw."""
    split = data.test
    logits = {role: answers(network, split.inputs).cpu() for role, network in networks.items()}
    missing = None if omitted == NONE else data.classes.index(omitted)
    return {
        role: judge(own, split.labels, logits.get(TEACHER) if role != TEACHER else None, missing)
        for role, own in logits.items()
    }
