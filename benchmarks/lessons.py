"""What usually happens in the lessons, over several learners, written into docs/lectures.md.

``python -m benchmarks.lessons`` trains every lesson for ten learners, some twenty minutes of one core; ``... luck``
only those that are named, and leaves the other rows as they are. The seconds are of one core, for a learner whose
teacher is trained already.
"""

from __future__ import annotations

import os
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.support.cells import machine
from kd_core.base import marks
from kd_core.base.events import Finished
from kd_core.base.process import keep_freed_memory
from kd_core.config.lessons import Lesson, find, lessons
from kd_core.config.run import from_flat
from kd_core.runs.manager import RunManager
from kd_core.runs.questions.family_runs import Tests
from kd_core.runs.questions.lesson_runs import stored_lesson_runs
from kd_core.training.loop import PhaseCache, train_all
from tools.docs import DOCS

LEARNERS = 10
HEAD = (
    "| lesson | what usually happens | how often | difference in points, mean (extremes) | seconds |\n"
    "|---|---|---:|---:|---:|\n"
)
PAGE = DOCS / "lectures.md"
TABLE = re.compile(r"(<!-- lessons:begin .*? -->\n).*?(<!-- lessons:end -->)", re.DOTALL)


def train(lesson: Lesson, first: int, cache: PhaseCache) -> Tests:
    """Return the test metrics of a learner's runs by family and seed; teachers are taken from the cache."""
    keys = [(family, seed) for family in lesson.families for seed in lesson.seed_numbers(first)]
    configs = [from_flat(lesson.families[family]).with_flat(seed=seed) for family, seed in keys]
    results: Tests = {}
    for number, event in train_all(configs, cache=cache):
        if isinstance(event, Finished):
            family, seed = keys[number]
            results.setdefault(family, {})[seed] = event.test
    return results


def train_and_compress(lesson: Lesson, first: int, _: PhaseCache) -> Tests:
    """Return the test metrics of a learner's runs of a lesson that compresses its students, which needs a store."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DISTILLERY_DATA"] = folder  # in which the weights of the students are stored
        manager = RunManager(Path(folder))
        try:
            while not (runs := stored_lesson_runs(manager.store, lesson, first)).is_complete:
                if not runs.jobs:
                    runs.queue(manager.start_sweep, manager.start)
                time.sleep(0.05)
            return runs.tests()
        finally:
            manager.close()


def row(lesson: Lesson) -> str:
    """Return the row of a lesson in the table."""
    learn = train if lesson.compression is None else train_and_compress
    cache: PhaseCache = {}
    every, times = list[Tests](), list[float]()
    for learner in range(LEARNERS):
        before = time.process_time()
        every.append(learn(lesson, 100 * learner, cache))
        times.append(time.process_time() - before)
    seconds = statistics.median(times)  # the first learner's has the training of the teacher in it
    outcomes = Counter(lesson.outcome(results) for results in every)
    differences = [lesson.decisive(results) for results in every]
    mean, low, high = map(marks.signed, (statistics.fmean(differences), min(differences), max(differences)))
    expected = lesson.choices[lesson.expected].text
    count = f"{outcomes[lesson.expected]} of {LEARNERS}"
    return f"| {lesson.title} | {expected} | {count} | {mean} ({low} to {high}) | {seconds:.0f} |"


def main(names: Sequence[str]) -> None:
    keep_freed_memory()
    text = PAGE.read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("| ")}
    for lesson in [find(name) for name in names] or lessons().values():
        rows[lesson.title] = row(lesson)
        print(rows[lesson.title], flush=True)
    ordered = [rows[lesson.title] for lesson in lessons().values() if lesson.title in rows]
    seeds = f"seeds 0, 100, ..., {100 * (LEARNERS - 1)} and those after them"
    table = HEAD + "\n".join(ordered) + f"\n\nMeasured on {machine()}, {LEARNERS} learners, {seeds}.\n"
    PAGE.write_text(TABLE.sub(lambda match: match[1] + table + match[2], text), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
