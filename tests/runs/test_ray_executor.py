"""Workers of Ray, by a stand-in for the module ``ray``."""

from __future__ import annotations

import pickle
from types import SimpleNamespace
from typing import Any

import pytest

from kd_core.runs.cluster.executor import ClusterGoneError, LostError
from kd_core.runs.cluster.part import MEMORY, Report
from kd_core.runs.cluster.ray_executor import PARTS_PER_CARD, RayExecutor, RayHandle
from kd_core.runs.control import Pause, Stop


class RayError(Exception):
    pass


class OutOfMemoryError(RayError):
    pass


class RayTaskError(RayError):
    cause: Exception | None = None


class FakeRay:
    """A module whose references are what they lead to, or an exception."""

    exceptions = SimpleNamespace(RayError=RayError, OutOfMemoryError=OutOfMemoryError, RayTaskError=RayTaskError)

    def __init__(self, **resources: float) -> None:
        self.resources, self.options = resources, dict[str, Any]()
        self.is_connected: bool | None = True  # None where even the question fails

    def cluster_resources(self) -> dict[str, float]:
        return self.resources

    def remote(self, **options: Any) -> Any:
        self.options = options
        return lambda cls: cls

    def is_initialized(self) -> bool:
        if self.is_connected is None:
            raise ValueError("Cannot invoke RPC on closed channel!")
        return self.is_connected

    def wait(self, references: list[Any], num_returns: int, **_: float) -> tuple[list[Any], list[Any]]:
        return references[:num_returns], references[num_returns:]

    def get(self, reference: Any) -> Any:
        if isinstance(reference, Exception):
            raise reference
        return reference


def answers(*references: Any) -> list[Any]:
    handles = [RayHandle(None) for _ in references]
    for handle, reference in zip(handles, references, strict=True):
        handle.pending = reference
    results = dict(RayExecutor(FakeRay(CPU=4), "ray://lab:1").wait(handles, 0.1))
    return [results[handle] for handle in handles]


def test_without_cards_a_part_has_a_processor_and_with_them_a_fraction_of_one() -> None:
    ray = FakeRay(CPU=6, memory=1e9)
    executor = RayExecutor(ray, "ray://lab:1")
    assert (executor.device, executor.capacity()) == ("cpu", 6)
    assert "num_gpus" not in ray.options
    ray = FakeRay(CPU=64, GPU=2)
    executor = RayExecutor(ray, "ray://lab:1")
    assert (executor.device, executor.capacity()) == ("cuda", 2 * PARTS_PER_CARD)
    assert ray.options["num_gpus"] * PARTS_PER_CARD == 1
    assert RayExecutor(FakeRay(CPU=3, GPU=2), "ray://lab:1").capacity() == 3  # a part needs a processor, too


def test_a_report_arrives_and_a_worker_that_died_is_lost() -> None:
    report, lost = answers(pickle.dumps(Report(position=(3, 9))), RayError("\nThe actor died.\nmore"))
    assert report.position == (3, 9)
    assert isinstance(lost, LostError)
    assert str(lost) == "The actor died."


def test_a_node_without_memory_is_a_sentence() -> None:
    in_task = RayTaskError("traceback")
    in_task.cause = MemoryError("40 GB")
    for report in answers(OutOfMemoryError("Task was killed due to the node running low on memory."), in_task):
        assert report.problem == MEMORY
        assert report.reason.startswith("A node of the cluster has too little memory: ")


def test_an_error_of_the_training_itself_is_raised() -> None:
    with pytest.raises(RayTaskError, match="bug"):
        answers(RayTaskError("a bug"))


@pytest.mark.parametrize("is_connected", [True, False, None])
def test_a_cluster_that_is_gone_is_one_error_whatever_ray_raises(is_connected: bool | None) -> None:
    ray = FakeRay(CPU=4)
    executor = RayExecutor(ray, "ray://lab:1")
    ray.is_connected = is_connected
    handle = RayHandle(None)
    handle.pending = ConnectionError("lost") if is_connected else TypeError("not connected")
    with pytest.raises(ClusterGoneError, match="ray://lab:1 can no longer be reached"):
        executor.wait([handle], 0.1)
    assert executor.is_gone
    ray.is_connected = True  # to another cluster
    handle.pending = pickle.dumps(Report())
    with pytest.raises(ClusterGoneError, match="ray://lab:1 can no longer be reached"):
        executor.wait([handle], 0.1)


def test_a_cluster_that_is_gone_before_a_call_has_its_id_is_the_same_error() -> None:
    class Unanswered:
        def __hash__(self) -> int:
            raise ConnectionError("Failed to reconnect within the reconnection grace period")

    handle = RayHandle(None)
    handle.pending = Unanswered()
    with pytest.raises(ClusterGoneError, match="ray://lab:1 can no longer be reached"):
        RayExecutor(FakeRay(CPU=4), "ray://lab:1").wait([handle], 0.1)


def test_commands_before_a_part_has_begun_are_sent_once_it_has() -> None:
    sent: list[object] = []
    executor = RayExecutor(FakeRay(CPU=4), "ray://lab:1")
    handle = RayHandle(SimpleNamespace(send=SimpleNamespace(remote=lambda message: sent.append(pickle.loads(message)))))
    executor.send(handle, Pause())
    handle.pending = pickle.dumps(Report())
    assert not sent
    executor.wait([handle], 0.1)
    executor.send(handle, Stop())
    assert sent == [Pause(), Stop()]
