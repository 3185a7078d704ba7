"""Process of one contender, with imports, threads and memory of its own."""

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

ANSWER_SECONDS = 900.0  # to wait for one answer, since some contenders compile


class WorkerError(RuntimeError):
    """An exception of a contender, with its traceback as text."""


class Worker:
    """Proxy of the contender of an ``entry``; its process ends with the ``with`` block."""

    def __init__(self, entry: Entry, options: Mapping[str, Any] | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, child_connection = context.Pipe()
        self._process = context.Process(target=_serve, args=(child_connection, entry, dict(options or {})), daemon=True)
        self._process.start()
        child_connection.close()
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
        """Let the process end, without waiting for it."""
        self._connection.close()

    def prepare(self, work: Work, threads: int = 0) -> None:
        """Reset the student; ``threads`` from here on, 0 to leave their number."""
        self._ask("prepare", work.flat, threads)

    def train(self, epochs: int) -> Slice:
        """Train for so many epochs."""
        answer: Slice = self._ask("train", epochs)
        return answer

    def count(self, epochs: int) -> int:
        """Return the optimiser steps of the process in so many epochs."""
        answer: int = self._ask("count", epochs)
        return answer

    def last(self, epochs: int, seconds: float) -> Slice:
        """Repeat so many epochs until ``seconds`` have passed, and return all of them as one slice."""
        answer: Slice = self._ask("last", epochs, seconds)
        return answer

    def memory(self) -> float:
        """Return the peak memory of the process in MB."""
        answer: float = self._ask("memory")
        return answer

    def _ask(self, *request: Any) -> Any:
        try:
            self._connection.send(request)
            if not self._connection.poll(ANSWER_SECONDS):
                raise WorkerError(f"{self._title}: no answer to {request[0]} within {ANSWER_SECONDS:.0f} s.")
            kind, answer = self._connection.recv()
        except (EOFError, BrokenPipeError) as error:
            raise WorkerError(f"{self._title}: its process ended.") from error
        if kind == "error":
            raise WorkerError(f"{self._title}: {answer}")
        return answer


def peak() -> float:
    """Return the peak memory of this process in MB; 0 without /proc.

    ``resource.getrusage`` does not help: a process begins with the peak of the one that started it.
    """
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM:")), 0.0)


def _serve(pipe: Connection, entry: Entry, options: dict[str, Any]) -> None:
    contender: Contender | None = None
    while True:
        try:
            request, *values = pipe.recv()
        except EOFError:
            return
        try:
            contender = contender or entry.make(**options)
            pipe.send(("answer", _answer(contender, request, *values)))
        except BaseException:
            pipe.send(("error", traceback.format_exc()))


def _answer(contender: Contender, request: str, *values: Any) -> Any:
    if request == "prepare":
        flat, threads = values
        if threads:
            torch.set_num_threads(threads)
        torch.manual_seed(0)  # the data order of the loaders
        return contender.prepare(Work(flat))
    if request == "train":
        return contender.train(*values)
    if request == "count":
        return _count_steps(contender, *values)
    if request == "memory":
        return peak()
    return _repeat(contender, *values)


def _count_steps(contender: Contender, epochs: int) -> int:
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


def _repeat(contender: Contender, epochs: int, seconds: float) -> Slice:
    deadline, slices = clock() + seconds, []
    while not slices or clock() < deadline:
        slices.append(contender.train(epochs))
    return Slice(
        slices[-1].loss,
        sum(one.steps for one in slices),
        sum(one.seconds for one in slices),
        sum(one.beginning for one in slices) / len(slices),
        {purpose: sum(one.computed[purpose] for one in slices) for purpose in slices[0].computed},
    )
