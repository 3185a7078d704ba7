"""Command ``folder``, which backs up, restores and shrinks the data folder."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from kd_core.base.paths import data_folder
from kd_core.files.archive import format_bytes
from kd_core.store import backup


def folder(arguments: Namespace) -> int:
    """Back up, restore or shrink the data folder."""
    data = data_folder()
    if arguments.action == "vacuum":
        before, after = backup.vacuum(data)
        print(f"The database in {data} had {format_bytes(before)} and has {format_bytes(after)} now.")
        return 0
    if not arguments.folder:
        direction = "Where to" if arguments.action == "backup" else "Where from"
        raise ValueError(f"{direction}? Write: distillery folder {arguments.action} FOLDER")
    other = Path(arguments.folder)
    if arguments.action == "backup":
        backup.back_up(data, other)
        print(f"Copied {data} to {other}. distillery folder restore {other} copies it back.")
        return 0
    aside = backup.restore(other, data, replaces=arguments.replace)
    print(f"Copied {other} to {data}." + (f" What was there is in {aside}; delete it to free space." if aside else ""))
    return 0
