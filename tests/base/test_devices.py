"""Tests of the list of devices and the choice of one, with a mocked torch."""

import threading

import pytest
import torch

from kd_core.base import devices
from kd_core.runs.job_queue import JobQueue

GIB = 2**30


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two GPUs as torch would describe them."""
    monkeypatch.delenv("DISTILLERY_DEVICE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: f"Card {number}")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (6 * GIB, 8 * GIB))


@pytest.mark.usefixtures("two_gpus")
def test_gpus_are_the_default_and_the_cpu_can_still_be_chosen() -> None:
    assert devices.default_devices() == ["cuda:0", "cuda:1"]
    assert devices.device_names() == ["cuda:0", "cuda:1", "cpu"]
    assert devices.resolve("auto") == "cuda:0"
    assert devices.resolve("cpu") == "cpu"
    assert (devices.list_devices()[1].title, devices.list_devices()[1].memory_in_words()) == (
        "Card 1",
        "6.0 of 8.0 GiB free",
    )


def test_without_a_gpu_the_cpu_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISTILLERY_DEVICE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.mps, "is_available", lambda: False)
    assert devices.default_devices() == ["cpu"]
    assert devices.list_devices()[-1].memory > GIB
    with pytest.raises(ValueError, match="device = cuda:0: this machine offers auto, cpu"):
        devices.resolve("cuda:0")


@pytest.mark.usefixtures("two_gpus")
def test_the_environment_variable_overrides_the_default_and_an_unknown_device_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DISTILLERY_DEVICE", "cpu")
    assert devices.default_devices() == ["cpu"]
    monkeypatch.setenv("DISTILLERY_DEVICE", "cuda")
    assert devices.default_devices() == ["cuda:0"]
    monkeypatch.setenv("DISTILLERY_DEVICE", "abacus")
    with pytest.raises(ValueError, match=r"DISTILLERY_DEVICE = abacus: this machine offers cuda:0, cuda:1, cpu"):
        devices.default_devices()


def test_each_device_takes_the_first_run_that_may_use_it() -> None:
    queue = JobQueue(["cuda:0", "cuda:1", "cpu"], ["cuda:0", "cuda:1"])
    for run, wanted in {"a": "auto", "b": "cuda:0", "c": "auto", "d": "cpu", "e": "auto"}.items():
        queue.put(run, wanted)
    assert [queue.count_ahead(run) for run in "abcde"] == [0, 1, 1, 0, 2]
    assert queue.next("cuda:0") == "a"
    assert queue.next("cuda:1") == "c"
    assert queue.next("cpu") == "d"
    queue.leave("a")
    assert queue.next("cuda:0") == "b"
    assert queue.count_ahead("e") == 1
    queue.leave("c")
    assert queue.next("cuda:1") == "e"


def test_a_waiting_thread_is_woken_by_a_run_and_by_closing_the_queue() -> None:
    queue, jobs = JobQueue(["cpu"], ["cpu"]), []
    thread = threading.Thread(target=lambda: jobs.extend([queue.next("cpu"), queue.next("cpu")]))
    thread.start()
    queue.put("a", "auto")
    queue.close()
    thread.join(10)
    assert jobs[-1] is None
    assert not thread.is_alive()


def test_a_run_for_an_unknown_device_is_refused() -> None:
    with pytest.raises(ValueError, match="device = mps: this machine offers auto, cpu"):
        JobQueue(["cpu"], ["cpu"]).check("mps")
