"""Weights of networks while they learn: kept at some looks of a run, so that what they knew then can be asked again."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from safetensors.torch import load, save
from torch import Tensor, nn

from kd_core.base.events import Event, Finished, Validated
from kd_core.config.plan import PhasePlan, epochs_per_evaluation

MAX_PHASE_BYTES = 64_000_000  # bytes per phase
DENSITIES = (8, 4, 2, 1)  # looks kept per doubling of their number: most changes early


def weights_to_keep(
    event: Event, phases: Sequence[PhasePlan], networks: Mapping[str, nn.Module], *, is_last: bool
) -> dict[str, Tensor] | None:
    """:func:`copy_weights` of the phase's networks, if they are worth keeping together with this event; else None.

    ``is_last``: it is the last look of its phase.

    A phase that other runs may take over (a teacher) is kept at its end alone, since those do not see it learn. A run
    that was stopped or failed is kept as it was judged.
    """
    if isinstance(event, Finished) and event.outcome != "completed":
        trained = {own.role for phase in phases for own in phase.learners}
        own = {role: network for role, network in networks.items() if role in trained}
        return copy_weights(own) if own and _size(own) <= MAX_PHASE_BYTES else None
    if not isinstance(event, Validated):
        return None
    phase = next(phase for phase in phases if phase.name == event.phase)
    if not is_last and (phase.is_kept or not _is_kept(event, phase, 0)):  # at no size: weights need not be counted
        return None
    own = {learner.role: networks[learner.role] for learner in phase.learners}
    return copy_weights(own) if is_last or _is_kept(event, phase, _size(own)) else None


def _is_kept(event: Validated, phase: PhasePlan, size: int) -> bool:
    every = epochs_per_evaluation(phase)
    return -(-event.epoch // every) in kept_looks(-(-phase.recipe.epochs // every), size)


def _size(networks: Mapping[str, nn.Module]) -> int:
    """Bytes of all weights and buffers."""
    return sum(value.nbytes for network in networks.values() for value in network.state_dict().values())


@functools.lru_cache(maxsize=64)
def kept_looks(last: int, size: int) -> frozenset[int]:
    """Which of the looks 0 to ``last`` are kept if each takes ``size`` bytes and all of them at most
    :data:`MAX_PHASE_BYTES`: the
    last, the first, and between them equally many per doubling."""
    for density in DENSITIES:
        chosen = {look for look in range(1, last) if look % max(1, 2 ** (look.bit_length() - 1) // density) == 0}
        if size * (len(chosen) + 2) <= MAX_PHASE_BYTES:
            return frozenset(chosen | {0, last})
    return frozenset({last} if size <= MAX_PHASE_BYTES else ())


def copy_weights(networks: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """All weights and buffers as they are now, under "role/name"."""
    return {
        f"{role}/{name}": value.detach().cpu().contiguous().clone()
        for role, network in networks.items()
        for name, value in network.state_dict().items()
    }


def serialize_weights(taken: Mapping[str, Tensor]) -> bytes:
    """What :func:`copy_weights` gave in safetensors format."""
    return save(dict(taken))


def deserialize_weights(weights: bytes) -> dict[str, dict[str, Tensor]]:
    """The state of every role in what :func:`serialize_weights` gave."""
    states: dict[str, dict[str, Tensor]] = {}
    for flat, value in load(weights).items():
        role, name = flat.split("/", 1)
        states.setdefault(role, {})[name] = value
    return states
