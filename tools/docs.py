"""Writes the generated parts of the README: ``python -m tools.docs``. A test insists that they are up to date."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

from kd_core.__main__ import main as kd_core
from kd_core.base.options import as_text, options_of
from kd_core.base.registry import plugins
from kd_core.config import presets
from kd_core.datasets import Dataset
from kd_core.files.archive import format_bytes
from kd_core.methods import FAMILIES, Method
from kd_core.schemes import Scheme

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
RESULTS = (
    "luck --dataset digits --labelled 50",
    "luck --dataset digits --labelled 0 --epochs 20",
    "luck --dataset digits --labelled 0",
    "luck --dataset moons",
    "luck --dataset spirals",
)


def methods_table() -> str:
    """One table per family, one row per method, from the code."""
    lines = []
    for family in FAMILIES:
        lines += [f"**{family.capitalize()}**", ""]
        lines += ["| name | idea and formula | source | needs | defaults | known trap |", "|---|---|---|---|---|---|"]
        for name, cls in plugins("methods").items():
            if cls.family == family:
                assert issubclass(cls, Method)
                # Backticks keep Markdown from reading the backslashes.
                idea = f"{cls.summary} $`{cls.formula}`$"
                says = f"{idea} | {cls.paper} | {cls.requires} | {_defaults(cls)} | {cls.pitfall}"
                lines.append(f"| `{name}` | {says} |")
        lines.append("")
    return "\n".join(lines[:-1])


def _defaults(cls: type[Method]) -> str:
    listed = ", ".join(f"{key} {as_text(cls.__dataclass_fields__[key].default)}" for key in options_of(cls))
    return f"{listed}. {cls.defaults_source}"


def arrangements_table() -> str:
    """One row per scheme, from the code."""
    lines = ["| name | idea | family | source |", "|---|---|---|---|"]
    for name, cls in plugins("schemes").items():
        assert issubclass(cls, Scheme)
        lines.append(f"| `{name}` | {cls.summary} | {cls.family} | {cls.paper} |")
    return "\n".join(lines)


def data_table() -> str:
    """One row per data set, from the code."""
    lines = ["| name | what it is | to fetch | source | licence |", "|---|---|---:|---|---|"]
    for name, cls in plugins("datasets").items():
        dataset = cls()
        assert isinstance(dataset, Dataset)
        size = format_bytes(dataset.download_size) if dataset.download_size else "nothing"
        lines.append(f"| `{name}` | {cls.summary} | {size} | {dataset.source} | {dataset.licence} |")
    return "\n".join(lines)


def networks_table() -> str:
    """One row per family of networks, from the code."""
    lines = ["| name | idea | options |", "|---|---|---|"]
    for name, cls in plugins("models").items():
        listed = ", ".join(f"{key} {as_text(cls.__dataclass_fields__[key].default)}" for key in options_of(cls))
        lines.append(f"| `{name}` | {cls.summary} | {listed} |")
    return "\n".join(lines)


def presets_table() -> str:
    """One row per published experiment and variant, from the code; what was measured here, where it is noted."""
    noted = presets.load_measurements()
    lines = ["| preset | source | published | measured here |", "|---|---|---|---|"]
    for preset in presets.all_presets():
        cited = f"{preset.source.authors} {preset.source.year}"
        for variant in preset.variants or (preset.variant(),):
            name = f"{preset.name} {variant.name}".strip()
            entry, claims = noted.get(name, {}), presets.claims(preset, variant.name)
            found = entry.get("values", {})
            said = "; ".join(f"{claim.what} {claim.value}" for claim in claims)
            here = "; ".join(f"{claim.what} {found[claim.what]}" for claim in claims if claim.what in found)
            here += f" (`{entry['command']}`, {entry['date']})" if here else presets.NOT_RUN
            lines.append(f"| `{name}` | {cited} | {said} | {here} |")
    return "\n".join(lines)


def results_table() -> str:
    """One row per command of :data:`RESULTS` with the sentence that it prints at its end."""
    lines = ["| command | verdict |", "|---|---|"]
    for command in RESULTS:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            kd_core(shlex.split(command))
        lines.append(f"| `python -m kd_core {command}` | {out.getvalue().splitlines()[-1]} |")
    return "\n".join(lines)


def put(text: str, part: str, content: str) -> str:
    """``text`` with the generated part replaced."""
    pattern = rf"(<!-- {part}:begin[^>]*-->\n).*?(<!-- {part}:end -->)"
    return re.sub(pattern, lambda found: f"{found[1]}{content}\n{found[2]}", text, flags=re.DOTALL)


if __name__ == "__main__":
    text = README.read_text(encoding="utf-8")
    for part, content in (
        ("methods", methods_table()),
        ("arrangements", arrangements_table()),
        ("data", data_table()),
        ("networks", networks_table()),
        ("presets", presets_table()),
        ("results", results_table()),
    ):
        text = put(text, part, content)
    README.write_text(text, encoding="utf-8")
