"""Writes the generated parts of the README: ``python -m tools.docs``. A test insists that they are up to date."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

from kd_core.__main__ import main as kd_core
from kd_core.base.options import as_text, options_of
from kd_core.base.registry import members
from kd_core.config import presets
from kd_core.datasets import Dataset
from kd_core.files.archive import amount
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
        for name, cls in members("methods").items():
            if cls.family == family:
                assert issubclass(cls, Method)
                # Backticks keep Markdown from reading the backslashes.
                says = f"{cls.idea} $`{cls.formula}`$ | {cls.paper} | {cls.needs} | {_defaults(cls)} | {cls.trap}"
                lines.append(f"| `{name}` | {says} |")
        lines.append("")
    return "\n".join(lines[:-1])


def _defaults(cls: type[Method]) -> str:
    listed = ", ".join(f"{key} {as_text(cls.__dataclass_fields__[key].default)}" for key in options_of(cls))
    return f"{listed}. {cls.origin}"


def arrangements_table() -> str:
    """One row per scheme, from the code."""
    lines = ["| name | idea | family | source |", "|---|---|---|---|"]
    for name, cls in members("schemes").items():
        assert issubclass(cls, Scheme)
        lines.append(f"| `{name}` | {cls.idea} | {cls.family} | {cls.paper} |")
    return "\n".join(lines)


def data_table() -> str:
    """One row per data set, from the code."""
    lines = ["| name | what it is | to fetch | source | licence |", "|---|---|---:|---|---|"]
    for name, cls in members("datasets").items():
        dataset = cls()
        assert isinstance(dataset, Dataset)
        size = amount(dataset.size) if dataset.size else "nothing"
        lines.append(f"| `{name}` | {cls.idea} | {size} | {dataset.source} | {dataset.licence} |")
    return "\n".join(lines)


def networks_table() -> str:
    """One row per family of networks, from the code."""
    lines = ["| name | idea | options |", "|---|---|---|"]
    for name, cls in members("models").items():
        listed = ", ".join(f"{key} {as_text(cls.__dataclass_fields__[key].default)}" for key in options_of(cls))
        lines.append(f"| `{name}` | {cls.idea} | {listed} |")
    return "\n".join(lines)


def presets_table() -> str:
    """One row per published experiment and variant, from the code; what was measured here, where it is noted."""
    noted = presets.measured()
    lines = ["| preset | source | published | measured here |", "|---|---|---|---|"]
    for preset in presets.listed():
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


def tree() -> str:
    """Every file and folder of the top and of the packages, each with the first sentence it says of itself."""
    lines = []
    for path in (ROOT / "app.py", ROOT / "kd_core", ROOT / "pages"):
        lines += _described(path, 0)
    lines += [f"{'tests/':<26} sentences that can fail; browser tests in tests/browser, benchmarks in tests/bench"]
    return "```\n" + "\n".join(lines) + "\n```"


def _described(path: Path, depth: int) -> list[str]:
    name = "  " * depth + path.name + ("/" if path.is_dir() else "")
    source = path / "__init__.py" if path.is_dir() else path
    says = re.match(r'"""(.+?)(?:[.:;]\s|[.:]?"""|[.:]?\n\n)', source.read_text(encoding="utf-8"), re.DOTALL)
    sentence = " ".join(says.group(1).replace("``", "").split()) if says else ""
    lines = [f"{name:<26} {sentence}".rstrip()]
    if path.is_dir():
        files = sorted(p for p in path.glob("*.py") if not p.name.startswith("__init__"))
        folders = sorted(p for p in path.iterdir() if p.is_dir() and (p / "__init__.py").exists())
        for inner in [*folders, *files]:
            lines += _described(inner, depth + 1)
    return lines


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
        ("tree", tree()),
        ("results", results_table()),
    ):
        text = put(text, part, content)
    README.write_text(text, encoding="utf-8")
