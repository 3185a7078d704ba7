"""The end of a run: every network on the test split, which is touched nowhere else."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from kd_core.base.metrics import judge
from kd_core.config.label_subset import NONE
from kd_core.config.plan import TEACHER
from kd_core.datasets import Data
from kd_core.nn.composite import within
from kd_core.nn.inference import answers


def judged(networks: Mapping[str, nn.Module], data: Data, omitted: str) -> dict[str, dict[str, float]]:
    """What the test split says of each network, by role; ``omitted`` is the class that the students never saw.

    A network for some of the classes is judged by their examples alone: of the others it cannot say anything.
    """
    split = data.test
    logits = {role: answers(network, split.inputs).cpu() for role, network in networks.items()}
    missing = None if omitted == NONE else data.classes.index(omitted)
    found = {}
    for role, network in networks.items():
        rows = within(network, split.labels)
        teacher = logits[TEACHER][rows] if TEACHER in logits and role != TEACHER else None
        is_asked = missing is not None and bool((split.labels[rows] == missing).any())
        found[role] = judge(logits[role][rows], split.labels[rows], teacher, missing if is_asked else None)
    return found
