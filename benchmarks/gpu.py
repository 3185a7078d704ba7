"""Speed, memory and exactness of the engine on a graphics card (``python -m benchmarks.gpu``).

Two pairs of networks are trained on generated images of the size of CIFAR-100, in float32, in bfloat16 and with
compiled steps, beside a plain eager loop that evaluates the teacher at every step and beside a compiled step that reads
cached logits and does nothing else. Contenders take turns. Then 75 runs are trained at once and one by one, and three
properties of the engine are checked on the device. Takes at most eight minutes on a card; ``--small`` takes small sizes
for a trial of the script on a processor, whose numbers say nothing.

Rates are training steps of the student per second; all data are on the device before anything is timed.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.support.examples import COLOUR
from benchmarks.support.rows import Row, machine, table, write
from benchmarks.support.workloads import Work, prepare
from kd_core.base.events import Event, Failed, Finished, Step, Switched, Validated
from kd_core.config.run import RunConfig
from kd_core.runs.control import CHUNK_SECONDS
from kd_core.training.loop import PhaseCache, Trainer, train_all
from tools.testing.app_server import ROOT

MIN_SPEEDUP, MIN_FRACTION = 5.0, 0.6  # aims for ResNet-8×4, against the plain loop and against the compiled step
TOLERANCE = 1e-3  # of the first losses on the device against those on the processor, relative
PAIRS = {
    "CNN 32×4 → CNN 8×3": {
        "teacher": "cnn", "teacher_width": "32", "teacher_depth": "4",
        "student": "cnn", "student_width": "8", "student_depth": "3", "student_normalisation": "batch",
    },
    "ResNet-32×4 → ResNet-8×4": {
        "teacher": "resnet", "teacher_depth": "32", "teacher_widening": "4",
        "student": "resnet", "student_depth": "8", "student_widening": "4",
    },
}  # fmt: skip
STUDENT = "student"
Progress = Generator[int, None, None]  # yields the number of further steps


@dataclass(frozen=True)
class Sizes:
    """Sizes of the measurements."""

    device: str
    examples: int = 10_000
    batch_size: int = 64
    seconds: float = 2.0  # of every slice
    epochs: int = 5  # of each run of the grid
    rounds: int = 5
    temperatures: tuple[float, ...] = (1, 2, 4, 8, 16)  # of the grid
    alphas: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9)
    seeds: tuple[int, ...] = (0, 1, 2)
    changes: Mapping[str, str] = field(default_factory=dict)  # of the networks


SMALL_NETWORKS = {"student_widening": "1", "teacher_widening": "1", "teacher_width": "4", "student_width": "4"}
SMALL = Sizes("cpu", 64, 32, 0.01, 1, 1, (1, 2), (0.5, 0.9), (0,), SMALL_NETWORKS)


def synchronize(device: str) -> None:
    """Wait for the operations that were handed to the device."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def work_of(pair: Mapping[str, str], sizes: Sizes) -> Work:
    """Return a pair with its teacher on the generated images."""
    changes = {name: text for name, text in sizes.changes.items() if name in pair}
    return prepare({
        **pair, **changes,
        "dataset": "examples", "dataset_content": COLOUR, "dataset_classes": "100",
        "dataset_count": str(sizes.examples), "batch_size": str(sizes.batch_size), "device": sizes.device,
    })  # fmt: skip


def kd_loss(student: Tensor, teacher: Tensor, labels: Tensor, temperature: float, alpha: float) -> Tensor:
    """Return the loss of soft targets for logits (B, K)."""
    log_q, log_p = F.log_softmax(student / temperature, 1), F.log_softmax(teacher / temperature, 1)
    divergence = F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)
    return (1 - alpha) * F.cross_entropy(student, labels) + alpha * temperature**2 * divergence


def plain_loop(work: Work, device: str, *, is_brain: bool = False) -> Progress:
    """Train as in a tutorial, eagerly, with the teacher evaluated at every step."""
    teacher, student = work.teacher().to(device), work.student().to(device)
    yield from _steps(work, device, student, teacher, _eager_step(work, student, is_brain=is_brain))


def compiled_step(work: Work, device: str) -> Progress:
    """Train with a compiled step on cached logits of the teacher, and do nothing else."""
    student = work.student().to(device)
    # With CUDA graphs on a card; on a processor only the script is tried, and compiling takes a minute.
    settings = {"backend": "eager"} if device == "cpu" else {"mode": "reduce-overhead"}
    step = torch.compile(_eager_step(work, student), **settings)
    yield from _steps(work, device, student, work.teacher().to(device), step, is_cached=True)


def _eager_step(
    work: Work, student: nn.Module, *, is_brain: bool = False
) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    method = work.config.method

    def step(inputs: Tensor, labels: Tensor, teacher_logits: Tensor) -> Tensor:
        with torch.autocast(inputs.device.type, torch.bfloat16) if is_brain else nullcontext():
            logits = student(inputs)
        loss = kd_loss(logits.float(), teacher_logits.float(), labels, method.temperature, method.alpha)
        loss.backward()
        return loss.detach()

    return step


def _steps(
    work: Work, device: str, student: nn.Module, teacher: nn.Module,
    step: Callable[[Tensor, Tensor, Tensor], Tensor], *, is_cached: bool = False,
) -> Progress:  # fmt: skip
    inputs, labels = work.split.inputs.to(device), work.split.labels.to(device)
    optimiser, size = work.optimiser(student), work.batch_size
    with torch.no_grad():
        cached = torch.cat([teacher(part) for part in inputs.split(500)]) if is_cached else None
    while True:
        for rows in torch.randperm(len(labels), device=device).split(size):
            if len(rows) < size:  # another shape would be compiled again
                continue
            if cached is None:
                with torch.no_grad():
                    teacher_logits = teacher(inputs[rows])
            else:
                teacher_logits = cached[rows]
            step(inputs[rows], labels[rows], teacher_logits)
            optimiser.step()
            optimiser.zero_grad(set_to_none=not is_cached)
            yield 1


def engine(work: Work, device: str, **settings: str) -> Progress:
    """Train with the engine from the second epoch on, on a card once the steps are compiled if they are to be."""
    trainer = Trainer(work.config.with_flat(epochs="1000", **settings), device=device)
    trainer.chunk_seconds = CHUNK_SECONDS
    is_compiled = "compiled" not in settings
    for event in trainer:
        if isinstance(event, Failed):
            raise RuntimeError(event.message)
        is_compiled |= isinstance(event, Switched)
        if isinstance(event, Step) and event.epoch > 1 and (is_compiled or device == "cpu"):
            yield 1


def rate(progress: Progress, seconds: float, device: str) -> float:
    """Return the steps per second of some seconds of training."""
    synchronize(device)
    started, steps = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        steps += next(progress)
    synchronize(device)
    return steps / (time.perf_counter() - started)


def memory_and_first_step(progress: Progress, device: str) -> float:
    """Take the first timed step, and return the peak of allocated memory up to there in MB; NaN on a processor."""
    if not device.startswith("cuda"):
        next(progress)
        return float("nan")
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    next(progress)
    return (torch.cuda.max_memory_allocated() - before) / 1e6


def speed(pair: str, sizes: Sizes) -> list[Row]:
    """Return the rates of all contenders of a pair, their ratios in the same round, and their memory."""
    work, device = work_of(PAIRS[pair], sizes), sizes.device
    contenders: dict[str, Progress] = {
        "plain eager loop": plain_loop(work, device),
        "plain eager loop, bfloat16": plain_loop(work, device, is_brain=True),
        "compiled step alone": compiled_step(work, device),
        "engine": engine(work, device),
        "engine, bfloat16": engine(work, device, precision="bfloat16"),
        "engine, compiled": engine(work, device, compiled="true"),
    }
    memory = {name: memory_and_first_step(progress, device) for name, progress in contenders.items()}
    rates = {name: Row(f"{pair}: {name}", "steps/s") for name in contenders}
    for round_number in range(sizes.rounds):
        order = list(contenders) if round_number % 2 else list(reversed(contenders))
        for name in order:
            rates[name].numbers.append(rate(contenders[name], sizes.seconds, device))
    for progress in contenders.values():
        progress.close()
    is_aim = pair == list(PAIRS)[-1] and device != "cpu"
    rows = list(rates.values())
    for name, base, least in (
        ("engine", "plain eager loop", MIN_SPEEDUP),
        ("engine, bfloat16", "plain eager loop, bfloat16", None),
        ("engine, compiled", "plain eager loop", MIN_SPEEDUP),
        ("engine, compiled", "compiled step alone", MIN_FRACTION),
    ):
        pairs = zip(rates[name].numbers, rates[base].numbers, strict=True)
        row = Row(f"{pair}: {name} / {base}", "×", [ours / theirs for ours, theirs in pairs])
        if least is not None and is_aim:
            row.aim, row.met = f"at least {least:g}", row.summary()["p50"] >= least
        rows.append(row)
    rows += [Row(f"{pair}: memory, {name}", "MB", [size]) for name, size in memory.items() if not math.isnan(size)]
    return rows


def many_runs(sizes: Sizes) -> list[Row]:
    """Return the steps per second of 75 runs at once, and of single runs."""
    work = work_of(next(iter(PAIRS.values())), sizes)
    base = work.config.with_flat(epochs=str(sizes.epochs))
    grid = list(itertools.product(sizes.temperatures, sizes.alphas, sizes.seeds))
    configs = [base.with_flat(temperature=str(t), alpha=str(a), seed=str(s)) for t, a, s in grid]
    cache: PhaseCache = {}
    single = [steps_per_second(work, [config], cache, sizes) for config in (configs[0], configs[0], configs[-1])][1:]
    together = steps_per_second(work, configs, cache, sizes)
    rows = [Row("CNN: one run", "steps/s", single), Row(f"CNN: {len(configs)} runs at once", "steps/s", [together])]
    return [*rows, Row("CNN: ratio", "×", [together / (sum(single) / len(single))])]


def steps_per_second(work: Work, configs: Sequence[RunConfig], cache: PhaseCache, sizes: Sizes) -> float:
    """Train some runs to their end, and return the steps of all students per second."""
    synchronize(sizes.device)
    started = time.perf_counter()
    outcomes = [
        event.outcome
        for _, event in train_all(configs, device=sizes.device, cache=cache)
        if isinstance(event, Finished)
    ]
    synchronize(sizes.device)
    if outcomes != ["completed"] * len(configs):
        raise RuntimeError(f"Not every run was completed: {outcomes}")
    return len(configs) * sizes.epochs * work.steps_per_epoch / (time.perf_counter() - started)


def checks(sizes: Sizes) -> dict[str, bool]:
    """Return whether properties of the engine hold on the device."""
    work = work_of(next(iter(PAIRS.values())), sizes)
    config = work.config.with_flat(epochs="3", control="true")
    events = list(Trainer(config, device=sizes.device))
    return {
        "the first losses are those of the processor": _is_close(config, events),
        "the same run twice gives the same events": _same(events, list(Trainer(config, device=sizes.device))),
        "a resumed run ends with the same numbers": _same(events[-1:], _resumed(config, sizes.device)[-1:]),
        "with alpha 0 the student is its baseline": _is_control_exact(config.with_flat(alpha="0"), sizes.device),
    }


def _losses(events: Sequence[Event]) -> list[float]:
    return [event.loss[STUDENT] for event in events if isinstance(event, Step) and STUDENT in event.loss]


def _is_close(config: RunConfig, events: Sequence[Event]) -> bool:
    on_processor = _losses(list(itertools.islice(Trainer(config, device="cpu"), 40)))[:5]
    pairs = zip(_losses(events), on_processor, strict=False)
    return bool(on_processor) and all(abs(a - b) <= TOLERANCE * abs(b) for a, b in pairs)


def _same(events: Sequence[Event], others: Sequence[Event]) -> bool:
    return list(events) == list(others)


def _resumed(config: RunConfig, device: str) -> list[Event]:
    trainer = Trainer(config, device=device)
    for event in trainer:
        if isinstance(event, Step) and event.phase == "students" and event.epoch == 2:
            break
    return list(Trainer(config, device=device, resume=trainer.checkpoint()))


def _is_control_exact(config: RunConfig, device: str) -> bool:
    evaluations = [event for event in Trainer(config, device=device) if isinstance(event, Validated)]
    return all(event.loss[STUDENT] == event.loss["baseline"] for event in evaluations if STUDENT in event.loss)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="small sizes, on the processor")
    parser.add_argument("--out", type=Path, default=ROOT / "data" / "bench" / "gpu.json")
    arguments = parser.parse_args()
    if not arguments.small and not torch.cuda.is_available():
        parser.exit(2, "There is no CUDA device here. --small tries the script on the processor.\n")
    sizes = SMALL if arguments.small else Sizes("cuda")
    name = "the processor, small sizes" if arguments.small else torch.cuda.get_device_name()
    started = time.monotonic()
    body: dict[str, object] = {"machine": machine() | {"device": name, "torch": torch.__version__}}
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DISTILLERY_DATA"] = folder  # the teachers of the works
        measurements = [*(partial(speed, pair, sizes) for pair in PAIRS), partial(many_runs, sizes)]
        for measurement in measurements:
            rows += measurement()
            write(arguments.out, body | {"rows": [asdict(row) | row.summary() for row in rows]})  # what is known so far
            print(f"{time.monotonic() - started:.0f} s", flush=True)
        held = checks(sizes)
    write(arguments.out, body | {"rows": [asdict(row) | row.summary() for row in rows], "checks": held})
    print(f"\n{table(rows)}\n")
    for check, is_held in held.items():
        print(f"{check}: {'yes' if is_held else 'NO'}")
    print(f"\n{name}, {time.monotonic() - started:.0f} s in all, written to {arguments.out}")


if __name__ == "__main__":
    main()
