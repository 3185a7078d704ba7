"""Measurement of the claims, written into their files and into docs/claims.md.

``python -m benchmarks.claims`` measures all, some four minutes; ``... claims few_labels`` those that are named. The
numbers are those of ``distillery claims``. The seconds are of one core, so that other programs hardly change them.
"""

from __future__ import annotations

import ast
import datetime
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import torch

from benchmarks.support.cells import machine
from kd_core.base import discovery
from kd_core.base.process import keep_freed_memory
from kd_core.config.claims import Measured, claims, find
from kd_core.runs.questions.claim_runs import measure
from tools.docs import DOCS, claims_page


def with_measured(text: str, measured: Measured) -> str:
    """Return the source of a claim with its measurement replaced, or added as the last argument of ``CLAIM``."""
    call = next(
        node.value
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign)
        and any(isinstance(name, ast.Name) and name.id == "CLAIM" for name in node.targets)
    )
    assert isinstance(call, ast.Call)
    lines = text.splitlines()
    for keyword in call.keywords:
        if keyword.arg == "measured":
            assert keyword.value.end_lineno is not None
            lines[keyword.lineno - 1 : keyword.value.end_lineno] = source(measured)
            break
    else:
        assert call.end_lineno is not None
        lines[call.end_lineno - 1 : call.end_lineno - 1] = source(measured)
    imports = r"^(from kd_core.config.claims import .*Claim)(?!.*Measured)"
    return re.sub(imports, r"\1, Measured", "\n".join(lines) + "\n", flags=re.MULTILINE)


def source(measured: Measured) -> list[str]:
    """Return a measurement as lines of an argument, as ruff formats them."""
    values = {name: value for name, value in vars(measured).items() if name != "machine"}
    return [
        "    measured=Measured(",
        *(f"        {name}={value!r}," for name, value in values.items()),
        f'        machine="{measured.machine}",',
        "    ),",
    ]


def main(names: Sequence[str]) -> None:
    """Measure all claims or some, and write the numbers."""
    torch.set_num_threads(1)
    keep_freed_memory()
    for name in names or claims():
        judgement, measured = measure(find(name))
        print(f"{name}: {judgement.sentence} {measured.seconds:.1f} s", flush=True)
        measured = replace(measured, machine=f"{machine()}, {datetime.date.today().isoformat()}")
        path = Path(str(import_module(f"kd_core.config.claims.{name}").__file__))
        path.write_text(with_measured(path.read_text(encoding="utf-8"), measured), encoding="utf-8")
        sys.modules.pop(f"kd_core.config.claims.{name}")
    discovery.reload()
    (DOCS / "claims.md").write_text(claims_page() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
