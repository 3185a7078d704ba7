"""Export of networks to ONNX, in this process or in one of its own beside training.

``python -m kd_core.export.compression.onnx_export FOLDER`` exports every network in a folder.
"""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from kd_core.base.process import child_environment
from kd_core.export.network.graphs import ONNX_PACKAGES
from kd_core.export.packages import missing_packages

NEEDS_PACKAGES = (
    "int8 needs onnx, onnxscript and onnxruntime, which are not all installed here: "
    'pip install "distillery-lab[export]".'
)
NOT_EXPORTED = "This network cannot be written as an ONNX file."

_files: WeakKeyDictionary[nn.Module, bytes] = WeakKeyDictionary()  # the export takes a second
_lock = threading.Lock()  # one export at a time


def has_packages() -> bool:
    """Return whether the packages that the export and onnxruntime need are installed."""
    return not missing_packages("", ONNX_PACKAGES, "")


def to_onnx(network: nn.Module, inputs: Tensor) -> bytes:
    """Return a network as an ONNX file from "input" (B, ...) to "logits" (B, K), exported once.

    Args:
        network: The network, in eval mode on the CPU.
        inputs: Two examples or more (B, ...).

    Raises:
        ImportError: without the packages.
        ValueError: for a network that cannot be exported.
    """
    if not has_packages():
        raise ImportError(NEEDS_PACKAGES)
    with _lock:
        if network not in _files:
            _files[network] = _export(network, inputs[:2])
        return _files[network]


def export_beside_training(networks: Sequence[nn.Module], inputs: Tensor) -> None:
    """Export networks so that :func:`to_onnx` has their files, without an effect on runs that train in this process.

    While ``torch.export`` traces a network, it changes functions of torch for all threads. A process of its own takes
    some seconds, for all networks together. Of a network that cannot be exported there is no file then.
    """
    with _lock, tempfile.TemporaryDirectory() as folder:
        missing = [network for network in dict.fromkeys(networks) if network not in _files]
        if not missing:
            return
        torch.save((inputs[:2], missing), Path(folder) / "networks.pt")
        subprocess.run(
            [sys.executable, "-m", "kd_core.export.compression.onnx_export", folder],
            env=child_environment(), capture_output=True, check=False,
        )  # fmt: skip
        for number, network in enumerate(missing):
            file = Path(folder) / f"{number}.onnx"
            if file.is_file():
                _files[network] = file.read_bytes()


def main(folder: Path) -> None:
    """Export the networks that :func:`export_beside_training` wrote into a folder."""
    torch.set_num_threads(1)
    inputs, networks = torch.load(folder / "networks.pt", weights_only=False)  # written by this program alone
    for number, network in enumerate(networks):
        with contextlib.suppress(ValueError):
            (folder / f"{number}.onnx").write_bytes(_export(network, inputs))


def _export(network: nn.Module, inputs: Tensor) -> bytes:
    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder) / "network.onnx"
        try:
            torch.onnx.export(
                network, (inputs,), dynamo=True, input_names=["input"], output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim("batch")},), verbose=False, external_data=False, f=path,
            )  # fmt: skip
        except Exception as error:  # the exporter documents no type
            raise ValueError(NOT_EXPORTED) from error
        return path.read_bytes()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress what the exporter and the quantiser print and warn of, which is about their own code."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "root")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
