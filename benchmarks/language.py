"""Comparison of divergences and of texts for a small language model, written into docs/language.md.

``python -m benchmarks.language`` trains every row with ten seeds, some twenty minutes of one core; ``... --seeds 5``
with fewer. The teacher is trained once. The seconds are of one core, for student and baseline together.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from collections.abc import Mapping, Sequence

import torch

from benchmarks.support.cells import machine
from kd_core.analysis.writing.coverage import differences, ways
from kd_core.base.events import Finished
from kd_core.base.process import keep_freed_memory
from kd_core.config.comparison import TestMetrics
from kd_core.config.run import RunConfig, from_flat
from kd_core.tasks import Measure
from kd_core.tasks.language import Language
from kd_core.training.loop import PhaseCache, Trainer
from tools.docs import DOCS

PAGE = DOCS / "language.md"
TABLE = re.compile(r"(<!-- language:begin .*? -->\n).*?(<!-- language:end -->)", re.DOTALL)


def train(config: RunConfig, seed: int, cache: PhaseCache) -> tuple[TestMetrics, float]:
    """Return the test metrics of a run, and the seconds that it took with a teacher that is there."""
    before = time.process_time()
    *_, last = Trainer(config.with_flat(seed=str(seed)), cache=cache)
    assert isinstance(last, Finished)
    return last.test, time.process_time() - before


def cell(measure: Measure, values: Sequence[float]) -> str:
    """Return mean and standard deviation of a measure; nothing of one that a network lacks."""
    if not values:
        return ""
    scaled = [measure.factor * value for value in values]
    digits = f".{measure.decimals}f"
    return f"{statistics.fmean(scaled):{digits}}" + (
        f" ± {statistics.stdev(scaled):{digits}}" if len(scaled) > 1 and max(scaled) > min(scaled) else ""
    )


def line(title: str, tests: Sequence[Mapping[str, float]], seconds: Sequence[float] = ()) -> str:
    """Return a row of the table."""
    cells = [cell(one, [test[one.name] for test in tests if one.name in test]) for one in Language.measures]
    return f"| {title} | {' | '.join(cells)} | {f'{statistics.fmean(seconds):.0f}' if seconds else ''} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    seeds = parser.parse_args().seeds
    torch.set_num_threads(1)
    keep_freed_memory()
    cache: PhaseCache = {}
    config = from_flat({"dataset": "python_docs"})
    train(config.with_flat(control="false"), 0, cache)  # the teacher
    units = [one.column for one in Language.measures]
    rows = [f"| student learns from | {' | '.join(units)} | seconds |", f"|---|{'---:|' * (len(units) + 1)}"]
    tests: dict[str, dict[int, TestMetrics]] = {}
    for title, way in ways(config).items():
        results = [train(way, seed, cache) for seed in range(seeds)]
        tests[title] = {seed: test for seed, (test, _) in enumerate(results)}
        if len(rows) == 2:
            rows.append(line("(the teacher itself)", [results[0][0]["teacher"]]))
            rows.append(line("the text alone (control)", [test["baseline"] for test, _ in results]))
        rows.append(line(title, [test["student"] for test, _ in results], [took for _, took in results]))
        print(rows[-1], flush=True)
    contrasts = [f"- {sentence}" for sentence in differences(tests, Language.measures)]
    print(*contrasts, sep="\n", flush=True)
    note = f"Mean ± standard deviation over {seeds} seeds. Measured on {machine()}. Differences with 95 % intervals:"
    table = "\n".join([*rows, "", note, "", *contrasts, ""])
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(TABLE.sub(lambda match: match[1] + table + match[2], text), encoding="utf-8")


if __name__ == "__main__":
    main()
