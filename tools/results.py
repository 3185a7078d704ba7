"""Table of results in the README.

``python -m tools.results`` trains every row, some four minutes on two cores.
"""

from __future__ import annotations

import contextlib
import io
import json

from benchmarks.support.cells import gain, machine_sentence, spread
from kd_core.__main__ import main as distillery
from tools.docs import ROOT, with_block

COMMANDS = (
    "luck dataset=digits labelled=50",
    "luck dataset=digits labelled=0 epochs=20",
    "luck dataset=digits labelled=0",
    "luck dataset=moons",
    "luck dataset=spirals",
)
SEEDS = 20


def table() -> str:
    """Return one row per command with the accuracies and the gain of its seeds."""
    lines = ["| command | baseline, % | distilled, % | gain, points |", "|---|---:|---:|---|"]
    for command in COMMANDS:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            distillery([*command.split(), f"seeds={SEEDS}", "--ephemeral", "--json"])
        tests = list(json.loads(out.getvalue().splitlines()[-1])["tests"].values())
        accuracies = [spread([test[role]["accuracy"] for test in tests]) for role in ("baseline", "student")]
        lines.append(f"| `distillery {command} seeds={SEEDS}` | {' | '.join(accuracies)} | {gain(tests)} |")
    about = f"Mean ± standard deviation over {SEEDS} seeds; 95 % intervals; **bold** if p ≤ 0.001."
    return "\n".join([*lines, "", f"{about} {machine_sentence()}"])


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(with_block(readme.read_text(encoding="utf-8"), "results", table()), encoding="utf-8")
