"""Command ``preset``, which shows and trains published experiments."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import Any

from kd_core.cli.output import print_problems
from kd_core.cli.parser import settings_of
from kd_core.cli.train import train_config
from kd_core.config import presets
from kd_core.config.run import from_flat


def preset(arguments: Namespace) -> int:
    """List the published experiments, describe one, or train it."""
    print_problems()
    if arguments.name is None:
        if arguments.train:
            raise ValueError("Which experiment? Write: distillery preset NAME --train. “distillery preset” lists all.")
        print_all(as_json=arguments.json)
        return 0
    chosen = presets.find(arguments.name)
    settings = presets.config(chosen, arguments.variant, small=arguments.small) | settings_of(arguments.settings)
    if arguments.train:
        return train_config(from_flat(settings), arguments)
    if arguments.json:
        print(json.dumps(_as_values(chosen, arguments.variant) | {"settings": settings}, ensure_ascii=False))
        return 0
    print("\n".join(presets.in_words(chosen, arguments.variant)))
    print("Settings: " + " ".join(f"{name}={text}" for name, text in settings.items()))
    return 0


def print_all(*, as_json: bool) -> None:
    """Print every published experiment under its source."""
    if as_json:
        print(json.dumps([_as_values(member, "") for member in presets.all_presets()], ensure_ascii=False))
        return
    for source, members in presets.sources():
        print(f"{source.authors} {source.year}, {source.where}")
        print("\n".join(f"  {member.name:<32} {member.title}" for member in members))


def _as_values(preset: presets.Preset, variant: str) -> dict[str, Any]:
    """Return an experiment with its published and measured numbers as plain values."""
    chosen = preset.variant(variant)
    measured = presets.load_measurements().get(f"{preset.name} {chosen.name}".strip(), {}).get("values", {})
    return {
        "name": preset.name,
        "variant": chosen.name,
        "variants": [one.name for one in preset.variants],
        "title": preset.title,
        "idea": preset.idea,
        "source": vars(preset.source),
        "claims": [
            {"what": claim.what, "published": claim.value, "measured": measured.get(claim.what)}
            for claim in presets.claims(preset, chosen.name)
        ],
        "notes": list(preset.notes),
        "settings": presets.config(preset, chosen.name),
    }
