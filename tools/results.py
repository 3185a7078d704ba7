"""Table of results in the README.

``python -m tools.results`` trains every row, about a minute on two cores.
"""

from __future__ import annotations

import contextlib
import io

from kd_core.__main__ import main as distillery
from tools.docs import ROOT, with_block

COMMANDS = (
    "luck dataset=digits labelled=50",
    "luck dataset=digits labelled=0 epochs=20",
    "luck dataset=digits labelled=0",
    "luck dataset=moons",
    "luck dataset=spirals",
)


def table() -> str:
    """Return one row per command with the sentence that it prints at its end."""
    lines = ["| command | verdict |", "|---|---|"]
    for command in COMMANDS:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            distillery([*command.split(), "--ephemeral"])
        lines.append(f"| `distillery {command}` | {out.getvalue().splitlines()[-1]} |")
    return "\n".join(lines)


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(with_block(readme.read_text(encoding="utf-8"), "results", table()), encoding="utf-8")
