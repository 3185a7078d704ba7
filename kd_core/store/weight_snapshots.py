"""Weights of networks while they learn: kept at some looks of a run, so that what they knew then can be asked again."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from safetensors.torch import load, save
from torch import Tensor, nn

from kd_core.base.events import Event, Finished, Validated
from kd_core.config.plan import Phase, epochs_per_look

LIMIT = 64_000_000  # bytes per phase
DENSITIES = (8, 4, 2, 1)  # looks kept per doubling of their number: most changes early


def taken_with(
    event: Event, phases: Sequence[Phase], networks: Mapping[str, nn.Module], *, is_last: bool
) -> dict[str, Tensor] | None:
    """:func:`copies` of the phase's networks, if they are worth keeping together with this event; else None.

    ``is_last``: it is the last look of its phase.

    A phase that other runs may take over (a teacher) is kept at its end alone, since those do not see it learn. A run
    that was stopped or failed is kept as it was judged.
    """
    if isinstance(event, Finished) and event.outcome != "completed":
        trained = {own.role for phase in phases for own in phase.learners}
        own = {role: network for role, network in networks.items() if role in trained}
        return copies(own) if own and _size(own) <= LIMIT else None
    if not isinstance(event, Validated):
        return None
    phase = next(phase for phase in phases if phase.name == event.phase)
    if not is_last and (phase.is_kept or not _is_kept(event, phase, 0)):  # at no size: weights need not be counted
        return None
    own = {learner.role: networks[learner.role] for learner in phase.learners}
    return copies(own) if is_last or _is_kept(event, phase, _size(own)) else None


def _is_kept(event: Validated, phase: Phase, size: int) -> bool:
    every = epochs_per_look(phase)
    return -(-event.epoch // every) in kept_looks(-(-phase.recipe.epochs // every), size)


def _size(networks: Mapping[str, nn.Module]) -> int:
    """Bytes of all weights and buffers."""
    return sum(value.nbytes for network in networks.values() for value in network.state_dict().values())


@functools.lru_cache(maxsize=64)
def kept_looks(last: int, size: int) -> frozenset[int]:
    """Which of the looks 0 to ``last`` are kept if each takes ``size`` bytes and all of them at most :data:`LIMIT`: the
    last, the first, and between them equally many per doubling."""
    for density in DENSITIES:
        chosen = {look for look in range(1, last) if look % max(1, 2 ** (look.bit_length() - 1) // density) == 0}
        if size * (len(chosen) + 2) <= LIMIT:
            return frozenset(chosen | {0, last})
    return frozenset({last} if size <= LIMIT else ())


def copies(networks: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """All weights and buffers as they are now, under "role/name"."""
    return {
        f"{role}/{name}": value.detach().cpu().contiguous().clone()
        for role, network in networks.items()
        for name, value in network.state_dict().items()
    }


def pack(taken: Mapping[str, Tensor]) -> bytes:
    """What :func:`copies` gave in safetensors format."""
    return save(dict(taken))


def unpack(weights: bytes) -> dict[str, dict[str, Tensor]]:
    """The state of every role in what :func:`pack` gave."""
    states: dict[str, dict[str, Tensor]] = {}
    for flat, value in load(weights).items():
        role, name = flat.split("/", 1)
        states.setdefault(role, {})[name] = value
    return states
