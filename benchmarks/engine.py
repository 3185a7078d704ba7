"""Speed of the engine against a plain loop and other libraries (``python -m benchmarks.engine``).

Prints two tables per work, of the contenders and of the aims, and writes the numbers to data/bench/engine.json.
``--install`` installs the libraries into data/bench/peers. Four works of 5 rounds take about 15 minutes on two idle
cores.

A ratio is steps per second over those of the plain loop in the same round. Before anything is timed, every contender
trains a few steps and must reach the loss of the plain loop with the same formula. Contenders that do not choose their
number of threads get the better of one and all. The set-up time of our engine (with its first epoch) and of Lightning
is shown beside the ratios and is not part of them. Memory is the peak of a contender's process, with data and torch.
On a busy machine ``--processor`` measures processor time and gives every contender one thread.
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

TRIAL_FRACTION = 0.3  # of a slice's seconds, for the trial of each number of threads
MIN_RATE = 0.5  # of the best so far, in the first epoch, to try a number of threads further


def check(entries: Mapping[str, Entry], workers: Mapping[str, Worker], work: Work) -> None:
    """Check that every contender reaches the loss of the plain loop and takes the steps of an epoch.

    Raises ValueError.
    """
    expected = {}
    for formula in {entry.formula for entry in entries.values()}:
        with ExitStack() as stack:
            is_running = PLAIN in workers and formula == ENTRIES[PLAIN].formula
            plain = workers[PLAIN] if is_running else stack.enter_context(Worker(ENTRIES[PLAIN], {"formula": formula}))
            plain.prepare(work.checked())
            expected[formula] = plain.train(CHECKED_STEPS).loss
    for key, entry in entries.items():
        workers[key].prepare(work.checked())
        loss, target = workers[key].train(CHECKED_STEPS).loss, expected[entry.formula]
        if not abs(loss - target) <= entry.tolerance * abs(target):
            raise ValueError(
                f"{entry.title} reaches a loss of {loss:.6f} after {CHECKED_STEPS} steps, and the plain loop with the "
                f"formula of {entry.formula} {target:.6f}: they do not train the same. Nothing was timed."
            )
        if entry.chooses_threads:
            continue  # it reports its own steps in every slice
        workers[key].prepare(work)
        if (count := workers[key].count(1)) != work.steps_per_epoch:
            raise ValueError(f"{entry.title} makes {count} steps per epoch instead of {work.steps_per_epoch}.")
    losses = ", ".join(f"{formula}: {loss:.4f}" for formula, loss in sorted(expected.items()))
    print(f"  the same loss after {CHECKED_STEPS} steps ({losses})", flush=True)


def warm_up(entry: Entry, worker: Worker, work: Work, seconds: float) -> tuple[str, int]:
    """Return the number of threads of a contender in words, and the epochs of its slices."""
    if entry.chooses_threads:
        worker.prepare(work)
        trial = worker.last(3, TRIAL_FRACTION * seconds)
        return "own", epochs_for(trial.steps / trial.seconds, work.steps_per_epoch, seconds, EPOCHS)
    rates: dict[int, float] = {}
    for threads in thread_counts():
        worker.prepare(work, threads)
        first = worker.train(1)
        if first.steps / first.seconds < MIN_RATE * max(rates.values(), default=0.0):
            continue  # on a busy machine threads that wait for each other are many times slower
        trial = worker.last(1, TRIAL_FRACTION * seconds)
        rates[threads] = trial.steps / trial.seconds
    best = max(rates, key=lambda threads: rates[threads])
    worker.prepare(work, best)
    worker.train(1)
    return str(best), epochs_for(rates[best], work.steps_per_epoch, seconds, EPOCHS)


def measure(entries: Mapping[str, Entry], work: Work, rounds: int, seconds: float) -> dict[str, Line]:
    """Check and time the ``entries``, and return their lines by the same keys."""
    with ExitStack() as stack:
        workers = {key: stack.enter_context(Worker(entry)) for key, entry in entries.items()}
        check(entries, workers, work)
        ready = {key: warm_up(entry, workers[key], work, seconds) for key, entry in entries.items()}
        threads = ", ".join(f"{entries[key].title} {count}" for key, (count, _) in ready.items())
        print(f"  threads: {threads}", flush=True)
        timed = interleaved(workers, {key: epochs for key, (_, epochs) in ready.items()}, rounds, seconds)
        memory = {key: worker.memory() for key, worker in workers.items()}
        for worker in workers.values():  # without waiting in between, since each takes a while
            worker.end()
    return {key: Line.of(entries[key].title, ready[key][0], slices, memory[key]) for key, slices in timed.items()}


def compare(name: str, only: Sequence[str], rounds: int, seconds: float) -> dict[str, object]:
    """Print the table of one work, and return its numbers."""
    started, work = time.monotonic(), prepared(name)
    print(f"\n{name}, {TITLES[name]}: {work.in_words()}", flush=True)
    keys = {PLAIN, *only} if only else set(ENTRIES)
    chosen = {key: entry for key, entry in ENTRIES.items() if name in entry.works and key in keys}
    installed = {key: entry for key, entry in chosen.items() if entry.is_installed}
    missing = "not installed here: python -m benchmarks.engine --install"
    lines = measure(installed, work, rounds, seconds) | {
        key: Line(entry.title, note=missing) for key, entry in chosen.items() if key not in installed
    }
    plain, ordered = lines[PLAIN], [lines[key] for key in chosen]
    aim_rows = aims.rows(name, lines)
    print(f"{table(ordered, plain)}\n\n{aims.table(aim_rows)}\n{time.monotonic() - started:.0f} s", flush=True)
    return {
        "name": name,
        "title": TITLES[name],
        "what": work.in_words(),
        "rows": [as_json(line, plain) for line in ordered],
        "aims": [asdict(row) | (row.summary() if row.numbers else {}) for row in aim_rows],
    }


def main() -> None:
    """Run the command."""
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
    arguments = parser.parse_args()
    if arguments.install:
        for entry in ENTRIES.values():
            entry.install()
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DISTILLERY_DATA"] = folder  # the teachers of the works
        if arguments.processor:  # threads that wait for each other spin, so there is one
            os.environ |= {CLOCK: "processor", "OMP_NUM_THREADS": "1"}
            torch.set_num_threads(1)
        works = [compare(name, arguments.only, arguments.rounds, arguments.seconds) for name in arguments.works]
    facts = machine() | {"torch": torch.__version__, "clock": "processor" if arguments.processor else "wall"}
    body = {"machine": facts, "rounds": arguments.rounds, "works": works}
    write(arguments.out, body)
    print(f"\n{json.dumps(body['machine'])}, written to {arguments.out}")


if __name__ == "__main__":
    main()
