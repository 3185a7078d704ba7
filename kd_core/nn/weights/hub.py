"""Folders of networks as on Hugging Face's hub, with config.json beside the weights, and ZIP archives of them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kd_core.base.registry import make
from kd_core.files.limits import RefusedError, quoted
from kd_core.models import Model
from kd_core.models._torchvision_stages import ARCHITECTURES

CONFIG, PREPROCESSING = "config.json", "preprocessor_config.json"
WEIGHTS = ("model.safetensors", "weights.safetensors", "pytorch_model.bin")
MAX_CONFIG = 5_000_000  # bytes
MAX_BYTES = 2_000_000_000
# Depths and kind of blocks of transformers' ResNets that are torchvision's.
RESNETS = {((2, 2, 2, 2), "basic"): "resnet18", ((3, 4, 6, 3), "basic"): "resnet34",
           ((3, 4, 6, 3), "bottleneck"): "resnet50"}  # fmt: skip
KNOWN = "ResNetForImageClassification and ViTForImageClassification of transformers, and timm's networks of the list"


@dataclass(frozen=True)
class HubFolder:
    """What a folder says of its network; whatever it does not say is empty."""

    weights: bytes
    model: Model
    classes: tuple[str, ...] = ()
    normalisation: str = ""


def is_hub_archive(names: list[str]) -> bool:
    """Return whether the members of a ZIP archive are those of such a folder, perhaps inside another folder."""
    return any(name.rpartition("/")[2] == CONFIG for name in names)


def read_folder(path: Path) -> HubFolder:
    """Read a folder on this machine. Raises RefusedError."""
    files = {name: path / name for name in (CONFIG, PREPROCESSING, *WEIGHTS) if (path / name).is_file()}
    for name, file in files.items():
        if file.stat().st_size > (MAX_BYTES if name in WEIGHTS else MAX_CONFIG):
            raise RefusedError(f"{name} is larger than {MAX_BYTES / 1e9:g} GB: give a smaller one.")
    return _read({name: file.read_bytes() for name, file in files.items()})


def read_archive(blob: bytes) -> HubFolder:
    """Read a ZIP archive of a folder. Raises RefusedError."""
    contents: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(blob)) as archive:
            for entry in archive.infolist():
                name = entry.filename.rpartition("/")[2]
                if name in (CONFIG, PREPROCESSING, *WEIGHTS):
                    if entry.file_size > (MAX_BYTES if name in WEIGHTS else MAX_CONFIG) or name in contents:
                        raise RefusedError(f"{quoted(name)} is too large, or there twice: give one network.")
                    contents[name] = archive.read(entry)
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError) as error:
        raise RefusedError("its end is missing, or it is damaged: save it again.") from error
    return _read(contents)


def _read(contents: Mapping[str, bytes]) -> HubFolder:
    weights = next((contents[name] for name in WEIGHTS if name in contents), None)
    if CONFIG not in contents or weights is None:
        raise RefusedError(f"it lacks {CONFIG} or the weights ({' or '.join(WEIGHTS)}): give the whole folder.")
    try:
        config: Any = json.loads(contents[CONFIG])
        preprocessing: Any = json.loads(contents.get(PREPROCESSING, b"{}"))
        return HubFolder(weights, _model(config), _classes(config), _normalisation(config, preprocessing))
    except RefusedError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise RefusedError(f"its {CONFIG} is damaged, or of another kind of network: give one of {KNOWN}.") from error


def _model(config: Mapping[str, Any]) -> Model:
    """Return the network that a configuration describes. Raises RefusedError for one that is not known here."""
    kind, network = config.get("model_type"), ""
    if isinstance(config.get("architecture"), Mapping):  # written by this program
        values = {name: value for name, value in config["architecture"].items() if name != "label"}
        exported: Model = make("models", values)
        return exported
    if "architecture" in config:
        name = str(config["architecture"]).partition(".")[0]
        network = next((key for key, architecture in ARCHITECTURES.items() if architecture.timm == name), "")
    elif (
        kind == "resnet" and not config.get("downsample_in_first_stage") and not config.get("downsample_in_bottleneck")
    ):
        network = RESNETS.get((tuple(config["depths"]), config["layer_type"]), "")
    elif kind == "vit" and (config["hidden_size"], config["num_hidden_layers"], config["patch_size"]) == (768, 12, 16):
        network = "vit_b_16"
    if not network:
        stated = config.get("architecture") or kind or "an unnamed network"
        raise RefusedError(f"its network {quoted(str(stated))} is not known here: give one of {KNOWN}.")
    model: Model = make("models", {"name": "zoo", "network": network})
    return model


def _classes(config: Mapping[str, Any]) -> tuple[str, ...]:
    names = config.get("id2label") or config.get("label_names") or config.get("classes") or ()
    if isinstance(names, Mapping):
        names = [names[key] for key in sorted(names, key=int)]
    return tuple(str(name) for name in names)


def _normalisation(config: Mapping[str, Any], preprocessing: Mapping[str, Any]) -> str:
    facts = config.get("pretrained_cfg") or config.get("inputs") or config
    mean = preprocessing.get("image_mean") or facts.get("mean")
    std = preprocessing.get("image_std") or facts.get("std")
    if not mean or not std or preprocessing.get("do_normalize") is False:
        return ""
    return "/".join(",".join(f"{float(value):g}" for value in values) for values in (mean, std))
