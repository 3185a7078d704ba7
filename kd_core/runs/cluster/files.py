"""Uploaded data and weights that a worker needs, sent by content."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from kd_core.base.paths import data_folder
from kd_core.base.registry import PYTHON_KEY
from kd_core.config.run import RunConfig
from kd_core.files import descriptions

FOLDERS = ("uploads", "weights", "teacher_files")  # whose files are named by a digest of their content
KEY = re.compile(r'"([0-9a-f]{32})"')


def files_of(configs: Sequence[RunConfig]) -> dict[str, bytes]:
    """Return the files of the data folder that configurations name, by their path in it."""
    text = " ".join(dict.fromkeys(config.to_json() for config in configs))
    paths = [f"{folder}/{key}.safetensors" for key in dict.fromkeys(KEY.findall(text)) for folder in FOLDERS]
    files = {path: data_folder() / path for path in paths}
    for key in dict.fromkeys(match.group() for match in PYTHON_KEY.finditer(text)):
        for suffix in (".safetensors", ".pt2"):
            if (path := descriptions.find_file(key, suffix)) is not None:
                files[f"{descriptions.FOLDER}/{path.name}"] = path
    return {name: path.read_bytes() for name, path in files.items() if path.is_file()}


def place_files(files: Mapping[str, bytes]) -> None:
    """Write files into the data folder of this machine, atomically; those that are there stay."""
    for name, content in files.items():
        folder, _, file = name.partition("/")
        if folder not in (*FOLDERS, descriptions.FOLDER) or Path(file).name != file:
            raise ValueError(f"{name} is no file that is sent to a worker.")
        path = data_folder() / folder / file
        if path.is_file() and path.stat().st_size == len(content):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{file}.sent")
        temporary.write_bytes(content)
        temporary.replace(path)
