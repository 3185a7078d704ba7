"""Which devices there are, which one a run gets, and who waits for it. torch's answers are made up."""

import threading

import pytest
import torch

from kd_core.base import devices
from kd_core.runs.job_queue import JobQueue

GIB = 2**30


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two graphics cards, as torch would describe them."""
    monkeypatch.delenv("DISTILLERY_DEVICE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: f"Card {number}")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (6 * GIB, 8 * GIB))


@pytest.mark.usefixtures("cards")
def test_graphics_cards_are_taken_where_there_are_some_and_the_processor_stays_a_choice() -> None:
    assert devices.default_devices() == ["cuda:0", "cuda:1"]
    assert devices.device_names() == ["cuda:0", "cuda:1", "cpu"]
    assert devices.resolve("auto") == "cuda:0"
    assert devices.resolve("cpu") == "cpu"
    assert (devices.list_devices()[1].title, devices.list_devices()[1].memory_in_words()) == (
        "Card 1",
        "6.0 of 8.0 GiB free",
    )


def test_without_a_card_the_processor_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISTILLERY_DEVICE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.mps, "is_available", lambda: False)
    assert devices.default_devices() == ["cpu"]
    assert devices.list_devices()[-1].memory > GIB
    with pytest.raises(ValueError, match="device = cuda:0: this machine offers auto, cpu"):
        devices.resolve("cuda:0")


@pytest.mark.usefixtures("cards")
def test_the_environment_overrules_and_a_device_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTILLERY_DEVICE", "cpu")
    assert devices.default_devices() == ["cpu"]
    monkeypatch.setenv("DISTILLERY_DEVICE", "cuda")
    assert devices.default_devices() == ["cuda:0"]
    monkeypatch.setenv("DISTILLERY_DEVICE", "abacus")
    with pytest.raises(ValueError, match=r"DISTILLERY_DEVICE = abacus: this machine offers cuda:0, cuda:1, cpu"):
        devices.default_devices()


def test_each_device_takes_the_first_run_that_it_may() -> None:
    line = JobQueue(["cuda:0", "cuda:1", "cpu"], ["cuda:0", "cuda:1"])
    for run, wanted in {"a": "auto", "b": "cuda:0", "c": "auto", "d": "cpu", "e": "auto"}.items():
        line.put(run, wanted)
    assert [line.count_ahead(run) for run in "abcde"] == [0, 1, 1, 0, 2]
    assert line.next("cuda:0") == "a"
    assert line.next("cuda:1") == "c"
    assert line.next("cpu") == "d"
    line.leave("a")
    assert line.next("cuda:0") == "b"
    assert line.count_ahead("e") == 1
    line.leave("c")
    assert line.next("cuda:1") == "e"


def test_who_waits_is_woken_by_a_run_and_by_the_end() -> None:
    line, found = JobQueue(["cpu"], ["cpu"]), []
    thread = threading.Thread(target=lambda: found.extend([line.next("cpu"), line.next("cpu")]))
    thread.start()
    line.put("a", "auto")
    line.close()
    thread.join(10)
    assert found[-1] is None
    assert not thread.is_alive()


def test_a_run_for_a_device_that_takes_none_is_refused() -> None:
    with pytest.raises(ValueError, match="device = mps: this machine offers auto, cpu"):
        JobQueue(["cpu"], ["cpu"]).check("mps")
