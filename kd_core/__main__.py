"""The engine from a terminal: ``python -m kd_core train --temperature 4``, ``luck``, ``list``, ``fetch`` and more."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from kd_core.analysis.verdict import verdict
from kd_core.base.events import Event, Failed, Finished, Switched, Validated, to_json
from kd_core.base.options import Option, as_text, options_of
from kd_core.base.process import keep_freed_memory
from kd_core.base.registry import GROUPS, find_plugin, plugins
from kd_core.config import presets
from kd_core.config.comparison import DEFAULT_SEEDS, Comparison
from kd_core.config.run import PLUGIN_FIELDS, RunConfig, all_options, from_flat
from kd_core.config.sweep import Sweep
from kd_core.datasets import Dataset
from kd_core.files.archive import format_bytes
from kd_core.runs.control import CHUNK_SECONDS
from kd_core.schemes import comparison_of
from kd_core.training.loop import Trainer
from kd_core.training.vectorized.multi_run.train_all import train_all


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status: 0, 1 for a run that failed, 2 for settings that were refused."""
    parser = argparse.ArgumentParser("python -m kd_core", description="Knowledge distillation without the browser.")
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train a teacher, a student and its baseline")
    train.add_argument("--json", action="store_true", help="print every event as one line of JSON")
    luck = commands.add_parser("luck", help="the same over several seeds, with the verdict")
    luck.add_argument("--json", action="store_true", help="as one JSON object")
    for command in (train, luck):
        for name in [name for name, *_ in PLUGIN_FIELDS]:
            command.add_argument(f"--{name}", help=f"which {name}; see the list command")
        for name, (owners, option) in _merged_settings().items():
            command.add_argument(f"--{name.replace('_', '-')}", dest=name, help=f"{owners}: {_escaped(option)}")
    listing = commands.add_parser("list", help="what there is to choose from")
    listing.add_argument("--json", action="store_true", help="as one JSON object")
    getting = commands.add_parser("fetch", help="fetch data sets from the network, once")
    getting.add_argument("names", nargs="+", metavar="name", help="which data set; see the list command")
    published = commands.add_parser("preset", help="published experiments: their settings, what was found, and here")
    published.add_argument("name", nargs="?", help="which experiment; without one, all are listed")
    published.add_argument("--variant", default="", help="which of its variants; the first by default")
    published.add_argument("--train", action="store_true", help="train it; most take hours without a graphics card")
    published.add_argument("--small", action="store_true", help="a trial of seconds, too short to show anything")
    published.add_argument("--seed", default="0", help="seed of the students")
    published.add_argument("--json", action="store_true", help="training, print every event as one line of JSON")
    given = vars(parser.parse_args(arguments))
    keep_freed_memory()
    if given["command"] == "fetch":
        return _fetch(given["names"])
    if given["command"] == "preset":
        return _preset(given)
    is_json, chosen = given.pop("json"), given.pop("command")
    if chosen == "list":
        print(json.dumps(list_choices(), indent=2, ensure_ascii=False) if is_json else _as_text(list_choices()))
        return 0
    try:
        config = from_flat({name: value for name, value in given.items() if value is not None})
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    return _luck(config, is_json) if chosen == "luck" else _train(config, is_json)


def _train(config: RunConfig, is_json: bool) -> int:
    failed, training = False, Trainer(config)
    training.chunk_seconds = CHUNK_SECONDS
    for event in training:
        failed |= isinstance(event, Failed)
        if is_json:
            print(to_json(event), flush=True)
        elif line := _in_words(event, comparison_of(config)):
            print(line, flush=True)
    return int(failed)


def _preset(given: dict[str, Any]) -> int:
    if given["name"] is None:
        for source, found in presets.sources():
            print(f"{source.authors} {source.year}, {source.where}")
            print("\n".join(f"  {preset.name:<32} {preset.title}" for preset in found))
        return 0
    try:
        preset = presets.find(given["name"])
        flat = presets.config(preset, given["variant"], small=given["small"]) | {"seed": given["seed"]}
        config = from_flat(flat) if given["train"] else None
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if config is not None:
        return _train(config, given["json"])
    print("\n".join(presets.in_words(preset, given["variant"])))
    print("Settings: " + " ".join(f"{name}={text}" for name, text in flat.items()))
    return 0


def _fetch(names: Sequence[str]) -> int:
    """Several data sets one after the other; none is begun if a name is wrong."""
    try:
        wanted = [find_plugin("datasets", name, "fetch")() for name in names]
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    for dataset in wanted:
        assert isinstance(dataset, Dataset)
        if dataset.is_available():
            print(f"{dataset.title} is on this machine already.")
            continue
        line = _Line()
        try:
            dataset.download(line.show)
        except ValueError as error:
            line.end()
            print(f"{dataset.name}: {error}", file=sys.stderr)
            return 1
        line.end()
        print(f"{dataset.title} is on this machine now. Licence: {dataset.licence}.")
    return 0


class _Line:
    """A line that is written over while something is fetched; one line per file where there is no terminal."""

    def __init__(self) -> None:
        self.shown = ""

    def show(self, what: str, done: int, total: int) -> None:
        share = f"{done / total:.0%} of {format_bytes(total)}" if total else format_bytes(done)
        text = f"{what}: {share}"
        if text == self.shown:
            return
        if sys.stdout.isatty():
            print(f"\r{text:<{len(self.shown)}}", end="", flush=True)
        elif done >= total > 0:
            print(text, flush=True)
        self.shown = text

    def end(self) -> None:
        if self.shown and sys.stdout.isatty():
            print()


def _luck(config: RunConfig, is_json: bool) -> int:
    """The seeds from the chosen one on; the teacher is trained once."""
    sweep, tests = Sweep.over_seeds(config, range(config.seed, config.seed + DEFAULT_SEEDS)), {}
    for number, event in train_all(sweep.configs()):
        if not isinstance(event, Finished):
            continue
        seed = sweep.seeds[number]
        if event.outcome != "completed":
            print(f"seed {seed}: the run {event.outcome}; see the train command for the reason.", file=sys.stderr)
            return 1
        tests[seed] = event.test
        if not is_json:
            print(f"seed {seed}: test accuracy {_shares(event.test_accuracy)}", flush=True)
    found = verdict(list(tests.values()), comparison_of(config))
    print(json.dumps({"verdict": vars(found), "tests": tests}, ensure_ascii=False) if is_json else found.sentence)
    return 0


ATTRIBUTES = {
    "paper": "paper", "formula": "formula", "needs": "requires", "origin": "defaults_source", "trap": "pitfall",
    "source": "source", "licence": "licence",
}  # fmt: skip


def list_choices() -> dict[str, list[dict[str, Any]]]:
    """Every choice of every group with its options, family and paper, as plain values."""
    return {
        group: [
            {
                "name": name,
                "title": cls.title,
                "family": cls.family,
                "idea": cls.summary,
                **{key: getattr(cls, attribute) for key, attribute in ATTRIBUTES.items() if hasattr(cls, attribute)},
                **({"size": cls().download_size} if issubclass(cls, Dataset) else {}),
                "options": {
                    key: {
                        "default": as_text(cls.__dataclass_fields__[key].default),  # type: ignore[attr-defined]
                        "kind": option.kind,
                        "allowed": option.allowed(),
                        "help": option.help,
                    }
                    for key, option in options_of(cls).items()
                },
            }
            for name, cls in plugins(group).items()
        ]
        for group in GROUPS
    }


def _merged_settings() -> dict[str, tuple[str, Option]]:
    """One command-line flag per flat name; several families may share one."""
    merged: dict[str, tuple[str, Option]] = {}
    for name, owner, option in all_options():
        owners = merged[name][0] + ", " if name in merged else ""
        merged[name] = (owners + owner, option)
    return merged


def _escaped(option: Option) -> str:
    return f"{option.help} ({option.allowed()})".replace("%", "%%")


def _as_text(groups: dict[str, list[dict[str, Any]]]) -> str:
    lines = []
    for group, choices in groups.items():
        lines.append(group)
        for choice in choices:
            lines.append(f"  {choice['name']:<16} {choice['idea']}")
            if choice.get("size"):
                lines.append(
                    f"    {format_bytes(choice['size'])} to fetch. Source: {choice['source']}. Licence: "
                    f"{choice['licence']}."
                )
            lines += [f"    {key:<14} {o['default']:>8}  {o['help']}" for key, o in choice["options"].items()]
    return "\n".join(lines)


def _in_words(event: Event, compares: Comparison) -> str:
    if isinstance(event, Validated):
        return f"{event.phase}, epoch {event.epoch}: validation accuracy {_shares(event.accuracy)}"
    if isinstance(event, Switched):
        return f"{event.phase}: {event.path} steps from step {event.step + 1:,}"
    if isinstance(event, Failed):
        return event.message
    if isinstance(event, Finished):
        return f"Test accuracy: {_shares(event.test_accuracy)}.\n{verdict([event.test], compares).sentence}"
    return ""


def _shares(accuracy: dict[str, float]) -> str:
    return ", ".join(f"{role} {share:.1%}" for role, share in accuracy.items())


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
