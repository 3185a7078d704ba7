"""The engine against the plain loop and against other libraries, on this machine: ``python -m benchmarks.engine``.

Prints two tables per work, of the contenders and of what was wanted of ours, and writes the same numbers to
data/bench/engine.json. ``--install`` first puts the libraries into data/bench/peers, for the benchmark alone. Four
works of 5 rounds take about a quarter of an hour on two cores, and want a quiet machine.

A ratio is steps per second over those of the plain loop in the same round. Before anything is timed, every contender
trains the same few steps and must reach the loss that the plain loop reaches, with the formula that the contender has.
Contenders that do not choose their number of threads are given the better of one and all. What our engine and
Lightning do before their first steps (ours: its first epoch, too) is told beside the ratios and is not part of them.
Memory is the most that the process of a contender held, data and torch included.
On a machine that is not quiet ``--processor`` counts what each process computes, and gives everybody one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks.peers import CLOCK, ENTRIES, PLAIN, Entry, thread_counts
from benchmarks.peers.worker import Worker
from benchmarks.support import aims
from benchmarks.support.rounds import Line, as_json, epochs_for, interleaved, table
from benchmarks.support.rows import machine, write
from benchmarks.support.workloads import CHECKED_STEPS, EPOCHS, TITLES, WORKS, Work, prepared
from tools.testing.app_server import ROOT

SHARE = 0.3  # of a slice's seconds, for each try of a number of threads
HOPELESS = 0.5  # of the best rate so far, in the first epoch


def check(entries: Mapping[str, Entry], workers: Mapping[str, Worker], work: Work) -> None:
    """Everybody reaches the loss of the plain loop, and makes the steps of an epoch. Raises ValueError."""
    expected = {}
    for formula in {entry.formula for entry in entries.values()}:
        with ExitStack() as stack:
            is_here = PLAIN in workers and formula == ENTRIES[PLAIN].formula
            plain = workers[PLAIN] if is_here else stack.enter_context(Worker(ENTRIES[PLAIN], {"formula": formula}))
            plain.prepare(work.checked())
            expected[formula] = plain.train(CHECKED_STEPS).loss
    for key, entry in entries.items():
        workers[key].prepare(work.checked())
        loss, wanted = workers[key].train(CHECKED_STEPS).loss, expected[entry.formula]
        if not abs(loss - wanted) <= entry.tolerance * abs(wanted):
            raise ValueError(
                f"{entry.title} reaches a loss of {loss:.6f} after {CHECKED_STEPS} steps, and the plain loop with the "
                f"formula of {entry.formula} {wanted:.6f}: they do not train the same. Nothing was timed."
            )
        if entry.chooses_threads:
            continue  # it says its steps, and they are counted at every run
        workers[key].prepare(work)
        if (count := workers[key].count(1)) != work.steps_per_epoch:
            raise ValueError(f"{entry.title} makes {count} steps per epoch instead of {work.steps_per_epoch}.")
    told = ", ".join(f"{formula}: {loss:.4f}" for formula, loss in sorted(expected.items()))
    print(f"  the same loss after {CHECKED_STEPS} steps ({told})", flush=True)


def warmed(entry: Entry, worker: Worker, work: Work, seconds: float) -> tuple[str, int]:
    """Chooses the threads of a contender; in words, and the epochs of its slices."""
    if entry.chooses_threads:
        worker.prepare(work)
        found = worker.last(3, SHARE * seconds)
        return "own", epochs_for(found.steps / found.seconds, work.steps_per_epoch, seconds, EPOCHS)
    rates: dict[int, float] = {}
    for threads in thread_counts():
        worker.prepare(work, threads)
        first = worker.train(1)
        if first.steps / first.seconds < HOPELESS * max(rates.values(), default=0.0):
            continue  # beside a busy neighbour threads that wait for each other are many times slower
        found = worker.last(1, SHARE * seconds)
        rates[threads] = found.steps / found.seconds
    best = max(rates, key=lambda threads: rates[threads])
    worker.prepare(work, best)
    worker.train(1)
    return str(best), epochs_for(rates[best], work.steps_per_epoch, seconds, EPOCHS)


def measure(entries: Mapping[str, Entry], work: Work, rounds: int, seconds: float) -> dict[str, Line]:
    """The lines of ``entries``, by the same keys: all checked, then timed."""
    with ExitStack() as stack:
        workers = {key: stack.enter_context(Worker(entry)) for key, entry in entries.items()}
        check(entries, workers, work)
        ready = {key: warmed(entry, workers[key], work, seconds) for key, entry in entries.items()}
        print(f"  threads: {', '.join(f'{entries[key].title} {own}' for key, (own, _) in ready.items())}", flush=True)
        slices = interleaved(workers, {key: epochs for key, (_, epochs) in ready.items()}, rounds, seconds)
        memory = {key: worker.memory() for key, worker in workers.items()}
        for worker in workers.values():  # all of them at once: each takes a while
            worker.end()
    return {key: Line.of(entries[key].title, ready[key][0], found, memory[key]) for key, found in slices.items()}


def compare(name: str, only: Sequence[str], rounds: int, seconds: float) -> dict[str, object]:
    """One work: prints its table, and returns what is written of it."""
    begun, work = time.monotonic(), prepared(name)
    print(f"\n{name}, {TITLES[name]}: {work.in_words()}", flush=True)
    chosen = {key: own for key, own in ENTRIES.items() if name in own.works and (not only or key in {PLAIN, *only})}
    here = {key: entry for key, entry in chosen.items() if entry.is_installed}
    missing = "not installed here: python -m benchmarks.engine --install"
    lines = measure(here, work, rounds, seconds) | {
        key: Line(entry.title, note=missing) for key, entry in chosen.items() if key not in here
    }
    plain, ordered = lines[PLAIN], [lines[key] for key in chosen]
    wanted = aims.rows(name, lines)
    print(f"{table(ordered, plain)}\n\n{aims.table(wanted)}\n{time.monotonic() - begun:.0f} s", flush=True)
    return {
        "name": name,
        "title": TITLES[name],
        "what": work.in_words(),
        "rows": [as_json(line, plain) for line in ordered],
        "aims": [asdict(row) | (row.summary() if row.numbers else {}) for row in wanted],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.engine", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--install", action="store_true", help="install the other libraries, then end")
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--only", nargs="+", choices=ENTRIES, default=[], help="these beside the plain loop")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of every slice")
    parser.add_argument("--processor", action="store_true", help="count seconds of processor time, one thread each")
    parser.add_argument("--out", type=Path, default=ROOT / "data" / "bench" / "engine.json")
    given = parser.parse_args()
    if given.install:
        for entry in ENTRIES.values():
            entry.install()
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DISTILLERY_DATA"] = folder  # the teachers of the works
        if given.processor:  # threads that wait for each other spin, so there is one
            os.environ |= {CLOCK: "processor", "OMP_NUM_THREADS": "1"}
            torch.set_num_threads(1)
        works = [compare(name, given.only, given.rounds, given.seconds) for name in given.works]
    facts = machine() | {"torch": torch.__version__, "clock": "processor" if given.processor else "wall"}
    body = {"machine": facts, "rounds": given.rounds, "works": works}
    write(given.out, body)
    print(f"\n{json.dumps(body['machine'])}, written to {given.out}")


if __name__ == "__main__":
    main()
