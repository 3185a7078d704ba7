"""Generated pages of docs/ and the check that they are up to date.

``python -m tools.docs`` writes them, ``python -m tools.docs --check`` names those that differ from the code. A page or
a section that is missing is no difference: whoever adds a plug-in need not write its documentation.
"""

from __future__ import annotations

import inspect
import re
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory

from kd_core.analysis.verdict import claim_sentence, signed
from kd_core.base import events
from kd_core.base.options import as_text, options_of
from kd_core.base.registry import Plugin, plugins
from kd_core.cli.parser import HELP
from kd_core.config import presets
from kd_core.config.claims import OUTCOMES, Claim, claims
from kd_core.config.run import from_flat
from kd_core.datasets import Dataset
from kd_core.export.code import script
from kd_core.files.archive import format_bytes
from kd_core.store.store import Store
from kd_core.tasks import measure_of
from pages.ui.widgets.text import glossary

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PACKAGES = "base files tasks datasets models nn methods config schemes training store analysis export runs api cli"
NOTE = "<!-- Generated from the code by `make docs`. Edit the code instead. -->"


def pages() -> dict[Path, str]:
    """Return every generated page by its path below docs/."""
    generated = {Path("methods/index.md"): method_index()}
    for name, cls in plugins("methods").items():
        generated[Path(f"methods/{name}.md")] = method_page(name, cls)
    generated[Path("schemes.md")] = plugin_page("schemes", "Distillation schemes", "Who teaches whom, and when.")
    generated[Path("datasets.md")] = plugin_page("datasets", "Data sets", "What the networks learn from.")
    generated[Path("models.md")] = plugin_page("models", "Networks", "Families of teachers and students.")
    generated[Path("presets.md")] = presets_page()
    generated[Path("claims.md")] = claims_page()
    generated[Path("events.md")] = events_page()
    generated[Path("glossary.md")] = f"# Glossary\n\n{NOTE}\n\n{glossary.as_markdown(list(glossary.ENTRIES))}"
    return generated


def blocks() -> dict[str, str]:
    """Return the generated parts of pages that are written by hand, by the name of their markers."""
    return {"code": example_code(), "schema": schema(), "packages": packages(), "help": f"```\n{HELP.rstrip()}\n```"}


# -- plug-ins ---------------------------------------------------------------------------------------------------------


def method_index() -> str:
    """Return the table of all methods; each has a page of its own."""
    lines = ["# Methods", "", NOTE, "", "Each method is one loss: what of the teacher is matched.", ""]
    lines += ["| method | also known as | family | source |", "|---|---|---|---|"]
    for name, cls in plugins("methods").items():
        link, names = f"[{cls.title}]({name}.md)", ", ".join(aliases(cls))
        lines.append(f"| {link} | {names} | {cls.family} | {attribute(cls, 'paper')} |")
    lines += ["", "How they do on digits, each against its control: [results](../results.md)."]
    return "\n".join(lines)


def method_page(name: str, cls: type[Plugin]) -> str:
    """Return the page of one method."""
    lines = [f"# {cls.title}", "", NOTE, "", cls.summary, ""]
    if formula := attribute(cls, "formula"):
        lines += ["$$", formula, "$$", ""]
    lines += facts(name, cls)
    dataset = "" if getattr(cls, "takes_classes", True) else "dataset=friedman "
    lines += ["", *option_table(cls), "", f"    distillery train {dataset}method={name}", ""]
    return "\n".join(lines).rstrip()


def plugin_page(group: str, title: str, summary: str) -> str:
    """Return one page with a section per plug-in of a group."""
    lines = [f"# {title}", "", NOTE, "", summary]
    for name, cls in plugins(group).items():
        lines += [
            "",
            f"## {name}",
            "",
            f"**{cls.title}.** {cls.summary}",
            "",
            *facts(name, cls),
            "",
            *option_table(cls),
        ]
    return "\n".join(lines).rstrip()


def facts(name: str, cls: type[Plugin]) -> list[str]:
    """Return a list of what a plug-in declares about itself."""
    rows = {"key": f"`{name}`", "also known as": ", ".join(aliases(cls)), "family": attribute(cls, "family")}
    titles = {"paper": "source", "requires": "needs", "defaults_source": "defaults", "pitfall": "pitfall"}
    titles |= {"source": "source", "licence": "licence"}
    rows |= {title: attribute(cls, key) for key, title in titles.items()}
    if issubclass(cls, Dataset) and (size := cls().download_size):
        rows["download"] = format_bytes(size)
    return [f"- {title}: {text}" for title, text in rows.items() if text]


def option_table(cls: type[Plugin]) -> list[str]:
    """Return a table of the options of a plug-in, or nothing where it has none."""
    if not (options := options_of(cls)):
        return []
    lines = ["| option | default | allowed | meaning |", "|---|---|---|---|"]
    for name, option in options.items():
        default = as_text(cls.__dataclass_fields__[name].default)  # type: ignore[attr-defined]
        allowed = option.allowed().removeprefix("choose ").removeprefix("a ")
        lines.append(f"| `{name}` | {default} | {allowed} | {option.help} |".replace("||", "| |"))
    return lines


def presets_page() -> str:
    """Return one section per published experiment with the published numbers and those measured here."""
    measured = presets.load_measurements()
    lines = ["# Published experiments", "", NOTE]
    for preset in presets.all_presets():
        source = preset.source
        lines += ["", f"## {preset.name}", "", f"{source.authors} {source.year}, {source.where}.", ""]
        lines += ["| variant | published | measured here |", "|---|---|---|"]
        for variant in preset.variants or (preset.variant(),):
            entry = measured.get(f"{preset.name} {variant.name}".strip(), {})
            numbers, values = presets.published(preset, variant.name), entry.get("values", {})
            published = "; ".join(f"{number.what} {number.value}" for number in numbers)
            here = "; ".join(f"{number.what} {values[number.what]}" for number in numbers if number.what in values)
            here += f" (`{entry['command']}`, {entry['date']})" if here else ""
            lines.append(f"| {variant.name} | {published} | {here} |")
    return "\n".join(lines)


def claims_page() -> str:
    """Return the table of all claims with what was measured, and a section for each with its settings."""
    lines = [
        "# Claims", "", NOTE, "",
        "Statements of the literature and of practice, each with a control on embedded data, trained in seconds. A",
        "claim declares beforehand which difference it expects. It holds if the whole 95 % [interval](intervals.md)",
        "over seeds and test examples lies there, does not hold if the whole interval lies outside, and is open",
        "otherwise. `distillery claims NAME`, or the button on the page Experiments, tests one on your machine.", "",
        "`python -m benchmarks.claims` measured this table. Seconds are those of one core, with all seeds, controls",
        "and teachers. Losing claims stay in it.", "",
        "| claim | measured | 95 % interval | outcome | seconds |", "|---|---:|---|---|---:|",
    ]  # fmt: skip
    for name, claim in claims().items():
        lines.append(f"| [{claim.title}](#{name}) | {' | '.join(measured_cells(claim))} |")
    for name, claim in claims().items():
        lines += ["", f"## {name}", "", f"**{claim.title}** {claim.source}.", "", claim.why, ""]
        for family, settings in claim.families.items():
            lines.append(f"- {family}: `{' '.join(f'{key}={value}' for key, value in settings.items())}`")
        if then := claim.measured:
            sentence = claim_sentence(claim, then.values, then.estimate, then.interval, then.seeds)
            lines += ["", f"{sentence} Measured on {then.machine}: `python -m benchmarks.claims {name}`."]
    return "\n".join(lines)


def measured_cells(claim: Claim) -> tuple[str, ...]:
    """Return estimate, interval, outcome and seconds of what was measured when a claim was written."""
    then = claim.measured
    if then is None or claim.outcome is None:
        return ("", "", "not measured", "")
    low, high = then.interval
    measure = measure_of(claim.measure)
    numbers = [signed(number, measure.decimals) for number in (then.estimate, low, high)]
    unit = "" if measure.unit == "%" else f" {measure.unit}"
    return f"{numbers[0]}{unit}", f"{numbers[1]} to {numbers[2]}", OUTCOMES[claim.outcome], f"{then.seconds:.0f}"


def aliases(cls: type[Plugin]) -> tuple[str, ...]:
    """Return the names under which papers and other libraries know a plug-in."""
    return tuple(attribute(cls, "aliases") or ())


def attribute(cls: type[Plugin], name: str) -> str:
    """Return a class attribute, or nothing where the plug-in does not declare it."""
    return getattr(cls, name, "")


# -- events, schema and packages --------------------------------------------------------------------------------------


def events_page() -> str:
    """Return one section per class of event, with its fields."""
    lines = ["# Events", "", NOTE, "", *inspect.getdoc(events).splitlines()]  # type: ignore[union-attr]
    for name, cls in sorted(events.EVENT_CLASSES.items()):
        lines += ["", f"## {name}", "", " ".join((inspect.getdoc(cls) or "").split()), ""]
        lines += ["| field | type |", "|---|---|", *(f"| `{field.name}` | `{field.type}` |" for field in fields(cls))]
    return "\n".join(lines)


def schema() -> str:
    """Return the SQL of a new database."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "distillery.sqlite"
        Store(path)
        db = sqlite3.connect(path)
        rows = db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC, name").fetchall()
        db.close()
    return "\n".join(["```sql", *(f"{inspect.cleandoc(sql)};" for (sql,) in rows), "```"])


def example_code() -> str:
    """Return the script of a small run."""
    return f"```python\n{script(from_flat({'dataset': 'moons', 'epochs': '20'})).rstrip()}\n```"


def packages() -> str:
    """Return the packages of kd_core in the order of their imports, each with the first line of its docstring."""
    lines = []
    for name in PACKAGES.split():
        text = (ROOT / "kd_core" / name / "__init__.py").read_text(encoding="utf-8")
        summary = re.match(r'"""(.+?)("""|\n\n)', text, re.DOTALL)
        lines.append(f"{name:<10} {' '.join(summary[1].split()) if summary else ''}".rstrip())
    return "\n".join(["```", *lines, "```"])


# -- writing and checking ---------------------------------------------------------------------------------------------


def with_block(text: str, name: str, content: str) -> str:
    """Return a page with the part between its markers replaced."""
    pattern = rf"(<!-- {name}:begin[^>]*-->\n).*?(<!-- {name}:end -->)"
    return re.sub(pattern, lambda match: f"{match[1]}{content}\n{match[2]}", text, flags=re.DOTALL)


def hand_written() -> Iterator[Path]:
    """Yield the pages that may hold generated blocks."""
    yield ROOT / "README.md"
    yield from sorted(DOCS.glob("*.md"))


def write() -> None:
    """Write every generated page and block."""
    for path, text in pages().items():
        (DOCS / path).parent.mkdir(parents=True, exist_ok=True)
        (DOCS / path).write_text(text + "\n", encoding="utf-8")
    for path in hand_written():
        text = path.read_text(encoding="utf-8")
        for name, content in blocks().items():
            text = with_block(text, name, content)
        path.write_text(text, encoding="utf-8")


def outdated() -> list[str]:
    """Return a line for every page, section or block that the code no longer gives."""
    lines = []
    for path, text in pages().items():
        committed = (DOCS / path).read_text(encoding="utf-8") if (DOCS / path).exists() else ""
        lines += [f"docs/{path}: {title}" for title in changed_sections(committed, text)]
    generated = {DOCS / path for path in pages()}
    lines += [
        f"{path.relative_to(ROOT)}: there is no such method"
        for path in sorted((DOCS / "methods").glob("*.md"))
        if path not in generated
    ]
    for path in hand_written():
        text = path.read_text(encoding="utf-8")
        lines += [
            f"{path.relative_to(ROOT)}: {name}"
            for name, content in blocks().items()
            if with_block(text, name, content) != text
        ]
    return lines


def changed_sections(committed: str, generated: str) -> list[str]:
    """Return the titles of committed sections that are not generated any more, or differently.

    Rows of the part before the first section may be missing: these are lists of plug-ins.
    """
    before, after = sections(committed), sections(generated)
    changed = [title for title, text in before.items() if title and text != after.get(title)]
    is_list_current = set(before.get("", "").splitlines()) <= set(after.get("", "").splitlines())
    return changed if is_list_current else ["", *changed]


def sections(text: str) -> dict[str, str]:
    """Return the parts of a page by the title of their heading of level two."""
    first, *rest = re.split(r"^## ", text.strip(), flags=re.MULTILINE)
    return {"": first.strip()} | {part.splitlines()[0]: part.strip() for part in rest}


def main(arguments: Iterable[str]) -> int:
    """Write the pages, or check them; return the exit status."""
    if "--check" not in arguments:
        write()
        return 0
    lines = outdated()
    for line in lines:
        print(f"{line} is not up to date: run `make docs`", file=sys.stderr)
    return bool(lines)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
