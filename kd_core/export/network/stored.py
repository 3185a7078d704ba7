"""Stored networks with everything that leaves together with them."""

from __future__ import annotations

import copy
import functools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from safetensors.torch import save
from torch import Tensor, nn

from kd_core.analysis import comparison
from kd_core.analysis.replay import Replay
from kd_core.analysis.verdict import FAILED as NO_VERDICT
from kd_core.analysis.verdict import Verdict
from kd_core.base.devices import limit_threads
from kd_core.base.events import Adjusted, Failed, Finished, Prepared, Validated
from kd_core.base.options import as_text
from kd_core.config.plan import STUDENT, LearnerPlan, dependencies, find_by_role
from kd_core.config.run import RunConfig
from kd_core.datasets import Data, Split, load
from kd_core.export.network.graphs import export_program
from kd_core.models import Model
from kd_core.nn.inference import freeze, predict_logits
from kd_core.schemes import comparison_of, plan_of
from kd_core.store.queries import RunQueries
from kd_core.store.records import COMPLETED, FAILED, INTERRUPTED, PRUNED, STOPPED
from kd_core.store.store import Run, Store

WORDS = {
    STOPPED: "stopped",
    PRUNED: "pruned",
    INTERRUPTED: "interrupted",
    FAILED: "failed",
}  # of other states: unfinished
Networks = Callable[[], Mapping[str, nn.Module]]


@dataclass(frozen=True)
class Content:
    """Content of a file with sentences on it, and on parts that could not be made."""

    content: bytes
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class StoredNetwork:
    """The last stored state of one network of a run, on the CPU and frozen.

    Attributes:
        mark: "" for a completed run, else how far the network was trained, such as "unfinished: epoch 3 of 40".
        split: Name of the split on which exported files are compared with the network: the test set, or the validation
            set of a run that has not ended.
        verdict: Of all completed seeds of the run's family; None before the end of the run.
        seeds: Of these runs.
        changes: Options that were changed by hand during training, in words.
    """

    run: Run
    role: str
    network: nn.Module
    data: Data
    mark: str
    split: str
    prepared: Prepared | None
    verdict: Verdict | None
    seeds: tuple[int, ...]
    changes: str

    @property
    def config(self) -> RunConfig:
        """Configuration of the run."""
        return self.run.config

    @property
    def is_student(self) -> bool:
        """Whether it is the network that the verdict is about."""
        return self.role == comparison_of(self.config).role

    @property
    def examples(self) -> Split:
        """The examples of :attr:`split`."""
        return self.data.splits[self.split]

    @functools.cached_property
    def logits(self) -> Tensor:
        """Logits (N, K) of :attr:`examples`."""
        with limit_threads():
            return predict_logits(self.network, self.examples.inputs)

    @functools.cached_property
    def program(self) -> torch.export.ExportedProgram:
        """Its computation as a program of ``torch.export``, for any number of examples."""
        return export_program(self.network, self.data.shape)

    @property
    def model(self) -> Model | None:
        """Architecture; None of a network that is derived from others."""
        plan = find_by_role(plan_of(self.config), self.role)
        return plan.model if isinstance(plan, LearnerPlan) else None

    @functools.cached_property
    def state(self) -> dict[str, Tensor]:
        """State dictionary with contiguous copies of the tensors."""
        return {name: value.detach().clone() for name, value in self.network.state_dict().items()}

    def safetensors(self) -> bytes:
        """Return the state as a safetensors file, with the configuration of the run as metadata."""
        about = {"config": self.config.to_json(), "format": "pt", "mark": self.mark, "role": self.role}
        return _with_sorted_header(save(self.state, about))


def load_network(store: Store, run: Run, role: str = "", networks: Networks | None = None) -> StoredNetwork:
    """Return a network of a run; without a ``role`` the student that the verdict is about.

    Args:
        store: Where the run is stored.
        run: The run.
        role: Of the network, "student", "teacher", "baseline" or any other of the run.
        networks: Gives the networks by role; by default those of the stored weights.

    Raises:
        ValueError: if the run has failed or has no such network, or if its data are not on this machine.
    """
    config = run.config
    prepared = RunQueries(store).prepared(run.id)
    available = dict((networks or (lambda: _last_networks(store, run)))())
    role = _resolve(role, config, available, run)
    network, data = _contiguous_copy(available[role]), load(config.dataset)
    plan = find_by_role(plan_of(config), role)
    if isinstance(plan, LearnerPlan) and not plan.model.takes_new_inputs:
        raise ValueError(f"The {role} of run {run.id} is a table of given logits, so there is no network to export.")
    mark = _mark(store, run, role, prepared)
    verdict, family = (NO_VERDICT, []) if run.state == FAILED else comparison.family_verdict(store, run)
    seeds = tuple(member.seed for member in family if member.state == COMPLETED) or (run.seed,)
    split = "test" if run.test is not None else "validation"
    changes = changes_by_hand(store, run)
    return StoredNetwork(run, role, network, data, mark, split, prepared, verdict, seeds, changes)


def file_stem(role: str) -> str:
    """Return the beginning of the names of a network's files."""
    return re.sub(r"[^0-9A-Za-z]+", "-", role).strip("-") or "network"


def roles_of(run: Run) -> list[str]:
    """Return the roles of the evaluated networks of a run, the student that the verdict is about first."""
    first = comparison_of(run.config).role
    return sorted(run.test or {}, key=lambda role: role != first)


def _contiguous_copy(network: nn.Module) -> nn.Module:
    """Return a frozen copy on the CPU whose tensors have storages of their own.

    Networks that were trained side by side may be parts of one tensor, which ``torch.export.save`` would write whole.
    """
    copied = freeze(copy.deepcopy(network).cpu())
    for tensor in (*copied.parameters(), *copied.buffers()):
        tensor.data = tensor.data.clone(memory_format=torch.contiguous_format)
    return copied


def changes_by_hand(store: Store, run: Run) -> str:
    """Return the options that were changed during training, in words; "" without any."""
    return "; ".join(
        f"{event.option} {as_text(event.old)} → {as_text(event.new)} before step {event.step + 1:,} of {event.phase}"
        for _, event in store.iter_events(run.id, kinds=("adjusted",))
        if isinstance(event, Adjusted)
    )


def _last_networks(store: Store, run: Run) -> Mapping[str, nn.Module]:
    replay = Replay(store, run)
    return replay.networks(replay.snapshot_at(-1)) if replay.snapshots or replay.unusable_reason else {}


def _resolve(role: str, config: RunConfig, available: Mapping[str, nn.Module], run: Run) -> str:
    compared = comparison_of(config)
    wanted = role or compared.role
    if wanted not in available and wanted == STUDENT:
        wanted = compared.role
    if wanted in available:
        return wanted
    if not available:
        raise ValueError(
            f"The run {run.id} has no stored weights: it has not trained a network yet, or they were too large or "
            "deleted. Let it finish, or train it again with the same settings."
        )
    raise ValueError(f"role = {role or wanted}: the run {run.id} has {', '.join(available)}.")


def _mark(store: Store, run: Run, role: str, prepared: Prepared | None) -> str:
    """Return how far a network was trained; "" if the run is completed.

    Raises ValueError for a network of the phase in which the run failed.
    """
    if run.state == COMPLETED:
        return ""
    phase, last, epoch, message = "", "", 0, ""
    phases = {each.name: each for each in (prepared.phases if prepared else [])}
    trained = dependencies(plan_of(run.config), role)  # of a network that is derived from others, these
    for _, event in store.iter_events(run.id, kinds=("validated", "finished", "failed")):
        if isinstance(event, Validated):
            last = event.phase
            if trained & event.accuracy.keys():
                phase, epoch = event.phase, event.epoch
        elif isinstance(event, Finished) and event.phase == phase and phase in phases:
            epoch = event.step // phases[phase].steps_per_epoch
        elif isinstance(event, Failed):
            message = event.message
    if run.state == FAILED and phase == last:
        reason = f"The run {run.id} failed while its {role} was trained, so this network is not a result."
        raise ValueError(f"{reason} {message}".rstrip())
    return f"{WORDS.get(run.state, 'unfinished')}: epoch {epoch} of {phases[phase].epochs if phase in phases else 0}"


def _with_sorted_header(blob: bytes) -> bytes:
    """Return a safetensors file whose metadata are in alphabetical order; safetensors writes them in any."""
    length = int.from_bytes(blob[:8], "little")
    header = json.loads(blob[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the tensors begin at a multiple of eight
    return len(text).to_bytes(8, "little") + text + blob[8 + length :]
