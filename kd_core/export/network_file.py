"""Weights of one network of a stored run as a safetensors file."""

from __future__ import annotations

from safetensors.torch import load, save

from kd_core.store.store import Run, Store


def network_file(store: Store, run: Run, role: str) -> bytes:
    """Return the last stored weights of a network, with the configuration of its run as metadata.

    The names of the tensors are those of the network's ``state_dict()``.

    Raises:
        ValueError: if no weights of the network are stored.
    """
    for number, _ in reversed(store.snapshots(run.id)):
        tensors = load(store.weights(run.id, number) or b"")
        prefix = f"{role}/"
        state = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        if state:
            return save(state, {"run": run.id, "role": role, "config": run.config.to_json()})
    raise ValueError(f"The weights of the {role} of run {run.id} are not stored: they were too large, or were deleted.")
