"""Command ``preset``, which shows and trains published experiments."""

from __future__ import annotations

from argparse import Namespace

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
        print_all()
        return 0
    chosen = presets.find(arguments.name)
    settings = presets.config(chosen, arguments.variant, small=arguments.small) | settings_of(arguments.settings)
    if arguments.train:
        return train_config(from_flat(settings), arguments)
    print("\n".join(presets.in_words(chosen, arguments.variant)))
    print("Settings: " + " ".join(f"{name}={text}" for name, text in settings.items()))
    return 0


def print_all() -> None:
    """Print every published experiment under its source."""
    for source, members in presets.sources():
        print(f"{source.authors} {source.year}, {source.where}")
        print("\n".join(f"  {member.name:<32} {member.title}" for member in members))
