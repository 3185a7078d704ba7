"""Choice of the evaluations at which weights are stored during training, and their encoding."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from safetensors.torch import load, save
from torch import Tensor, nn

from kd_core.base.events import Event, Finished, Validated
from kd_core.config.plan import PhasePlan, epochs_per_evaluation

MAX_PHASE_BYTES = 64_000_000
DENSITIES = (8, 4, 2, 1)  # evaluations per doubling of their number, since most changes happen early


def weights_to_keep(
    event: Event, phases: Sequence[PhasePlan], networks: Mapping[str, nn.Module], *, is_last: bool
) -> dict[str, Tensor] | None:
    """Return copies of the weights to store with an event, or None.

    Of a phase whose networks other runs may reuse (a teacher) only the end is stored, since those runs do not train it.
    A run that was stopped or has failed is stored as it was evaluated on the test set.

    Args:
        event: An evaluation, or the end of the run; other events have no weights.
        phases: Phases of the run.
        networks: Networks by role.
        is_last: Whether the event is the last evaluation of its phase.
    """
    if isinstance(event, Finished) and event.outcome != "completed":
        roles = {learner.role for phase in phases for learner in phase.learners}
        trained = {role: network for role, network in networks.items() if role in roles}
        return copy_weights(trained) if trained and _size(trained) <= MAX_PHASE_BYTES else None
    if not isinstance(event, Validated):
        return None
    phase = next(phase for phase in phases if phase.name == event.phase)
    if not is_last and (phase.is_kept or not _is_kept(event, phase, 0)):  # size 0, so that no weights are counted
        return None
    trained = {learner.role: networks[learner.role] for learner in phase.learners}
    return copy_weights(trained) if is_last or _is_kept(event, phase, _size(trained)) else None


def _is_kept(event: Validated, phase: PhasePlan, size: int) -> bool:
    every = epochs_per_evaluation(phase)
    return -(-event.epoch // every) in kept_evaluations(-(-phase.recipe.epochs // every), size)


def _size(networks: Mapping[str, nn.Module]) -> int:
    """Return the bytes of all weights and buffers."""
    return sum(value.nbytes for network in networks.values() for value in network.state_dict().values())


@functools.lru_cache(maxsize=64)
def kept_evaluations(last: int, size: int) -> frozenset[int]:
    """Return which of the evaluations 0 to ``last`` are stored if each takes ``size`` bytes.

    The first, the last, and between them equally many per doubling, at most :data:`MAX_PHASE_BYTES` in all.
    """
    for density in DENSITIES:
        chosen = {n for n in range(1, last) if n % max(1, 2 ** (n.bit_length() - 1) // density) == 0}
        if size * (len(chosen) + 2) <= MAX_PHASE_BYTES:
            return frozenset(chosen | {0, last})
    return frozenset({last} if size <= MAX_PHASE_BYTES else ())


def copy_weights(networks: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Return copies of all weights and buffers under "role/name"."""
    return {
        f"{role}/{name}": value.detach().cpu().contiguous().clone()
        for role, network in networks.items()
        for name, value in network.state_dict().items()
    }


def serialize_weights(weights: Mapping[str, Tensor]) -> bytes:
    """Return the result of :func:`copy_weights` in safetensors format."""
    return save(dict(weights))


def deserialize_weights(weights: bytes) -> dict[str, dict[str, Tensor]]:
    """Return the state dictionaries by role from the result of :func:`serialize_weights`."""
    states: dict[str, dict[str, Tensor]] = {}
    for path, value in load(weights).items():
        role, name = path.split("/", 1)
        states.setdefault(role, {})[name] = value
    return states
