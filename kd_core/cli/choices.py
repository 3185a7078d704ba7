"""Command ``list``, which shows all choices or one of them in full."""

from __future__ import annotations

import json
import textwrap
from argparse import Namespace
from typing import Any

from kd_core.base.options import as_text, options_of
from kd_core.base.registry import GROUPS, Plugin, plugins
from kd_core.cli import experiments
from kd_core.cli.output import print_problems
from kd_core.datasets import Dataset
from kd_core.files.archive import format_bytes

ATTRIBUTES = {
    "paper": "paper", "formula": "formula", "needs": "requires", "origin": "defaults_source", "trap": "pitfall",
    "source": "source", "licence": "licence",
}  # fmt: skip
OTHER_NAMES = {"losses": "methods", "networks": "models"}
WIDTH = 100  # characters of a line


def show(arguments: Namespace) -> int:
    """Print every choice, those of one group, or one choice with all of its options."""
    print_problems()
    name = OTHER_NAMES.get(arguments.name or "", arguments.name or "")
    if name == "presets":
        experiments.print_all(as_json=arguments.json)
        return 0
    choices = list_choices()
    if name in GROUPS:
        choices = {name: choices[name]}
    elif name:
        choices = _find(choices, name)
    if arguments.json:
        print(json.dumps(choices, indent=2, ensure_ascii=False))
    elif name and name not in GROUPS:
        for group, members in choices.items():
            for member in members:
                print(_description(group, member))
    else:
        print("\n".join(_overview(choices)))
        print("\n“distillery list NAME” shows one with its options.")
    return 0


def list_choices() -> dict[str, list[dict[str, Any]]]:
    """Return every choice of every group with its options, family and paper, as plain values."""
    return {group: [_as_values(name, cls) for name, cls in plugins(group).items()] for group in GROUPS}


def _as_values(name: str, cls: type[Plugin]) -> dict[str, Any]:
    size = {"size": cls().download_size} if issubclass(cls, Dataset) else {}
    return {
        "name": name,
        "title": cls.title,
        "aliases": list(getattr(cls, "aliases", ())),
        "family": cls.family,
        "idea": cls.summary,
        **{key: value for key, attribute in ATTRIBUTES.items() if (value := getattr(cls, attribute, ""))},
        **size,
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


def _find(choices: dict[str, list[dict[str, Any]]], name: str) -> dict[str, list[dict[str, Any]]]:
    """Return the choices of that name, acronym or title, whatever the case. Raises ValueError if there is none."""
    wanted = name.lower()
    matching = {
        group: [
            member
            for member in members
            if wanted in {text.lower() for text in (member["name"], member["title"], *member["aliases"])}
        ]
        for group, members in choices.items()
    }
    matching = {group: members for group, members in matching.items() if members}
    if not matching:
        groups = ", ".join([*GROUPS, "presets"])
        raise ValueError(f"{name}: there is no such choice. “distillery list” shows all of {groups}.")
    return matching


def _overview(choices: dict[str, list[dict[str, Any]]]) -> list[str]:
    lines = []
    for group, members in choices.items():
        lines.append(group)
        for member in members:
            acronyms = f" ({', '.join(member['aliases'])})" if member["aliases"] else ""
            size = f" {format_bytes(member['size'])} to download." if member.get("size") else ""
            lines.append(f"  {member['name'] + acronyms:<24} {member['idea']}{size}")
    return lines


def _description(group: str, member: dict[str, Any]) -> str:
    acronyms = f" ({', '.join(member['aliases'])})" if member["aliases"] else ""
    lines = [f"{member['name']}{acronyms}: {member['title']}, one of the {group} ({member['family']})"]
    lines += textwrap.wrap(member["idea"], WIDTH)
    lines += [f"{key.capitalize()}: {member[key]}" for key in ATTRIBUTES if member.get(key)]
    if member.get("size"):
        lines.append(f"Size: {format_bytes(member['size'])} to download")
    prefixes = {"datasets": ("dataset_",), "models": ("teacher_", "student_")}.get(group, ("",))
    for prefix in prefixes:
        for key, option in member["options"].items():
            lines.append(f"  {prefix}{key}={option['default']}")
            text = f"{option['help']} {option['allowed'].capitalize()}."
            lines += textwrap.wrap(text, WIDTH, initial_indent="      ", subsequent_indent="      ")
    return "\n".join(lines) + "\n"
