"""A contender in a process of its own: its imports, threads and memory are nobody else's."""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from benchmarks.peers import Contender, Entry, Slice, clock
from benchmarks.support.workloads import Work

PATIENCE = 900.0  # seconds for one answer: some compile


class WorkerError(RuntimeError):
    """What a contender raised, with its traceback as text."""


class Worker:
    """Asks the contender of an ``entry``; its process ends with the block."""

    def __init__(self, entry: Entry, options: Mapping[str, Any] | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, entry, dict(options or {})), daemon=True)
        self._process.start()
        theirs.close()
        self._title = entry.title

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()
        self._process.join(5)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()

    def end(self) -> None:
        """Lets it end, without waiting for it."""
        self._ours.close()

    def prepare(self, work: Work, threads: int = 0) -> None:
        """A new student; ``threads`` from here on, 0 for those that it has."""
        self._ask("prepare", work.flat, threads)

    def train(self, epochs: int) -> Slice:
        """So many epochs."""
        found: Slice = self._ask("train", epochs)
        return found

    def count(self, epochs: int) -> int:
        """The updates that optimisers of this process make in so many epochs."""
        found: int = self._ask("count", epochs)
        return found

    def last(self, epochs: int, seconds: float) -> Slice:
        """So many epochs again and again until ``seconds`` have gone by; all of them as one."""
        found: Slice = self._ask("last", epochs, seconds)
        return found

    def memory(self) -> float:
        """MB that its process has held at most."""
        found: float = self._ask("memory")
        return found

    def _ask(self, *request: Any) -> Any:
        try:
            self._ours.send(request)
            if not self._ours.poll(PATIENCE):
                raise WorkerError(f"{self._title}: no answer to {request[0]} within {PATIENCE:.0f} s.")
            kind, answer = self._ours.recv()
        except (EOFError, BrokenPipeError) as error:
            raise WorkerError(f"{self._title}: its process ended.") from error
        if kind == "error":
            raise WorkerError(f"{self._title}: {answer}")
        return answer


def peak() -> float:
    """MB that this process has held at most; 0 where there is no /proc. What the system counts for children that
    have ended is no help: a process begins with the peak of the one that started it."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM:")), 0.0)


def _serve(pipe: Connection, entry: Entry, options: dict[str, Any]) -> None:
    contender: Contender | None = None
    while True:
        try:
            what, *values = pipe.recv()
        except EOFError:
            return
        try:
            contender = contender or entry.make(**options)
            pipe.send(("answer", _answer(contender, what, *values)))
        except BaseException:
            pipe.send(("error", traceback.format_exc()))


def _answer(contender: Contender, what: str, *values: Any) -> Any:
    if what == "prepare":
        flat, threads = values
        if threads:
            torch.set_num_threads(threads)
        torch.manual_seed(0)  # of the loaders' order
        return contender.prepare(Work(flat))
    if what == "train":
        return contender.train(*values)
    if what == "count":
        return _counted(contender, *values)
    if what == "memory":
        return peak()
    return _repeated(contender, *values)


def _counted(contender: Contender, epochs: int) -> int:
    done = 0

    def note(*_: object) -> None:
        nonlocal done
        done += 1

    handle = register_optimizer_step_post_hook(note)
    try:
        contender.train(epochs)
    finally:
        handle.remove()
    return done


def _repeated(contender: Contender, epochs: int, seconds: float) -> Slice:
    until, slices = clock() + seconds, []
    while not slices or clock() < until:
        slices.append(contender.train(epochs))
    return Slice(
        slices[-1].loss,
        sum(own.steps for own in slices),
        sum(own.seconds for own in slices),
        sum(own.beginning for own in slices) / len(slices),
        {what: sum(own.computed[what] for own in slices) for what in slices[0].computed},
    )
